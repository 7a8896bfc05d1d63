"""Tests of a GPU, and how the cheap ones among them run on a CPU too: there their code is known to work.

A test that needs a GPU is marked `gpu`, left out unless asked for (`make test-gpu`), and skipped where there is none.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltrace.data import moving_digits_stage
from reeltrace.kinds.datasets.moving_digits import MovingDigitsSpec
from training.conftest import DATASET, datasets
from training.test_backbone_nets_stage import made

__all__ = ["datasets", "made", "on_devices"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no GPU")


@pytest.fixture(scope="module")
def sets(datasets: dict[str, Path], made: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every input that a stage is given, by its name: moving digits, videos and frames, a backbone, its features.

    The set `large` has clips of 8 frames of 32 x 32, which SlowFast takes at least.
    """
    large = tmp_path_factory.mktemp("large")
    spec = MovingDigitsSpec(**{**DATASET, "frames": 8, "size": 32}, key="large", task="direction")
    moving_digits_stage.run(spec, {"data/digits": datasets["direction"].parent / "digits"}, large)
    return {f"data/{name}": folder for name, folder in {**datasets, "large": large}.items()} | made


def on_devices(names: Collection[str], cheap: Collection[str]) -> list[Any]:
    """Parameters (name, device): every name on a GPU, the cheap ones on the CPU."""
    assert set(cheap) <= set(names)
    return [
        *(pytest.param(name, "cpu", id=f"{name}-cpu") for name in cheap),
        *(pytest.param(name, "cuda", id=f"{name}-cuda", marks=pytest.mark.gpu) for name in names),
    ]
