"""A small set that is drawn: shapes that move, each with its box and what it is and does, for tests and for trying.

Two shapes per clip, apart from each other, on a noisy ground. Each has two actions at once, as persons of AVA have: one
of what it is and one of where it goes. A box stands where its shape is on the middle frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.detection.ava import Corners, Frame, Label

ACTIONS = {1: "is a square", 2: "is a cross", 3: "goes left", 4: "goes right"}
_SIDE = 0.3  # of a shape, as a share of the frame's
_WAY = 0.18  # that it goes


@dataclass(frozen=True)
class Sample:
    """One clip (1, 3, T, H, W) with the labels of its key frame."""

    clip: Tensor
    frame: Frame
    labels: tuple[Label, ...]


def draw(count: int, seed: int, frames: int = 8, side: int = 64) -> list[Sample]:
    """`count` clips of `frames` frames, `side` pixels square, from a seed: pixels around 0."""
    dice = np.random.default_rng(seed)
    return [_sample(number, dice, frames, side) for number in range(count)]


def _sample(number: int, dice: np.random.Generator, frames: int, side: int) -> Sample:
    clip = dice.normal(0.0, 0.3, (3, frames, side, side)).astype(np.float32)
    frame = Frame(f"drawn{number}", 1000)
    labels = []
    for half in (0, 1):  # one above the other, so that none covers the other's box
        cross, right = dice.integers(2, size=2)
        x = dice.uniform(_WAY / 2 + 0.02, 1 - _SIDE - _WAY / 2 - 0.02)
        y = 0.5 * half + dice.uniform(0.05, 0.15)
        for time in range(frames):
            way = (time / (frames - 1) - 0.5) * (_WAY if right else -_WAY)
            _put(clip[:, time], x + way, y, bool(cross))
        box = (x, y, x + _SIDE, y + _SIDE)
        labels += [Label(frame, box, 2 if cross else 1), Label(frame, box, 4 if right else 3)]
    return Sample(torch.from_numpy(clip)[None], frame, tuple(labels))


def _put(image: NDArray[np.float32], x: float, y: float, cross: bool) -> None:
    side = image.shape[-1]
    left, top, wide = round(x * side), round(y * side), round(_SIDE * side)
    part = image[:, top : top + wide, left : left + wide]
    if cross:
        third = wide // 3
        part[:, third : 2 * third] += 2.0
        part[:, :, third : 2 * third] += 2.0
    else:
        part += 2.0


def moved(box: Corners, dice: np.random.Generator, most: float = 0.03) -> Corners:
    """A box as a detector of persons would give it: each edge a little off."""
    x1, y1, x2, y2 = (float(value + dice.uniform(-most, most)) for value in box)
    return max(0.0, x1), max(0.0, y1), min(1.0, x2), min(1.0, y2)
