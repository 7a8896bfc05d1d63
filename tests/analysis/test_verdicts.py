"""Every verdict, and the order in which they take precedence."""

import pytest

from reeltrace.analysis.published import Cell, TestSet
from reeltrace.analysis.verdicts import (
    MEANINGS,
    VERDICTS,
    Circumstances,
    Ours,
    compared,
    count,
    judge_share,
    judge_structure,
    published_share,
)

PAPER = Circumstances("paper", (), overridden=False)
QUICK = Circumstances("quick", ("small digits in place of MNIST",), overridden=True)


def cell(printed: str | None, unit: str = "percent") -> Cell:
    reason = None if printed is not None else "the text has none"
    return Cell(row="r", column="c", printed=printed, unit=unit, place="section 1", reason=reason)  # type: ignore[arg-type]


def three(*shares: float) -> Ours:
    """Seeds of one test set of 3,000 videos."""
    return Ours(shares, ((sum(shares) / len(shares), 3000),))


TESTED = TestSet(size=3000, of="videos", place="section 4")


@pytest.mark.parametrize(
    ("printed", "ours", "circumstances", "verdict"),
    [
        ("24.6", three(24.6, 24.6, 24.6), PAPER, "matches"),
        ("24.6", three(22.0, 22.1, 22.2), PAPER, "matches"),
        ("24.6", three(34.6, 34.6, 34.6), PAPER, "differs"),
        ("24.6", three(24.6), PAPER, "cannot tell"),  # one seed: 7 points could go unseen
        ("24.6", three(34.6), PAPER, "differs"),
        ("24.6", three(20.0, 25.0, 30.0), PAPER, "cannot tell"),  # seeds far apart
        ("24.6", Ours((24.6,) * 3, ((24.6, 50),)), PAPER, "cannot tell"),  # few videos
        ("24.6 ± 8", three(30.6, 30.6, 30.6), PAPER, "cannot tell"),
        ("24.6 ± 0.1", three(30.6, 30.6, 30.6), PAPER, "differs"),
        ("~24.6", three(24.6, 24.6, 24.6), PAPER, "matches"),
        ("< 5", three(1.0, 1.0, 1.0), PAPER, "matches"),
        ("< 5", three(4.9, 4.9, 4.9), PAPER, "cannot tell"),
        ("< 5", three(9.0, 9.0, 9.0), PAPER, "differs"),
        (">= 95", three(99.0, 99.0, 99.0), PAPER, "matches"),
        (">= 95", three(90.0, 90.0, 90.0), PAPER, "differs"),
        ("100", three(100), QUICK, "not comparable"),
        ("100", three(100), Circumstances("paper", ("other digits",), False), "not comparable"),
        ("100", three(100), Circumstances("paper", (), True), "not comparable"),
        ("100", three(100), Circumstances("smoke", (), False), "not comparable"),
        (None, three(100), PAPER, "not given"),
        (None, three(100), QUICK, "not given"),
        ("100", None, PAPER, "not run"),
        (None, None, PAPER, "not run"),
    ],
)
def test_verdicts_on_shares(printed: str | None, ours: Ours | None, circumstances: Circumstances, verdict: str) -> None:
    found, reason = judge_share(cell(printed), TESTED, ours, circumstances)
    assert found == verdict, reason
    assert reason
    if verdict == "not comparable":
        assert f"{circumstances.scale} scale" in reason and all(s in reason for s in circumstances.stand_in)


def test_the_reason_says_what_could_have_been_seen() -> None:
    _, one = judge_share(cell("24.6"), TESTED, three(25.6), PAPER)
    assert one == (
        "ours lies 1.00 points above the published 24.6, of 3,000 videos; the 95 % prediction interval of the "
        "difference is [-6.32, +8.32]; a difference of 10.4 points would have been seen in four of five cases, and 5 "
        "are asked of a match (1 seed, whose spread is not known: 2.5 points stand for it, a choice and no measurement)"
    )
    _, several = judge_share(cell("24.6"), TESTED, three(24.0, 24.5, 25.0), PAPER)
    assert "(3 seeds with a standard deviation of 0.50 points)" in several and "asked of" not in several


def test_a_share_of_an_unknown_test_set_cannot_be_told() -> None:
    verdict, reason = judge_share(cell("24.6"), None, three(24.6, 24.6, 24.6), PAPER)
    assert verdict == "cannot tell" and "tests" in reason


def test_rates_are_judged_in_percent() -> None:
    of = Cell(row="r", column="c", printed="0.197", unit="error rate", place="section 1")
    ours = Ours((19.7, 19.8, 19.9), ((19.8, 3783),))
    found = compared(of, TESTED, ours)
    assert found is not None and found.difference == pytest.approx(0.1)
    assert judge_share(of, TESTED, ours, PAPER)[0] == "matches"


@pytest.mark.parametrize(
    ("printed", "half", "spread"),
    [("24.6", 0.05, None), ("~24.60", 0.01, None), ("~24.6", 0.1, None), ("24.6 ± 0.4", 0.05, 0.4), ("100", 0.5, None)],
)
def test_what_a_print_stands_for(printed: str, half: float, spread: float | None) -> None:
    """Half a unit of the last printed place; a whole one where it says about."""
    found = published_share(cell(printed), TESTED)
    assert found is not None and found.half == pytest.approx(half) and found.spread == spread


def test_what_the_text_has_lost_is_not_compared() -> None:
    damaged = cell("24.6").model_copy(update={"damaged": "a digit is lost"})
    assert judge_share(damaged, TESTED, three(24.6), PAPER) == ("source damaged", "a digit is lost")
    stride = cell("2", "stride").model_copy(update={"damaged": "a digit is lost"})
    assert judge_structure(stride, 2, PAPER) == ("source damaged", "a digit is lost")
    assert judge_structure(stride, None, PAPER)[0] == "not run"
    with pytest.raises(ValueError, match="only what is printed can be damaged"):
        Cell(row="r", column="c", printed=None, unit="percent", place="p", reason="blank", damaged="lost")


@pytest.mark.parametrize(
    ("printed", "unit", "value", "verdict"),
    [
        ("687K parameters", "parameters", 687_499, "exact"),
        ("687K parameters", "parameters", 687_500, "not exact"),  # half to even: 688
        ("688K parameters", "parameters", 687_500, "exact"),
        ("687K parameters", "parameters", 686_500, "not exact"),  # half to even: 686
        ("(128, N)", "channels", [128, 10], "exact"),
        ("(128, N)", "channels", [128, 4], "not exact"),
        ("(2, 8, 8, 8)", "shape", [2, 8, 8, 8], "exact"),
        ("(2, 8, 8, 8)", "shape", [2, 8, 8, 7], "not exact"),
        ("N/A", "shape", [], "exact"),
        ("N/A", "shape", [1, 1, 1], "not exact"),
        ("3x3x3", "filter", [3, 3, 3], "exact"),
        ("2", "stride", 2, "exact"),
        ("2", "stride", None, "not run"),
        (None, "stride", 2, "not given"),
    ],
)
def test_structure_verdicts(printed: str | None, unit: str, value: object, verdict: str) -> None:
    found, reason = judge_structure(cell(printed, unit), value, PAPER, classes=10)  # type: ignore[arg-type]
    assert found == verdict and reason


@pytest.mark.parametrize(("value", "verdict"), [(687_999, "exact"), (687_000, "exact"), (688_000, "not exact")])
def test_counts_are_compared_by_the_document_s_rounding(value: int, verdict: str) -> None:
    found, reason = judge_structure(cell("687K parameters", "parameters"), value, PAPER, rounding="truncated")
    assert found == verdict and "fraction dropped" in reason


def test_structure_is_compared_at_any_scale_unless_overridden() -> None:
    quick = Circumstances("quick", (), overridden=False)
    assert judge_structure(cell("2", "stride"), 2, quick)[0] == "exact"
    assert judge_structure(cell("2", "stride"), 2, QUICK)[0] == "not comparable"


def test_count_names_every_verdict() -> None:
    assert count(["exact", "exact", "differs"]) == {**dict.fromkeys(VERDICTS, 0), "exact": 2, "differs": 1}
    assert set(MEANINGS) == set(VERDICTS)
