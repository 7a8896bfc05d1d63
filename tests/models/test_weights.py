"""Whether weights fit a net: which difference is told first, and what a net takes over from an image net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from reeltrace.errors import UserError
from reeltrace.models import rcn, st_resnet
from reeltrace.models.weights import check, image_state, load, load_images, read_state

SMALL: dict[str, Any] = {"classes": 3, "stem_kernel": 3, "stem_stride": 1, "max_pool": False}


def small_rcn() -> rcn.RCN:
    return rcn.build({"widths": [2, 2, 3, 4], "hidden_init": "random", "halve": False, **SMALL})


def small_st(*connections: dict[str, Any]) -> st_resnet.SequenceNet:
    return st_resnet.build({"width": 2, "connections": list(connections), "fixed_statistics": False, **SMALL})


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"0.weight": torch.zeros(2, 3, 1)}, "0.weight is (2, 3, 1), expected (2, 3, 1, 1)"),
        ({"0.weight": None, "1.bias": None}, "0.weight is not in the file"),
        ({"0.bias": torch.zeros(2)}, "0.bias is not in the net"),
        (
            {"1.bias": torch.zeros(2, dtype=torch.complex64)},
            "1.bias is of type torch.complex64, expected torch.float32",
        ),
        ({"1.num_batches_tracked": torch.tensor(0.5)}, "1.num_batches_tracked is of type torch.float32, expected "),
    ],
)
def test_the_first_difference_is_told_and_the_net_stays(changes: dict[str, Any], said: str) -> None:
    given, other = net(), net()
    before = {name: value.clone() for name, value in given.state_dict().items()}
    state = {name: value for name, value in {**other.state_dict(), **changes}.items() if value is not None}
    with pytest.raises(UserError) as caught:
        load(given, state, "file.pt: another net", "make it again")
    assert str(caught.value).startswith(f"file.pt: another net: {said}")
    assert str(caught.value).endswith("; make it again")
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())


def test_weights_of_another_precision_and_of_an_older_torch_are_taken() -> None:
    given, other = net(), net().half()
    state = {name: value for name, value in other.state_dict().items() if not name.endswith("tracked")}
    load(given, {**state, "2.num_batches_tracked": torch.tensor(1)}, "file.pt")
    assert given[0].weight.dtype == torch.float32  # type: ignore[index]
    assert torch.equal(given[0].weight, other[0].weight.float())  # type: ignore[index]


@pytest.mark.parametrize("build", [small_rcn, small_st])
def test_a_net_takes_all_that_it_shares_with_the_image_net(build: Any) -> None:
    first, second = build(), build()
    state = image_state(first)
    before = {name: value.clone() for name, value in second.state_dict().items()}
    load_images(second, state, "backbone")
    assert all(torch.equal(value, state[name]) for name, value in image_state(second).items() if name[:3] != "fc.")
    assert all(torch.equal(second.state_dict()[name], before[name]) for name in before if ".hidden." in name)
    assert torch.equal(second.fc.weight, before["fc.weight"])
    load_images(second, state, "backbone", head=True)
    assert torch.equal(second.fc.weight, state["fc.weight"])
    for lacking in ("conv1.weight", "layer2.0.bn1.running_mean"):
        rest = {name: value for name, value in state.items() if name != lacking}
        with pytest.raises(UserError, match=f"backbone: {lacking} is not in the file"):
            load_images(second, rest, "backbone")


def test_connections_are_no_part_of_the_image_net() -> None:
    wired, plain = small_st({"source": 13, "target": 18, "kind": "linear"}), small_st()
    assert any(name.startswith("wires.") for name in wired.state_dict())
    check(image_state(wired), image_state(plain), "backbone")
    load_images(wired, image_state(plain), "backbone")


def test_a_state_dict_is_read_by_itself_and_in_a_checkpoint(tmp_path: Path) -> None:
    state = net().state_dict()
    for content in (state, {"epoch": 3, "state": state}):
        torch.save(content, tmp_path / "w.pt")
        assert read_state(tmp_path / "w.pt").keys() == state.keys()
    for odd in ([1], {"a": 1}, {1: torch.zeros(1)}, {"state": [state]}):
        torch.save(odd, tmp_path / "w.pt")
        with pytest.raises(ValueError, match="no state dict"):
            read_state(tmp_path / "w.pt")
