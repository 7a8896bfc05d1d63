"""Pooling with a gradient of our own against torch's, bit for bit: on a CPU both add in the same order."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from nets import build_model
from reeltrace.models import pooling

# kernel, stride, padding, dilation, ceil_mode: those of the nets, then what else torch allows
WINDOWS = [
    (3, 2, 1, 1, False),
    ((1, 3, 3), (1, 2, 2), (0, 1, 1), 1, False),
    ((1, 2, 2), (1, 2, 2), 0, 1, False),
    ((2, 1, 1), (2, 1, 1), 0, 1, False),
    (3, 1, 1, 1, False),
    (2, 3, 0, 1, False),
    (2, 2, 0, 1, True),
    (3, 2, 1, 1, True),
    (3, 2, 1, 2, True),
]
SIZES = [(4, 6, 6), (7, 8, 5), (1, 9, 7), (2, 3, 1), (15, 5, 5)]


def values(kind: str, size: tuple[int, int, int], dtype: torch.dtype) -> torch.Tensor:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1)).to(dtype)
    if kind != "distinct":
        x = x.round().relu()  # as behind a ReLU: most windows hold the same value more than once
    if kind == "nan":
        x[:, :, ::2, 1::2] = float("nan")
    return x


def agree(ours, theirs, x: torch.Tensor) -> bool:
    """Equal values and gradients of two functions, or False where torch refuses the window."""
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    try:
        expected = theirs(a)
    except RuntimeError:
        return False
    found = ours(b)
    assert torch.equal(found.nan_to_num(-1.0), expected.nan_to_num(-1.0))
    assert torch.equal(found.isnan(), expected.isnan())
    weights = torch.randn(found.shape, generator=torch.Generator().manual_seed(2)).to(x.dtype)
    (wanted,) = torch.autograd.grad(expected, a, weights)
    (got,) = torch.autograd.grad(found, b, weights)
    assert torch.equal(got, wanted)
    assert got.dtype == wanted.dtype
    assert got.stride() == x.stride(), "the gradient keeps the order of memory"
    return True


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_max_pooling_is_torchs_in_value_and_gradient(dtype, layout):
    compared = 0
    for window, size, kind in itertools.product(WINDOWS, SIZES, ("distinct", "equal", "nan")):
        x = values(kind, size, dtype).contiguous(memory_format=layout)
        compared += agree(lambda t, w=window: pooling.max_pool3d(t, *w), lambda t, w=window: F.max_pool3d(t, *w), x)
    assert compared > 80


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # torch has no other on a CPU
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_average_pooling_is_torchs_in_value_and_gradient(dtype, layout):
    compared = 0
    for kernel, size, kind in itertools.product([2, 3, (1, 2, 3)], SIZES, ("distinct", "nan")):
        x = values(kind, size, dtype).contiguous(memory_format=layout)
        compared += agree(lambda t, k=kernel: pooling.avg_pool3d(t, k), lambda t, k=kernel: F.avg_pool3d(t, k), x)
    assert compared > 15


def test_of_equal_values_the_first_gets_the_gradient():
    x = torch.ones(1, 1, 3, 3, 3, requires_grad=True)
    pooling.max_pool3d(x, 3, 1).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [1.0] + [0.0] * 26


@pytest.mark.parametrize(("architecture", "widths"), [("cnn4", [6, 6, 6, 6]), ("resnet18", [4, 4, 4, 4])])
@pytest.mark.parametrize("group", ["z3", "p43d"])
def test_a_net_learns_the_same_by_either_gradient(architecture, widths, group, monkeypatch):
    """What a GPU computes, computed here: the nets go through this module, and nothing else changes."""
    torch.manual_seed(0)
    options = {"stem_kernel": (3, 3, 3), "stem_stride": (1, 1, 1)} if architecture == "resnet18" else {}
    model = build_model(architecture, group, 4, widths=widths, **options)
    x = torch.rand(2, 3, 9, 16, 15).contiguous(memory_format=torch.channels_last_3d)
    calls = []
    for name in ("max_pool3d", "avg_pool3d"):
        function = getattr(pooling, name)
        monkeypatch.setattr(pooling, name, lambda *a, f=function, n=name: calls.append(n) or f(*a))

    def gradients() -> list[torch.Tensor]:
        return list(torch.autograd.grad(model(x).square().sum(), list(model.parameters())))

    usual = gradients()
    expected = ["avg_pool3d"] if architecture == "cnn4" else []
    assert calls == expected, "on a CPU torch's own maximum is the faster one"
    calls.clear()
    monkeypatch.setattr(pooling, "_needs_own_gradient", lambda x: torch.is_grad_enabled() and x.requires_grad)
    assert all(torch.equal(a, b) for a, b in zip(gradients(), usual, strict=True))
    expected = ["max_pool3d", *expected]
    assert calls == expected
    with torch.no_grad():
        model(x)
    assert calls == expected, "inference needs no gradient"


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_average_pooling_keeps_the_memory_format_there_and_back(layout):
    x = torch.randn(2, 3, 5, 6, 4).contiguous(memory_format=layout).requires_grad_()
    found, expected = pooling.AvgPool3d(2)(x), F.avg_pool3d(x, 2)
    assert torch.equal(found, expected) and found.is_contiguous(memory_format=layout)
    weights = torch.randn_like(found)
    (got,), (wanted,) = (torch.autograd.grad(out, x, weights) for out in (found, expected))
    assert torch.equal(got, wanted) and got.is_contiguous(memory_format=layout)
