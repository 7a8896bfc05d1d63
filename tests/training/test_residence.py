"""Sets on a device: the same clips to the byte, whoever picks them. Here the device is the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reeltrace.data.store import ClipStore, one_channel
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import evaluation, residence
from reeltrace.training.evaluation import batch_of, evaluate
from reeltrace.training.loading import Loader
from reeltrace.training.loop import new_model
from reeltrace.training.residence import Resident, moved, resident

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SpecOf = Callable[..., TrainSpec]


@pytest.fixture
def clips(datasets: dict[str, Path]) -> ClipStore:
    return ClipStore.open(datasets["direction"], "train")


@pytest.mark.parametrize(
    "augment", [None, {"kind": "treverse", "probability": 0.5}, {"kind": "rotate", "probability": 0.5}]
)
@pytest.mark.parametrize("protocol", [{"batch_size": 5}, {"batch_size": 5, "update_after": 0.5}])
def test_batches_are_those_of_the_store(
    clips: ClipStore, spec_of: SpecOf, augment: dict[str, Any] | None, protocol: dict[str, Any]
) -> None:
    spec = spec_of(augment=augment, protocol=protocol, device={"loaders": 2})
    there, here = Loader(spec, resident(clips, CPU), CPU), Loader(spec, clips, CPU)
    for epoch in (1, 2):
        for found, expected in zip(there.epoch(epoch), here.epoch(epoch), strict=True):
            assert torch.equal(found[0], expected[0])
            assert torch.equal(found[1], expected[1])


def test_clips_are_those_of_the_store(clips: ClipStore, spec_of: SpecOf) -> None:
    there = resident(clips, CPU)
    assert torch.equal(there.batch([3, 0, 3]), clips.batch([3, 0, 3]))
    assert one_channel(there.batch(range(2))).shape[1] == 1
    with pytest.raises(IndexError, match=r"0\.\.23"):
        there.batch([24])
    model = new_model(spec_of())
    assert torch.equal(
        evaluate(model, there, ["treverse"])["treverse"], evaluate(model, clips, ["treverse"])["treverse"]
    )


def test_a_set_is_moved_to_a_gpu_once_and_where_it_fits(clips: ClipStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert moved(clips, CPU) is clips
    free = round(clips.clips.nbytes / residence.SHARE)
    monkeypatch.setattr(residence, "resident", lambda clips, device: resident(clips, CPU))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    there = moved(clips, GPU)
    assert isinstance(there, Resident)
    assert moved(there, GPU) is there
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free - 8, 2 * free))
    assert moved(clips, GPU) is clips


def test_a_gpu_evaluates_as_many_clips_at_once_as_are_worth_it(
    clips: ClipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert batch_of(clips, CPU) == evaluation.BATCH
    assert batch_of(clips, GPU) == evaluation.PIXELS // (7 * 15 * 15)
    monkeypatch.setattr(evaluation, "PIXELS", 1)
    assert batch_of(clips, GPU) == evaluation.BATCH
