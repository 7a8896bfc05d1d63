"""The verdicts: when two numbers may be called the same, and when they may not even be compared.

A verdict is never better than the data it rests on: off the paper's scale, or on stand-in data, an accuracy is
`not comparable` however close it comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from reeltrace.analysis.intervals import overlap, rounding_interval
from reeltrace.analysis.published import Cell
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import Given, Rounding, Value

Verdict = Literal["matches", "differs", "exact", "not exact", "not comparable", "not given", "not run"]
VERDICTS: tuple[Verdict, ...] = (
    "matches",
    "differs",
    "exact",
    "not exact",
    "not comparable",
    "not given",
    "not run",
)
MEANINGS: dict[Verdict, str] = {
    "matches": "same protocol, scale and data, and the published value, as precise as printed, lies in our interval",
    "differs": "same protocol, scale and data, and the published value lies outside our interval",
    "exact": "no randomness is involved, and the two are equal at the printed precision",
    "not exact": "no randomness is involved, and the two are not equal",
    "not comparable": (
        "reduced scale, stand-in or missing data, or another machine: beside the published value, no reproduction of it"
    ),
    "not given": "the text of the document has no value",
    "not run": "nobody has run it yet",
}


@dataclass(frozen=True)
class Circumstances:
    """Under which conditions numbers were made: scale, the stand-in data used (sentences), whether anything of the
    document's protocol is overridden, and how many videos of the set were missing."""

    scale: str
    stand_in: tuple[str, ...]
    overridden: bool
    missing: int = 0

    @property
    def faithful(self) -> bool:
        """The document's own scale, data and protocol."""
        return self.scale == "paper" and not self.stand_in and not self.overridden and not self.missing

    @property
    def words(self) -> str:
        """`quick scale, stand-in data`, as verdicts carry it."""
        return (
            f"{self.scale} scale"
            + (", stand-in data" if self.stand_in else "")
            + (f", {_videos(self.missing)} missing" if self.missing else "")
        )


def _videos(number: int) -> str:
    return f"{number} video" + ("s" if number > 1 else "")


def judge_accuracy(
    cell: Cell, interval: tuple[float, float] | None, circumstances: Circumstances
) -> tuple[Verdict, str]:
    """Verdict on a percentage and the reason in words. `interval` is ours, in percent; None when nothing was run."""
    return judge_result(cell, interval, circumstances, decimals=2)


def judge_result(
    cell: Cell, interval: tuple[float, float] | None, circumstances: Circumstances, decimals: int = 4
) -> tuple[Verdict, str]:
    """Verdict on a percentage or an error rate; the interval has the unit of the cell."""
    if interval is None:
        return "not run", "no run in params.yaml stands behind this cell"
    if cell.printed is None:
        return "not given", cell.reason or ""
    if not circumstances.faithful:
        return "not comparable", f"{_reduced(circumstances)}: not a reproduction of the published value"
    ours = f"[{printed(interval[0], decimals)}, {printed(interval[1], decimals)}]"
    number = cell.in_unit.number
    if overlap(rounding_interval(cell.printed if number is None else number(cell.printed)), interval):
        return "matches", f"the published {cell.printed}, at its printed precision, lies in our interval {ours}"
    return "differs", f"the published {cell.printed} lies outside our interval {ours}"


def judge_time(cell: Cell, circumstances: Circumstances) -> tuple[Verdict, str]:
    """Verdict on a measured time: it belongs to the machine, so only its ratio to another one says something."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    why = "measured on this machine, while the document does not name its own: compare the ratios, not the times"
    return "not comparable", why if circumstances.faithful else f"{_reduced(circumstances)}, and {why}"


def _reduced(circumstances: Circumstances) -> str:
    """How a number was made that is not as the document has it."""
    why = [f"made at {circumstances.scale} scale"]
    why += [f"on stand-in data ({'; '.join(circumstances.stand_in)})"] if circumstances.stand_in else []
    why += ["with overridden values of the protocol"] if circumstances.overridden else []
    why += [f"without {_videos(circumstances.missing)} of the set"] if circumstances.missing else []
    return ", ".join(why)


def judge_structure(
    cell: Cell, value: Value, circumstances: Circumstances, classes: int | None = None, rounding: Rounding = "nearest"
) -> tuple[Verdict, str]:
    """Verdict on a quantity without randomness. `value` is ours, None when it was not measured.

    The name N in a published tuple stands for the number of classes. `rounding` is how the document came from a count
    to thousands: to the nearest, half to even, or by dropping the fraction.
    """
    if value is None:
        return "not run", "the measurement does not record this quantity"
    if cell.printed is None:
        return "not given", cell.reason or ""
    if circumstances.overridden:
        return "not comparable", "measured with overridden values: not the published network"
    return _judged(cell, cell.printed, value, Given(classes=classes, rounding=rounding))


def judge_equal(cell: Cell, value: Value) -> tuple[Verdict, str]:
    """Verdict on a size or a description of kernels."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    return _judged(cell, cell.printed, value, Given())


def judge_number(cell: Cell, value: Fraction, how: str) -> tuple[Verdict, str]:
    """Verdict on a number without randomness, at the precision of the print. `how` says where ours comes from."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    return _judged(cell, cell.printed, value, Given(how))


def _judged(cell: Cell, text: str, value: Fraction | Value, given: Given) -> tuple[Verdict, str]:
    """What the unit of a cell says of the printed text and a value without randomness."""
    unit = cell.in_unit
    assert unit.compare is not None  # words are left out before
    same, words = unit.compare(unit, text, value, given)
    return "exact" if same else "not exact", words


def judge_observed(cell: Cell, device: str) -> tuple[Verdict, str]:
    """Verdict on a time or an amount of memory, which belongs to the machine that it was measured on."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    return (
        "not comparable",
        f"measured on {device}, with another implementation: no reproduction of the published value",
    )


def count(verdicts: Sequence[str]) -> dict[str, int]:
    """How often each verdict was given; all verdicts appear, in their fixed order."""
    return {verdict: sum(v == verdict for v in verdicts) for verdict in VERDICTS}
