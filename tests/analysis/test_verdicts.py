"""Every verdict, and the order in which they take precedence."""

import pytest

from reeltrace.analysis.published import Cell
from reeltrace.analysis.verdicts import MEANINGS, VERDICTS, Circumstances, count, judge_accuracy, judge_structure

PAPER = Circumstances("paper", (), overridden=False)
QUICK = Circumstances("quick", ("small digits in place of MNIST",), overridden=True)


def cell(printed: str | None, unit: str = "percent") -> Cell:
    reason = None if printed is not None else "the text has none"
    return Cell(row="r", column="c", printed=printed, unit=unit, place="section 1", reason=reason)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("printed", "interval", "circumstances", "verdict"),
    [
        ("24.6", (23.0, 26.0), PAPER, "matches"),
        ("24.6", (24.649, 26.0), PAPER, "matches"),  # 24.6 may stand for 24.649
        ("24.6", (24.66, 26.0), PAPER, "differs"),
        ("24.60", (24.649, 26.0), PAPER, "differs"),  # but 24.60 may not
        ("24.6", (20.0, 24.5), PAPER, "differs"),
        ("100", (99.0, 100.0), QUICK, "not comparable"),
        ("100", (99.0, 100.0), Circumstances("paper", ("other digits",), False), "not comparable"),
        ("100", (99.0, 100.0), Circumstances("paper", (), True), "not comparable"),
        ("100", (99.0, 100.0), Circumstances("smoke", (), False), "not comparable"),
        (None, (99.0, 100.0), PAPER, "not given"),
        (None, (99.0, 100.0), QUICK, "not given"),
        ("100", None, PAPER, "not run"),
        (None, None, PAPER, "not run"),
    ],
)
def test_accuracy_verdicts(
    printed: str | None, interval: tuple[float, float] | None, circumstances: Circumstances, verdict: str
) -> None:
    found, reason = judge_accuracy(cell(printed), interval, circumstances)
    assert found == verdict
    assert reason
    if verdict == "not comparable":
        assert f"{circumstances.scale} scale" in reason and all(s in reason for s in circumstances.stand_in)


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
