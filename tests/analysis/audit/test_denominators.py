"""Denominators: which prints are shares of a set, how many are by chance, and what is found where none can be."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.audit.sheets import number, sheet
from reeltrace.analysis.audit import denominators
from reeltrace.analysis.audit.denominators import (
    Share,
    base_rate,
    by_cutting,
    by_rounding,
    possible,
    share_of,
    smallest,
    telling,
)
from reeltrace.analysis.audit.values import Body, Sheet, TestSize
from reeltrace.kinds.rounding import printed


def share(text: str, whole: int = 100) -> Share:
    found = share_of(number(text, "row", "column", "percent", whole))
    assert found is not None
    return found


def brute(text: str, size: int, whole: int, cut: bool) -> bool:
    """By trying every count."""
    value, decimals = Fraction(text), len(text.partition(".")[2])
    step = Fraction(1, 10**decimals)
    shares = (Fraction(whole * k, size) for k in range(size + 1))
    return any(value <= s < value + step if cut else abs(s - value) <= step / 2 for s in shares)


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(0, 1000), st.integers(0, 3), st.sampled_from([1, 100]))
def test_counts_are_those_that_trying_finds(size: int, units: int, decimals: int, whole: int) -> None:
    text = printed(Fraction(units, 1000) * whole, decimals)
    assert (by_rounding(share(text, whole), size) is not None) == brute(text, size, whole, cut=False)
    assert (by_cutting(share(text, whole), size) is not None) == brute(text, size, whole, cut=True)


@given(st.integers(1, 5000), st.data(), st.integers(0, 3), st.booleans())
def test_every_share_of_a_set_is_possible(size: int, data: st.DataObject, decimals: int, cut: bool) -> None:
    exact = Fraction(100 * data.draw(st.integers(0, size)), size)
    step = Fraction(1, 10**decimals)
    text = printed(exact // step * step if cut else exact, decimals)
    assert possible(share(text), size)


@pytest.mark.parametrize(("size", "decimals"), [(7, 1), (30, 1), (250, 1), (1530, 2), (3000, 2), (999, 1)])
def test_the_base_rate_is_that_of_all_prints(size: int, decimals: int) -> None:
    per = 100 * 10**decimals
    hits = sum(possible(share(printed(Fraction(k, 10**decimals), decimals)), size) for k in range(per + 1))
    assert float(base_rate(share("1." + "0" * decimals), size)) == pytest.approx(hits / (per + 1), abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 1500), st.integers(0, 10**6))
def test_the_smallest_set_has_all_prints_and_none_below_it_has(size: int, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, size + 1, 12)
    shares = [share(printed(Fraction(100 * int(k), size), 2)) for k in counts]
    least = smallest(shares)
    if not telling(shares):
        assert least is None or least == 1
        return
    assert least is not None and least <= size
    assert all(possible(s, least) for s in shares)
    assert not any(all(possible(s, below) for s in shares) for below in range(1, least))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4000), st.integers(0, 10**6), st.booleans())
def test_consistent_shares_have_no_findings(size: int, seed: int, cut: bool) -> None:
    counts = np.random.default_rng(seed).integers(0, size + 1, 15)
    step = Fraction(1, 100)
    exact = [Fraction(100 * int(k), size) for k in counts]
    texts = [printed(value // step * step if cut else value, 2) for value in exact]
    assert denominators.find(sheet({"accuracy": texts}, "percent", 100, size)) == []


def test_an_impossible_share_is_named_with_what_would_explain_it() -> None:
    texts = ["99.67", "8.33", "25.17", "9.82", "100", "0.00"]
    (found,) = denominators.find(sheet({"accuracy": texts}, "percent", 100, 3000))
    assert [s.printed for s in found.sources] == ["9.82"]
    assert found.severity == "decision"
    assert "294 of 3,000 is 9.8000 and 295 of 3,000 is 9.8333" in found.computation
    assert "3 of 4 different prints" in found.computation, "0 and 100 are shares of every set"
    runs = [share_of(number(text, "r", "c", "percent", 100)) for text in texts]
    explained = [m for m in range(2, 11) if all(possible(s, 3000 * m) for s in runs if s)]
    assert found.innocent[0].startswith(f"a mean over {explained[0]} runs")


def test_equal_prints_count_once() -> None:
    texts = ["33.3"] * 40 + ["33.4"]
    (found,) = denominators.find(sheet({"accuracy": texts}, "percent", 100, 30))
    assert "1 of 2 different prints" in found.computation


def test_shares_partly_rounded_and_partly_cut_off_are_a_matter_of_rounding() -> None:
    (found,) = denominators.find(sheet({"accuracy": ["66.66", "33.33", "16.67", "83.33"]}, "percent", 100, 6))
    assert found.severity == "rounding"
    assert [s.printed for s in found.sources] == ["66.66"]


def test_decimals_are_those_of_each_cell() -> None:
    assert denominators.find(sheet({"accuracy": ["33", "66.7", "33.33"]}, "percent", 100, 3)) == []


@pytest.mark.parametrize("size", [10_000, 20_000])
def test_a_set_of_which_nearly_every_print_is_a_share_is_not_judged(size: int) -> None:
    assert denominators.find(sheet({"accuracy": ["12.34", "56.78", "0.01"]}, "percent", 100, size)) == []


def test_numbers_that_are_no_shares_of_a_set_are_not_judged() -> None:
    assert denominators.find(sheet({"cost": ["9.82", "1.23"]}, "percent", None, 30)) == []
    assert share_of(number("101.5", "r", "c", "percent", 100)) is None


@pytest.mark.parametrize(
    "name", ["mean", "Average", "accuracy, mean over seeds", "std", "SD of accuracy", "± accuracy", "gains"]
)
def test_what_is_called_a_mean_a_spread_or_a_difference_is_no_share(name: str) -> None:
    assert denominators.find(sheet({name: ["12.34", "56.78"]}, "percent", 100, 30)) == []
    assert len(denominators.find(sheet({"meaning": ["12.34", "56.78"]}, "percent", 100, 30))) == 1


def test_another_test_set_of_the_document_is_a_reading() -> None:
    body = sheet({"accuracy": ["14.29", "85.71", "57.14"]}, "percent", 100, 30)
    other = TestSize("second set", 7, "clips", "said")
    (found,) = denominators.find(Body(body.document, body.sheets, tests=(*body.tests, other)))
    assert any(reading.startswith("another test set: all are shares of 7 clips") for reading in found.innocent)


def test_a_table_without_numbers() -> None:
    assert denominators.find(Body("d", {"t": Sheet("d", "t", "p", (), (), {})})) == []
