"""Tiny experiments through the real data room: 12x12 frames, nets of a few channels, seconds in all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltrace.data import images_stage, moving_digits_stage
from reeltrace.kinds.datasets.images import ImagesSpec
from reeltrace.kinds.datasets.moving_digits import MovingDigitsSpec
from reeltrace.registry.specs import TrainSpec

DATASET: dict[str, Any] = {
    "stage": "data",
    "scale": "smoke",
    "kind": "moving-digits",
    "images": "digits",
    "stand_in": None,
    "frames": 7,
    "size": 15,
    "digit_size": 8,
    "speed": (0.5, 1.0),
    "videos": {"train": 24, "validation": 12, "test": 14},
    "image_split": {"train": 0.6, "validation": 0.1, "test": 0.3},
    "seed": 1,
}
RUN: dict[str, Any] = {
    "stage": "train",
    "key": "tiny-s0",
    "scale": "smoke",
    "run": "tiny",
    "seed": 0,
    "dataset": "direction",
    "classes": 4,
    "model": {
        "architecture": "cnn4",
        "group": "z3",
        "widths": [4, 4, 4, 4],
        "batch_norm": True,
        "bias": False,
        "options": None,
    },
    "protocol": {
        "optimizer": "sgd",
        "epochs": 3,
        "learning_rate": 0.1,
        "milestones": [2],
        "gamma": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "batch_size": 8,
    },
    "augment": None,
    "evaluation": ["original", "treverse"],
    "device": {"kind": "cpu", "threads": 1, "precision": "bfloat16", "loaders": 0},
}
RESNET: dict[str, Any] = {
    "architecture": "resnet18",
    "widths": [2, 2, 4, 4],
    "options": {"stem_kernel": [3, 3, 3], "stem_stride": [1, 2, 2], "max_pool": True},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished datasets by name: `direction` (4 classes) and `digit` (10 classes)."""
    root = tmp_path_factory.mktemp("data")
    pool = root / "digits"
    pool.mkdir()
    images_stage.run(
        ImagesSpec(stage="data", key="digits", scale="smoke", kind="images", source="sklearn-digits"), {}, pool
    )
    made = {}
    for task in ("direction", "digit"):
        made[task] = root / task
        made[task].mkdir()
        moving_digits_stage.run(MovingDigitsSpec(**DATASET, key=task, task=task), {"data/digits": pool}, made[task])
    return made


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, folder by folder."""
    result = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        result[name] = merged(base[name], value) if both else value
    return result


@pytest.fixture
def spec_of() -> Callable[..., TrainSpec]:
    """`spec_of(model={"group": "t2"}, seed=1)`: the tiny run with some values changed."""
    return lambda **changes: TrainSpec.model_validate(merged(RUN, changes))


@pytest.fixture
def resnet() -> dict[str, Any]:
    """Changes that make the tiny run's net a ResNet-18."""
    return RESNET
