"""The whole networks: invariant under their group, equal to the reference, and built only from what exists."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.video import r3d_18

from nets import build_model
from reeltrace.errors import UserError
from reeltrace.models.group_conv import GroupConv3d
from reeltrace.models.groups import GROUPS, Group
from reeltrace.models.widths import group_width

TOLERANCE = 1e-10
SMALL = {"cnn4": (4, 8, 8, 8), "resnet18": (4, 6, 8, 8)}

# Sizes (T, H, W) at which the logits must be invariant: any size along the axes that the group leaves alone,
# else n mod 4 = 3 for cnn4 and, for resnet18, n mod 16 = 1 in time and n mod 32 = 1 in space.
EXACT = {
    ("cnn4", "z3"): (6, 8, 5),
    ("cnn4", "t2"): (7, 8, 6),
    ("cnn4", "p43d"): (6, 11, 11),
    ("resnet18", "z3"): (4, 16, 12),
    ("resnet18", "t2"): (17, 16, 12),
    ("resnet18", "p43d"): (6, 33, 33),
}


def train_a_little(model: nn.Module, shape: tuple[int, int, int]) -> None:
    """A few steps with batch normalisation in training mode; fails if nothing was learnt."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    x, y = torch.randn(4, 3, *shape, dtype=torch.double), torch.tensor([0, 1, 2, 0])
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def spread(model: nn.Module, group: Group, shape: tuple[int, int, int]) -> float:
    """Largest change of a logit when the clip is transformed, over the range of the logits."""
    x = torch.randn(2, 3, *shape, dtype=torch.double)
    with torch.no_grad():
        logits = model(x)
        moved = [model(group.act(x, g)) for g in group.elements]
    assert (logits[0] - logits[1]).abs().max() > 1e-6, "a constant network would be invariant to anything"
    return max((other - logits).abs().max().item() for other in moved) / logits.abs().max().item()


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("architecture", ["cnn4", "resnet18"])
def test_logits_are_invariant_at_exact_sizes(architecture: str, group: Group, batch_norm: bool) -> None:
    model = build_model(
        architecture, group.name, 3, widths=SMALL[architecture], batch_norm=batch_norm, bias=not batch_norm
    ).double()
    shape = EXACT[architecture, group.name]
    assert spread(model.eval(), group, shape) < TOLERANCE
    if batch_norm:
        train_a_little(model, shape)
        assert spread(model.train(), group, shape) < TOLERANCE
        assert spread(model.eval(), group, shape) < TOLERANCE


@pytest.mark.parametrize("architecture", ["cnn4", "resnet18"])
@pytest.mark.parametrize("name", ["t2", "p43d"])
def test_plain_networks_are_not_invariant(architecture: str, name: str) -> None:
    """The measure itself can fail: the plain network changes its logits under either group."""
    model = build_model(architecture, "z3", 3, widths=SMALL[architecture]).double().eval()
    assert spread(model, GROUPS[name], EXACT[architecture, name]) > 1e-4


def test_widths_are_those_of_table_1() -> None:
    """basu2021, Table 1: 64 and 128 become 45 and 90 for T2, 32 and 64 for P43D."""
    assert [group_width(64, order) for order in (1, 2, 4)] == [64, 45, 32]
    assert [group_width(128, order) for order in (1, 2, 4)] == [128, 90, 64]
    for name, widths in (("z3", [64, 128, 128, 128]), ("t2", [45, 90, 90, 90]), ("p43d", [32, 64, 64, 64])):
        assert build_model("cnn4", name, 10, widths=(64, 128, 128, 128)).widths == widths


def test_width_is_the_floor_of_the_real_quotient() -> None:
    for width, order in itertools.product(range(3, 600), range(1, 9)):
        result = group_width(width, order)
        assert result**2 * order <= width**2 < (result + 1) ** 2 * order


def test_z3_resnet_is_torchvisions_r3d_18() -> None:
    reference = r3d_18(weights=None, num_classes=400)
    ours = build_model("resnet18", "z3", 400, widths=(64, 128, 256, 512), stem_kernel=(3, 7, 7), max_pool=False)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())
    theirs = list(reference.state_dict().values())
    state = ours.state_dict()
    assert len(state) == len(theirs)
    ours.load_state_dict({name: value.view_as(state[name]) for name, value in zip(state, theirs, strict=True)})
    x = torch.randn(1, 3, 5, 24, 20)
    for mode in (True, False):
        ours.train(mode), reference.train(mode)
        with torch.no_grad():
            assert torch.equal(ours(x), reference(x))


def test_resnet_starts_like_torchvisions() -> None:
    """The spread of the initial weights, layer by layer (He, fan out)."""
    ours = build_model("resnet18", "z3", 4, widths=(64, 128, 256, 512), stem_kernel=(3, 7, 7), max_pool=False)
    reference = [m for m in r3d_18(weights=None).modules() if isinstance(m, nn.Conv3d)]
    convs = [m for m in ours.modules() if isinstance(m, GroupConv3d)]
    for mine, theirs in zip(convs, reference, strict=True):
        assert mine.weight.std().item() == pytest.approx(theirs.weight.std().item(), rel=0.05)


@pytest.mark.parametrize("architecture", ["cnn4", "resnet18"])
def test_layouts_and_autocast_agree(architecture: str, group: Group) -> None:
    model = build_model(architecture, group.name, 3, widths=SMALL[architecture]).eval()
    x = torch.randn(2, 3, 8, 16, 16)
    with torch.no_grad():
        expected: Tensor = model(x)
        torch.testing.assert_close(model(x.contiguous(memory_format=torch.channels_last_3d)), expected)
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(x)
    torch.testing.assert_close(rough.float(), expected, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("size", [(32, 32, 32), (15, 18, 18), (8, 31, 31), (5, 7, 7)])
@pytest.mark.parametrize("group_name", ["t2", "p43d"])
def test_a_smoothed_resnet_is_equivariant_at_every_size_and_a_strided_one_is_not_at_32(
    group_name: str, size: tuple[int, int, int]
) -> None:
    """Logits of a clip and of its transform, in float64, untrained: equal, or apart by more than half their spread."""
    torch.manual_seed(0)
    clips = torch.randn(4, 3, *size, dtype=torch.float64)
    moved = clips.flip(2) if group_name == "t2" else torch.rot90(clips, 1, (3, 4))
    options = {"widths": SMALL["resnet18"], "stem_kernel": (7, 7, 7), "stem_stride": (1, 2, 2)}

    def apart(downsampling: str) -> float:
        model = build_model("resnet18", group_name, 3, **options, downsampling=downsampling).double().eval()
        with torch.no_grad():
            logits, others = model(clips), model(moved)
        return float((logits - others).square().mean().sqrt() / logits.std(0).square().mean().sqrt())

    assert apart("smoothed") < 1e-10
    if size == (32, 32, 32):
        assert apart("strided") > 0.5


def test_a_smoothed_resnet_stays_equivariant_when_it_is_trained() -> None:
    torch.manual_seed(0)
    model = build_model("resnet18", "t2", 2, widths=SMALL["resnet18"], downsampling="smoothed").double()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    clips, labels = torch.randn(6, 3, 8, 16, 16, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 0, 1])
    for _ in range(3):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(clips), labels).backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model(clips), model(clips.flip(2)), rtol=1e-10, atol=1e-10)


def test_smoothing_adds_no_parameter_and_keeps_sizes() -> None:
    for size in (7, 8):
        found = {}
        for downsampling in ("strided", "smoothed"):
            model = build_model("resnet18", "z3", 3, widths=SMALL["resnet18"], downsampling=downsampling).eval()
            maps = model.maxPool(model.norm(model.halve(model.stem(torch.zeros(1, 3, size, size, size)))))
            found[downsampling] = (
                sum(p.numel() for p in model.parameters()),
                maps.shape,
                model.layer4(model.layer3(model.layer2(model.layer1(maps)))).shape,
            )
        assert found["strided"] == found["smoothed"]


def test_what_downsampling_may_be_is_said() -> None:
    with pytest.raises(UserError, match="downsampling must be strided or smoothed, found 'blurred'"):
        build_model("resnet18", "z3", 3, downsampling="blurred")
    with pytest.raises(UserError, match="stem_stride must be 1 or 2 along each axis"):
        build_model("resnet18", "z3", 3, downsampling="smoothed", stem_stride=(1, 4, 4))


def test_bias_and_batch_norm_are_options() -> None:
    def names(**options: bool) -> set[str]:
        model = build_model("cnn4", "t2", 3, widths=SMALL["cnn4"], **options)  # type: ignore[arg-type]
        return {name for name, _ in model.named_parameters()}

    plain = {f"conv{i}.weight" for i in range(1, 5)} | {"fc.weight", "fc.bias"}
    biases = {f"conv{i}.bias" for i in range(1, 5)}
    norms = {f"norm{i}.{what}" for i in range(1, 5) for what in ("weight", "bias")}
    assert names(bias=False, batch_norm=False) == plain
    assert names(bias=True, batch_norm=True) == plain | biases | norms


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("vgg", "z3", {}), r"no architecture is named 'vgg'; it has: .*cnn4"),
        (("cnn4", "p5", {}), r"unknown group 'p5'"),
        (("cnn4", "z3", {"max_pool": True}), r"unknown option 'max_pool' of architecture cnn4"),
        (("cnn4", "z3", {"widths": (4, 4)}), r"four widths, found 2"),
        (("cnn4", "p43d", {"widths": (4, 1, 4, 4)}), r"width 1 .* too small"),
        (("resnet18", "z3", {"stem_kernel": (3, 3)}), r"stem_kernel takes three"),
        (("resnet18", "z3", {"stem_kernel": (3, 4, 4)}), r"stem_kernel must be odd"),
        (("resnet18", "p43d", {"stem_stride": (1, 1, 2)}), r"stride \(1, 1, 2\) does not suit group p43d"),
    ],
)
def test_wrong_settings_are_refused(call: tuple[str, str, dict[str, object]], message: str) -> None:
    architecture, group, options = call
    with pytest.raises(UserError, match=message):
        build_model(architecture, group, 3, **{"widths": (4, 4, 4, 4), **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_nothing_is_changed_in_place_of_which_autograd_keeps_a_view(architecture: str, group: Group) -> None:
    """What a group normalises is a view; a change of it in place would have its gradient copied, several times."""
    model = build_model(architecture, group.name, 3, widths=SMALL[architecture])
    x = torch.randn(2, 3, 9, 16, 16).contiguous(memory_format=torch.channels_last_3d)
    seen, waiting = set(), [model.to(memory_format=torch.channels_last_3d)(x).grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    names = {node.name() for node in seen}
    assert "ConvolutionBackward0" in names and not names & {"CopySlices", "AsStridedBackward0"}
