"""What equivariance costs: `GroupConv3d` against `F.conv3d` whose weight already has the expanded shape.

Both do the same multiply-adds, so the ratio shows the cost of building the filters of all orientations and of
collecting their gradient. Forward and backward of the layers of the published 4-layer nets, at their
published sizes, measured in turns in one process, so that a noisy machine troubles both alike. See README.md
beside this file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reeltrace.models.group_conv import GroupConv3d
from reeltrace.models.groups import get_group

# (group, channels in, channels out, kernel, lifting, size of the clip or map along T, H and W)
LAYERS = [
    ("t2", 3, 45, 3, True, 32),
    ("t2", 45, 90, 3, False, 16),
    ("t2", 90, 90, 3, False, 16),
    ("t2", 90, 90, 1, False, 8),
    ("p43d", 3, 32, 3, True, 32),
    ("p43d", 32, 64, 3, False, 16),
    ("p43d", 64, 64, 3, False, 16),
    ("p43d", 64, 64, 1, False, 8),
    ("z3", 64, 128, 3, False, 16),
]


def timed(step: Callable[[], Tensor], parameters: list[Tensor], bfloat16: bool) -> float:
    """Seconds for one forward and backward pass; gradients start from None, as after an optimiser's
    zero_grad.
    """
    for parameter in parameters:
        parameter.grad = None
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext():
        out = step()
    out.backward(torch.ones_like(out))
    return time.perf_counter() - started


def measure(layer: tuple[str, int, int, int, bool, int], bfloat16: bool, batch: int, turns: int) -> dict[str, object]:
    """Times of one layer in both forms and the quartiles of their ratio over the turns."""
    group, c_in, c_out, kernel, lifting, size = layer
    conv = GroupConv3d(get_group(group), c_in, c_out, kernel, padding=kernel // 2, bias=False, lifting=lifting)
    with torch.no_grad():
        plain = conv.expanded_filters().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    x = torch.randn(batch, plain.shape[1], size, size, size).contiguous(memory_format=torch.channels_last_3d)
    x.requires_grad_(not lifting)  # nobody asks for the gradient of a clip
    with torch.no_grad():
        torch.testing.assert_close(conv(x), F.conv3d(x, plain, padding=kernel // 2), rtol=1e-3, atol=1e-3)

    forms: dict[str, tuple[Callable[[], Tensor], list[Tensor]]] = {
        "group": (lambda: conv(x), [x, conv.weight]),
        "plain": (lambda: F.conv3d(x, plain, padding=kernel // 2), [x, plain]),
    }
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(turns + 2):
        # Swap who goes first, and forget the first two turns: memory and kernels warm up there.
        for name in sorted(forms, reverse=turn % 2 == 1):
            step, parameters = forms[name]
            seconds = timed(step, parameters, bfloat16)
            if turn >= 2:
                times[name].append(seconds)
    ratios = [a / b for a, b in zip(times["group"], times["plain"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {
        "group": group,
        "channels": [c_in, c_out],
        "kernel": kernel,
        "lifting": lifting,
        "size": size,
        "batch": batch,
        "precision": "bfloat16" if bfloat16 else "float32",
        "group_ms": 1e3 * statistics.median(times["group"]),
        "plain_ms": 1e3 * statistics.median(times["plain"]),
        "ratio": middle,
        "ratio_quartiles": [low, high],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=20, help="clips per step (default %(default)s)")
    parser.add_argument("--turns", type=int, default=21, help="turns per layer (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default %(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    print(f"{'layer':34} {'precision':9} {'group ms':>9} {'plain ms':>9} {'ratio':>6}  quartiles")
    rows = []
    for layer in LAYERS:
        for bfloat16 in (False, True):
            row = measure(layer, bfloat16, arguments.batch, arguments.turns)
            rows.append(row)
            group, c_in, c_out, kernel, lifting, size = layer
            name = f"{group} {c_in}->{c_out} {kernel}x{kernel}x{kernel} at {size}^3{' lifting' if lifting else ''}"
            low, high = row["ratio_quartiles"]  # type: ignore[misc]
            print(
                f"{name:34} {row['precision']:9} {row['group_ms']:9.1f} {row['plain_ms']:9.1f} {row['ratio']:6.3f}"
                f"  {low:.3f}-{high:.3f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
