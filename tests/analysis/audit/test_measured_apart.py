"""Columns that follow others only nearly, as what was measured apart does, accuse no cell; computed ones still do."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.audit.sheets import sheet
from reeltrace.analysis.audit.exactness import BETTER, odds
from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.audit.run import audit
from reeltrace.kinds.rounding import printed

TABLES = 200
SLIPS = 30
Draw = np.random.Generator
Columns = dict[str, list[str]]
Floats = NDArray[np.float64]


def decimals(values: Sequence[float] | Floats, places: int) -> list[str]:
    return [printed(Fraction(float(value)), places) for value in values]


def digits(values: Floats, count: int) -> list[str]:
    """So many significant digits, as times are often printed."""
    return [printed(Fraction(float(v)), max(count - 1 - int(np.floor(np.log10(v))), 0)) for v in values]


def costs(draw: Draw, rows: int) -> Floats:
    """Times, or counts of parameters, over two orders of magnitude."""
    return np.exp(draw.uniform(np.log(3), np.log(300), rows))


def scatter(draw: Draw, rows: int) -> Floats:
    """Of 1 to 3 percent."""
    return 1 + draw.uniform(0.01, 0.03) * draw.standard_normal(rows)


def times_and_rates(draw: Draw, rows: int) -> Columns:
    times = costs(draw, rows)
    rates = decimals(1000 / times * scatter(draw, rows), int(draw.integers(0, 3)))
    return {"accuracy": decimals(draw.uniform(60, 85, rows), 1), "ms": digits(times, 3), "per second": rates}


def accuracies_and_errors(draw: Draw, rows: int) -> Columns:
    places, right = (
        int(draw.integers(1, 3)),
        draw.uniform(*[(60, 80), (90, 99), (20, 60)][int(draw.integers(0, 3))], rows),
    )
    apart = draw.uniform(0.1, 0.5, rows) * draw.choice([-1, 1], rows)
    return {
        "ms": digits(costs(draw, rows), 3),
        "right": decimals(right, places),
        "wrong": decimals(100 - right + apart, places),
    }


def times_and_speedups(draw: Draw, rows: int) -> Columns:
    times = np.sort(costs(draw, rows))[::-1]
    speedups = times[0] / times * scatter(draw, rows)
    speedups[0] = 1
    return {
        "accuracy": decimals(draw.uniform(60, 85, rows), 1),
        "ms": digits(times, int(draw.integers(2, 4))),
        "speed-up": decimals(speedups, int(draw.integers(1, 3))),
    }


def parameters_and_operations(draw: Draw, rows: int) -> Columns:
    parameters = costs(draw, rows) / 3
    operations = parameters * draw.choice([draw.uniform(0.1, 0.3), 0.5, 2]) * scatter(draw, rows)
    return {
        "parameters": decimals(parameters, 1),
        "operations": decimals(operations, int(draw.integers(1, 3))),
        "memory": decimals(4 * parameters * scatter(draw, rows), int(draw.integers(0, 2))),
    }


def accused(columns: Mapping[str, Sequence[str]]) -> list[Finding]:
    return [found for found in audit([sheet(columns)]).findings if found.severity == "decision"]


@pytest.mark.parametrize(
    "kind", [times_and_rates, accuracies_and_errors, times_and_speedups, parameters_and_operations]
)
def test_what_was_measured_apart_is_accused_in_at_most_two_of_a_hundred_tables(
    kind: Callable[[Draw, int], Columns],
) -> None:
    draws = (np.random.default_rng(seed) for seed in range(TABLES))
    wrong = sum(bool(accused(kind(draw, int(draw.integers(4, 13))))) for draw in draws)
    assert wrong <= 0.02 * TABLES


RULES: dict[str, Callable[[Sequence[Fraction], Sequence[Fraction]], list[str]]] = {
    "reciprocal": lambda a, _: [printed(1000 / x, 2) for x in a],
    "complement": lambda a, _: [printed(100 - x, 1) for x in a],
    "speed-up": lambda a, _: [printed(a[0] / x, 3) for x in a],
    "multiple": lambda a, _: [printed(4 * x, 1) for x in a],
    "sum": lambda a, b: [printed(x + y, 1) for x, y in zip(a, b, strict=True)],
    "percentage": lambda a, b: [printed(100 * x / y, 1) for x, y in zip(a, b, strict=True)],
}


def slipped(draw: Draw, text: str) -> str:
    """One digit altered, so that the number changes by a twentieth and by ten units of its last place at least."""
    value, unit = Fraction(text), Fraction(1, 10 ** len(text.partition(".")[2]))
    while True:
        at = int(draw.choice([i for i, sign in enumerate(text) if sign.isdigit()]))
        altered = text[:at] + str(draw.integers(0, 10)) + text[at + 1 :]
        if abs(Fraction(altered) - value) >= max(abs(value) / 20, 10 * unit):
            return altered


@pytest.mark.parametrize("rule", RULES)
def test_one_slip_in_a_computed_column_is_found(rule: str) -> None:
    found = 0
    for seed in range(SLIPS):
        draw = np.random.default_rng(seed)
        rows = int(draw.integers(7, 13))
        first, second = (decimals(draw.uniform(15, 95, rows), 1) for _ in range(2))
        follows = RULES[rule]([Fraction(x) for x in first], [Fraction(x) for x in second])
        at = int(draw.integers(1, rows))
        follows[at] = slipped(draw, follows[at])
        findings = accused({"first": first, "second": second, "follows": follows})
        found += (f"row {at}", "follows") in {(s.row, s.column) for f in findings for s in f.sources}
    assert found >= 0.95 * SLIPS


def test_what_is_nearly_so_is_said_and_not_judged() -> None:
    times = ["7.12", "8.21", "5.53", "12.41", "20.74", "41.02", "7.73", "15.94"]
    rates = ["141", "123", "186", "80", "48", "25", "130", "62"]  # up to 3 percent off
    found = audit([sheet({"ms": times, "per second": rates})])
    assert found.findings == ()
    (limit,) = found.limits
    assert "'per second' is nearly 1000 over 'ms', as what was measured apart is: not judged by that" in limit
    assert "farthest off is 186 (row 2, per second), which would be 180.8" in limit


def cells(values: Sequence[str], given: Sequence[str]) -> list[tuple[Fraction, Fraction, tuple[Fraction, Fraction]]]:
    """Numbers of two decimals, and what an exact computation gives for them."""
    return [(Fraction(v), Fraction(1, 100), (Fraction(g), Fraction(g))) for v, g in zip(values, given, strict=True)]


def test_odds_are_for_a_computation_with_a_slip_and_against_one_with_scatter() -> None:
    given = ["1.234", "5.678", "9.012", "3.456", "7.891", "2.345"]
    assert odds(cells(["1.23", "5.68", "9.01", "3.46", "7.89", "2.35"], given)) > 100 * BETTER
    assert odds(cells(["1.23", "5.68", "9.01", "3.46", "7.89", "2.85"], given)) > BETTER
    assert odds(cells(["1.23", "5.72", "8.93", "3.46", "7.97", "2.31"], given)) < 1 / BETTER


def test_odds_of_exact_and_of_equal_numbers_are_numbers() -> None:
    exact = [(Fraction(n), Fraction(0), (Fraction(n), Fraction(n))) for n in (0, 311, 524, 7312)]
    assert BETTER < odds(exact) < float("inf")
    assert odds([(Fraction(0), Fraction(1), (Fraction(0), Fraction(0)))] * 3) > 0
