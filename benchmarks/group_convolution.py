"""What equivariance costs: `GroupConv3d` against `F.conv3d` whose weight already has the expanded shape.

    python benchmarks/group_convolution.py [RUN ...] [--scales paper quick] [--clips N] [--turns 11] [--least 0.0]
                                           [--brief] [--bfloat16] [--older] [--json figures.json]

Forward and backward of every layer of the group nets of the named runs, at the shapes that it meets there, measured in
turns in one process, in processor time of one thread, so that a noisy machine troubles both alike. `way` says what the
layer chose by the shape: the irreducible representations, or the expanded filters. The peak of memory is that of one
forward and backward in a process of its own. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import statistics
import time
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cold_report import at_least, check_runs, hold_to_older, machine

if TYPE_CHECKING:
    from torch import Tensor

    from reeltrace.models.group_conv import GroupConv3d

RUNS = ("dir-cnn4-t2", "dir-resnet18-t2", "digit-cnn4-p43d", "digit-resnet18-p43d")
GOALS = {"t2": 0.60, "p43d": 0.55}  # in irreducible representations
MOST = 40 * 10**9  # multiply-adds of a step; they take about a second
PLAIN = 1.10  # of what the expanded filters may cost above a weight that is expanded already


@dataclass(frozen=True, order=True)
class Layer:
    """A layer and the map (T, H, W) that it meets."""

    group: str
    channels: tuple[int, int]
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    padding: tuple[int, int, int]
    lifting: bool
    size: tuple[int, int, int]

    def __str__(self) -> str:
        (before, after), kernel, stride = self.channels, "x".join(map(str, self.kernel)), self.stride
        apart = "" if stride == (1, 1, 1) else f" / {max(stride)}"
        return (
            f"{self.group} {before}->{after} {kernel}{apart} at {'x'.join(map(str, self.size))}"
            f"{' lifting' if self.lifting else ''}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=RUNS, metavar="RUN", help=f"runs of params.yaml: {', '.join(RUNS)}")
    parser.add_argument("--scales", nargs="+", default=["paper", "quick"], choices=("paper", "quick", "smoke"))
    parser.add_argument(
        "--clips", type=at_least(1), help="per step (default: the batch, or as many of it as take about a second)"
    )
    parser.add_argument("--turns", type=at_least(2), default=11, help="turns per layer (default %(default)s)")
    parser.add_argument("--least", type=float, default=0.0, help="leave out layers with a smaller share of their net")
    parser.add_argument("--brief", action="store_true", help="the layers with most of the work, in fewer turns")
    parser.add_argument("--bfloat16", action="store_true", help="under autocast to bfloat16, too")
    parser.add_argument("--older", action="store_true", help="emulate a processor with AVX2 and nothing newer")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    asked = parser.parse_args()
    for scale in asked.scales:
        check_runs(parser, asked.runs, scale, RUNS[:3])
    if asked.brief:
        asked.least, asked.turns = max(asked.least, 0.2), min(asked.turns, 5)
    if asked.older:
        hold_to_older()
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(machine())
    print(
        f"{'layer':42}{'precision':>10}{'way':>10}{'layer ms':>10}{'conv3d ms':>11}{'ratio':>7}{'quartiles':>13}"
        f"{'goal':>8}{'met':>5}{'memory':>8}"
    )
    rows = []
    for scale in asked.scales:
        for layer, clips in sorted(layers(asked.runs, scale, asked.least).items()):
            for bfloat16 in (False, True) if asked.bfloat16 else (False,):
                row = {"scale": scale, **measure(layer, bfloat16, asked.clips or clips, asked.turns)}
                rows.append(row)
                low, high = row["quartiles"]
                print(
                    f"{layer!s:42}{row['precision']:>10}{row['way']:>10}{row['ours']:>10.1f}{row['peer']:>11.1f}"
                    f"{row['ratio']:>7.3f}{f'{low:.3f}-{high:.3f}':>13}{row['goal']:>8}"
                    f"{'yes' if row['met'] else 'no':>5}{row['memory']:>8.2f}",
                    flush=True,
                )
    if asked.json:
        asked.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2) + "\n")


def layers(runs: list[str], scale: str, least: float) -> dict[Layer, int]:
    """The layers over a group of the nets of some runs, by a forward pass of each, and how many clips a step takes.

    Those whose share of the multiply-adds of their net is below `least` are left out.
    """
    import torch

    from reeltrace.kinds.dataset import trained_on
    from reeltrace.models.group_conv import GroupConv3d
    from reeltrace.registry.reading import load
    from reeltrace.training import loop

    registry = load(scale=scale)
    found: dict[Layer, int] = {}
    for run in runs:
        spec = registry.train_spec(run, 0)
        dataset = registry.params.datasets[spec.dataset]
        seen = trained_on(dataset).clips(dataset)
        net = loop.new_model(spec).eval()
        work: Counter[Layer] = Counter()

        def met(module: GroupConv3d, inputs: tuple[Tensor, ...], out: Tensor, work: Counter[Layer] = work) -> None:
            t, h, w = inputs[0].shape[2:]
            layer = Layer(
                module.group.name,
                (module.in_channels, module.out_channels),
                module.kernel_size,
                module.stride,
                module.padding,
                module.lifting,
                (t, h, w),
            )
            work[layer] += out[0, 0].numel() * module.weight.numel() * module.group.order

        for module in net.modules():
            if isinstance(module, GroupConv3d) and module.group.order > 1:
                module.register_forward_hook(met)
        with torch.no_grad():
            net(torch.zeros(1, 3, seen.frames, seen.size, seen.size))
        for layer, products in work.items():
            if products >= least * work.total():
                found[layer] = max(1, min(spec.protocol.batch_size, MOST // products))
    return found


def measure(layer: Layer, bfloat16: bool, clips: int, turns: int) -> dict[str, Any]:
    """Milliseconds of a layer and of the peer, and the ratio of their times, of their peaks of memory."""
    import torch
    import torch.nn.functional as F

    from reeltrace.models.group_conv import GroupConv3d
    from reeltrace.models.groups import get_group

    conv = GroupConv3d(
        get_group(layer.group),
        *layer.channels,
        layer.kernel,
        stride=layer.stride,
        padding=layer.padding,
        bias=False,
        lifting=layer.lifting,
    )
    with torch.no_grad():
        plain = conv.expanded_filters().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    x = torch.randn(clips, plain.shape[1], *layer.size).contiguous(memory_format=torch.channels_last_3d)
    x.requires_grad_(not layer.lifting)  # nobody asks for the gradient of a clip
    with torch.no_grad():
        torch.testing.assert_close(conv(x), F.conv3d(x, plain, None, layer.stride, layer.padding), rtol=1e-3, atol=1e-3)

    def step(out: Callable[[], Tensor], weight: Tensor) -> None:
        x.grad = weight.grad = None  # as after an optimiser's zero_grad
        with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
            y = out()
        y.backward(torch.ones_like(y))

    forms: dict[str, Callable[[], None]] = {
        "ours": lambda: step(lambda: conv(x), conv.weight),
        "peer": lambda: step(lambda: F.conv3d(x, plain, None, layer.stride, layer.padding), plain),
    }
    peaks = {name: peak_of(form) for name, form in forms.items()}
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(turns + 2):
        # Swap who goes first, and forget the first two turns: memory and kernels warm up there.
        for name in sorted(forms, reverse=turn % 2 == 1):
            began = time.process_time()
            forms[name]()
            if turn >= 2:
                times[name].append(1000 * (time.process_time() - began))
    low, ratio, high = statistics.quantiles([a / b for a, b in zip(times["ours"], times["peer"], strict=True)], n=4)
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
        reduced = conv.way(x) is not None
    goal = GOALS[layer.group] if reduced else PLAIN
    return {
        "what": f"{layer}: conv3d of expanded filters, ms",
        **asdict(layer),
        "clips": clips,
        "precision": "bfloat16" if bfloat16 else "float32",
        "way": "irreps" if reduced else "expanded",
        "ours": statistics.median(times["ours"]),
        "peer": statistics.median(times["peer"]),
        "ratio": ratio,
        "quartiles": [low, high],
        "goal": f"<= {goal:.2f}",
        "met": ratio <= goal,
        "memory": peaks["ours"] / peaks["peer"],
    }


def peak_of(form: Callable[[], None]) -> int:
    """By how many bytes the memory of a process rises at most while it takes its first step."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)

    def child() -> None:
        import torch

        torch.set_num_threads(1)
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        form()
        there.send(_status("VmHWM") - before)

    process = context.Process(target=child)
    process.start()
    peak: int = here.recv()
    process.join()
    return max(peak, 1)


def _status(key: str) -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{key}:"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
