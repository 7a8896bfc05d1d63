"""A video of which each frame says its number, and a small net for boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltrace.detection.clips import Pixels
from reeltrace.recognition.annotate import write_video
from reeltrace.recognition.nets import Loaded, random_net

RATE = 10


def numbered(number: int, height: int = 48, width: int = 64) -> Pixels:
    """A grey frame, lighter with each number."""
    return np.full((height, width, 3), 10 + 5 * number, np.uint8)


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """Also for speed where other tests use the processors."""


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty frames at ten a second."""
    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    write_video(path, (numbered(number) for number in range(40)), RATE)
    return path


@pytest.fixture(scope="session")
def small() -> Loaded:
    """A detection net for five actions that sees 8 frames of 32 pixels, whose normalisations are not at rest."""
    values: dict[str, Any] = {
        "head": "detect",
        "classes": 5,
        "blocks": (1, 1, 1, 1),
        "width": 8,
        "nonlocal_after": ((), (), (), ()),
        "strides": (1, 2, 2, 1),
        "dilations": (1, 1, 1, 2),
    }
    loaded = random_net("slowfast", **values)
    with torch.no_grad():
        for name, value in loaded.net.named_parameters():
            if "norm.weight" in name:
                value.fill_(1.0)
    return Loaded(
        loaded.net, loaded.network, loaded.config, loaded.view.changed(frames=8, stride=1, side=32, crop=32), "a test"
    )
