"""Derived rows and columns: found where they were planted, with what departs from them, and nowhere else."""

import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit.sheets import DOCUMENT, cells_of, number, sheet, wrong
from reeltrace.analysis.audit.run import audit
from reeltrace.analysis.audit.values import Body, Sheet
from reeltrace.kinds.rounding import decimals_of, printed

RULES: dict[str, Callable[[list[Fraction]], Fraction]] = {
    "sum": lambda v: v[0] + v[1],
    "difference": lambda v: v[0] - v[1],
    "mean": lambda v: (v[0] + v[1]) / 2,
    "product": lambda v: v[0] * v[1],
    "ratio": lambda v: v[0] / v[1],
    "percentage": lambda v: 100 * v[0] / v[1],
    "gain": lambda v: 100 * (v[0] / v[1] - 1),
    "twice": lambda v: 2 * v[0],
    "sum of four": lambda v: sum(v, Fraction()),
    "mean of four": lambda v: sum(v, Fraction()) / 4,
}


def columns_of(seed: int, rows: int = 8, of: int = 4) -> dict[str, list[str]]:
    """Numbers without relations, with two decimals."""
    draw = np.random.default_rng(seed)
    return {f"quantity {i}": [f"{x:.2f}" for x in draw.uniform(20, 900, rows)] for i in range(of)}


def derived(columns: dict[str, list[str]], rule: str) -> list[str]:
    """A column that follows from the others, rounded."""
    lines = zip(*(map(Fraction, texts) for texts in columns.values()), strict=True)
    return [printed(RULES[rule](list(line)), 2) for line in lines]


def transposed(body: Body) -> Body:
    """The table on its side."""
    table = body.sheets["table"]
    cells = {(n.column, n.row): replace(n, row=n.column, column=n.row) for n in table}
    turned = Sheet(DOCUMENT, "table", "table", table.columns, table.rows, cells)
    return replace(body, sheets={"table": turned})


@pytest.mark.parametrize("rule", RULES)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6), at=st.integers(0, 7), across=st.booleans())
def test_an_error_that_was_planted_is_found_and_none_in_the_consistent_table(
    rule: str, seed: int, at: int, across: bool
) -> None:
    columns = columns_of(seed)
    follows = derived(columns, rule)
    turn = transposed if across else lambda body: body
    assert wrong(turn(sheet({**columns, "derived": follows}))) == []
    altered = [*follows]
    altered[at] = printed(Fraction(follows[at]) * Fraction("1.3") + 1, 2)
    found = wrong(turn(sheet({**columns, "derived": altered})))
    place = ("derived", f"row {at}") if across else (f"row {at}", "derived")
    about = [{(s.row, s.column) for s in each.sources} for each in found]
    assert len(found) == 1 and place in about[0]
    assert found[0].severity == "decision"


def shares(seed: int, of: int, rows: int = 8) -> dict[str, list[str]]:
    """Shares of 100 in each row, with one decimal."""
    cuts = np.random.default_rng(seed).uniform(5, 90, (rows, of)).round(1)
    lines = [[int(10 * x) for x in line / line.sum() * 1000 // 1 / 10] for line in cuts]
    for line in lines:
        line[-1] += 1000 - sum(line)
    return {f"share {i}": [printed(Fraction(line[i], 10), 1) for line in lines] for i in range(of)}


def of_times(seed: int, rule: Callable[[Fraction, Fraction], Fraction]) -> dict[str, list[str]]:
    """Times, and what follows from each of them and the first one."""
    (times,) = columns_of(seed, of=1).values()
    first = Fraction(times[0])
    return {"time": times, "derived": [printed(rule(Fraction(time), first), 3) for time in times]}


RESTS: dict[str, Callable[[int], dict[str, list[str]]]] = {
    "complement": lambda seed: shares(seed, 2),
    "three shares": lambda seed: shares(seed, 3),
    "five shares": lambda seed: shares(seed, 5),
    "reciprocal": lambda seed: of_times(seed, lambda time, _: 1000 / time),
    "speed-up over the first row": lambda seed: of_times(seed, lambda time, first: first / time),
    "relative to the first row": lambda seed: of_times(seed, lambda time, first: time / first),
    "distance to the first row": lambda seed: of_times(seed, lambda time, first: time - first),
}


@pytest.mark.parametrize("rule", RESTS)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 10**6), at=st.integers(1, 7), across=st.booleans())
def test_an_error_in_rests_reciprocals_and_what_is_relative_to_a_row_is_found(
    rule: str, seed: int, at: int, across: bool
) -> None:
    columns = RESTS[rule](seed)
    turn = transposed if across else lambda body: body
    assert wrong(turn(sheet(columns))) == []
    last = list(columns)[-1]
    altered = [*columns[last]]
    altered[at] = printed(Fraction(altered[at]) * Fraction("1.3") + 1, decimals_of(altered[at]))
    found = wrong(turn(sheet({**columns, last: altered})))
    assert [f.severity for f in found] == ["decision"]
    assert ((last, f"row {at}") if across else (f"row {at}", last)) in {(s.row, s.column) for s in found[0].sources}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 8), st.integers(3, 12))
def test_shares_and_times_without_relations_have_no_findings(seed: int, of: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    ends = [(0, 100), (0, 50), (30, 70), (1, 60), (0, 1)][int(draw.integers(0, 5))]
    decimals = int(draw.integers(0, 3))
    columns = {f"quantity {i}": [f"{x:.{decimals}f}" for x in draw.uniform(*ends, rows)] for i in range(of)}
    assert wrong(sheet(columns)) == []


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6), st.integers(2, 14), st.integers(1, 9), st.sampled_from([(0, 9), (0, 100), (50, 99), (1, 2)])
)
def test_numbers_without_relations_have_no_findings(seed: int, rows: int, of: int, ends: tuple[int, int]) -> None:
    draw = np.random.default_rng(seed)
    decimals = int(draw.integers(0, 4))
    columns = {f"quantity {i}": [f"{x:.{decimals}f}" for x in draw.uniform(*ends, rows)] for i in range(of)}
    assert wrong(sheet(columns)) == []


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_small_whole_numbers_and_equal_cells_are_no_evidence(seed: int) -> None:
    draw = np.random.default_rng(seed)
    columns = {f"quantity {i}": [str(x) for x in draw.choice([0, 1, 2, 3, 4, 100], 7)] for i in range(6)}
    assert wrong(sheet(columns)) == []
    assert wrong(sheet(columns, "", 100)) == []


def test_a_digit_that_was_cut_off_is_a_matter_of_rounding() -> None:
    columns = columns_of(3)
    follows = derived(columns, "percentage")
    lines = zip(*(map(Fraction, texts) for texts in columns.values()), strict=True)
    exact = [RULES["percentage"](list(line)) for line in lines]
    at = next(i for i, value in enumerate(exact) if value * 100 % 1 > Fraction(3, 4))
    follows[at] = printed(exact[at] - Fraction(1, 200), 2)
    (found,) = wrong(sheet({**columns, "derived": follows}))
    assert found.severity == "rounding"
    assert "cut off" in found.innocent[0]


def test_columns_that_follow_from_another_table_are_noted_and_a_weak_one_by_the_others() -> None:
    costs = ["6120", "11850", "8470", "35980", "18440", "24110"]
    peaks = {"device 1": "13450", "device 2": "16300", "device 3": "235.8"}
    times = {name: [printed(Fraction(c) / Fraction(peak), 2) for c in costs] for name, peak in peaks.items()}
    times["device 1"][2], times["device 1"][4] = "0.58", "1.47"
    body = sheet({"cost": costs, **times})
    cells = {(name, "peak"): replace(number(text, name, "peak"), table="peaks") for name, text in peaks.items()}
    other = Sheet(DOCUMENT, "peaks", "table of peaks", tuple(peaks), ("peak",), cells)
    found = audit([replace(body, sheets={**body.sheets, "peaks": other})]).findings
    assert cells_of([f for f in found if f.severity == "decision"]) == {("row 2", "device 1"), ("row 4", "device 1")}
    noted = {f.sources[0].column for f in found if f.severity == "note"}
    assert noted == {"device 1", "device 2", "device 3"}


def test_a_rule_of_costs_is_not_held_against_the_accuracies_beside_them() -> None:
    draw = np.random.default_rng(7)
    costs = [[f"{x:.2f}" for x in draw.uniform(100, 900, 5)]]
    costs.append([printed(2 * Fraction(x), 2) for x in costs[0]])
    cells = {(f"row {r}", f"cost {c}"): number(costs[r][c], f"row {r}", f"cost {c}") for r in (0, 1) for c in range(5)}
    for row, text in (("row 0", "72.0"), ("row 1", "73.9")):
        cells[row, "accuracy"] = number(text, row, "accuracy", "percent", 100)
    names = (*(f"cost {c}" for c in range(5)), "accuracy")
    table = Sheet(DOCUMENT, "table", "table", ("row 0", "row 1"), names, cells)
    assert wrong(Body(DOCUMENT, {"table": table})) == []


def test_quotients_are_compared_with_all_that_rounding_leaves_open() -> None:
    thirds = [printed(Fraction(n, 3), 2) for n in range(100, 900, 97)]
    assert wrong(sheet({"all": [str(n) for n in range(100, 900, 97)], "a third": thirds, "other": thirds[::-1]})) == []


@pytest.mark.parametrize(("rows", "of"), [(30, 30), (2000, 1), (300, 2), (2, 400), (100, 100)])
def test_large_tables_take_seconds(rows: int, of: int) -> None:
    body = sheet(columns_of(1, rows, of), "", 100, 3000)
    started = time.process_time()
    audit([body])
    assert time.process_time() - started < 6


def test_a_limit_of_the_search_is_said() -> None:
    assert "neighbours only" in audit([sheet(columns_of(1, 100, 100))]).limits[0]
    assert audit([sheet(columns_of(1, 20, 20))]).limits == ()
