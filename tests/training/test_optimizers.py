"""The optimisers against the classes of torch.optim, and a state that survives a checkpoint."""

import io

import pytest
import torch
from pydantic import ValidationError

from reeltrace.registry.runs import Protocol
from reeltrace.training.optimizers import Optimizer

THEIRS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.999), weight_decay=0.01),
    "rprop": lambda parameters: torch.optim.Rprop(parameters, lr=0.1),
}


def protocol(name, **changes):
    plain = name == "rprop"
    values = {
        "optimizer": name,
        "epochs": 3,
        "learning_rate": 0.1,
        "milestones": [],
        "gamma": 0.1,
        "momentum": 0 if plain else 0.9,
        "weight_decay": 0 if plain else 0.01,
        "batch_size": 4,
    }
    return Protocol.model_validate({**values, **changes})


def tensors(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(3, 4, generator=generator), torch.randn(5, generator=generator)]


@pytest.mark.parametrize("name", THEIRS)
def test_six_updates_are_those_of_torch(name):
    ours, theirs = tensors(0), [torch.nn.Parameter(tensor) for tensor in tensors(0)]
    optimizer, reference = Optimizer(protocol(name), ours), THEIRS[name](theirs)
    for step in range(6):
        gradients = tensors(1 + step)
        optimizer.step(gradients, 0.1)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(ours[0], tensors(0)[0])


@pytest.mark.parametrize("name", THEIRS)
def test_a_state_that_went_through_a_file_continues_to_the_same_bytes(name):
    ours = tensors(0)
    optimizer = Optimizer(protocol(name), ours)
    assert optimizer.state() == {}
    for step in range(3):
        optimizer.step(tensors(1 + step), 0.1)
    file = io.BytesIO()
    torch.save(optimizer.state(), file)
    file.seek(0)
    again = [tensor.clone() for tensor in ours]
    resumed = Optimizer(protocol(name), again)
    resumed.load(torch.load(file, weights_only=True))
    for step in range(3):
        optimizer.step(tensors(9 + step), 0.01)
        resumed.step(tensors(9 + step), 0.01)
    for a, b in zip(ours, again, strict=True):
        assert torch.equal(a, b)


def test_a_kept_state_does_not_change_with_later_updates():
    optimizer = Optimizer(protocol("adam"), tensors(0))
    optimizer.step(tensors(1), 0.1)
    kept = optimizer.state()
    before = kept["exp_avg"][0].clone()
    optimizer.step(tensors(2), 0.1)
    assert torch.equal(kept["exp_avg"][0], before)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("rprop", {"momentum": 0.9}, "rprop has no momentum and no weight decay"),
        ("rprop", {"weight_decay": 0.1}, "rprop has no momentum and no weight decay"),
        ("adam", {"momentum": 1}, "momentum must be below 1"),
    ],
)
def test_settings_that_an_optimiser_does_not_have_are_refused(name, changes, says):
    with pytest.raises(ValidationError, match=says):
        protocol(name, **changes)
