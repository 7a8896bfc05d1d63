"""The layers: equivariant where they must be, equal to their definition, and never stale."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from conftest import PROJECT
from reeltrace.errors import UserError
from reeltrace.models.group_conv import GroupBatchNorm3d, GroupConv3d, GroupPool, _row_tables
from reeltrace.models.groups import GROUPS, Group
from reeltrace.models.resnet3d import BasicBlock

TOLERANCE = 1e-10


def assert_equivariant(layer: nn.Module, group: Group, x: Tensor, lifting: bool = False) -> None:
    """f(g x) = g f(x) for every g, with the action that belongs to each side."""
    before = copy.deepcopy(layer.state_dict())
    expected = layer(x)
    assert expected.abs().max() > 1e-3, "an output of zeros would be equivariant to anything"
    for g in group.elements:
        layer.load_state_dict(before)
        moved = layer(group.act(x, g) if lifting else group.act_on_features(x, g))
        torch.testing.assert_close(moved, group.act_on_features(expected, g), rtol=0, atol=TOLERANCE)


def by_definition(conv: GroupConv3d) -> Tensor:
    """The expanded filters, written as in the document: L_s of the filter bank for each s."""
    group, weight = conv.group, conv.weight
    bank = []
    for g in group.elements:
        slices = weight if conv.lifting else weight[:, :, list(group.orientation_source(g))]
        bank.append(group.act(slices, g).transpose(1, 2).flatten(1, 2))
    return torch.cat(bank)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(GROUPS)).map(GROUPS.__getitem__),
    st.booleans(),
    st.sampled_from([1, 3, (3, 1, 1), (1, 3, 3)]),
    st.sampled_from([1, 2, (1, 2, 2), (2, 1, 1)]),
    st.sampled_from([3, 5, 7]),
    st.integers(1, 3),
    st.booleans(),
)
def test_convolution_is_equivariant(
    group: Group,
    lifting: bool,
    kernel: int | tuple[int, int, int],
    stride: int | tuple[int, int, int],
    size: int,
    channels: int,
    bias: bool,
) -> None:
    padding = tuple(k // 2 for k in (kernel if isinstance(kernel, tuple) else (kernel,) * 3))
    conv = GroupConv3d(group, channels, 2, kernel, stride, padding, bias, lifting).double()  # type: ignore[arg-type]
    if conv.bias is not None:
        nn.init.normal_(conv.bias)
    x = torch.randn(2, channels * (1 if lifting else group.order), size, size, size, dtype=torch.double)
    assert_equivariant(conv, group, x, lifting)


def test_a_stride_on_an_even_size_is_not_exact() -> None:
    """The condition on sizes is real: this is what the test above would show on an even size."""
    group = GROUPS["t2"]
    conv = GroupConv3d(group, 1, 2, 3, 2, 1, lifting=True).double()
    x = torch.randn(1, 1, 4, 4, 4, dtype=torch.double)
    assert (conv(group.act(x, 1)) - group.act_on_features(conv(x), 1)).abs().max() > 1e-3


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("lifting", [True, False])
def test_expanded_filters_follow_the_definition(
    group: Group, lifting: bool, memory_format: torch.memory_format
) -> None:
    conv = GroupConv3d(group, 2, 3, (3, 5, 5), lifting=lifting).double()
    filters = conv.expanded_filters(memory_format=memory_format)
    assert filters.shape == (3 * group.order, 2 * (1 if lifting else group.order), 3, 5, 5)
    assert torch.equal(filters, by_definition(conv))
    if group.order > 1:
        assert filters.is_contiguous(memory_format=memory_format)
    upstream = torch.randn_like(filters)
    (ours,) = torch.autograd.grad(filters, conv.weight, upstream)
    (derived,) = torch.autograd.grad(by_definition(conv), conv.weight, upstream)
    torch.testing.assert_close(ours, derived, rtol=0, atol=1e-12)


def test_gradients_of_first_and_second_order(group: Group) -> None:
    conv = GroupConv3d(group, 1, 1, (2, 1, 1), lifting=False).double()
    x = torch.randn(1, group.order, 2, 2, 2, dtype=torch.double, requires_grad=True)

    def f(x: Tensor, weight: Tensor) -> Tensor:
        out = torch.func.functional_call(conv, {"weight": weight}, x)
        assert isinstance(out, Tensor)
        return out

    weight = conv.weight.detach().requires_grad_()
    assert torch.autograd.gradcheck(f, (x, weight))
    assert torch.autograd.gradgradcheck(f, (x, weight))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_z3_is_the_plain_convolution_bit_for_bit(memory_format: torch.memory_format, bfloat16: bool) -> None:
    ours = GroupConv3d(GROUPS["z3"], 3, 8, 3, 2, 1)
    assert ours.bias is not None
    nn.init.normal_(ours.bias)
    plain = nn.Conv3d(3, 8, 3, 2, 1)
    with torch.no_grad():
        plain.weight.copy_(ours.weight.squeeze(2))
        plain.bias.copy_(ours.bias)  # type: ignore[union-attr]
    x = torch.randn(2, 3, 7, 8, 9).contiguous(memory_format=memory_format)
    for mode in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            a, b = ours.train(mode)(x), plain.train(mode)(x)
        assert torch.equal(a, b)
        a.float().square().sum().backward()
        b.float().square().sum().backward()
        assert ours.weight.grad is not None
        assert torch.equal(ours.weight.grad.squeeze(2), plain.weight.grad)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_equivariant(group: Group, training: bool, memory_format: torch.memory_format) -> None:
    norm = GroupBatchNorm3d(group, 5).double().train(training)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    x = 3 + torch.randn(2, 5 * group.order, 3, 3, 3, dtype=torch.double)
    assert_equivariant(norm, group, x.contiguous(memory_format=memory_format))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_batch_norm_shares_statistics_over_orientations(group: Group, memory_format: torch.memory_format) -> None:
    norm = GroupBatchNorm3d(group, 5).double()
    x = 3 + 2 * torch.randn(2, 5 * group.order, 3, 4, 5, dtype=torch.double)
    out = norm(x.contiguous(memory_format=memory_format))
    per_channel = x.view(2, group.order, 5, 3, 4, 5).transpose(0, 2).flatten(1)
    mean, variance = per_channel.mean(1), per_channel.var(1, unbiased=False)
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    expected = (x.view(2, group.order, 5, -1) - mean[:, None]) / (variance[:, None] + norm.eps).sqrt()
    torch.testing.assert_close(out, expected.view_as(x))
    assert out.is_contiguous(memory_format=memory_format)


def test_group_pool_is_the_mean_over_orientations(group: Group) -> None:
    x = torch.randn(2, 3 * group.order, 3, 3, 3, dtype=torch.double)
    pooled = GroupPool(group)(x)
    assert pooled.shape == (2, 3, 3, 3, 3)
    torch.testing.assert_close(pooled, sum(x[:, 3 * s : 3 * s + 3] for s in group.elements) / group.order)
    for g in group.elements:
        moved = GroupPool(group)(group.act_on_features(x, g))
        torch.testing.assert_close(moved, group.act(pooled, g), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("pool", "size"),
    [(nn.MaxPool3d(3, 2, 1), 7), (nn.AvgPool3d(2, 2), 6), (nn.AdaptiveAvgPool3d(1), 5), (nn.ReLU(), 4)],
    ids=["max", "average", "adaptive", "relu"],
)
def test_plain_pooling_is_equivariant_on_folded_channels(group: Group, pool: nn.Module, size: int) -> None:
    assert_equivariant(pool, group, torch.randn(2, 3 * group.order, size, size, size, dtype=torch.double))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("channels", "stride"), [(3, 1), (4, 1), (4, 2)])
def test_residual_block_is_equivariant(group: Group, channels: int, stride: int, training: bool) -> None:
    block = BasicBlock(group, 3, channels, stride).double().train(training)
    x = torch.randn(2, 3 * group.order, 5, 5, 5, dtype=torch.double)
    assert_equivariant(block, group, x)


def test_a_group_of_ones_own_works_in_every_layer() -> None:
    """A group with another multiplication table: reversal of time and mirroring of frames, not cyclic."""
    klein = Group(
        "klein",
        "K4",
        tuple(tuple(a ^ b for b in range(4)) for a in range(4)),
        lambda volume, g: volume.flip([axis for bit, axis in ((1, -3), (2, -1)) if g & bit]),
    )
    x = torch.randn(1, 2, 3, 5, 7, dtype=torch.double)
    assert_equivariant(GroupConv3d(klein, 2, 3, 3, 2, 1, lifting=True).double(), klein, x, lifting=True)
    x = torch.randn(1, 2 * 4, 3, 5, 7, dtype=torch.double)
    assert_equivariant(BasicBlock(klein, 2, 3, 2).double(), klein, x)


@pytest.mark.parametrize("what", ["kernel", "stride", "padding"])
def test_settings_that_the_group_would_change_are_refused(what: str) -> None:
    odd_one = {"kernel": (3, 3, 1), "stride": (1, 2, 1), "padding": (1, 1, 0)}[what]
    arguments = {"kernel": 3, "stride": 1, "padding": 1, what: odd_one}
    with pytest.raises(UserError, match=rf"{what} .* does not suit group p43d"):
        GroupConv3d(GROUPS["p43d"], 1, 1, arguments["kernel"], arguments["stride"], arguments["padding"])  # type: ignore[arg-type]


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_initialisation_keeps_the_variance(group: Group, lifting: bool, mode: str) -> None:
    """He: after ReLU and a wide layer, the second moment stays (fan_in forwards, fan_out backwards)."""
    conv = GroupConv3d(group, 16, 24, 3, padding=1, bias=False, lifting=lifting)
    conv.reset_parameters(mode)  # type: ignore[arg-type]
    x = torch.randn(4, 16 * (1 if lifting else group.order), 6, 6, 6).relu().requires_grad_()
    out = conv(x)
    inner = (..., slice(1, -1), slice(1, -1), slice(1, -1))  # padding lowers the variance at the border
    if mode == "fan_in":
        ratio = out[inner].square().mean() / (2 * x[inner].square().mean())
    else:
        upstream = torch.randn_like(out)
        (gradient,) = torch.autograd.grad(out, x, upstream)
        ratio = gradient[inner].square().mean() / (2 * upstream.square().mean())
    assert 0.7 < ratio.item() < 1.4


# --- kept filters ---


def _fresh(conv: GroupConv3d, x: Tensor) -> Tensor:
    """What the layer gives without kept filters."""
    bias = None if conv.bias is None else conv.bias.repeat(conv.group.order)
    filters = by_definition(conv)
    with torch.no_grad():
        return F.conv3d(x, filters.to(memory_format=torch.contiguous_format), bias, conv.stride, conv.padding)


def _evaluate(conv: GroupConv3d, x: Tensor) -> Tensor:
    with torch.no_grad():
        first, second = conv(x), conv(x)
    assert torch.equal(first, second)
    return first


@pytest.fixture(params=["t2", "p43d"])
def warm(request: pytest.FixtureRequest) -> tuple[GroupConv3d, Tensor]:
    """A layer in evaluation mode that keeps its filters, and an input."""
    conv = GroupConv3d(GROUPS[request.param], 2, 3, 3, padding=1).eval()
    x = torch.randn(2, 2 * conv.group.order, 5, 5, 5)
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))
    assert conv._kept is not None
    return conv, x


def test_filters_are_kept_between_calls(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    assert conv._kept is not None
    kept = conv._kept.filters
    _evaluate(conv, x)
    assert conv._kept.filters is kept
    assert torch.equal(kept, by_definition(conv))


def test_kept_filters_follow_an_optimiser_step(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    before = _evaluate(conv, x)
    optimizer = torch.optim.SGD(conv.parameters(), lr=0.1)
    conv(x).square().sum().backward()  # still in evaluation mode, so only the version tells
    optimizer.step()
    after = _evaluate(conv, x)
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, _fresh(conv, x))


@pytest.mark.parametrize("inference", [False, True])
def test_kept_filters_follow_an_in_place_change(warm: tuple[GroupConv3d, Tensor], inference: bool) -> None:
    conv, x = warm
    with torch.inference_mode() if inference else torch.no_grad():
        conv.weight.mul_(2)
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))


@pytest.mark.parametrize("assign", [False, True])
def test_kept_filters_follow_a_load(warm: tuple[GroupConv3d, Tensor], assign: bool) -> None:
    conv, x = warm
    other = {name: torch.randn_like(tensor) for name, tensor in conv.state_dict().items()}
    conv.load_state_dict(other, assign=assign)
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))


def test_kept_filters_follow_new_data_behind_the_parameter(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.weight.data = torch.randn_like(conv.weight)
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))


def test_writes_through_data_are_seen_after_a_change_of_mode(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.weight.data.mul_(2)
    conv.train().eval()
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))


def test_kept_filters_follow_a_change_of_type(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.double()
    out = _evaluate(conv, x.double())
    assert out.dtype == torch.double
    torch.testing.assert_close(out, _fresh(conv, x.double()), rtol=0, atol=1e-12)


def test_kept_filters_are_right_in_and_out_of_autocast(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    exact = _fresh(conv, x)
    conv.train().eval()  # so that the first filters to be kept are those of autocast
    for enabled in (True, False, True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = _evaluate(conv, x)
        assert out.dtype == (torch.bfloat16 if enabled else torch.float32)
        torch.testing.assert_close(out.float(), exact, **({"rtol": 0.05, "atol": 0.1} if enabled else {}))


@pytest.mark.parametrize("training", [True, False])
def test_autocast_leaves_double_precision_alone(group: Group, training: bool) -> None:
    conv = GroupConv3d(group, 1, 2, 3, lifting=True).double().train(training)
    x = torch.randn(1, 1, 3, 3, 3, dtype=torch.double)
    with torch.no_grad():
        expected = conv(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(conv(x), expected)


def test_kept_filters_serve_both_layouts(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.train().eval()  # so that the first filters to be kept are channels-last
    for memory_format in (torch.channels_last_3d, torch.contiguous_format, torch.channels_last_3d):
        out = _evaluate(conv, x.contiguous(memory_format=memory_format))
        torch.testing.assert_close(out, _fresh(conv, x))
        assert out.is_contiguous(memory_format=memory_format)


def test_kept_filters_follow_a_move_to_another_device(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.to("meta")
    assert conv._kept is None
    with torch.no_grad():
        assert conv(x.to("meta")).device.type == "meta"


def test_what_inference_mode_leaves_behind_does_not_break_training(warm: tuple[GroupConv3d, Tensor]) -> None:
    """Tensors made in inference mode may not be saved for a backward pass, not even the second one."""
    conv, x = warm
    conv.train().eval()
    _row_tables.cache_clear()
    with torch.inference_mode():
        conv(x)
    torch.testing.assert_close(_evaluate(conv, x), _fresh(conv, x))
    (gradient,) = torch.autograd.grad(conv(x).square().sum(), conv.weight, create_graph=True)
    gradient.square().sum().backward()
    assert conv.weight.grad is not None


def test_no_filters_are_kept_while_gradients_are_on(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    conv.train().eval()
    conv(x)
    assert conv._kept is None


def test_copies_and_pickles_do_not_carry_kept_filters(warm: tuple[GroupConv3d, Tensor]) -> None:
    conv, x = warm
    for other in (copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert other._kept is None
        assert torch.equal(_evaluate(other, x), _evaluate(conv, x))


def test_gradients_under_autocast_are_summed_in_full_precision(group: Group) -> None:
    """bfloat16 has no 257 and no 259: a sum over orientations in that type would lose the ones."""
    conv = GroupConv3d(group, 1, 1, 1, bias=False, lifting=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(torch.ones(1, 1, 1, 1, 1))
    upstream = torch.ones_like(out)
    upstream[:, 0] = 256
    out.backward(upstream)
    assert conv.weight.grad is not None
    assert conv.weight.grad.dtype == torch.float32
    assert conv.weight.grad.item() == 256 + group.order - 1


@pytest.mark.parametrize("layer", [lambda g: GroupConv3d(g, 2, 3, 3), GroupPool, lambda g: GroupBatchNorm3d(g, 4)])
def test_a_group_may_be_named(layer: Callable[[Group | str], nn.Module]) -> None:
    assert layer("t2").group is GROUPS["t2"]
    with pytest.raises(UserError, match=r"^unknown group 't3': expected one of p43d, t2, z3$"):
        layer("t3")


@pytest.mark.parametrize(
    ("lifting", "shape", "words"),
    [
        (False, (1, 2, 3, 5, 5), r"C = 8: 2 in each of 4 orientations$"),
        (False, (8, 3, 5, 5), r"found an input of shape \(8, 3, 5, 5\)"),
        (True, (1, 8, 3, 5, 5), r"C = 2$"),
    ],
)
def test_other_channels_are_said_in_those_of_one_orientation(lifting: bool, shape: tuple[int, ...], words: str) -> None:
    conv = GroupConv3d("p43d", 2, 3, 3, lifting=lifting)
    with pytest.raises(UserError, match=words):
        conv(torch.zeros(shape))


def test_the_page_on_the_layers_shows_what_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/group-convolution.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    said = re.search(r"shape  # (.*)", blocks[0])
    assert said is not None and str(tuple(names["net"].float()(names["clip"].float()).shape)) == said[1]
    assert names["net"][3].way(names["net"][:3](names["clip"].float())) is not None
