"""Expressions over printed values: what they come to, how rounding goes through them, and what is refused."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltrace.analysis.expressions import (
    BITS,
    DEPTH,
    LENGTH,
    Interval,
    Reference,
    combine,
    constant,
    parse,
    reference,
)

VALUES = {"a": Fraction(3), "b": Fraction(4), "c": Fraction("0.5"), "zero": Fraction(0)}


def look(of: Reference) -> Fraction | None:
    return VALUES.get(of.column)


def around(of: Reference) -> Interval | None:
    value = VALUES.get(of.column)
    return None if value is None else (value - Fraction("0.5"), value + Fraction("0.5"))


def expand(of: Reference) -> list[Reference]:
    return [Reference(of.table, "r", column) for column in "abc"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{t/r/a} / {t/r/b}", Fraction(3, 4)),
        ("-{t/r/a} + 2 * ({t/r/b} - 1.5) ** 2", Fraction("9.5")),
        ("2 - 3 - 4", Fraction(-5)),
        ("12 / 3 / 4", Fraction(1)),
        ("-2 ** 2", Fraction(-4)),
        ("2 ** -2", Fraction(1, 4)),
        ("0 ** 0", Fraction(1)),
        ("mean({t/*/a}, 0)", Fraction("7.5") / 4),
        ("sum({t/*/*})", Fraction("7.5")),
        ("max({t/r/a}, {t/r/b}) - min(1, 2) + abs(-{t/r/c})", Fraction("3.5")),
        ("{t/r/nothing} + 1", None),
        ("mean(1, {t/r/nothing})", None),
        ("1 / {t/r/zero}", None),
        ("{t/r/zero} ** -1", None),
    ],
)
def test_what_an_expression_comes_to(text: str, value: Fraction | None) -> None:
    assert parse(text).value(look, expand) == value


def test_references_of_all_kinds() -> None:
    cell = "{someone2025:3/plain/original}"
    expression = parse(f"{cell} - {{prose:gain-ucf}} + {{9.1/R(2+1)x/20Ti}} + {{o:prose:x}} + {cell}")
    assert expression.references == (
        Reference("3", "plain", "original", document="someone2025"),
        Reference(prose="gain-ucf"),
        Reference("9.1", "R(2+1)x", "20Ti"),
        Reference(prose="x", document="o"),
    )
    assert all(reference(str(each)) == each for each in expression.references)
    assert expression.shown(lambda of: of.prose or of.row) == "plain - gain-ucf + R(2+1)x + x + plain"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "character 1 of '': found 'the end'"),
        ("1 +", "character 4 of '1 .'"),
        ("1 2", "character 3 .*found '2'"),
        ("(1", r"expected '\)'"),
        ("1 ** 13", "at most 12"),
        ("1 ** 99999999999", "at most 12"),
        ("1 ** 0.5", "whole number"),
        ("1 ** {t/r/a}", "whole number"),
        ("2 ** 3 ** 2", "parentheses"),
        ("((2 ** 4) * 3) ** 4", "powers within each other"),
        ("__import__('os')", "no function '__import__'"),
        ("open(1)", "no function 'open'; it has: mean, sum, min, max, abs"),
        ("{t/r/a}.real", r"'\.real' is not understood"),
        ("abs(1, 2)", "abs takes one value, found 2"),
        ("abs({t/*/a})", "abs takes one value, found several"),
        ("mean(1)", "mean takes at least two values, found 1"),
        ("mean()", "expected a number"),
        ("{t/*/a}", "inside mean"),
        ("({t/*/a})", "inside mean"),
        ("sum({t/*/a} * 2)", "inside mean"),
        ("-{t/*/a}", "inside mean"),
        ("{t/*/a} ** 2", "inside mean"),
        ("{t/r}", "expected {table/row/column}"),
        ("{}", "expected {table/row/column}"),
        ("{*/r/a}", "expected {table/row/column}"),
        ("{prose:}", "expected {table/row/column}"),
        ("1e5", "found 'e5'"),
        ("9" * 41, "at most 40"),
        ("(" * (DEPTH + 1) + "1" + ")" * (DEPTH + 1), f"nested more than {DEPTH}"),
        ("-" * (DEPTH + 1) + "1", f"nested more than {DEPTH}"),
        ("1+" * LENGTH + "1", f"at most {LENGTH}"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)


def test_the_deepest_expression_that_is_allowed() -> None:
    assert parse("(" * DEPTH + "1" + ")" * DEPTH).value(look) == 1


def test_a_long_sum() -> None:
    assert parse("+".join("1" * 1000)).value(look) == 1000


def test_several_cells_need_somebody_who_says_which() -> None:
    with pytest.raises(ValueError, match="nothing says which"):
        parse("sum({t/*/a})").value(look)


@pytest.mark.parametrize(
    "text", ["{t/r/x} ** 12", " * ".join(["{t/r/x}"] * 200), "sum(1 / {t/r/x}, 1 / ({t/r/x} + 1))"]
)
def test_numbers_do_not_grow_without_end(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ValueError, match=f"more than {BITS} bits"):
        parse(text).value(lambda _: Fraction(3**8000))
    assert time.perf_counter() - started < 1


def test_rounding_goes_through_an_expression() -> None:
    assert parse("{t/r/a} / {t/r/b}").bounds(around) == (Fraction("2.5") / Fraction("4.5"), Fraction(1))
    assert parse("1 / {t/r/zero}").bounds(around) is None
    assert parse("{t/r/zero} ** 2").bounds(around) == (0, Fraction(1, 4))
    assert parse("abs({t/r/zero})").bounds(around) == (0, Fraction(1, 2))
    assert parse("mean({t/*/a})").bounds(around, expand) == (Fraction(2), Fraction(3))


numbers = st.fractions(min_value=-9, max_value=9, max_denominator=20)
intervals = st.tuples(numbers, numbers).map(lambda ends: (min(ends), max(ends)))
leaves = st.sampled_from(["{t/r/p}", "{t/r/q}", "2", "0.5"])
texts = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.integers(-2, 2)).map(lambda t: f"({t[0]}) ** {t[1]}"),
        inner.map(lambda t: f"abs({t})"),
        st.tuples(st.sampled_from(["mean", "sum", "min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(texts, intervals, intervals, st.data())
def test_bounds_hold_every_value_inside_them(text: str, p: Interval, q: Interval, data: st.DataObject) -> None:
    try:
        expression = parse(text)
    except ValueError as error:
        assert "powers within each other" in str(error)
        return
    bounds = expression.bounds(lambda of: {"p": p, "q": q}[of.column])
    if bounds is None:
        return
    inside = {name: data.draw(st.fractions(*ends)) for name, ends in (("p", p), ("q", q))}
    value = expression.value(lambda of: inside[of.column])
    assert value is not None
    assert bounds[0] <= value <= bounds[1]


@given(intervals, intervals, st.sampled_from("+-*/"))
def test_ends_of_an_operation_are_reached(left: Interval, right: Interval, sign: str) -> None:
    found = combine(sign, left, right)  # type: ignore[arg-type]
    if found is None:
        assert sign == "/" and right[0] <= 0 <= right[1]
        return
    corners = [{"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[sign] for a in left for b in right]
    assert set(found) <= set(corners)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789.+-*/(){}abs,mn :t", max_size=40))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    try:
        expression = parse(text)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        expression.value(lambda _: Fraction(1), lambda _: [Reference("t", "r", "c")])


def test_two_slashes_are_one_within_a_name() -> None:
    (reference,) = parse("1 / {table/row//s/clips // s}").references
    assert (reference.row, reference.column) == ("row/s", "clips / s")
    assert str(reference) == "{table/row//s/clips // s}"


@pytest.mark.parametrize(
    "text",
    [
        " * ".join(["{1/a/x} ** 12"] * 30),  # 10 ** 360, were {1/a/x} ten
        "{1/a/x} ** 12 * " * 8 + "{1/a/x} ** 5",  # 10 ** 101
        " + ".join(f"1 / {n} ** 12" for n in range(100_003, 100_060, 2)),  # long, not large
    ],
)
def test_numbers_that_outgrow_what_is_computed_with_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a number of more than"):
        parse(text).value(lambda _: Fraction(10))


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("{1/a/x}", "{1/a/x}", True),
        ("{1/a/x} + {1/b/x}", "{1/b/x} + {1/a/x}", True),
        ("2 * {1/a/x} - {1/a/x}", "{1/a/x}", True),
        ("max({1/a/x}, {1/b/x})", "max({1/b/x}, {1/a/x})", True),
        ("{1/a/x} + 1", "{1/a/x}", True),  # one more, whatever it is
        ("{1/a/x} / ({1/b/x} - {1/b/x})", "{1/a/x}", True),  # never anything
        ("{1/a/x} - {1/b/x}", "{1/b/x} - {1/a/x}", False),
        ("{1/a/x}", "{1/b/x}", False),
        ("{1/a/x} * {1/a/x}", "{1/a/x}", False),
        ("min({1/a/x}, {1/b/x})", "{1/a/x}", False),
        ("{prose:a}", "3", False),
        ("3 * 2", "2 * 3", True),
        ("1 + 1", "2", False),  # arithmetic may be what is claimed
        ("5 - 3", "3 - 5", False),
    ],
)
def test_what_comes_out_the_same_whatever_the_values_are(left: str, right: str, expected: bool) -> None:
    assert constant(parse(left), parse(right), lambda a, b: a - b) is expected
