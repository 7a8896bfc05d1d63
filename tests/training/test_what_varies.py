"""What a run must not mix up: the best epoch with the last, one epoch's draws with another's, its protocol's values."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from nets import build_model
from reeltrace.data.store import ClipStore
from reeltrace.data.transforms import treverse
from reeltrace.models.checkpoint import load_checkpoint, restore
from reeltrace.training import loop, stage
from reeltrace.training.evaluation import evaluate
from reeltrace.training.loading import Loader


def test_best_and_last_are_two_checkpoints_with_their_own_predictions(spec_of, datasets, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "better", lambda new, old: False)  # then the first epoch stays the best
    spec = spec_of(dataset="digit", classes=10)
    stage.run(spec, {"data/digit": datasets["digit"]}, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["best"]["epoch"], metrics["last"]["epoch"]) == (1, 3)

    stored = np.load(tmp_path / "predictions.npz")
    test = ClipStore.open(datasets["digit"], "test")
    states = {}
    for which in ("best", "last"):
        states[which] = load_checkpoint(tmp_path / f"{which}.pt")[2]
        model = build_model(**loop.architecture(spec))
        assert restore(model, loop.architecture(spec), tmp_path / f"{which}.pt") == metrics[which]["epoch"]
        for name, logits in evaluate(model, test, spec.evaluation).items():
            assert np.array_equal(stored[f"{which}_{name}"], logits.argmax(1).numpy())
    assert any(not torch.equal(tensor, states["last"][name]) for name, tensor in states["best"].items())


def test_each_epoch_augments_other_places_of_the_order(spec_of, datasets):
    clips = ClipStore.open(datasets["direction"], "train")
    spec = spec_of(augment={"kind": "treverse", "probability": 0.5})

    def reversed_places(epoch: int) -> list[bool]:
        pairs = zip(Loader(spec, clips).epoch(epoch), Loader(spec_of(), clips).epoch(epoch), strict=True)
        return [torch.equal(a, treverse(b)) for (x, _), (y, _) in pairs for a, b in zip(x, y, strict=True)]

    first = reversed_places(1)
    assert 0 < sum(first) < len(first)
    assert first == reversed_places(1)
    assert first != reversed_places(2)


@pytest.mark.parametrize(
    ("name", "value"), [("momentum", 0.5), ("weight_decay", 0.1), ("gamma", 0.5), ("batch_size", 5)]
)
def test_each_value_of_the_protocol_reaches_the_weights(name, value, spec_of, datasets, tmp_path):
    stores = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    usual, changed = (
        loop.train(spec_of(protocol=protocol), *stores, tmp_path / str(len(protocol)), "data").model.state_dict()
        for protocol in ({}, {name: value})
    )
    assert any(not torch.equal(tensor, changed[key]) for key, tensor in usual.items())
