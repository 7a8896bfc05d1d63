"""The pieces of the loop: schedule, order, augmentation, optimiser, precision, the rule for the best epoch."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from nets import build_model
from reeltrace.data.store import ClipStore
from reeltrace.data.transforms import TRANSFORMS
from reeltrace.errors import UserError
from reeltrace.training import loop
from reeltrace.training.evaluation import to_input
from reeltrace.training.loading import Loader
from reeltrace.training.precision import conform


@pytest.mark.parametrize(
    ("epochs", "milestones", "expected"),
    [
        # basu2021, sections 4.4 to 4.7: 0.1, dropped by ten after these epochs
        (50, [20, 40], {1: 0.1, 20: 0.1, 21: 0.01, 40: 0.01, 41: 0.001, 50: 0.001}),
        (100, [25, 50, 75], {25: 0.1, 26: 0.01, 51: 0.001, 75: 0.001, 76: 0.0001, 100: 0.0001}),
        (150, [50, 100, 125], {50: 0.1, 51: 0.01, 101: 0.001, 126: 0.0001}),
    ],
)
def test_learning_rate_is_that_of_the_document(epochs, milestones, expected, spec_of):
    protocol = spec_of(protocol={"epochs": epochs, "milestones": milestones}).protocol
    assert {epoch: loop.learning_rate(protocol, epoch) for epoch in expected} == expected


def test_history_has_the_rate_of_each_epoch(spec_of, datasets, tmp_path):
    stores = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    trained = loop.train(spec_of(), *stores, tmp_path, "data")
    assert [line["learning_rate"] for line in trained.history] == [0.1, 0.1, 0.01]


def test_each_clip_comes_once_in_batches_of_even_size(spec_of, datasets):
    clips = ClipStore.open(datasets["direction"], "train")
    for size in (2, 5, 7, 24, 100):
        spec = spec_of(protocol={"batch_size": size})
        sizes = [len(labels) for _, labels in Loader(spec, clips).epoch(1)]
        assert sum(sizes) == len(clips)
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1


def test_order_depends_on_seed_and_epoch_only(spec_of, datasets):
    clips = ClipStore.open(datasets["direction"], "train")

    def seen(seed, epoch):
        return torch.cat([pixels for pixels, _ in Loader(spec_of(seed=seed), clips).epoch(epoch)])

    first = seen(0, 1)
    torch.rand(3)
    assert torch.equal(first, seen(0, 1))
    assert not torch.equal(first, seen(0, 2))
    assert not torch.equal(first, seen(1, 1))


def test_augmentation_with_probability_one_reverses_every_clip_and_the_net_sees_it(spec_of, datasets):
    clips = ClipStore.open(datasets["direction"], "train")
    plain = list(Loader(spec_of(), clips).epoch(1))
    for probability, expected in ((1.0, "treverse"), (0.0, "original")):
        spec = spec_of(augment={"kind": "treverse", "probability": probability})
        for (pixels, labels), (before, before_labels) in zip(Loader(spec, clips).epoch(1), plain, strict=True):
            assert torch.equal(pixels, TRANSFORMS[expected](before))
            assert torch.equal(labels, before_labels)
    rotated = spec_of(augment={"kind": "rotate", "probability": 1.0})
    pairs = zip(Loader(rotated, clips).epoch(1), plain, strict=True)
    assert not any(torch.equal(a, b) for (x, _), (y, _) in pairs for a, b in zip(x, y, strict=True))


def test_a_training_step_is_that_of_torch_sgd(spec_of, datasets, tmp_path):
    """One epoch in float32 against the textbook: torch.optim.SGD on the same batches."""
    spec = spec_of(protocol={"epochs": 1, "milestones": []}, device={"precision": "float32"})
    stores = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    trained = loop.train(spec, *stores, tmp_path, "data")

    model = loop.new_model(spec)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.0005)
    for pixels, labels in Loader(spec, stores[0]).epoch(1):
        optimizer.zero_grad()
        F.cross_entropy(model(to_input(pixels, stores[0])), labels).backward()
        optimizer.step()
    for (name, ours), theirs in zip(trained.model.state_dict().items(), model.state_dict().values(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4), name


def test_the_tiny_net_learns(spec_of, datasets, tmp_path):
    stores = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    spec = spec_of(protocol={"epochs": 25, "milestones": [20]}, model={"widths": [8, 8, 8, 8]})
    history = loop.train(spec, *stores, tmp_path, "data").history
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    assert history[-1]["train_top1"] > 80


def score(correct, loss):
    return {"correct": correct, "total": 10, "top1": 10.0 * correct, "loss": loss}


def test_rule_for_the_best_epoch():
    assert loop.better(score(6, 2.0), score(5, 1.0)), "accuracy first"
    assert not loop.better(score(5, 0.1), score(6, 2.0))
    assert loop.better(score(5, 0.9), score(5, 1.0)), "then the lower loss"
    assert not loop.better(score(5, 1.0), score(5, 1.0)), "then the earlier epoch"


def test_best_and_last_epoch_are_both_kept(spec_of, datasets, tmp_path, monkeypatch):
    """Validation scores that peak in epoch 2: best is epoch 2's state, last is epoch 3's."""
    scores = itertools.cycle([score(3, 1.0), score(7, 1.0), score(7, 1.0)])
    monkeypatch.setattr(loop, "score_split", lambda logits, clips: next(scores))
    stores = [ClipStore.open(datasets["direction"], split) for split in ("train", "validation")]
    trained = loop.train(spec_of(), *stores, tmp_path / "three", "data")
    assert trained.best["epoch"] == 2
    assert trained.validation == score(7, 1.0)

    scores = itertools.cycle([score(3, 1.0), score(7, 1.0)])
    two = loop.train(spec_of(protocol={"epochs": 2, "milestones": []}), *stores, tmp_path / "two", "data")
    for name, tensor in two.model.state_dict().items():
        assert torch.equal(trained.best["state"][name], tensor), name
    differ = [not torch.equal(trained.best["state"][n], t) for n, t in trained.model.state_dict().items()]
    assert any(differ)


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device"):
        loop.choose_device("cuda")
    assert loop.choose_device("auto").type == loop.choose_device("cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert loop.choose_device("auto").type == "cuda"
    assert loop.choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("group", ["z3", "t2", "p43d"])
def test_convolutions_on_inputs_smaller_than_their_kernel_stay_in_float32(group):
    model = build_model("resnet18", group, 4, widths=[8, 8, 16, 16], stem_kernel=(3, 3, 3))
    conform(model)
    types = {}
    for name, module in model.named_modules():
        if name.rsplit(".", 1)[-1] in ("conv1", "conv2", "stem"):
            module.register_forward_hook(lambda m, x, y, name=name: types.__setitem__(name, (x[0].shape[2], y.dtype)))
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.rand(2, 3, 16, 32, 32))
    assert types["stem"] == (16, torch.bfloat16)
    assert types["layer2.1.conv1"] == (4, torch.bfloat16)
    assert types["layer3.1.conv1"] == (2, torch.float32)
    assert types["layer4.1.conv2"] == (1, torch.float32)


def test_gradients_do_not_depend_on_what_memory_held_before(spec_of):
    """In bfloat16 on two frames oneDNN reads memory that nobody wrote; see `precision`."""
    torch.manual_seed(0)
    model = build_model("resnet18", "t2", 4, widths=[8, 16, 32, 64], stem_kernel=(3, 7, 7))
    conform(model)
    clips, labels = torch.rand(6, 3, 8, 32, 32), torch.arange(6) % 4

    def gradients(rubbish):
        blocks = [torch.full((1 << power,), rubbish) for power in range(8, 20) for _ in range(3)]
        del blocks
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(clips.contiguous(memory_format=torch.channels_last_3d))
        return torch.autograd.grad(F.cross_entropy(logits.float(), labels), list(model.parameters()))

    first = gradients(0.0)
    for rubbish in (float("nan"), 3e38, -7.0):
        for name, a, b in zip(dict(model.named_parameters()), first, gradients(rubbish), strict=True):
            assert torch.equal(a, b), name
