"""Words that follow from numbers: verbs, and whether a sentence is worth its place."""

from typing import Any

import pytest

from reeltrace.report.movement import mover, teller


def cell(identity: str, value: float, interval: tuple[float, float] | None, net: str = "plain") -> dict[str, Any]:
    found: dict[str, Any] = {"value": value} | ({} if interval is None else {"interval": list(interval)})
    artifact = f"results/quick/train/{net}-s0/metrics.json"
    return {"id": identity, "reproduced": found, "sources": [{"artifact": artifact}]}


@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [
        ((90, (88, 92)), (10, (8, 12)), "falls"),
        ((10, (8, 12)), (90, (88, 92)), "rises"),
        ((10, (8, 12)), (10, (8, 12)), "stays"),
        ((12, (8, 16)), (10, (7, 13)), "stays"),  # lower, and not more than the intervals allow
        ((12, None), (10, None), "falls"),
        ((10, None), (10, None), "stays"),
    ],
)
def test_the_verb_follows_from_the_intervals(before: Any, after: Any, verb: str) -> None:
    moves = mover([cell("a", *before), cell("b", *after)])
    assert moves("a", "b") == verb


def test_a_cell_without_a_value_has_no_verb() -> None:
    moves = mover([cell("a", 1, None), {"id": "b", "reproduced": None, "sources": []}])
    with pytest.raises(KeyError):
        moves("a", "b")


def test_nets_that_guess_tell_nothing() -> None:
    cells = [cell("a", 1, None, "good"), cell("b", 1, None, "blind"), cell("c", 1, None, "good")]
    told = teller(cells, [{"guessed": ["train/blind-s0"]}, {"guessed": []}])
    assert told("a", "c") and not told("a", "b") and told("elsewhere")
