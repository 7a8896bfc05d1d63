"""Evaluation: independence of the batch size, scores and equivariance errors against their definitions."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nets import build_model
from reeltrace.data.store import ClipStore, to_float
from reeltrace.data.transforms import TRANSFORMS
from reeltrace.training.evaluation import equivariance, evaluate, score
from reeltrace.training.residence import resident


def net(group="z3", seed=0):
    """A net whose batch statistics are not those of initialisation."""
    torch.manual_seed(seed)
    model = build_model("cnn4", group, 10, widths=[8, 8, 8, 8])
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(8, 3, 7, 15, 15))
    return model


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("group", ["z3", "p43d"])
def test_the_batch_size_does_not_matter(group, dtype, tolerance, datasets):
    clips = ClipStore.open(datasets["digit"], "test")
    model = net(group).to(dtype)
    reference = evaluate(model, clips, ["original", "r90"], batch=len(clips))
    assert reference["r90"].shape == (len(clips), 10)
    for batch in (1, 3, 5, 1000):
        for name, logits in evaluate(model, clips, ["original", "r90"], batch=batch).items():
            assert logits.dtype == dtype
            assert (logits - reference[name]).abs().max() <= tolerance
            assert torch.equal(logits.argmax(1), reference[name].argmax(1))


def test_one_pass_gives_what_each_transform_gives_alone(datasets):
    clips = ClipStore.open(datasets["digit"], "test")
    model = net()
    together = evaluate(model, clips, list(TRANSFORMS))
    model.eval()
    with torch.no_grad():
        for name, transform in TRANSFORMS.items():
            alone = model(transform(to_float(clips.batch(range(len(clips))))))
            assert torch.allclose(together[name], alone, atol=1e-5), name
    assert not torch.allclose(together["original"], together["r90"], atol=1e-3)


def test_evaluation_leaves_the_model_as_it_was(datasets):
    clips = ClipStore.open(datasets["digit"], "validation")
    model = net().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, clips, ["original"])
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_score_is_count_percentage_and_mean_cross_entropy():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [0.0, 0.5]])
    found = score(logits, torch.tensor([0, 1, 1, 1]))
    losses = [math.log1p(math.exp(-gap)) for gap in (2.0, 1.0, -3.0, 0.5)]
    assert (found["correct"], found["total"], found["top1"]) == (3, 4, 75.0)
    assert found["loss"] == pytest.approx(sum(losses) / 4)


def test_equivariance_is_mean_relative_distance_and_agreement():
    before = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    after = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    found = equivariance(before, after)
    assert found["relative_error"] == pytest.approx(math.sqrt(2) / 2)
    assert found["agreement"] == 50.0


@given(st.integers(1, 20), st.integers(2, 6), st.integers(0, 2**31), st.floats(0.1, 10))
def test_equivariance_laws(clips, classes, seed, factor):
    logits = torch.randn(clips, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert equivariance(logits, logits) == {"relative_error": 0.0, "agreement": 100.0}
    scaled = equivariance(logits, factor * logits)
    assert scaled["relative_error"] == pytest.approx(abs(factor - 1), abs=1e-9)
    assert scaled["agreement"] == 100.0


def test_of_a_longer_file_the_first_frames_are_seen_after_the_whole_was_reversed(datasets):
    whole = ClipStore.open(datasets["digit"], "test")
    store = ClipStore(whole.folder, "test", whole.clips, whole.labels, whole.classes, seen=5)
    assert store.shape == (5, *whole.shape[1:]) and store.clip_bytes == whole.clip_bytes
    model = net().eval()
    found = evaluate(model, store, ["original", "treverse"])
    clips = to_float(whole.batch(range(len(whole))))
    with torch.no_grad():
        assert torch.allclose(found["original"], model(clips[:, :, :5]), atol=1e-5)
        assert torch.allclose(found["treverse"], model(clips[:, :, -5:].flip(2)), atol=1e-5)
    on_device = evaluate(model, resident(store, torch.device("cpu")), ["treverse"])
    assert torch.equal(on_device["treverse"], found["treverse"])
