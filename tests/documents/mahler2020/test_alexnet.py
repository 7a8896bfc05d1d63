"""AlexNet of the document: by arithmetic, and against torchvision's own record."""

import json
from typing import Any

import pytest
import torch
from torchvision.models import get_model_weights

from conftest import PROJECT
from reeltrace.kinds.document_code import load_module


@pytest.fixture(scope="module")
def alexnet() -> Any:
    with torch.device("meta"):
        found = load_module("mahler2020", PROJECT).facts()
    assert json.loads(json.dumps(found)) == found
    return found["alexnet"]


def test_alexnet_layer_by_layer(alexnet: Any) -> None:
    rows = alexnet["rows"]
    assert list(rows) == ["IN", "C1", "P2", "C3", "P4", "C5", "C6", "C7", "F8", "F9", "OUT"]
    assert [rows[name]["size"] for name in list(rows)[1:8]] == [
        "56 x 56",  # the table prints 55 x 55, which SAME padding of 224 at stride 4 does not give
        "27 x 27",
        "27 x 27",
        "13 x 13",
        "13 x 13",
        "13 x 13",
        "13 x 13",
    ]
    assert rows["C1"]["parameters"] == 96 * (3 * 11**2 + 1)
    assert rows["C3"]["multiply_adds"] == 256 * 96 * 5**2 * 27**2
    assert rows["F8"]["parameters"] == 4096 * (256 * 13**2 + 1)
    assert {rows[name]["padding"] for name in ("C1", "C3", "C5", "C6", "C7")} == {"SAME"}
    assert {rows[name]["padding"] for name in ("P2", "P4")} == {"VALID"}
    assert list(alexnet["text"].values()) == [201_838_952, 669_928, 5, 2, 3]


def test_what_it_takes_to_get_the_sixty_million_parameters(alexnet: Any) -> None:
    variants = alexnet["variants"]
    assert variants["as printed"]["parameters"] == 201_838_952
    assert variants["pooling after C7"]["parameters"] == 62_378_344
    assert variants["pooling after C7, two groups"]["parameters"] == 60_965_224
    padded = variants["pooling after C7, two groups, C1 padded by 2"]
    assert padded["neurons"] == 55**2 * 96 + 27**2 * 256 + 13**2 * (384 + 384 + 256) + 4096 + 4096 + 1000
    assert padded["parameters"] == 60_965_224


def test_torchvisions_alexnet_and_its_differences(alexnet: Any) -> None:
    meta = get_model_weights("alexnet").DEFAULT.meta
    total = alexnet["variants"]["torchvision"]
    assert total["parameters"] == meta["num_params"]
    assert round(total["multiply_adds"] / 10**9, 3) == meta["_ops"]
    named = {(d["row"], d["quantity"]): (d["table"], d["torchvision"]) for d in alexnet["torchvision"]["differences"]}
    assert {row: pair for (row, quantity), pair in named.items() if quantity == "maps"} == {
        "C1": (96, 64),
        "P2": (96, 64),
        "C3": (256, 192),
        "P4": (256, 192),
        "C6": (384, 256),
    }
    assert named["C1", "size"] == ("56 x 56", "55 x 55")
    assert named["pooling after C7", "has this row"] == (False, True)
