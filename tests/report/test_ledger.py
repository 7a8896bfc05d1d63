"""Whose value an override replaces, and what the ledger says below fitted cells."""

from typing import Any

import pytest

from conftest import PROJECT
from reeltrace.analysis.assumptions import Assumption, Ledger, load
from reeltrace.registry.reading import load as load_registry
from reeltrace.report.ledger import fitted_notes, said_by

LEDGER = Ledger(
    "nobody2024",
    (
        Assumption(
            id="batch",
            open="the batch",
            choice="64",
            why="usual",
            tables=("1",),
            registry=("protocols.net.batch_size",),
        ),
        Assumption(
            id="stem",
            open="the stem",
            choice="seven",
            why="it gives the count",
            tables=("1",),
            registry=("measurements.search.choices",),
        ),
        Assumption(id="other", open="x", choice="y", why="z", tables=("2",), registry=("measurements.search.choices",)),
    ),
)


@pytest.mark.parametrize(
    ("path", "document", "of", "ledger"),
    [
        ("protocols.net.batch_size", 64, "ours", "batch"),
        ("protocols.net.batch_size.deeper", 64, "ours", "batch"),
        ("protocols.net.batch_sizes", 64, "document", None),
        ("protocols.net.epochs", 100, "document", None),
        ("device.threads", 8, "ours", None),
        ("seeds", [0, 1, 2], "ours", None),
        ("datasets.digits.stand_in", None, "ours", None),
    ],
)
def test_an_override_says_whose_value_it_replaces(path: str, document: Any, of: str, ledger: str | None) -> None:
    found = said_by({"path": path, "document": document, "here": 1}, [LEDGER])
    assert found == {"path": path, "document": document, "here": 1, "of": of, "ledger": ledger}


def test_no_choice_of_ours_is_called_the_documents() -> None:
    """Seeds, precision, loaders, digit sizes and speeds, optimisers and crops are no document's."""
    registry = load_registry(PROJECT, "smoke")
    ledgers = load(["basu2021", "iqbal2017", "mahler2020", "singh2019supp", "gavves-lecture5"], PROJECT)
    every = registry.overrides(
        "seeds", "device", "datasets", "backbones", "models", "protocols", "runs", "measurements"
    )
    of = {one.path: said_by(one.model_dump(), ledgers)["of"] for one in every}
    words = (
        "device",
        "seed",
        "digit_size",
        "speed",
        "momentum",
        "crop",
        "clip.size",
        "stills",
        "stem_kernel",
        "stand_in",
    )
    chosen = {path: whose for path, whose in of.items() if any(word in path for word in words)}
    assert {
        path for path, whose in chosen.items() if whose == "document" and not path.startswith("backbones.")
    } == set()
    assert of["protocols.dir-cnn4.epochs"] == "document" and of["datasets.moving-mnist.videos.test"] == "document"
    assert 40 <= list(of.values()).count("document") < list(of.values()).count("ours")


def test_the_ledger_stands_below_fitted_cells() -> None:
    fitted = {"row": "a", "fitted": {"search": "search"}}
    table = {"document": "nobody2024", "table": "1", "cells": [fitted, {"row": "b"}]}
    notes = fitted_notes(table, [LEDGER])
    assert notes == {"open is the stem; chosen: seven; because it gives the count": [fitted]}
    assert fitted_notes({**table, "document": "someone2025"}, [LEDGER]) == {}
