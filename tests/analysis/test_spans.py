"""Spans of an invented document: what is said without its text, and what its text says."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import write_files
from reeltrace.analysis.prose import ProseValue
from reeltrace.analysis.published import Document, Table, TestSet
from reeltrace.analysis.spans import FILE, Spans, TextFile, digests, load, misplaced, prose_digest, unbound, written
from reeltrace.errors import UserError

TEXT = """1. Nets

Net\tClips\tVideos
A\t70.1\t80.5
B\t70.2\t-
Both\t\t81.5

Table 1: Accuracy.

B gains 0.1 over A and 1.0 over none, of 170.1 clips, and A 70.1, of 1,040 clips.
"""
HEAD = {"title": "t", "caption": "c", "place": "section 1, Table 1", "unit": "percent"}
ROWS, COLUMNS = ("A", "B", "Both"), ("Clips", "Videos")
VALUES = {("A", "Clips"): "70.1", ("A", "Videos"): "80.5", ("B", "Clips"): "70.2", ("Both", "Videos"): "81.5"}
GAIN = {"id": "gain", "printed": "0.1", "unit": "points", "place": "section 1, first paragraph", "after": "B gains"}


def document(values: Mapping[tuple[str, str], str] = VALUES, **head: Any) -> Document:
    cells = []
    for row in ROWS:
        for column in COLUMNS:
            printed = values.get((row, column))
            cell = {"row": row, "column": column, "printed": printed}
            if printed is None:
                cell["reason"] = "a dash"
            if (row, column) == ("A", "Clips"):
                cell["also"] = [{"printed": "70.1", "place": "section 1, first paragraph"}]
            cells.append(cell)
    keys = [{"key": key, "label": key} for key in COLUMNS], [{"key": key, "label": key} for key in ROWS]
    table = Table.model_validate({**HEAD, **head, "columns": keys[0], "rows": keys[1], "cells": cells})
    return Document("mine", {"1": table}, Path("published.yaml"))


def values(**changes: Any) -> dict[str, ProseValue]:
    return {"gain": ProseValue.model_validate({**GAIN, **changes})}


def at(words: str, number: int = 0) -> tuple[int, int]:
    start = -1
    for _ in range(number + 1):
        start = TEXT.index(words, start + 1)
    return start, start + len(words)


def spans(**changes: Any) -> Spans:
    cells = {f"1/{row}/{column}": at(printed) for (row, column), printed in VALUES.items()}
    last = TEXT.rindex("70.1")
    found = Spans(
        text=TextFile(name="mine.txt", sha256=hashlib.sha256(TEXT.encode()).hexdigest(), bytes=len(TEXT)),
        printed=digests(document()),
        printed_prose=prose_digest(values()),
        cells=cells,
        also={"1/A/Clips": ((last, last + 4),)},
        prose={"gain": at("0.1", 1)},
    )
    return found.model_copy(update=changes)


def moved(**cells: tuple[int, int]) -> Spans:
    """The spans with those of some cells elsewhere, by row and column with an underscore between."""
    return spans(cells={**spans().cells, **{f"1/{name.replace('_', '/')}": span for name, span in cells.items()}})


def test_a_true_transcription_has_no_problem() -> None:
    assert TEXT[slice(*spans().prose["gain"])] == "0.1"
    assert unbound(document(), values(), spans()) == []
    assert misplaced(document(), values(), spans(), TEXT.encode()) == []


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_files(tmp_path, {f"documents/mine/{FILE}": written(spans())})
    assert load("mine", tmp_path) == spans()
    assert load("other", tmp_path) is None


@pytest.mark.parametrize(("text", "says"), [("{", "not JSON"), ('{"text": 3}', "text: "), ("[]", "the file: ")])
def test_a_damaged_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    write_files(tmp_path, {f"documents/mine/{FILE}": text})
    with pytest.raises(UserError, match=f"documents/mine/{FILE}: {says}"):
        load("mine", tmp_path)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            unbound(document({**VALUES, ("A", "Clips"): "70.3"}), values(), spans()),
            "table 1: its values or places are not those",
        ),
        (unbound(document({**VALUES, ("B", "Videos"): "9"}), values(), spans()), "1/B/Videos: no span"),
        (unbound(document({("A", "Clips"): "70.1"}), values(), spans()), "1/A/Videos: a span, and no value"),
        (unbound(document(), values(printed="0.2"), spans()), "the prose: its values or places"),
        (unbound(document(), {}, spans()), "prose gain: a span, and no value"),
        (unbound(document(), values(), spans(prose={})), "prose gain: no span"),
        (unbound(document(), values(), spans(also={})), r"1/A/Clips \(also, section 1, first paragraph\): no span"),
        (unbound(document(), values(), spans(also={"1/B/Clips": ((1, 2),)})), "1/B/Clips: 1 spans of other places, 0"),
        (
            unbound(document(), values(), spans(printed={**spans().printed, "2": "0"})),
            "table 2: bound to the text, and",
        ),
    ],
)
def test_without_the_text_what_was_changed_is_said(found: list[str], says: str) -> None:
    assert any(re.search(says, each) for each in found), found


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (moved(A_Clips=at("70.2")), "1/A/Clips: .* of the text is '70.2', transcribed is '70.1'"),
        (moved(A_Clips=at("70.1", 1)), "is a part of '"),
        (moved(A_Clips=at("70.1", 2)), "1/A/Clips: .* is not in 'section 1, Table 1'"),
        (moved(A_Clips=(0, 10_000)), "outside of the text"),
        (spans(prose={"gain": at("0.1", 0)}), "prose gain: .* is a part of"),
    ],
)
def test_a_span_of_another_stretch_is_said(changed: Spans, says: str) -> None:
    found = misplaced(document(), values(), changed, TEXT.encode())
    assert any(re.search(says, each) for each in found), found


@pytest.mark.parametrize(
    ("place", "size", "says"),
    [
        ("section 1, first paragraph", 1040, None),
        ("section 1, first paragraph", 1041, "has no 1041"),
        ("section 1, first paragraph", 170, "has no 170"),  # 170.1 is another number
        ("section 2", 1040, "no section 2"),
    ],
)
def test_the_size_of_a_test_set_stands_at_its_place(place: str, size: int, says: str | None) -> None:
    tests = {"clips": TestSet(size=size, of="clips", place=place), "other": TestSet(size=7, of="clips", ledger="sizes")}
    found = misplaced(replace(document(), tests=tests), values(), spans(), TEXT.encode())
    assert (found == []) if says is None else (len(found) == 1 and says in found[0])


def test_another_text_is_said() -> None:
    assert misplaced(document(), values(), spans(), TEXT.encode() + b" ")[0].startswith("the text is another one")


def both(one: tuple[str, str], other: tuple[str, str]) -> list[str]:
    """What is said where two values and their spans change places."""
    swapped = {**VALUES, one: VALUES[other], other: VALUES[one]}
    names = [f"1/{'/'.join(each)}" for each in (one, other)]
    cells = {**spans().cells, names[0]: spans().cells[names[1]], names[1]: spans().cells[names[0]]}
    return misplaced(document(swapped), values(), spans(cells=cells, printed={}, also={}), TEXT.encode())


def test_values_that_change_rows_or_columns_are_said() -> None:
    assert any(
        "row 'A': its values do not stand in the order" in each for each in both(("A", "Clips"), ("A", "Videos"))
    )
    assert any("row 'A': its values stand on several lines" in each for each in both(("A", "Clips"), ("B", "Clips")))
    assert both(("A", "Videos"), ("Both", "Videos"))


def test_a_value_that_is_left_out_is_said() -> None:
    given = {key: value for key, value in VALUES.items() if key != ("A", "Videos")}
    cells = {name: span for name, span in spans().cells.items() if name != "1/A/Videos"}
    found = misplaced(document(given), values(), spans(cells=cells), TEXT.encode())
    assert found == ["1/A/Videos: the text has '80.5', and no value is transcribed"]


def test_a_row_or_column_of_another_name_is_said() -> None:
    table = document().tables["1"]
    rows = (table.rows[0].model_copy(update={"label": "C"}), *table.rows[1:])
    columns = (table.columns[0].model_copy(update={"label": "Frames"}), table.columns[1])
    other = Document("mine", {"1": table.model_copy(update={"rows": rows, "columns": columns})}, Path())
    found = misplaced(other, values(), spans(), TEXT.encode())
    assert "table 1, row 'A': its line of the print has no 'c'" in found
    assert "table 1, column 'Clips': no 'Frames' stands above it in the print" in found


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ({"after": "B gains"}, True),
        ({"after": "A and"}, False),
        ({"after": None, "before": "over A"}, True),
        ({"after": None, "before": "over none"}, False),  # 1.0 is next to it
    ],
)
def test_a_value_is_the_next_one_to_its_words(words: dict[str, str | None], right: bool) -> None:
    one = {**GAIN, "id": "other", "printed": "1.0", "after": None}
    both = {**values(**words), "other": ProseValue.model_validate(one)}
    found = misplaced(document(), both, spans(prose={"gain": at("0.1", 1), "other": at("1.0")}), TEXT.encode())
    assert bool(found) is not right
