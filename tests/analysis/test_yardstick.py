"""The yardstick: what each word asks for, and that it says so."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.analysis import yardstick
from reeltrace.analysis.yardstick import OPERATIONS, WORDS


@pytest.mark.parametrize(
    ("operation", "inside", "outside"),
    [
        ("above", ["0.1", "50"], ["0", "-0.1"]),
        ("below", ["-0.1", "-50"], ["0", "0.1"]),
        ("significantly above", ["1", "50"], ["0.99", "-2"]),
        ("significantly below", ["-1"], ["-0.99", "2"]),
        ("far above", ["25"], ["24.9"]),
        ("far below", ["-25"], ["-24.9", "25"]),
        ("marginally above", ["0.1", "1"], ["0", "1.1", "-0.1"]),
        ("marginally below", ["-0.1", "-1"], ["0", "-1.1"]),
        ("similar", ["0", "5", "-5"], ["5.01", "-5.01"]),
        ("negligible", ["0", "1", "-1"], ["1.1"]),
        ("times", ["0", "1"], ["-0.1"]),
        ("about", ["15", "-15"], ["15.1"]),
    ],
)
def test_what_a_word_asks_for(operation: str, inside: list[str], outside: list[str]) -> None:
    word = WORDS[operation]  # type: ignore[index]
    assert all(word.holds(Fraction(text)) for text in inside)
    assert not any(word.holds(Fraction(text)) for text in outside)


@given(st.sampled_from(OPERATIONS), st.fractions(-50, 50), st.fractions(-50, 50))
def test_between_two_differences_without_a_boundary_a_word_does_not_change(
    operation: yardstick.Operation, first: Fraction, second: Fraction
) -> None:
    word = WORDS[operation]
    low, high = sorted((first, second))
    ends = [end for end in (word.low, word.high) if end is not None]
    if not any(low <= end <= high for end in ends):
        assert word.holds(first) is word.holds(second)
    assert word.sure is not None or set(word.boundaries(first)) <= set(ends)


def test_every_word_is_printed_with_its_margin() -> None:
    printed = " ".join(row["means"] for row in yardstick.table())
    for margin in (yardstick.FAR, yardstick.SIMILAR, yardstick.SIGNIFICANT, yardstick.ABOUT):
        assert f"{float(margin):g} per" in printed
    named = {operation.removesuffix(" above") for operation in OPERATIONS if not operation.endswith("below")}
    assert {row["word"] for row in yardstick.table()} == named
    assert yardstick.phrase("times", Fraction(3)) == "is at least 3 times"
    assert (yardstick.phrase("about", Fraction(2)), yardstick.phrase("about", None)) == ("is about 2 times", "is about")
    assert yardstick.phrase("significantly below", None) == "is significantly below"


@pytest.mark.parametrize(
    ("factor", "percent"),
    [("2", 25), ("3", Fraction(50, 3)), ("4", 15), ("20", 15), ("0.5", 15), ("0.125", 15), ("1/3", 15)],
)
def test_about_leaves_its_margin_or_the_rounding_of_the_factor_where_that_is_more(factor: str, percent: float) -> None:
    assert yardstick.room(Fraction(factor)) == percent
