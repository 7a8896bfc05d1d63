"""The `measure` stage for the equivariance of untrained group nets at given sizes of clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.kinds.group_nets import CHANNELS, describe
from reeltrace.kinds.measurements.equivariance import size_words
from reeltrace.machine import processor
from reeltrace.models import cnn4, resnet3d
from reeltrace.models.groups import get_group

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.equivariance import EquivarianceMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1
# An error that is smaller is none: in float32 sums in another order gave up to a fiftieth of it. float64 would tell the
# two further apart, and its convolutions take ten times as long on a CPU.
ROUNDING = 1e-3
BUILD = {"cnn4": cnn4.build, "resnet18": resnet3d.build}


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: per net and size the error under each element of its group, and the largest. Needs no
    inputs."""
    asked = cast("EquivarianceMeasurement", spec.measurement)
    torch.set_num_threads(1)  # sums depend on how many there are
    how = {"asked": "float32", "precision": "float32", "device": "cpu", "gpu": None}
    arithmetic = {**how, "processor": processor.describe()}
    write_json(
        work / METRICS, {"schema": SCHEMA, "clips": asked.clips, "arithmetic": arithmetic, "nets": measure(asked)}
    )
    return {}


def measure(asked: EquivarianceMeasurement) -> dict[str, dict[str, Any]]:
    """Errors by net and size."""
    found: dict[str, dict[str, Any]] = {}
    for name, entry in asked.nets.items():
        torch.manual_seed(asked.seed)
        net = BUILD[entry.architecture](describe(entry, None, asked.classes)).eval()
        found[name] = {}
        for size in asked.sizes:
            errors = errors_of(net, entry.group, moving_patterns(asked.clips, size, asked.seed))
            found[name][size_words(size)] = {"by_element": errors, "largest": max(errors, default=0.0)}
    return found


@torch.no_grad()
def errors_of(net: nn.Module, group_name: str, clips: Tensor) -> list[float]:
    """Per element of the group but the identity: how far apart the logits of the moved clips and of the clips are.

    The root mean square of their difference over the standard deviation of the logits across the clips (N, C, T, H, W).
    1 means that moving a clip changes the logits as much as taking another clip, 0 that they are equal but for
    rounding.
    """
    group = get_group(group_name)
    logits = net(clips)
    spread = logits.std(0).square().mean().sqrt()
    errors = []
    for element in group.elements[1:]:
        apart = (net(group.act(clips, element)) - logits).square().mean().sqrt()
        error = float(apart / spread)
        errors.append(0.0 if error < ROUNDING else error)
    return errors


def moving_patterns(count: int, size: tuple[int, int, int], seed: int) -> Tensor:
    """Clips (count, 3, T, H, W), float32 in [0, 1]: a smooth random pattern that moves along a line on black ground."""
    frames, height, width = size
    draws = torch.Generator().manual_seed(seed)
    side = max(1, min(height, width) // 2)
    coarse = torch.rand(count, 1, 4, 4, generator=draws)
    patterns = nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    room = torch.tensor([height - side, width - side])
    ends = (torch.rand(count, 2, 2, generator=draws) * room).tolist()
    clips = torch.zeros(count, CHANNELS, frames, height, width)
    for clip, pattern, (start, end) in zip(clips, patterns, ends, strict=True):
        for frame in range(frames):
            part = frame / max(1, frames - 1)
            top, left = (round(a + (b - a) * part) for a, b in zip(start, end, strict=True))
            clip[:, frame, top : top + side, left : left + side] = pattern
    return clips
