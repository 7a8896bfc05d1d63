"""Intervals and rounding against known values and laws."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.analysis import intervals as s
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import last_place


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        (0, 10, 0.0, 27.753279),  # Wilson's interval as Newcombe (1998) and R's binom.confint give it
        (10, 10, 72.246721, 100.0),
        (5, 10, 23.659309, 76.340691),
        (81, 263, 25.529, 36.619),  # Newcombe (1998), table I
        (15, 148, 6.237, 16.048),
        (1, 29, 0.6113, 17.1755),
    ],
)
def test_wilson_known_values(correct: int, total: int, low: float, high: float) -> None:
    assert s.wilson(correct, total) == pytest.approx((low, high), abs=6e-3)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion_and_is_symmetric(case: tuple[int, int]) -> None:
    correct, total = case
    low, high = s.wilson(correct, total)
    assert 0 <= low <= 100 * correct / total + 1e-9
    assert 100 * correct / total - 1e-9 <= high <= 100
    mirrored = s.wilson(total - correct, total)
    assert mirrored == pytest.approx((100 - high, 100 - low), abs=1e-9)


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_refuses_what_is_no_proportion(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        s.wilson(correct, total)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(200, 3), 2, "66.67"),
        (Fraction(1, 8), 2, "0.12"),  # half to even
        (Fraction(3, 8), 2, "0.38"),
        (Fraction(5, 2), 0, "2"),
        (Fraction(7, 2), 0, "4"),
        (Fraction(100), 2, "100.00"),
        (Fraction(99999, 1000), 2, "100.00"),
        (Fraction(0), 2, "0.00"),
    ],
)
def test_rounding_is_half_to_even_and_exact(value: Fraction, decimals: int, text: str) -> None:
    assert printed(value, decimals) == text


@given(st.fractions(0, 100), st.integers(0, 4))
def test_a_printed_value_stands_for_the_value_it_came_from(value: Fraction, decimals: int) -> None:
    text = printed(value, decimals)
    assert abs(Fraction(text) - value) <= last_place(text) / 2


def test_the_last_place_of_a_print() -> None:
    assert [last_place(text) for text in ("24.13", "24.60", "100")] == [Fraction(1, 100), Fraction(1, 100), 1]
    assert last_place("1.344e-6") == Fraction(1, 10**9) and last_place("687e3") == 1000


def test_hull_mean_and_deviation() -> None:
    assert s.hull([(2.0, 5.0), (1.0, 3.0), (4.0, 6.0)]) == (1.0, 6.0)
    assert s.mean([Fraction(1), Fraction(2), Fraction(6)]) == 3
    assert s.sample_deviation([Fraction(1), Fraction(2), Fraction(6)]) == pytest.approx(7**0.5)
    assert s.sample_deviation([Fraction(1)]) is None
    assert s.overlap((0, 1), (1, 2)) and not s.overlap((0, 1), (1.1, 2))


@given(total=st.integers(1, 150), classes=st.integers(2, 20))
def test_a_guesser_is_within_the_bounds_as_often_as_is_said_and_no_bound_is_idle(total: int, classes: int) -> None:
    chance = Fraction(1, classes)
    share = [comb(total, n) * chance**n * (1 - chance) ** (total - n) for n in range(total + 1)]
    low, high = s.guessing(total, classes)
    tail = Fraction(1, 40)
    assert sum(share[:low]) <= tail < sum(share[: low + 1])
    assert sum(share[high + 1 :]) <= tail < sum(share[high:])


def test_guessing_known_values() -> None:
    """As R's qbinom(c(0.025, 0.975), n, p) gives them."""
    assert [s.guessing(112, 8), s.guessing(300, 4), s.guessing(10_000, 10)] == [(8, 21), (61, 90), (942, 1059)]


@pytest.mark.parametrize(("total", "classes"), [(0, 10), (10, 1)])
def test_where_there_is_nothing_to_guess_is_refused(total: int, classes: int) -> None:
    with pytest.raises(ValueError, match="guessing"):
        s.guessing(total, classes)
