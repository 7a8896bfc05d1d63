"""Structure facts of the 4-layer nets of basu2021: Tables 1 and 2 are checkable without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from torch import nn

from nets import build_model
from reeltrace.errors import UserError
from reeltrace.measure.structure import (
    ROUNDINGS,
    count_parameters,
    feature_map_sizes,
    layer_settings,
    search_parameter_counts,
)
from reeltrace.models.groups import GROUPS

WIDTHS = (64, 128, 128, 128)
CLASSES = {"z3": [4, 10], "t2": [4], "p43d": [10]}
PRINTED = {"z3": 687, "t2": 676, "p43d": 683}


def by_hand(group: str, classes: int, bias: bool, batch_norm: bool) -> int:
    """Parameters of the 4-layer net from the shapes of Table 1."""
    c1, c2, c3, c4 = {"z3": (64, 128, 128, 128), "t2": (45, 90, 90, 90), "p43d": (32, 64, 64, 64)}[group]
    order = GROUPS[group].order
    filters = 27 * c1 * 3 + order * (27 * c2 * c1 + 27 * c3 * c2 + c4 * c3)
    return filters + (bias + 2 * batch_norm) * (c1 + c2 + c3 + c4) + c4 * classes + classes


def search(**changes: Any) -> dict[str, Any]:
    arguments: Mapping[str, Any] = {
        "biases": [False, True],
        "batch_norms": [False, True],
        "classes": CLASSES,
        "printed": PRINTED,
        **changes,
    }
    return search_parameter_counts("cnn4", WIDTHS, **arguments)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_counts_are_those_of_the_shapes_in_table_1(group: str, bias: bool, batch_norm: bool) -> None:
    model = build_model("cnn4", group, 10, widths=WIDTHS, bias=bias, batch_norm=batch_norm)
    assert count_parameters(model) == by_hand(group, 10, bias, batch_norm)


def test_only_trainable_values_count() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    model[0].bias.requires_grad_(False)  # type: ignore[union-attr]
    assert count_parameters(model) == 6 + 4


def test_feature_maps_are_those_of_table_2() -> None:
    sides = {"conv1": 32, "maxPool": 16, "conv2": 16, "conv3": 16, "smoothing": 8, "conv4": 8, "adaptiveAvg": 1}
    for name, group in GROUPS.items():
        model = build_model("cnn4", name, 10, widths=WIDTHS)
        sizes = feature_map_sizes(model, (3, 32, 32, 32))
        lead = [group.order] if group.order > 1 else []
        expected: dict[str, list[int] | None] = {layer: [*lead, n, n, n] for layer, n in sides.items()}
        expected["groupPool"] = [1, 1, 1, 1] if group.order > 1 else None
        assert sizes == expected
        assert list(sizes) == list(expected), "in the order of the table"
        assert not any(p.is_meta for p in model.parameters()), "the model itself is left as it was"


def test_filters_and_strides_are_those_of_table_2() -> None:
    """The plain and the group nets have the same; a stride that differs between axes is a list."""
    expected = {
        "conv1": {"filter": [3, 3, 3], "stride": 1},
        "maxPool": {"filter": [3, 3, 3], "stride": 2},
        "conv2": {"filter": [3, 3, 3], "stride": 1},
        "conv3": {"filter": [3, 3, 3], "stride": 1},
        "smoothing": {"filter": [2, 2, 2], "stride": 2},
        "conv4": {"filter": [1, 1, 1], "stride": 1},
    }
    for name in GROUPS:
        assert layer_settings(build_model("cnn4", name, 10, widths=WIDTHS)) == expected
    stem = layer_settings(build_model("resnet18", "z3", 4, widths=(8, 8, 8, 8)))["stem"]
    assert stem == {"filter": [7, 7, 7], "stride": [1, 2, 2]}


def test_feature_maps_follow_the_input() -> None:
    model = build_model("resnet18", "t2", 4, widths=(8, 8, 8, 8))
    sizes = feature_map_sizes(model, (3, 16, 64, 48))
    assert sizes["stem"] == [2, 16, 32, 24]
    assert sizes["maxPool"] == [2, 8, 16, 12]
    assert sizes["layer4"] == [2, 1, 2, 2]


def test_one_setting_explains_all_printed_counts() -> None:
    (match,) = search()["matches"]
    assert (match["bias"], match["batch_norm"], match["rounding"]) == (False, True, "truncated")
    assert match["classes"] == {"z3": [10], "t2": [4], "p43d": [10]}


def test_the_search_lists_every_setting() -> None:
    found = search()
    assert {(c["group"], c["classes"], c["bias"], c["batch_norm"], c["parameters"]) for c in found["counts"]} == {
        (group, classes, bias, norm, by_hand(group, classes, bias, norm))
        for group, numbers in CLASSES.items()
        for classes in numbers
        for bias in (False, True)
        for norm in (False, True)
    }
    assert len(found["settings"]) == 2 * 2 * len(ROUNDINGS)
    assert found["printed"] == PRINTED


def test_the_search_follows_what_it_is_given() -> None:
    assert search(printed={**PRINTED, "t2": 700})["matches"] == []
    assert search(biases=[True])["matches"] == []
    assert len(search(printed={"p43d": 683})["matches"]) == 6  # of 8: with normalisation it rounds to 684
    with pytest.raises(UserError, match=r"classes lists none for group 't2'"):
        search(classes={"z3": [4], "p43d": [10]})


def test_roundings() -> None:
    assert [ROUNDINGS["nearest"](n) for n in (1499, 1500, 2500)] == [1, 2, 3]
    assert [ROUNDINGS["truncated"](n) for n in (1499, 1500, 1999)] == [1, 1, 1]
