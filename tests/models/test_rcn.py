"""The laws of the recurrent convolution unit: the 2D net without memory, causality, and what identity means."""

from __future__ import annotations

import pytest
import torch
from torchvision.models import resnet18, resnet34

from reeltrace.errors import UserError
from reeltrace.models.rcn import RCN, HiddenInit, RecurrentConv, hidden_statistics
from reeltrace.models.weights import image_state, load_images

WIDTHS = (4, 6, 8, 10)


def net_of(init: HiddenInit = "identity", halve: bool = False, classes: int = 5) -> RCN:
    torch.manual_seed(0)
    return RCN(classes, WIDTHS, init, halve).eval()


def forget(net: RCN) -> RCN:
    with torch.no_grad():
        for unit in net.units:
            unit.hidden.weight.zero_()
    return net


def test_without_memory_it_is_torchvisions_resnet_18_frame_by_frame() -> None:
    torch.manual_seed(1)
    theirs = resnet18().eval()
    ours = RCN(1000).eval()
    load_images(ours, theirs.state_dict(), "resnet18", head=True)
    forget(ours)
    clips = torch.rand(2, 3, 3, 48, 48)
    with torch.no_grad():
        expected = torch.stack([theirs(clips[:, :, step]) for step in range(3)], dim=1)
        assert torch.allclose(ours.frame_logits(clips), expected, atol=1e-5)
        assert torch.allclose(ours(clips), expected.mean(1), atol=1e-5)


@pytest.mark.parametrize("halve", [False, True])
@pytest.mark.parametrize("init", ["random", "identity"])
def test_a_later_frame_never_changes_an_earlier_output(init: HiddenInit, halve: bool) -> None:
    net = net_of(init, halve)
    clips = torch.rand(2, 3, 6, 32, 32)
    changed = clips.clone()
    changed[:, :, 4] = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        before, after = net.frame_logits(clips), net.frame_logits(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])
    assert not torch.allclose(before[:, 5], after[:, 5])  # what was seen is remembered


def test_an_identity_unit_sums_what_it_has_seen_and_a_halving_one_averages() -> None:
    x = torch.rand(1, 5, 3, 8, 8)
    summing = RecurrentConv(3, 4, 1, "identity", halve=False)
    with torch.no_grad():
        driven = summing.input(x[0])
        assert torch.allclose(summing(x)[0], driven.cumsum(0), atol=1e-5)
        halving = RecurrentConv(3, 4, 1, "identity", halve=True)
        halving.load_state_dict(summing.state_dict())
        states = halving(x)[0]
        expected = driven[0]
        for step in range(1, 5):
            expected = (driven[step] + expected) / 2
            assert torch.allclose(states[step], expected, atol=1e-6)


def test_there_are_sixteen_units_and_their_statistics() -> None:
    identity, random = (hidden_statistics(net_of(init)) for init in ("identity", "random"))
    assert len(identity) == len(random) == 16
    for unit, found in zip(net_of("identity").units, identity, strict=True):
        width = unit.hidden.out_channels
        assert found["mean"] == pytest.approx(1 / width)
        assert (found["diagonal_mean"], found["diagonal_std"]) == (1, 0)
        assert found["std"] == pytest.approx((1 / width - 1 / width**2) ** 0.5)
    assert all(found["diagonal_std"] > 0 for found in random)


def test_the_initialisation_is_all_that_differs() -> None:
    identity, random = net_of("identity").state_dict(), net_of("random").state_dict()
    assert identity.keys() == random.keys()
    differ = {name for name in identity if identity[name].shape[-2:] == (1, 1) and ".hidden." in name}
    assert all(not torch.equal(identity[name], random[name]) for name in differ)


def test_weights_of_another_net_are_refused() -> None:
    with pytest.raises(UserError, match=r"backbone: bn1\.bias is \(64,\), expected \(4,\); make it again"):
        load_images(net_of(), resnet18().state_dict(), "backbone", "make it again")
    more = {**image_state(net_of()), "layer1.0.conv3.weight": torch.zeros(1)}
    with pytest.raises(UserError, match=r"layer1\.0\.conv3\.weight is not in the net"):
        load_images(net_of(), more, "backbone")
    with pytest.raises(UserError, match="expected random or identity"):
        RecurrentConv(3, 4, 1, "zero", halve=False)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="four widths"):
        RCN(5, (4, 4))


def test_a_deeper_one_is_torchvisions_resnet_34_without_memory() -> None:
    """Widths aside, which the weights of a narrow net have here: by the names and the number of its layers."""
    torch.manual_seed(0)
    net = RCN(5, WIDTHS, blocks=(3, 4, 6, 3)).eval()
    assert len(net.units) == 32
    theirs = {name for name in resnet34().state_dict() if name.startswith("layer")}
    ours = {name.replace(".input.weight", ".weight") for name in net.state_dict() if ".hidden." not in name}
    assert {name for name in ours if name.startswith("layer")} == theirs
    with pytest.raises(UserError, match="blocks of four stages, found 3"):
        RCN(5, WIDTHS, blocks=(2, 2, 2))
