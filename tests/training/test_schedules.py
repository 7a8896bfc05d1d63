"""Warm-up, cosine and micro-batches, and a SlowFast that learns by them: rates, clips, gradients, resumption."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from reeltrace.data.store import ClipStore
from reeltrace.errors import UserError
from reeltrace.models.slowfast import build
from reeltrace.registry.runs import Protocol
from reeltrace.registry.specs import TrainSpec
from reeltrace.report.chains import _protocol
from reeltrace.training import loop
from reeltrace.training.loading import _order
from training.conftest import RUN

SpecOf = Callable[..., TrainSpec]
LONG: dict[str, Any] = {
    "optimizer": "sgd",
    "epochs": 196,
    "learning_rate": 0.1,
    "milestones": (),
    "gamma": 1.0,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "batch_size": 1024,
    "micro_batch": 8,
    "cosine": True,
    "warmup": {"epochs": 34, "start": 0.01},
}
SMALL = {
    "architecture": "slowfast",
    "config": {
        "width": 4,
        "beta_inverse": 2,
        "blocks": [1, 1, 1, 1],
        "slow_temporal_blocks": [1, 1, 1, 1],
        "fast_temporal_blocks": [1, 1, 1, 1],
        "nonlocal_after": [[], [], [], []],
    },
}


def test_the_rate_grows_linearly_and_falls_along_half_a_cosine() -> None:
    protocol = Protocol(**LONG)
    top = 0.05 * (math.cos(math.pi * 34 / 196) + 1)
    assert loop.learning_rate(protocol, 1) == 0.01
    assert loop.learning_rate(protocol, 18) == pytest.approx((0.01 + top) / 2)  # 17 of 34 epochs are over
    assert loop.learning_rate(protocol, 1, 0.5) == pytest.approx(0.01 + (top - 0.01) / 68)
    assert loop.learning_rate(protocol, 34, 1 - 1e-9) == pytest.approx(loop.learning_rate(protocol, 35))  # no jump
    assert loop.learning_rate(protocol, 35) == pytest.approx(top)
    assert loop.learning_rate(protocol, 99) == pytest.approx(0.05)
    assert loop.learning_rate(protocol, 196, 1.0) == pytest.approx(0, abs=1e-12)
    rates = [loop.learning_rate(protocol, epoch, part) for epoch in range(1, 197) for part in (0, 0.5)]
    assert rates[:68] == sorted(rates[:68]) and rates[68:] == sorted(rates[68:], reverse=True)


def test_a_warm_up_leads_to_the_rate_of_milestones_too() -> None:
    protocol = Protocol(**{**LONG, "cosine": False, "milestones": (50,), "gamma": 0.1})
    assert loop.learning_rate(protocol, 18) == pytest.approx(0.055) and loop.learning_rate(protocol, 35) == 0.1
    assert loop.learning_rate(protocol, 51, 0.5) == 0.01


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"milestones": (3,)}, "cosine takes the place of milestones"),
        ({"warmup": {"epochs": 196, "start": 0.01}}, "warmup.epochs 196 is not before the last of 196"),
        ({"warmup": {"epochs": 2, "start": 0.2}}, "warmup.start 0.2 is above learning_rate 0.1"),
        ({"micro_batch": 2048}, "micro_batch is at most batch_size"),
        ({"update_after": 0.5}, "micro_batch is .* null where update_after"),
    ],
)
def test_schedules_that_contradict_themselves_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Protocol(**{**LONG, **changes})


def test_a_chain_says_the_schedule() -> None:
    assert _protocol(Protocol(**LONG).model_dump(mode="json")) == (
        "SGD, 196 epochs, rate 0.1 after 34 epochs from 0.01, along half a cosine, momentum 0.9, weight decay 0.0001, "
        "batches of 1024 in parts of 8"
    )


@pytest.mark.parametrize(("clips", "batch_size", "at_once"), [(50, 16, 4), (50, 16, 5), (7, 16, 8), (3000, 1024, 8)])
def test_micro_batches_divide_the_batches_that_there_would_be(clips: int, batch_size: int, at_once: int) -> None:
    whole, parts = _order(0, 1, clips, batch_size), _order(0, 1, clips, batch_size, None, at_once)
    found = [torch.cat([p.clips for p in parts if p.update == place.update]).tolist() for place in whole]
    assert found == [place.clips.tolist() for place in whole]
    assert max(len(place.clips) for place in parts) <= at_once
    assert sum(place.last for place in parts) == len(whole)


def test_an_update_of_micro_batches_is_that_of_the_whole(
    spec_of: SpecOf, datasets: dict[str, Path], tmp_path: Path
) -> None:
    """Without batch normalisation, whose statistics are those of a micro-batch."""
    splits = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    weights = []
    for micro in (None, 5):
        protocol = {"batch_size": 12, "micro_batch": micro, "milestones": [], "cosine": True, "learning_rate": 0.01}
        spec = spec_of(model={"batch_norm": False}, protocol=protocol, device={"precision": "float32"})
        trained = loop.train(spec, *splits, tmp_path / str(micro), "data")
        weights.append(torch.cat([value.flatten().double() for value in trained.model.state_dict().values()]))
        assert trained.history[1]["learning_rate"] == pytest.approx(0.01 * 0.75)  # a third of half a period
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-3, atol=1e-5)


class Stripes:
    """Clips of 8 frames of 32 pixels, of two classes: a bright half on the left or on the right, in noise."""

    classes = ("left", "right")
    shape = (8, 32, 32)
    normalise = None
    videos = None
    missing = 0
    clip_bytes = 3 * 8 * 32 * 32

    def __init__(self, split: str, count: int) -> None:
        self.split, self.labels = split, np.arange(count) % 2
        draws = torch.Generator().manual_seed(count)
        self._clips = torch.randint(0, 60, (count, 3, *self.shape), generator=draws, dtype=torch.uint8)
        for number, label in enumerate(self.labels.tolist()):
            self._clips[number, ..., 16 * label : 16 * label + 16] += 90

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Sequence[int]) -> Tensor:
        return self._clips[list(indices)]

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        return self._clips[indices]


def trained_on_stripes(work: Path, epochs: int, seed: int = 0) -> loop.Trained:
    protocol = {
        **LONG, "epochs": epochs, "learning_rate": 0.1, "batch_size": 12, "micro_batch": 6,
        "warmup": {"epochs": 1, "start": 0.01},
    }  # fmt: skip
    device = {"kind": "cpu", "threads": 1, "precision": "float32", "loaders": 0}
    given = {**RUN, "seed": seed, "classes": 2, "model": SMALL, "protocol": protocol, "device": device}
    spec = TrainSpec.model_validate(given)
    return loop.train(spec, Stripes("train", 48), Stripes("validation", 10), work, "data")


def test_a_slowfast_learns_by_a_schedule_and_resumes_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its dropout draws depends on the seed and the epoch alone."""
    whole = trained_on_stripes(tmp_path / "whole", 5)
    assert whole.best["validation"]["top1"] == 100 and whole.history[0]["train_loss"] > whole.history[-1]["train_loss"]

    class KilledError(Exception):
        pass

    def kill(done: int, epochs: int) -> None:
        if done == 3:
            raise KilledError

    monkeypatch.setattr(loop.pauses, "between", kill)
    with pytest.raises(KilledError):
        trained_on_stripes(tmp_path / "killed", 5)
    monkeypatch.undo()
    torch.rand(7)  # whatever is drawn in between
    again = trained_on_stripes(tmp_path / "killed", 5)
    assert again.resumed_after == 3
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("config", "said"),
    [({"widht": 3}, "unknown value 'widht' of slowfast"), ({"blocks": "many"}, "no slowfast can be built so")],
)
def test_a_slowfast_that_cannot_be_is_one_line(config: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        build({"architecture": "slowfast", "classes": 3, "config": config})
