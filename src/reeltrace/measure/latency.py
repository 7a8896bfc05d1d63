"""What one view costs on this machine: time, throughput, and peak memory of inference.

On a CPU the wall clock and the resident memory of the process; on a GPU CUDA events and the allocator. These numbers
belong to a machine: two runs differ, and what is measured says on what.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import psutil
import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.machine import process_memory, processor
from reeltrace.machine.memory import available_memory
from reeltrace.models.float32 import exact_float32

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
    slowest, and all of them in order), `views_per_second` (of the median), `process_bytes` and `gpu_bytes` (memory
    `before` and at its `peak` while it ran: of the process, and of the allocator, None on a CPU), `device`, `kind`,
    `precision`, `threads`, `warm_up`, `repeats`.

    Raises UserError, saying what to change, where memory does not suffice or the net does not take the input.
    """
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode("default")  # whatever this process did before
    shapes = " and ".join("x".join(map(str, x.shape)) for x in inputs)
    too_little = f"{device}: memory does not suffice for a view of {shapes}; lower its crop or frames, or free memory"
    on_gpu = device.type == "cuda"
    with explaining(
        None if on_gpu else available_memory(),
        place=f"a view of {shapes}",
        too_little=too_little,
        unfit=lambda said: f"a view of {shapes} does not fit the net ({said}); change its frames or crop",
    ):
        model = model.eval().to(device)
        given = [x.to(device) for x in inputs]
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
        with torch.inference_mode(), exact_float32(), autocast:
            for _ in range(warm_up):
                model(*given)
            before = _restart_peak(device)
            seconds = [_timed(lambda: model(*given), device) for _ in range(repeats)]
        peak = _peak(device)
    median = statistics.median(seconds)
    return {
        "seconds": {"median": median, "fastest": min(seconds), "slowest": max(seconds), "all": seconds},
        "views_per_second": 1 / median,
        "process_bytes": {"before": before["process"], "peak": peak["process"]},
        "gpu_bytes": {"before": before["gpu"], "peak": peak["gpu"]} if on_gpu else None,
        "device": device_name(device),
        "kind": device.type,
        "precision": precision,
        "threads": threads,
        "warm_up": warm_up,
        "repeats": repeats,
    }


@contextlib.contextmanager
def explaining(available: int | None, *, place: str, too_little: str, unfit: Callable[[str], str]) -> Iterator[None]:
    """Run a net within `available` bytes (see `within_memory`), and raise UserError for what goes wrong.

    It says `too_little` where memory does not suffice, `place` before the net's own words on an input that it cannot
    take, and `unfit` of the first line of any other error of torch.
    """
    try:
        with within_memory(available):
            yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise UserError(too_little) from error
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    except RuntimeError as error:
        raise UserError(too_little if _speaks_of_memory(error) else unfit(str(error).splitlines()[0])) from error


def _speaks_of_memory(error: RuntimeError) -> bool:
    """Whether torch's own allocator, the C++ library's, or oneDNN says that memory does not suffice."""
    said = str(error).splitlines()[0].lower()
    return any(words in said for words in ("alloc", "out of memory", "could not create a memory")) or said.endswith(
        "could not create a primitive"
    )


@contextlib.contextmanager
def within_memory(available: int | None) -> Iterator[None]:
    """Let an allocation of more than `available` bytes fail, where the kernel would sooner or later kill the process.

    A killed process says nothing; an allocation that fails can be reported. None: no limit.
    """
    if available is None or sys.platform != "linux":  # elsewhere that limit does not hold
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = psutil.Process().memory_info().data + available
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    if soft != resource.RLIM_INFINITY:
        ceiling = min(ceiling, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def choose_device(kind: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises UserError for a device that is not there."""
    there = torch.cuda.is_available()
    if kind == "cuda" and not there:
        raise UserError("params.yaml: device is cuda, but no CUDA device is available here; use auto or cpu")
    return torch.device("cuda" if there and kind != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """The model name of a GPU, or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor.name()


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


def _restart_peak(device: torch.device) -> dict[str, int]:
    """Let the peaks begin at what is in use now, and say how much that is, in bytes."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)  # what earlier networks left behind goes back to the system
    process_memory.count_anew()  # where that cannot be, the peak is that of the whole process: an upper bound
    found = {"process": process_memory.resident()}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        found["gpu"] = torch.cuda.memory_allocated(device)
    return found


def _peak(device: torch.device) -> dict[str, int]:
    found = {"process": process_memory.peak()}
    if device.type == "cuda":
        found["gpu"] = torch.cuda.max_memory_allocated(device)
    return found
