"""The ways that a GPU takes: the function and gradients of `conv3d`. Here they are computed on a CPU."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.test_irreps import EXACT, SHAPES, channels_last
from reeltrace.models import group_conv
from reeltrace.models.group_conv import GroupConv3d, _ways
from reeltrace.models.groups import GROUPS
from reeltrace.models.irreps import TimeReversal
from reeltrace.models.stacked import StackedFrames
from reeltrace.models.ways import Way


@pytest.fixture(params=[("z3", 0), ("t2", 0), ("t2", 1), ("p43d", 0)], ids=lambda p: f"{p[0]}-{p[1]}")
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Way]:
    """A group, and one of its ways on a GPU, which its layers then take here."""
    name, number = request.param
    found = _ways(GROUPS[name], False, "cuda", torch.bfloat16)[number]
    monkeypatch.setattr(group_conv, "_ways", lambda *_: (found,))
    monkeypatch.setattr(type(found), "gains", lambda *_: True)
    return name, found


def layer(name: str, *shape: object, lifting: bool = False) -> GroupConv3d:
    return GroupConv3d(GROUPS[name], 3, 2, *shape, bias=False, lifting=lifting).double()  # type: ignore[arg-type]


def compare(conv: GroupConv3d, x: Tensor, atol: float = EXACT) -> None:
    out = conv(x)
    expected = F.conv3d(x, conv.expanded_filters().to(x.dtype), None, conv.stride, conv.padding)
    torch.testing.assert_close(out, expected, rtol=0, atol=atol)
    upstream = torch.randn_like(out)
    wanted = [each for each in (x, conv.weight) if each.requires_grad]
    ours, theirs = (torch.autograd.grad(each, wanted, upstream) for each in (out, expected))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("pieces", [2**23, 20_000, 1])
def test_function_and_gradients_are_those_of_conv3d(
    way: tuple[str, Way], pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, taken = way
    monkeypatch.setattr(taken, "buffer", pieces)
    for kernel, stride, padding, size in SHAPES[:: 1 if pieces > 20_000 else 5]:
        conv = layer(name, kernel, stride, padding)
        x = channels_last(3, 3 * conv.group.order, *size)
        assert conv.way(x) is taken
        compare(conv, x)


def test_a_lifting_layer_of_clips(way: tuple[str, Way]) -> None:
    name, taken = way
    if isinstance(taken, StackedFrames):
        compare(layer(name, 3, 1, 1, lifting=True), channels_last(2, 3, 5, 6, 6).detach())


def test_gradients_of_gradients(way: tuple[str, Way]) -> None:
    conv = GroupConv3d(GROUPS[way[0]], 1, 1, 3, padding=1, bias=False).double()
    x = channels_last(1, conv.group.order, 3, 3, 3)

    def f(x: Tensor) -> Tensor:
        return conv(x.contiguous(memory_format=torch.channels_last_3d))

    assert torch.autograd.gradgradcheck(f, (x,))


def test_weights_keep_their_type_under_autocast(way: tuple[str, Way]) -> None:
    conv = layer(way[0], 3, 1, 1).float()
    x = channels_last(2, 3 * conv.group.order, 5, 6, 6, dtype=torch.float32)
    biased = GroupConv3d(GROUPS[way[0]], 3, 2, 3, padding=1)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(x)
        assert biased(x).dtype == torch.bfloat16
    assert out.dtype == torch.bfloat16
    dx, dweight = torch.autograd.grad(out.float().square().sum(), (x, conv.weight))
    exact = F.conv3d(x, conv.expanded_filters(), None, 1, 1)
    expected = torch.autograd.grad(exact.square().sum(), (x, conv.weight))
    assert dx.dtype == dweight.dtype == torch.float32
    for found, wanted in zip((out.float(), dx, dweight), (exact, *expected), strict=True):
        assert (found - wanted).norm() < 0.02 * wanted.norm()


def test_channels_are_filled_up_to_a_multiple(way: tuple[str, Way]) -> None:
    conv = layer(way[0], 3, 1, 1)
    filters = way[1].filters(conv.weight)
    outputs, inputs = filters.shape[-4:-2]
    assert outputs % 8 == inputs % 8 == 0


def test_which_ways_come_into_question() -> None:
    def kinds(name: str, lifting: bool, device: str, dtype: torch.dtype) -> list[type]:
        return [type(way) for way in _ways(GROUPS[name], lifting, device, dtype)]

    for dtype in (torch.bfloat16, torch.float16):
        assert kinds("t2", False, "cuda", dtype) == [TimeReversal, StackedFrames]
        assert kinds("t2", True, "cuda", dtype) == kinds("p43d", False, "cuda", dtype) == [StackedFrames]
        assert kinds("z3", False, "cuda", dtype) == [StackedFrames]
        assert kinds("t2", False, "cpu", dtype) == []
    assert kinds("t2", False, "cuda", torch.float32) == kinds("z3", False, "cpu", torch.float32) == []
    assert kinds("t2", False, "mps", torch.float16) == []
