"""Whose value an override replaces, and what the ledger says below fitted cells."""

from typing import Any

import pytest

from reeltrace.analysis.assumptions import Assumption, Ledger
from reeltrace.registry.runs import Run
from reeltrace.report.ledger import departing_rows, departures, fitted_notes, said_by

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


def test_the_ledger_stands_below_fitted_cells() -> None:
    fitted = {"row": "a", "fitted": {"search": "search"}}
    table = {"document": "nobody2024", "table": "1", "cells": [fitted, {"row": "b"}]}
    notes = fitted_notes(table, [LEDGER])
    assert notes == {"open is the stem; chosen: seven; because it gives the count": [fitted]}
    assert fitted_notes({**table, "document": "someone2025"}, [LEDGER]) == {}


DEPARTURES = Ledger(
    "nobody2024",
    tuple(
        Assumption(id=name, open="x", choice="y", why="z", tables=tables, registry=(path,), departs=departs)
        for name, tables, path, departs in (
            ("halving", ("1",), "models.deep.options.downsampling", True),
            ("open", ("1",), "models.deep.options.stem", False),
            ("elsewhere", ("2",), "models.deep.options.stem", True),
        )
    ),
)
RUNS = {
    name: Run(dataset="digits", model=model, protocol="net", evaluation=("original",))
    for name, model in (("a", "deep"), ("b", "flat"), ("c", "deeper"))
}


def test_a_departure_shows_at_the_rows_whose_runs_it_touches() -> None:
    table = {
        "document": "nobody2024",
        "table": "1",
        "runs": {"one": "a", "none": "b", "several": {"x": ["b", "a"]}, "other": "c"},
    }
    found = departures(table, [DEPARTURES])
    assert [a.id for a in found] == ["halving"]
    assert departures({**table, "document": "else"}, [DEPARTURES]) == []
    assert departing_rows(table, found, RUNS, ["models.flat.options"]) == {"one": ["halving"], "several": ["halving"]}
    assert departing_rows(table, found, RUNS, ["models.deep.options.downsampling"]) == {}
