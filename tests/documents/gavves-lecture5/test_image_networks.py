"""The lecture's image networks: against torchvision's own records, arithmetic, and what the slides print."""

from __future__ import annotations

import json
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import get_model, get_model_weights, googlenet

from conftest import PROJECT
from reeltrace.errors import CheckFailed
from reeltrace.kinds.document_code import load_module

PUBLISHED = PROJECT / "documents/gavves-lecture5/published.yaml"
facts = load_module("gavves-lecture5", PROJECT)


@pytest.fixture(scope="module")
def lecture() -> Any:
    with torch.device("meta"):
        return facts.facts()


@pytest.fixture(scope="module")
def printed() -> dict[str, dict[tuple[str, str], str | None]]:
    tables = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))["tables"]
    return {
        key: {(cell["row"], cell["column"]): cell["printed"] for cell in table["cells"]}
        for key, table in tables.items()
    }


def rounded(value: int, unit: int, like: str, how: str = ROUND_HALF_UP) -> bool:
    """Whether a count in this unit comes to the printed digits."""
    number = Decimal(like.rstrip("KM"))
    return (Decimal(value) / unit).quantize(number, how) == number


def test_it_is_plain_json_and_the_same_each_time(lecture: Any) -> None:
    assert json.loads(json.dumps(lecture)) == lecture
    with torch.device("meta"):
        assert facts.facts() == lecture


# --- VGG ---


@pytest.mark.parametrize(("name", "network"), [("A", "vgg11"), ("B", "vgg13"), ("D", "vgg16"), ("E", "vgg19")])
def test_vgg_has_the_parameters_that_torchvision_records(lecture: Any, name: str, network: str) -> None:
    meta = get_model_weights(network).DEFAULT.meta
    found = lecture["vgg"]["nets"][name]
    assert found["parameters"] == meta["num_params"]
    assert rounded(found["multiply_adds"], 10**9, str(meta["_ops"]))


def test_vgg_c_is_d_with_three_1x1_filters(lecture: Any) -> None:
    nets = lecture["vgg"]["nets"]
    assert nets["D"]["parameters"] - nets["C"]["parameters"] == (9 - 1) * (256**2 + 2 * 512**2)
    saved = (9 - 1) * (256**2 * 56**2 + 512**2 * 28**2 + 512**2 * 14**2)
    assert nets["D"]["multiply_adds"] - nets["C"]["multiply_adds"] == saved
    assert nets["A"]["parameters"] == nets["A-LRN"]["parameters"] == 132_863_336


def test_every_printed_parameter_count_of_vgg_comes_out(lecture: Any, printed: Any) -> None:
    for (_, name), text in printed["VGG parameters"].items():
        assert rounded(lecture["vgg"]["nets"][name.split(",")[0]]["parameters"], 10**6, text), name


def test_the_layers_of_vgg_are_those_printed_but_for_the_filters_lost_in_e(lecture: Any, printed: Any) -> None:
    other = set()
    for (row, name), text in printed["VGG configurations"].items():
        if row not in ("input", "soft-max") and lecture["vgg"]["nets"][name]["layers"][row] != text:
            other.add((row, name))
            assert lecture["vgg"]["nets"][name]["layers"][row] == f"{text} {text.split()[0]}"
    assert other == {("stage 3", "E"), ("stage 4", "E"), ("stage 5", "E")}
    found = lecture["vgg"]["characteristics"]
    assert found == {row: text for (row, _), text in printed["VGG16 characteristics"].items()}


# --- GoogLeNet ---


def test_an_inception_module_by_hand(lecture: Any) -> None:
    row = lecture["googlenet"]["rows"]["inception (3a)"]
    weights = 192 * (64 + 96 + 16 + 32) + 96 * 128 * 9 + 16 * 32 * 25
    assert row["weights"] == weights
    assert row["biases"] == 64 + 96 + 128 + 16 + 32 + 32
    assert row["parameters"] == row["weights"] + row["biases"]
    assert row["multiply_adds"] == weights * 28**2


def test_googlenet_has_the_printed_sizes_filters_and_depths(lecture: Any, printed: Any) -> None:
    rows = lecture["googlenet"]["rows"]
    assert list(rows) == list(dict.fromkeys(row for row, _ in printed["GoogLeNet"]))
    compared = 0
    for (row, column), text in printed["GoogLeNet"].items():
        if column in ("params", "ops"):
            continue
        ours = rows[row].get(column, rows[row].get("filters", {}).get(column))
        if text is not None:
            assert str(ours) == text, (row, column)
            compared += 1
        else:
            assert ours is None, (row, column)
    assert compared == 7 + 19 + 19 + 9 * 6 + 2  # windows, sizes, depths, filters of the modules and of layer 2
    found = lecture["googlenet"]["architecture"]
    assert {row: str(value) for row, value in found.items()} == {
        row: text for (row, _), text in printed["GoogLeNet architecture"].items()
    }


def test_which_printed_operations_of_googlenet_come_out(lecture: Any, printed: Any) -> None:
    rows = lecture["googlenet"]["rows"]
    off = {
        row
        for (row, column), text in printed["GoogLeNet"].items()
        if column == "ops" and text and not rounded(rows[row]["multiply_adds"], 10**6, text)
    }
    assert off == {"convolution 1", "inception (4a)", "inception (5a)"}
    assert rounded(rows["inception (4a)"]["multiply_adds"], 10**6, "73M", ROUND_DOWN)
    assert rows["inception (5a)"]["multiply_adds"] == 51_079_168  # printed 54M


def test_which_convention_explains_the_printed_parameters_of_googlenet(lecture: Any, printed: Any) -> None:
    rows = lecture["googlenet"]["rows"]
    texts = {row: text for (row, column), text in printed["GoogLeNet"].items() if column == "params" and text}
    assert len(texts) == 12
    right = {
        (quantity, unit, how): {row for row, text in texts.items() if rounded(rows[row][quantity], unit, text, how)}
        for quantity in ("weights", "parameters")
        for unit in (1000, 1024)
        for how in (ROUND_HALF_UP, ROUND_DOWN)
    }
    assert right["weights", 1024, ROUND_HALF_UP] == {"convolution 2", "linear"}
    assert right["weights", 1024, ROUND_DOWN] == {"convolution 2", "inception (3a)", "linear"}
    assert right["parameters", 1024, ROUND_HALF_UP] == {"convolution 2", "inception (3b)"}
    assert all(not found for (_, unit, _), found in right.items() if unit == 1000)


def test_the_first_layer_is_printed_as_a_separable_one(lecture: Any, printed: Any) -> None:
    found = lecture["googlenet"]["first_layer_separable"]
    assert found["parameters"] == 3 * 8 * 49 + 24 * 64
    assert found["multiply_adds"] == found["parameters"] * 112**2
    assert rounded(found["parameters"], 1000, printed["GoogLeNet"]["convolution 1", "params"])
    assert rounded(found["multiply_adds"], 10**6, printed["GoogLeNet"]["convolution 1", "ops"])


def test_torchvisions_googlenet_is_counted_whole_and_its_differences_are_named(lecture: Any) -> None:
    ours, theirs = lecture["googlenet"], lecture["googlenet"]["torchvision"]
    meta = get_model_weights("googlenet").DEFAULT.meta
    assert theirs["parameters"] == meta["num_params"]
    with torch.device("meta"):
        net = googlenet(aux_logits=False, init_weights=False).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, 224, 224))
        full = sum(parameter.numel() for parameter in googlenet(aux_logits=True, init_weights=False).parameters())
    assert counter.get_total_flops() == 2 * theirs["multiply_adds"]
    assert theirs["parameters"] + theirs["auxiliary_parameters"] == full
    named = {(d["row"], d["quantity"]): d for d in theirs["differences"]}
    for row, one in ours["rows"].items():
        if row.startswith("inception"):
            assert (named[row, "kernels 5x5"]["table"], named[row, "kernels 5x5"]["torchvision"]) == (5, 3)
            lost = one["filters"]["5x5 reduce"] * one["filters"]["5x5"] * (25 - 9)
            assert named[row, "weights"]["difference"] == -lost
            assert named[row, "multiply_adds"]["difference"] == -lost * int(one["output size"].split("x")[0]) ** 2
            assert named[row, "biases"]["torchvision"] == 0
            assert named[row, "normalisation"]["table"] == 0
    assert named["max pool 4", "patch size and stride"]["torchvision"] == "2x2/2"
    assert named["dropout", "dropout"]["torchvision"] == 0.2
    assert named["softmax", "has this row"]["torchvision"] is False
    total = sum(d["difference"] for d in theirs["differences"] if d["quantity"] == "parameters")
    assert total == theirs["parameters"] - ours["parameters"]


# --- stacks of small filters ---


def test_stacks_have_the_printed_fields_and_weights(lecture: Any, printed: Any) -> None:
    stacks, against = lecture["stacks"]["stacks"], lecture["stacks"]["against"]
    for (row, column), text in printed["3x3 stacks"].items():
        if column != "more nonlinearities" and text is not None:
            assert stacks[row][column] == text
    assert printed["3x3 stacks"]["three 3x3", "more nonlinearities"] == "Three more nonlinearities"
    assert against["three 3x3"]["more nonlinearities"] == "Two more nonlinearities"


@pytest.mark.parametrize("channels", [64, 128, 256, 512])
def test_stacks_by_arithmetic(lecture: Any, channels: int) -> None:
    for name, sides in facts.STACKS.items():
        found = lecture["stacks"]["stacks"][name]["channels"][str(channels)]
        taps = sum(height * width for height, width in sides)
        assert found["filter_weights"] == taps * channels
        assert found["parameters"] == taps * channels**2
        assert found["multiply_adds"] == taps * channels**2 * found["side"] ** 2
    against = lecture["stacks"]["against"]
    assert against["three 3x3"]["channels"][str(channels)]["parameters"] == pytest.approx(27 / 49)
    assert against["7x1 and 1x7"]["channels"][str(channels)]["multiply_adds"] == pytest.approx(2 / 7)


def test_a_receptive_field_is_what_the_gradient_reaches() -> None:
    assert facts.receptive_field(nn.Sequential(nn.Conv2d(1, 1, (3, 5), padding=(1, 2)), nn.ReLU())) == (3, 5)
    dilated = nn.Sequential(nn.Conv2d(1, 1, 3, padding=2, dilation=2))
    with pytest.raises(CheckFailed, match="the gradient reaches 5x5"):
        facts.receptive_field(dilated)


# --- ResNeXt ---


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("ResNet-101 (1x64d)", "resnet101"),
        ("ResNeXt-101 (32x4d)", None),
        ("ResNeXt-101 (64x4d)", "resnext101_64x4d"),
    ],
)
def test_resnext_is_torchvisions_where_it_has_the_network(lecture: Any, name: str, network: str | None) -> None:
    found = lecture["resnext"]["nets"][name]
    if network is None:
        assert found["parameters"] == 44_177_704  # torchvision has it with 8 instead of 4 channels a group only
        return
    meta = get_model_weights(network).DEFAULT.meta
    with torch.device("meta"):
        assert found["parameters"] == sum(p.numel() for p in get_model(network).parameters()) == meta["num_params"]
    assert rounded(found["multiply_adds"], 10**9, str(meta["_ops"]))


def test_complexities_round_to_the_printed_multiples(lecture: Any, printed: Any) -> None:
    nets = lecture["resnext"]["nets"]
    compared = {row: text for (row, column), text in printed["ResNeXt"].items() if column == "complexity"}
    assert list(compared) == list(nets)
    for row, text in compared.items():
        assert f"{round(nets[row]['complexity'])}x" == text
        assert nets[row]["complexity"] == nets[row]["multiply_adds"] / nets["ResNet-101 (1x64d)"]["multiply_adds"]


# --- what the slides say in words ---


def test_a_naive_inception_module_by_hand(lecture: Any) -> None:
    module = lecture["inception"]["modules"]["inception (3a)"]
    weights = 192 * 64 + 9 * 192 * 128 + 25 * 192 * 32
    assert module["naive"]["parameters"] == weights and module["naive"]["multiply_adds"] == 28 * 28 * weights
    assert module["naive"]["channels"] == 64 + 128 + 32 + 192
    for name, found in lecture["inception"]["modules"].items():
        row = lecture["googlenet"]["rows"][name]
        assert found["with reductions"]["multiply_adds"] == row["multiply_adds"]
        assert found["over"] > 2


def test_the_blocks_of_resnext_by_hand(lecture: Any) -> None:
    blocks = lecture["resnext"]["blocks"]
    assert blocks["ResNet"]["parameters"] == 256 * 64 + 9 * 64 * 64 + 64 * 256
    assert blocks["ResNeXt"]["parameters"] == 32 * (256 * 4 + 9 * 4 * 4 + 4 * 256)


def test_deep_nets_have_their_depth_and_shortcuts_add_no_weights(lecture: Any) -> None:
    for depth in facts.DEPTHS:
        with torch.device("meta"):
            net = facts.deep_net(depth, residual=True, normalised=True)
        layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert len(layers) == depth
        found = lecture["gradients"]["nets"]
        assert found["plain"][str(depth)]["parameters"] == found["residual"][str(depth)]["parameters"]


def test_a_shortcut_alone_passes_its_input_on() -> None:
    block = facts.PlainBlock(4, 8, 2, residual=True, normalised=False)
    nn.init.zeros_(block.second.weight)
    x = torch.rand(2, 4, 6, 6)
    y = block(x)
    assert torch.equal(y[:, :4], x[:, :, ::2, ::2]) and not y[:, 4:].any()
    block.residual = False
    assert not block(x).any()


def test_without_shortcuts_and_normalisation_the_gradient_vanishes_with_depth(lecture: Any) -> None:
    found = lecture["gradients"]["nets"]
    assert found["plain"]["56"]["first"] < found["plain"]["20"]["first"] - 10
    assert found["plain, normalised"]["56"]["over_last"] > found["residual, normalised"]["56"]["over_last"] + 1
