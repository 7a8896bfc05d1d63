"""The transcription: its shape, the relations that the document states, and what the loader refuses."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PROJECT, write_files
from invented import DOCUMENTS
from reeltrace.analysis.published import Table, load, parse
from reeltrace.errors import UserError
from reeltrace.kinds.tables.measured import MeasuredTable
from reeltrace.kinds.tables.results import ResultTable
from reeltrace.kinds.tables.structure import StructureTable
from reeltrace.registry.reading import load as load_registry

FILE = "documents/nobody2024/published.yaml"


def test_rows_and_columns_are_those_of_the_registry() -> None:
    for table in load_registry(PROJECT).params.tables.values():
        if not isinstance(table, StructureTable | MeasuredTable):
            heading = load(table.document, PROJECT).tables[table.table]
            rows, columns = [row.key for row in heading.rows], [column.key for column in heading.columns]
            if isinstance(table, ResultTable):  # what is not run is not named, see Table 5.9
                rows, columns = [r for r in rows if r in table.rows], [c for c in columns if c in table.columns]
            assert list(table.rows) == rows
            assert list(table.columns) == columns


@pytest.mark.parametrize(("headings", "kind"), [(["A"], "x"), (["A", "B"], None)])
def test_headings_and_types_of_rows_go_together(headings: list[str], kind: str | None) -> None:
    cell = {"row": "r", "column": "c", "printed": "0.5", "unit": "error rate", "place": "section 1"}
    row = {"key": "r", "label": "r", "type": kind}
    head = {"title": "t", "caption": "c", "place": "section 1", "unit": "error rate", "headings": headings}
    with pytest.raises(ValueError, match="row 'r': a type and a second heading go together"):
        Table.model_validate({**head, "columns": [{"key": "c", "label": "c"}], "rows": [row], "cells": [cell]})


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("59,342,488", "count", 59342488),
        ("8x56^2", "size", [8, 56, 56]),
        ("235.8", "gigaflops", 235.8),
        ("0.52s", "seconds", 0.52),
        ("2.888 GB", "gigabytes", 2.888),
        ("1.122GB", "gigabytes", 1.122),
        ("4.191 B", "gigabytes", 4.191),
        ("1.344e-6", "ratio", 1.344e-6),
        ("2.7K", "thousands", 2.7),
        ("133", "millions", 133.0),
        ("34M", "millions", 34.0),
        ("2x", "times", 2.0),
        ("[1x1^2, 64; 1x3^2, 64] x 3", "blocks", "[1x1^2, 64; 1x3^2, 64] x 3"),
        ("24.13", "percent", 24.13),
        ("100", "percent", 100.0),
        ("687K parameters", "parameters", 687000),
        ("(3, 64)", "channels", [3, 64]),
        ("(128, N)", "channels", [128, "N"]),
        ("(2, 16, 16, 16)", "shape", [2, 16, 16, 16]),
        ("N/A", "shape", []),
        ("3x3x3", "filter", [3, 3, 3]),
        ("2", "stride", 2),
        ("Conv3D", "text", "Conv3D"),
        ("13320", "count", 13320),
        ("480k", "thousands", 480.0),
        ("1.41", "points", 1.41),
        ("+7.3", "points", 7.3),
        ("-0.4", "points", -0.4),
        ("3.6", "billions", 3.6),
        ("three", "words", 3.0),
        ("Three", "words", 3.0),
        ("half", "words", 0.5),
        ("1/8", "fraction", 0.125),
        ("1/4", "fraction", 0.25),
    ],
)
def test_printed_strings_parse(text: str, unit: Any, value: object) -> None:
    assert parse(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("101", "percent"),
        ("24,6", "percent"),
        ("-3", "percent"),
        ("687", "parameters"),
        ("3, 64", "channels"),
        ("3x3", "filter"),
        ("0", "stride"),
        ("5934.2", "count"),
        ("59,34", "count"),
        ("8x56", "size"),
        ("0.52", "seconds"),
        ("2.888 MB", "gigabytes"),
        ("1.344e", "ratio"),
        ("2.7M", "thousands"),
        ("2", "times"),
        ("1,41", "points"),
        ("many", "words"),
        ("1/3", "fraction"),
        ("1/0", "fraction"),
    ],
)
def test_strings_of_another_unit_are_refused(text: str, unit: Any) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse(text, unit)


def _edited(tmp_path: Path, edit: Any) -> Path:
    raw = yaml.safe_load((DOCUMENTS.parent / FILE).read_text(encoding="utf-8"))
    edit(raw)
    write_files(tmp_path, {FILE: yaml.safe_dump(raw)})
    return tmp_path


def _cell(raw: Any, **changes: object) -> None:
    cell = raw["tables"]["5"]["cells"][1]
    cell.update(changes)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda raw: _cell(raw, unit="percents"), ["unit", "row 'plain', column 'r90'", "percents"]),
        (lambda raw: _cell(raw, printed=None), ["needs a reason", "column 'r90'"]),
        (lambda raw: _cell(raw, reason="hidden"), ["only a null value has one"]),
        (lambda raw: _cell(raw, printed="8.3.3"), ["'8.3.3' is not a percentage"]),
        (lambda raw: _cell(raw, column="original"), ["'original' appears twice"]),
        (lambda raw: _cell(raw, column="r45"), ["no such row or column"]),
        (lambda raw: raw["tables"]["5"]["cells"].pop(), ["'r270' is missing", "write null and the reason"]),
        (lambda raw: raw["tables"]["3"].update(colour="red"), ["colour", "Extra inputs"]),
        (lambda raw: raw.update(document="other"), ["document", "Extra inputs"]),
    ],
)
def test_a_wrong_transcription_is_refused_with_its_place(tmp_path: Path, edit: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load("nobody2024", _edited(tmp_path, edit))
    message = str(caught.value)
    assert message.startswith(f"{FILE}: ") and "\n" not in message
    for word in words:
        assert word in message


TESTS = {"near": {"size": 10, "of": "clips", "place": "section 3"}, "far": {"size": 20, "of": "clips", "ledger": "a"}}


@pytest.mark.parametrize(
    ("table", "column", "row", "cell", "found"),
    [
        ({"test": "far"}, {}, {}, {}, "far"),
        ({"test": "far"}, {"test": "near"}, {}, {}, "near"),
        ({"test": "far"}, {"test": "far"}, {"test": "near"}, {}, "near"),
        ({"test": "far"}, {"test": "far"}, {"test": "far"}, {"test": "near"}, "near"),
        ({"test": "far"}, {"test": None}, {}, {}, None),
        ({"test": "far"}, {}, {}, {"test": None}, None),
        ({}, {}, {}, {}, "digits"),
        ({"test": None}, {}, {}, {}, None),
    ],
)
def test_the_nearest_test_set_wins(
    tmp_path: Path, table: Any, column: Any, row: Any, cell: Any, found: str | None
) -> None:
    def edit(raw: Any) -> None:
        of = raw["tables"]["5"]
        raw["tests"] = {**raw["tests"], **TESTS}
        of.update(table)
        of["rows"][0].update(row)
        next(c for c in of["columns"] if c["key"] == of["cells"][1]["column"]).update(column)
        of["cells"][1].update(cell)

    document = load("nobody2024", _edited(tmp_path, edit))
    printed = document.tables["5"].cells[1]
    assert printed.test == found
    test = document.test_of(printed)
    assert (test and test.size) == {"near": 10, "far": 20, "digits": 3000, None: None}[found]


def test_only_shares_have_a_test_set(tmp_path: Path) -> None:
    def named(raw: Any) -> None:
        raw["tests"] = {**raw["tests"], **TESTS}
        raw["tables"]["1"]["test"] = "near"

    assert {cell.test for cell in load("nobody2024", _edited(tmp_path, named)).tables["1"].cells} == {None}

    def forced(raw: Any) -> None:
        named(raw)
        raw["tables"]["1"]["cells"][1]["test"] = "near"

    with pytest.raises(UserError, match="parameters is none; leave test out"):
        load("nobody2024", _edited(tmp_path, forced))


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ({"near": {"size": 0, "of": "clips", "place": "p"}}, "tests.near.size: .*greater than or equal to 1"),
        ({"near": {"size": "10", "of": "clips", "place": "p"}}, "tests.near.size: .*integer"),
        ({"near": {"size": 10, "of": "clips"}}, "tests.near: a test set has the place"),
        ({"near": {"size": 10, "of": "clips", "place": "p", "ledger": "a"}}, "tests.near: a test set has the place"),
        ({}, "tables.3: no test set 'digits'; there are none"),
        (
            {"digits": TESTS["near"], "actions": TESTS["near"]},
            "tables.5: row 'plain', column 'r90': no test set 'near'; it",
        ),
        (TESTS | {"near": None}, "tests.near: Input should be"),
    ],
)
def test_a_wrong_test_set_is_refused(tmp_path: Path, tests: Any, words: str) -> None:
    def edit(raw: Any) -> None:
        raw["tests"] = tests
        _cell(raw, test="near")

    with pytest.raises(UserError, match=words) as caught:
        load("nobody2024", _edited(tmp_path, edit))
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="git checkout"):
        load("nobody2024", tmp_path)
    write_files(tmp_path, {FILE: "a: [1"})
    with pytest.raises(UserError, match="not valid YAML"):
        load("nobody2024", tmp_path)
