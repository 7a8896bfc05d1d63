"""Stretches that are printed twice, and totals and means by their names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit.sheets import cells_of, number, sheet
from reeltrace.analysis.audit import repeats, totals


def numbers(seed: int, rows: int, of: int) -> dict[str, list[str]]:
    draw = np.random.default_rng(seed)
    return {f"quantity {i}": [f"{x:.2f}" for x in draw.uniform(5, 99, rows)] for i in range(of)}


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(3, 9))
def test_a_row_that_was_copied_is_found_and_none_elsewhere(seed: int, of: int) -> None:
    columns = numbers(seed, 6, of)
    assert repeats.find(sheet(columns, "percent", 100)) == []
    for texts in columns.values():
        texts[4] = texts[1]
    (found,) = repeats.find(sheet(columns, "percent", 100))
    assert found.severity == "decision"
    assert {(s.row) for s in found.sources} == {"row 1", "row 4"}


def test_a_part_of_a_row_that_repeats_another_part_of_it() -> None:
    columns = numbers(1, 4, 6)
    for i in range(3):
        columns[f"quantity {i + 3}"][2] = columns[f"quantity {i}"][2]
    (found,) = repeats.find(sheet(columns, "percent", 100))
    assert [s.column for s in found.sources] == [f"quantity {i}" for i in range(6)]


def test_equal_cells_and_small_counts_repeat_by_chance() -> None:
    draw = np.random.default_rng(2)
    ends = {f"quantity {i}": ["100", "100", "0", "100", "100", "0"] for i in range(5)}
    assert repeats.find(sheet(ends, "percent", 100)) == []
    counts = {f"quantity {i}": [str(x) for x in draw.integers(0, 20, 12)] for i in range(8)}
    assert repeats.find(sheet(counts, "count")) == []


def test_rows_that_agree_in_most_places_are_noted() -> None:
    columns = numbers(3, 5, 4)
    for i in (0, 2, 3):
        columns[f"quantity {i}"][3] = columns[f"quantity {i}"][0]
    (found,) = repeats.find(sheet(columns))
    assert found.severity == "note" and len(found.sources) in (4, 6)


def test_what_is_said_to_be_the_same_is_no_finding() -> None:
    columns = numbers(4, 5, 4)
    for texts in columns.values():
        texts[4] = texts[1]
    body = sheet(columns, "percent", 100)
    table = body.sheets["table"]
    said = {key: replace(n, same=("table",)) for key, n in table.cells.items()}
    assert repeats.find(replace(body, sheets={"table": replace(table, cells=said)})) == []


# --- totals ---


def rows_of(texts: dict[str, str], unit: str = "count", whole: int | None = None) -> object:
    body = sheet({"quantity": list(texts.values())}, unit, whole)
    table = body.sheets["table"]
    cells = {(name, "quantity"): number(text, name, "quantity", unit, whole) for name, text in texts.items()}
    return replace(body, sheets={"table": replace(table, rows=tuple(texts), cells=cells)})


@pytest.mark.parametrize(
    ("texts", "unit", "whole", "severity"),
    [
        ({"one": "16", "two": "28", "total": "44"}, "count", None, None),
        ({"one": "16", "two": "28", "total": "45"}, "count", None, "decision"),
        ({"one": "16.1", "two": "28.1", "total": "44.3"}, "", None, None),
        ({"one": "1.0", "two": "2.0", "Average": "1.5"}, "", None, None),
        ({"one": "1.0", "two": "2.0", "Average": "2.5"}, "", None, "decision"),
        ({"one": "1.0", "two": "2.0", "mean": "1.8"}, "", None, "note"),
        ({"one": "33.3", "two": "33.3", "three": "33.3", "total": "100"}, "percent", 100, None),
        ({"one": "10.1", "two": "20.2", "total": "15.0"}, "percent", 100, None),
        ({"one": "10.1", "two": "20.2", "total": "30.3"}, "percent", 100, None),
        ({"one": "10.1", "two": "20.2", "total": "55.0"}, "percent", 100, "decision"),
        ({"one": "16", "two": "28", "totality": "45"}, "count", None, None),
    ],
)
def test_totals_and_means(texts: dict[str, str], unit: str, whole: int | None, severity: str | None) -> None:
    found = totals.find(rows_of(texts, unit, whole))  # type: ignore[arg-type]
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_total_beside_the_columns() -> None:
    body = sheet({"one": ["1", "2"], "two": ["3", "4"], "total": ["4", "7"]}, "count")
    assert cells_of(totals.find(body)) == {("row 1", "total")}
