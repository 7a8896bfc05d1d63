"""A small SlowFast with random weights in a file, and encoded videos, in place of what a user names in params.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reeltrace.data.standin import encode
from reeltrace.kinds.network import build_video, video_config
from reeltrace.registry.measurements import Network, View

CONFIG: dict[str, Any] = {
    "width": 8,
    "beta_inverse": 4,
    "blocks": [1, 2, 2, 1],
    "classes": 5,
    "slow_temporal_blocks": [1, 2, 1, 1],
    "fast_temporal_blocks": [1, 2, 2, 1],
    "nonlocal_after": [[], [], [1], []],
}
NETWORK = Network(
    architecture="slowfast",
    config=CONFIG,
    views={"inference": View(frames=16, crop=64), "tiny": View(frames=8, crop=16)},
)


def net(seed: int = 0, **changes: Any) -> nn.Module:
    torch.manual_seed(seed)
    return build_video(video_config("slowfast", {**CONFIG, **changes}))


def save(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path


def scene(frames: int, start: int = 0, height: int = 80, width: int = 112) -> Iterator[NDArray[np.uint8]]:
    """A bright square that moves to the right over a ramp."""
    for t in range(start, start + frames):
        frame = np.empty((height, width, 3), np.uint8)
        frame[:] = np.linspace(20, 120, width)[None, :, None]
        frame[20:50, 8 + 2 * t : 38 + 2 * t] = (250, 200, 40)
        yield frame


def film(path: Path, frames: int = 20, start: int = 0) -> Path:
    """An encoded video of `frames` frames."""
    path.write_bytes(encode(scene(frames, start), 25))
    return path
