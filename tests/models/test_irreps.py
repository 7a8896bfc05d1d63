"""Group convolution in the basis of irreducible representations: the function and gradients of the expanded filters."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from reeltrace.models.group_conv import GroupConv3d, _ways
from reeltrace.models.groups import GROUPS
from reeltrace.models.ways import Geometry, Way

Triple = tuple[int, int, int]
EXACT = 1e-10
KERNELS: list[Triple] = [(3, 3, 3), (1, 1, 1), (2, 2, 2), (4, 3, 3), (5, 5, 5), (3, 1, 1), (1, 3, 3)]
STRIDES: list[Triple] = [(1, 1, 1), (2, 2, 2), (1, 2, 2), (3, 1, 1)]
PADDINGS: list[Triple] = [(0, 0, 0), (1, 1, 1), (2, 1, 1)]
SIZES: list[Triple] = [(7, 7, 7), (4, 9, 6)]
SHAPES = [
    (kernel, stride, padding, size)
    for kernel, stride, padding, size in product(KERNELS, STRIDES, PADDINGS, SIZES)
    if all(s + 2 * p >= k for s, p, k in zip(size, padding, kernel, strict=True))
]


@pytest.fixture(params=["t2", "p43d"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def way(name: str) -> Way:
    (found,) = _ways(GROUPS[name], False, "cpu", torch.double)
    return found


def channels_last(*shape: int, dtype: torch.dtype = torch.double) -> Tensor:
    return torch.randn(*shape, dtype=dtype).contiguous(memory_format=torch.channels_last_3d).requires_grad_()


def gains(monkeypatch: pytest.MonkeyPatch, name: str, always: bool) -> None:
    """Let the layers of a group always take the way through irreducible representations, or never."""
    monkeypatch.setattr(type(way(name)), "gains", lambda *_: always)


@pytest.mark.parametrize("pieces", [2**23, 20_000, 1])
def test_function_and_gradients_are_those_of_the_expanded_filters(
    name: str, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the kernel, stride, padding and size are, and into however many pieces the work is cut."""
    gains(monkeypatch, name, True)
    monkeypatch.setattr(way(name), "buffer", pieces)
    for kernel, stride, padding, size in SHAPES[:: 1 if pieces > 20_000 else 5]:
        conv = GroupConv3d(GROUPS[name], 3, 2, kernel, stride, padding, bias=False).double()
        x = channels_last(3, 3 * conv.group.order, *size)
        out, expected = conv(x), F.conv3d(x, conv.expanded_filters(), None, conv.stride, conv.padding)
        assert out.shape == expected.shape, (kernel, stride, padding, size)
        torch.testing.assert_close(out, expected, rtol=0, atol=EXACT)
        upstream = torch.randn_like(out)
        ours = torch.autograd.grad(out, (x, conv.weight), upstream)
        theirs = torch.autograd.grad(expected, (x, conv.weight), upstream)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=EXACT)


def test_it_is_taken_and_is_equivariant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, name, True)
    conv = GroupConv3d(GROUPS[name], 2, 3, 3, 2, 1).double()
    torch.nn.init.normal_(conv.bias)  # type: ignore[arg-type]
    x = channels_last(2, 2 * conv.group.order, 7, 7, 7).detach()
    expected = conv(x)
    for g in conv.group.elements:
        moved = conv(conv.group.act_on_features(x, g).contiguous(memory_format=torch.channels_last_3d))
        torch.testing.assert_close(moved, conv.group.act_on_features(expected, g), rtol=0, atol=EXACT)
    gains(monkeypatch, name, False)
    plain = conv(x)
    torch.testing.assert_close(plain, expected, rtol=0, atol=EXACT)
    assert not torch.equal(plain, expected)  # so it was another way


def test_gradients_of_gradients(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, name, True)
    conv = GroupConv3d(GROUPS[name], 1, 1, 3, padding=1, bias=False).double()
    x = channels_last(1, conv.group.order, 3, 3, 3)

    def f(x: Tensor, weight: Tensor) -> Tensor:
        conv.weight = weight  # type: ignore[assignment]
        return conv(x.contiguous(memory_format=torch.channels_last_3d))

    weight = conv.weight.detach().clone().requires_grad_()
    del conv.weight  # so that a plain tensor may stand in its place
    assert torch.autograd.gradcheck(f, (x, weight))
    assert torch.autograd.gradgradcheck(f, (x, weight))


def test_one_gradient_may_be_asked_for_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, name, True)
    conv = GroupConv3d(GROUPS[name], 2, 2, 3, padding=1, bias=False).double()
    x = channels_last(1, 2 * conv.group.order, 4, 4, 4)
    both = torch.autograd.grad(conv(x).sum(), (x, conv.weight))
    (of_weight,) = torch.autograd.grad(conv(x.detach()).sum(), conv.weight)
    conv.weight.requires_grad_(False)
    (of_input,) = torch.autograd.grad(conv(x).sum(), x)
    torch.testing.assert_close((of_input, of_weight), both, rtol=0, atol=0)


def test_filters_are_kept_in_evaluation_and_never_stale(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, name, True)
    conv = GroupConv3d(GROUPS[name], 2, 2, 3, padding=1, bias=False).double().eval()
    x = channels_last(1, 2 * conv.group.order, 4, 4, 4).detach()
    with torch.no_grad():
        before = conv(x)
        kept = conv._kept
        assert kept is not None and torch.equal(conv(x), before) and conv._kept is kept
        conv.weight.mul_(2)
        torch.testing.assert_close(conv(x), 2 * before, rtol=0, atol=EXACT)


@pytest.mark.parametrize("how", ["the default layout", "lifting", "bfloat16", "autocast"])
def test_elsewhere_the_expanded_filters_are_taken(name: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("taken")

    gains(monkeypatch, name, True)
    monkeypatch.setattr("reeltrace.models.group_conv.convolve", refuse)
    lifting = how == "lifting"
    conv = GroupConv3d(GROUPS[name], 2, 2, 3, padding=1, lifting=lifting)
    x = channels_last(1, 2 if lifting else 2 * conv.group.order, 4, 4, 4, dtype=torch.float32)
    if how == "the default layout":
        x = x.contiguous(memory_format=torch.contiguous_format)
    if how == "bfloat16":
        conv, x = conv.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "autocast"):
        assert conv(x).shape[1] == 2 * conv.group.order


def test_what_conv3d_refuses_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gains(monkeypatch, name, True)
    conv = GroupConv3d(GROUPS[name], 2, 2, 3, padding=0)
    with pytest.raises(RuntimeError, match=r"[Kk]ernel size"):
        conv(channels_last(1, 2 * conv.group.order, 2, 4, 4, dtype=torch.float32))
    with pytest.raises(RuntimeError, match=r"type|dtype"):
        conv(channels_last(1, 2 * conv.group.order, 4, 4, 4))


def test_the_choice_follows_from_the_shape_alone() -> None:
    def at(channels: int, kernel: int, size: int) -> dict[str, bool]:
        geometry = Geometry((channels, channels), (kernel,) * 3, (1, 1, 1), (kernel // 2,) * 3, (2, size, size, size))
        return {name: way(name).gains(geometry) for name in ("t2", "p43d")}

    assert at(90, 3, 16) == at(64, 3, 16) == {"t2": True, "p43d": True}
    assert at(90, 1, 16) == at(4, 3, 16) == at(90, 3, 2) == {"t2": False, "p43d": False}
