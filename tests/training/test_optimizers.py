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
}
NAMES = (*THEIRS, "rprop")


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


def test_rprop_goes_on_with_the_smaller_step_where_a_gradient_changes_its_sign():
    """iqbal2017, section 3.2.3, by hand: steps grow by 1.2, shrink by 0.5, and stay after a gradient of zero."""
    weights = [torch.zeros(4, dtype=torch.float64)]
    optimizer = Optimizer(protocol("rprop"), weights)
    expected = torch.zeros(4, dtype=torch.float64)
    for gradient, moves in (
        ([3.0, -2.0, 0.0, 1e-200], [-0.1, 0.1, 0.0, -0.1]),  # first steps, of the rate
        ([1.0, 5.0, 2.0, 1e-200], [-0.12, -0.05, -0.1, -0.12]),  # kept, changed, from zero, kept
        ([-1.0, 1.0, 0.0, -1e-200], [0.06, -0.06, 0.0, 0.06]),  # changed, kept, to zero, changed
        ([-1.0, 1.0, -2.0, -1.0], [0.072, -0.072, 0.1, 0.072]),  # kept, kept, from zero, kept
    ):
        optimizer.step([torch.tensor(gradient, dtype=torch.float64)], 0.1)
        expected += torch.tensor(moves, dtype=torch.float64)
        torch.testing.assert_close(weights[0], expected, rtol=0, atol=1e-12)


def test_rprop_keeps_its_steps_between_their_bounds():
    weights = [torch.zeros(2)]
    optimizer = Optimizer(protocol("rprop"), weights)
    for number in range(60):
        optimizer.step([torch.tensor([1.0, (-1.0) ** number])], 0.1)
    largest, least = optimizer.state()["step_size"][0].tolist()
    assert largest == 50
    assert least == pytest.approx(1e-6)


@pytest.mark.parametrize("name", NAMES)
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
