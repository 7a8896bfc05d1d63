"""What a document declares of its numbers, judged; and what its transcription says is printed twice."""

from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.audit.sheets import DOCUMENT, number, sheet
from conftest import write_files
from reeltrace.analysis import published
from reeltrace.analysis.audit import counts, relations, twice
from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.audit.relations import Declared, rank_correlation, within_chance
from reeltrace.analysis.audit.values import Body, Library, TestSize, of_document
from reeltrace.errors import UserError

COLUMNS = {"left": ["50.00", "51.50", "60.0"], "right": ["49.0", "70.00", "60.04"]}
SET = TestSize("set", 1000, "clips", "said")


def library(size: int = 1000) -> Library:
    body = sheet(COLUMNS, "percent", 100, size)
    said = {name: replace(number(text, "", "", "points"), table="", prose=name) for name, text in PROSE.items()}
    return Library([replace(body, prose=said)])


PROSE = {"gain": "1.5", "share": "3", "other": "7.7"}
A, B, C = "{table/row 0/left}", "{table/row 1/left}", "{table/row 2/left}"


def judged(declared: dict[str, object]) -> list[Finding]:
    model = Declared.model_validate(declared)
    found = library()
    relations.check(model, DOCUMENT, found, "relations.yaml")
    return relations.judge([(DOCUMENT, model)], found)


def relation(value: str, follows: str, **more: object) -> dict[str, object]:
    return {
        "relations": [{"id": "one", "says": "So it says", "place": "there", "value": value, "follows": follows, **more}]
    }


@pytest.mark.parametrize(
    ("value", "follows", "more", "severity"),
    [
        ("{prose:gain}", f"{B} - {A}", {}, None),
        ("{prose:gain}", f"{B} - {A} + 0.09", {}, "rounding"),
        ("{prose:gain}", f"{B} - {A} + 1", {}, "decision"),
        ("{prose:share}", f"100 * {B} / {A} - 100", {}, None),
        ("{prose:gain}", f"{B} - {A} + 0.4", {"loosely": 0.3}, None),
        ("{prose:gain}", f"{B} - {A} + 0.7", {"loosely": 0.3}, "note"),
        ("{prose:gain}", f"{B} - {A} + 9", {"loosely": 0.3}, "decision"),
        ("{prose:gain}", f"{B} - {A} + 0.2", {"loosely": "about"}, None),
        ("{prose:gain}", f"{B} - {A} + 0.3", {"loosely": "about"}, "decision"),  # 20 percent, and no note
        (
            "{prose:share}",
            f"{B} - {A}",
            {"otherwise": [{"reads": "a share", "follows": f"100 * {B} / {A} - 100"}]},
            "note",
        ),
        (
            "{prose:share}",
            f"{B} - {A}",
            {"otherwise": [{"reads": "a slip", "follows": f"100 * {B} / {A} - 100", "mistake": True}]},
            "decision",
        ),
        ("{prose:share}", f"{A} / ({A} - 50)", {}, None),  # a quotient that rounding leaves open is not judged
    ],
)
def test_a_number_that_should_follow(value: str, follows: str, more: dict[str, object], severity: str | None) -> None:
    found = judged(relation(value, follows, **more))
    assert [f.severity for f in found] == ([severity] if severity else [])


def test_a_finding_shows_what_was_computed_of_what() -> None:
    (found,) = judged(relation("{prose:other}", f"mean({A}, {B}) - 49"))
    assert found.computation == "mean(50.00, 51.50) - 49 = 1.75, printed 7.7"
    assert [s.printed for s in found.sources] == ["7.7", "50.00", "51.50"]
    assert found.id == f"{DOCUMENT}/declared/one"


def test_a_computation_stands_beside_the_print_and_not_in_its_place() -> None:
    (found,) = judged(relation("2 * {prose:other}", A))
    assert found.computation == "50.00, printed 7.7, from which 2 * 7.7 = 15.4 was computed"


def test_cells_that_are_no_numbers_must_be_printed() -> None:
    with pytest.raises(UserError, match=r"one: \{table/row 0/nothing\}: no such cell is printed; correct cells"):
        judged(relation("{prose:gain}", "8", cells=["{table/row 0/nothing}"]))


def test_one_quantity_in_several_places() -> None:
    def same(*values: str, **more: object) -> list[str]:
        found = judged({"same": [{"id": "one", "what": "It", "values": values, **more}]})
        return [f.severity for f in found]

    assert same(C, "{table/row 2/right}") == []
    assert same(C, "{table/row 1/right} - 9.92") == ["rounding"]
    assert same(A, B, C) == ["decision"]
    assert same(A, B, weighs="note") == ["note"]


def test_gains_are_held_against_the_chance_of_their_test_set() -> None:
    gains = [{"of": B, "over": A}, {"of": "{table/row 1/right}", "over": A}, {"of": A, "over": A}]
    (found,) = judged({"gains": [{"id": "one", "says": "It gains", "place": "there", "gains": gains}]})
    assert [s.printed for s in found.sources] == ["51.50", "50.00"]
    assert "differ by 1.50 points" in found.computation and "up to 4.38 points" in found.computation


@given(st.integers(50, 5000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_difference_within_chance_is_one_below_two_standard_errors(size: int, a: int, b: int) -> None:
    test = replace(SET, size=size)
    of, over = (number(str(Fraction(x, 10)), "r", "c", "percent", 100, test) if x % 10 == 0 else None for x in (a, b))
    if of is None or over is None:
        return
    seen = within_chance(of, over)
    p, q = float(of.value) / 100, float(over.value) / 100
    room = 196 * ((p * (1 - p) + q * (1 - q)) / size) ** 0.5
    if seen is not None:
        assert 0 < float(seen[0]) <= seen[1] == pytest.approx(room, rel=1e-3)
    elif p != q:
        assert abs(100 * (p - q)) > room * 0.999


def test_what_should_rise_or_fall() -> None:
    def falls(*values: str, direction: str = "falls") -> list[Finding]:
        return judged(
            {
                "monotone": [
                    {"id": "one", "says": "It falls", "place": "there", "direction": direction, "values": values}
                ]
            }
        )

    assert falls(C, B, A) == [] and falls(A, B, C, direction="rises") == []
    assert falls("{table/row 2/right}", C, B) == [], "rounding leaves the order open"
    (found,) = falls(C, A, B)
    assert "50.00 before 51.50" in found.computation and "tau +0.33" in found.computation


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6, unique=True))
def test_the_rank_correlation_is_that_of_all_orders(values: list[int]) -> None:
    def tau(order: tuple[int, ...]) -> Fraction:
        pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
        return Fraction(sum(a < b for a, b in pairs) - sum(a > b for a, b in pairs), len(pairs))

    found, chance = rank_correlation([Fraction(v) for v in values])
    assert found == tau(tuple(values))
    orders = [tau(order) for order in permutations(values)]
    assert chance == pytest.approx(sum(t >= found for t in orders) / len(orders))


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (relation("{prose:nothing}", A), "there is no 'nothing'"),
        (relation("{table/row 9/left}", A), "there is no 'row 9'"),
        (relation("{nowhere/row 0/left}", A), "there is no 'nowhere'"),
        ({"relations": [*relation(A, A)["relations"], *relation(A, B)["relations"]]}, "id 'one' stands twice"),  # type: ignore[misc]
    ],
)
def test_names_that_lead_nowhere_are_refused(declared: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        judged(declared)


def test_another_document_that_is_not_there_is_left_out() -> None:
    assert judged(relation("{elsewhere:prose:gain}", A)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("relations: [{id: a, says: b, place: c, value: '1 +', follows: '1'}]", "relations.0.value: character"),
        ("relation: []", "relation"),
        ("gains: [{id: a, says: b, place: c, gains: []}]", "gains.0.gains"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    write_files(tmp_path, {f"documents/{DOCUMENT}/relations.yaml": text})
    with pytest.raises(UserError, match=said):
        relations.load(DOCUMENT, library(), tmp_path)


def test_a_document_without_such_a_file_declares_nothing(tmp_path: Path) -> None:
    assert relations.load(DOCUMENT, library(), tmp_path) == Declared()


# --- printed twice, as the transcription says ---


def transcribed(printed: str, *others: str) -> Body:
    cell = {
        "row": "x",
        "column": "y",
        "printed": printed,
        "also": [{"printed": other, "place": f"place {i}"} for i, other in enumerate(others)],
    }
    table = {
        "title": "t",
        "caption": "c",
        "place": "p",
        "unit": "percent",
        "columns": [{"key": "y", "label": "y"}],
        "rows": [{"key": "x", "label": "x"}],
        "cells": [cell],
    }
    found = published.Transcription.model_validate({"tables": {"one": table}})
    return of_document(published.Document(DOCUMENT, found.tables, Path("x.yaml")), {})


@pytest.mark.parametrize(
    ("printed", "others", "severity"),
    [
        ("24.6", ["24.6", "24.60"], None),
        ("24.6", ["23.58"], "decision"),
        ("24.6", ["24.6", "24.58"], "rounding"),
        ("6.67", ["6.66"], "rounding"),
        ("6.67", ["6.66", "7.5"], "decision"),
    ],
)
def test_a_quantity_with_other_values_elsewhere(printed: str, others: list[str], severity: str | None) -> None:
    found = twice.find(transcribed(printed, *others))
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert not found or len(found[0].sources) == 1 + len(others)


# --- counts, as tables of measurements hold them ---


@pytest.mark.parametrize(
    ("unit", "searched", "verdict", "severity"),
    [
        ("parameters", True, "not exact", "decision"),
        ("parameters", False, "not exact", "note"),
        ("parameters", True, "exact", None),
        ("percent", True, "not exact", None),
    ],
)
def test_counts_that_no_configuration_gives(unit: str, searched: bool, verdict: str, severity: str | None) -> None:
    body = sheet({"quantity": ["687", "1"]}, unit)
    cell = {
        "row": "row 0",
        "column": "quantity",
        "unit": unit,
        "origin": "measured",
        "verdict": verdict,
        "reason": "686",
    }
    table = {"document": DOCUMENT, "table": "table", "cells": [cell], "search": {"settings": []} if searched else None}
    found = counts.find(body, [table])
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert not found or (found[0].computation, found[0].sources[0].printed) == ("686", "687")
    assert counts.find(body, [{**table, "document": "another"}]) == []
