"""What one view costs on this machine: time, throughput, and peak memory of inference.

On a CPU the wall clock and the resident memory of the process; on a GPU CUDA events and the allocator. These numbers
belong to a machine: two runs differ, and what is measured says on what.
"""

from __future__ import annotations

import contextlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError

Precision = Literal["float32", "bfloat16"]


def measure_latency(
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    device: torch.device,
    precision: Precision,
    warm_up: int,
    repeats: int,
    threads: int,
) -> dict[str, Any]:
    """Time `repeats` forward passes of one view after `warm_up` that do not count.

    `inputs` are the net's arguments, each with a batch axis of one view. Returned: `seconds` (median, fastest and
    slowest, and all of them in order), `views_per_second` (of the median), `peak_memory_bytes` while it ran and
    `memory_before_bytes`, `device`, `precision`, `threads`, `warm_up`, `repeats`.

    Raises UserError, saying what to change, where memory does not suffice or the net does not take the input.
    """
    torch.set_num_threads(threads)
    shapes = " and ".join("x".join(map(str, x.shape)) for x in inputs)
    try:
        model = model.eval().to(device)
        given = [x.to(device) for x in inputs]
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            for _ in range(warm_up):
                model(*given)
            before = _restart_peak(device)
            seconds = [_timed(lambda: model(*given), device) for _ in range(repeats)]
        peak = _peak(device)
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"{device}: memory does not suffice for a view of {shapes}; lower the crop or the frames of the measurement"
        ) from error
    except MemoryError as error:
        raise UserError(
            f"{device}: memory does not suffice for a view of {shapes}; lower the crop or the frames of the measurement"
        ) from error
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        if "memory" in first.lower() and "alloc" in first.lower():
            raise UserError(
                f"{device}: memory does not suffice for a view of {shapes}; "
                "lower the crop or the frames of the measurement"
            ) from error
        raise UserError(f"a view of {shapes} does not fit the net ({first}); change the measurement's input") from error
    median = statistics.median(seconds)
    return {
        "seconds": {"median": median, "fastest": min(seconds), "slowest": max(seconds), "all": seconds},
        "views_per_second": 1 / median,
        "peak_memory_bytes": peak,
        "memory_before_bytes": before,
        "device": device_name(device),
        "precision": precision,
        "threads": threads,
        "warm_up": warm_up,
        "repeats": repeats,
    }


def choose_device(kind: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises UserError for a device that is not there."""
    there = torch.cuda.is_available()
    if kind == "cuda" and not there:
        raise UserError("device.kind in params.yaml is cuda, but no CUDA device is available here; use auto or cpu")
    return torch.device("cuda" if there and kind != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """The model name of a GPU, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _timed(step: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(device)
        began.record()
        step()
        ended.record()
        torch.cuda.synchronize(device)
        return float(began.elapsed_time(ended)) / 1000
    clock = time.perf_counter()
    step()
    return time.perf_counter() - clock


def _restart_peak(device: torch.device) -> int:
    """Let the peak begin at what is in use now, and say how much that is, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    # Where this is no Linux, or is not allowed, the peak is that of the whole process: an upper bound.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # to the kernel: count the peak from here
    return _status("VmRSS")


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _status("VmHWM")


def _status(field: str) -> int:
    """Bytes of one field of /proc/self/status; elsewhere than on Linux what the resource module knows."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
