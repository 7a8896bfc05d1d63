"""Claims: rules judged on values and intervals. The ledger: every path it names exists."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import write_files
from reeltrace.analysis import assumptions, claims
from reeltrace.analysis.claims import Claim, Claims, Comparison, Measured, certain, holds, judge, judge_all
from reeltrace.analysis.cross_checks import unknown_paths
from reeltrace.analysis.published import load as load_published
from reeltrace.errors import UserError
from reeltrace.registry.documents import compose, read
from reeltrace.registry.reading import load

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = tuple(compose(read(REPOSITORY)).headers)
LEFT, RIGHT = ("4", "a", "x"), ("4", "b", "x")


def comparison(op: str, by: float) -> Comparison:
    return Comparison(left=LEFT, op=op, by=by, right=RIGHT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("op", "by", "left", "right", "expected"),
    [
        ("below", 25, 3.0, 99.0, True),
        ("below", 25, 75.0, 99.0, False),
        ("above", 0, 99.0, 99.0, False),
        ("above", 0, 99.1, 99.0, True),
        ("level", 5, 95.0, 99.0, True),
        ("level", 5, 93.9, 99.0, False),
        ("times", 3, 99.0, 33.0, True),
        ("times", 3, 98.0, 33.0, False),
    ],
)
def test_operations(op: str, by: float, left: float, right: float, expected: bool) -> None:
    assert holds(comparison(op, by), left, right) is expected


def judged(op: str, by: float, left: Measured | None, right: Measured | None) -> tuple[bool | None, bool]:
    claim = Claim(id="c", title="t", says="s", place="p", rule=(comparison(op, by),))
    return judge(claim, {LEFT: left, RIGHT: right}.get)


def test_overlapping_intervals_make_a_verdict_uncertain() -> None:
    assert judged("above", 0, Measured(99, (98, 100)), Measured(97, (96, 98.5))) == (True, False)
    assert judged("above", 0, Measured(99, (98.6, 100)), Measured(97, (96, 98.5))) == (True, True)
    assert judged("below", 25, Measured(3, (1, 6)), Measured(99, (97, 100))) == (True, True)
    assert judged("level", 5, Measured(99, (97, 100)), Measured(98, (96, 99))) == (True, True)
    assert judged("level", 5, Measured(99, (97, 100)), Measured(95, (91, 97))) == (True, False)
    # No corner of the two intervals is level, and values inside them are.
    assert judged("level", 2, Measured(10, (10, 30)), Measured(20, (15, 20))) == (False, False)
    assert judged("level", 2, Measured(10, (8, 12)), Measured(20, (15, 25))) == (False, True)
    assert judged("above", 0, None, Measured(97, (96, 98))) == (None, False)


def test_one_failing_comparison_settles_a_claim() -> None:
    missing = ("4", "c", "x")
    claim = Claim(
        id="c",
        title="t",
        says="s",
        place="p",
        rule=(Comparison(left=LEFT, op="above", by=0, right=missing), comparison("above", 0)),
    )
    values = {LEFT: Measured(3, (1, 6)), RIGHT: Measured(99, (97, 100))}
    assert judge(claim, values.get) == (False, True)
    assert judge(claim, {**values, LEFT: Measured(100, (99.5, 100)), RIGHT: Measured(9, (8, 10))}.get) == (None, False)


intervals = st.tuples(st.floats(0, 100), st.floats(0, 100)).map(lambda pair: (min(pair), max(pair)))


@given(st.sampled_from(["below", "above", "level", "times"]), st.floats(0, 30), intervals, intervals, st.data())
def test_a_certain_verdict_holds_everywhere_in_the_intervals(
    op: str, by: float, left: tuple[float, float], right: tuple[float, float], data: Any
) -> None:
    rule = comparison(op, by)
    if certain(rule, left, right):
        expected = holds(rule, left[0], right[0])
        a, b = data.draw(st.floats(*left)), data.draw(st.floats(*right))
        assert holds(rule, a, b) is expected


def test_every_claim_names_cells_of_the_document() -> None:
    found = claims.load(DOCUMENTS, REPOSITORY)
    with_claims = [key for key in DOCUMENTS if (REPOSITORY / "documents" / key / "claims.yaml").is_file()]
    assert [of.document for of in found] == with_claims != []
    kinds = {(table.document, table.table): table.kind for table in load(REPOSITORY).params.tables.values()}
    for of in found:
        document = load_published(of.document, REPOSITORY)
        for claim in of.claims:
            for rule in claim.rule:
                units = {document.tables[t].cell(row, column).unit for t, row, column in (rule.left, rule.right)}
                assert len(units) == 1
                of_quantities = kinds[of.document, rule.left[0]] == "measured"
                assert of_quantities or units <= {"percent", "error rate", "hours"}
    ids = [claim.id for of in found for claim in of.claims]
    assert len(ids) == len(set(ids))


def test_error_rates_are_judged_in_percent() -> None:
    def cell(row: str, ours: float) -> dict[str, Any]:
        reproduced = {"value": ours, "interval": [ours, ours]}
        return {"row": row, "column": "e", "unit": "error rate", "reproduced": reproduced, "published": {"value": 0.2}}

    claim = claims.Claim.model_validate(
        {"id": "c", "title": "t", "says": "s", "place": "p"}
        | {"rule": [{"left": ["1", "a", "e"], "op": "level", "by": 1, "right": ["1", "b", "e"]}]}
    )
    of = claims.Claims(document="d", claims=(claim,))
    for other, verdict in ((0.209, "trend holds"), (0.211, "trend fails")):
        cells = [cell("a", 0.2), cell("b", other)]
        tables = {"1": {"kind": "results", "circumstances": "quick scale", "cells": cells}}
        judged = claims.judge_all(of, tables)[0]
        assert (judged["verdict"], judged["published_verdict"]) == (verdict, "holds")


def test_the_ledger_names_registry_paths_and_files_that_exist() -> None:
    trees = compose(read(REPOSITORY)).trees.values()
    for ledger in assumptions.load(DOCUMENTS, REPOSITORY):
        assert [path for a in ledger.assumptions for path in unknown_paths(a, trees)] == []
        assert all((REPOSITORY / a.code).exists() for a in ledger.assumptions if a.code)
        document = load_published(ledger.document, REPOSITORY)
        assert {t for a in ledger.assumptions for t in a.tables} <= set(document.tables)


def test_a_path_may_exist_at_one_scale_only() -> None:
    trees = [{"a": {"b": None, "d": 1}}, {"a": {"b": {"c": 1}, "d": 1}}]

    def unknown(*paths: str) -> list[str]:
        found = {"id": "i", "open": "o", "choice": "c", "why": "w", "tables": ("1",), "registry": paths}
        return unknown_paths(assumptions.Assumption.model_validate(found), trees)

    assert unknown("a.b", "a.b.c", "a.d") == []
    assert unknown("a.b.x", "a.d.e", "b", "a.b.c.d", "") == ["a.b.x", "a.d.e", "b", "a.b.c.d", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "assumptions: [{id: a, open: o, choice: c, why: w, tables: ['1'], registry: []}]",
            "names a registry path",
        ),
        ("assumptions: [{id: a}]", "Field required"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path: Path, text: str, words: str) -> None:
    write_files(tmp_path, {"documents/d/assumptions.yaml": text})
    with pytest.raises(UserError, match=words):
        assumptions.load(["d"], tmp_path)


def test_a_wrong_claim_is_refused(tmp_path: Path) -> None:
    rule = "[{left: ['3', r, c], op: near, by: 1, right: ['3', r, c]}]"
    text = f"claims: [{{id: a, title: t, says: s, place: p, rule: {rule}}}]"
    write_files(tmp_path, {"documents/d/claims.yaml": text})
    with pytest.raises(UserError, match=r"documents/d/claims.yaml: claims.0.rule.0.op.*near"):
        claims.load(["d", "without"], tmp_path)


def test_what_stand_in_data_cannot_bear_out_is_said_of_numbers_made_on_it_alone() -> None:
    claim = {
        "id": "a",
        "title": "a",
        "says": "a",
        "place": "a",
        "on_stand_in": "two classes look alike",
        "rule": [{"left": ["1", "a", "x"], "op": "above", "by": 0, "right": ["1", "b", "x"]}],
    }
    of = Claims("d", (Claim.model_validate(claim),))

    def said(stand_in: str | None, right: float | None) -> str | None:
        values = {"a": 80.0, "b": right}
        cells = [
            {"row": row, "column": "x", "unit": "percent", "published": {"value": None}}
            | {"reproduced": None if value is None else {"value": value}}
            for row, value in values.items()
        ]
        table = {"kind": "accuracy", "circumstances": "quick scale", "stand_in": stand_in, "cells": cells}
        return judge_all(of, {"1": table})[0]["by_construction"]

    assert said("drawn clips", 90.0) == "two classes look alike"
    assert said(None, 90.0) is None
    assert said("drawn clips", None) is None  # not run
