"""The verdicts: when two numbers may be called the same, and when they may not even be compared.

A verdict is never better than the data it rests on: off the paper's scale, or on stand-in data, an accuracy is
`not comparable` however close it comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from reeltrace.analysis.expressions import Interval
from reeltrace.analysis.prediction import MARGIN, Prediction, Published, beyond, predict
from reeltrace.analysis.published import Cell, TestSet
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import Given, Rounding, Value, beside, last_place, marks, rounding_of

Verdict = Literal[
    "matches",
    "differs",
    "cannot tell",
    "exact",
    "exact, fitted",
    "not exact",
    "source damaged",
    "not comparable",
    "not given",
    "not run",
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
MEANINGS: dict[Verdict, str] = {
    "matches": (
        "same protocol, scale and data; the two lie no farther apart than test sets and seeds allow, and a difference "
        "of five points would have been seen"
    ),
    "differs": "same protocol, scale and data; the two lie farther apart than test sets and seeds allow",
    "cannot tell": (
        "same protocol, scale and data; the two lie no farther apart than test sets and seeds allow, but a difference "
        "of five points could have gone unseen"
    ),
    "exact": (
        "no randomness is involved, and the two are equal at the printed precision; where ours was computed from "
        "printed numbers, as far as their rounding lets one know"
    ),
    "exact, fitted": "equal, but of several networks the one was taken that gives the printed value",
    "not exact": "no randomness is involved, and the two are not equal",
    "source damaged": "the text that was transcribed has lost a part of what was printed: nothing to compare",
    "not comparable": (
        "reduced scale, stand-in or missing data, or another machine: beside the published value, no reproduction of it"
    ),
    "not given": "the text of the document has no value",
    "not run": "nobody has run it yet",
}


@dataclass(frozen=True)
class Ours:
    """What was found here for a share of a test set, in percent of it.

    Each seed's, and per test set the mean over seeds with the samples that it counts for: several sets where a cell is
    the mean over splits.
    """

    seeds: tuple[float, ...]
    sets: tuple[tuple[float, int], ...]

    @property
    def share(self) -> float:
        """The mean over seeds."""
        return sum(self.seeds) / len(self.seeds)


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


def judge_share(
    cell: Cell, test: TestSet | None, ours: Ours | None, circumstances: Circumstances
) -> tuple[Verdict, str]:
    """Verdict on a share of a test set and the reason in words. `ours` is None when nothing was run."""
    if ours is None:
        return "not run", "no run in params.yaml stands behind this cell"
    if cell.printed is None:
        return "not given", cell.reason or ""
    if not circumstances.faithful:
        return "not comparable", f"{_reduced(circumstances)}: not a reproduction of the published value"
    if cell.damaged is not None:
        return "source damaged", cell.damaged
    bound = marks(cell.printed).bound
    if bound is not None and bound != "~":
        return _judged_bound(cell, ours, rising=bound.startswith(">"))
    if test is None:
        return "cannot tell", "no text says of how many samples the published value is a share: see tests"
    found = compared(cell, test, ours)
    assert found is not None
    return _told(cell, test, ours, found)


def judge_average(cell: Cell, percent: float, departs: str) -> tuple[Verdict, str]:
    """Verdict on a mean average precision in percent: it is no share of a set, and so without an interval.

    `departs` says how it was measured otherwise than in the document; "" where it was not.
    """
    if cell.printed is None or cell.in_unit.number is None:
        return "not given", cell.reason or ""
    if departs:
        return "not comparable", f"{departs}: not a reproduction of the published value"
    apart = _apart(percent - float(cell.in_unit.number(cell.printed)))
    return "cannot tell", (
        f"ours lies {apart} the published {cell.printed}; a mean average precision is no share of a set, and nothing "
        "says how far chance moves it"
    )


def compared(cell: Cell, test: TestSet | None, ours: Ours) -> Prediction | None:
    """The difference between ours and a published share, with its interval; None without a print or its test set."""
    published = published_share(cell, test)
    return None if published is None else predict(published, ours.seeds, ours.sets)


def published_share(cell: Cell, test: TestSet | None) -> Published | None:
    """What a cell prints, in percent of its test set; None where it prints nothing, or the size of the set is not said.

    A print stands for what rounds to it, half a unit of its last place to either side; one that says about, for a whole
    unit to either side.
    """
    share, number = cell.in_unit.share, cell.in_unit.number
    if cell.printed is None or test is None or share is None or number is None:
        return None
    text, said = number(cell.printed), marks(cell.printed)
    percent = Fraction(100, share.whole)
    half = last_place(text) * percent / (1 if said.bound == "~" else 2)
    spread = None if said.spread is None else float(Fraction(said.spread) * percent)
    return Published(float(Fraction(text) * percent), test.size, float(half), spread)


def _told(cell: Cell, test: TestSet, ours: Ours, found: Prediction) -> tuple[Verdict, str]:
    verdict: Verdict = "differs" if found.differs else "matches" if found.tells else "cannot tell"
    low, high = (signed(end) for end in found.interval)
    words = (
        f"ours lies {_apart(found.difference)} the published {cell.printed}, of {test.size:,} {test.of}; "
        f"the 95 % prediction interval of the difference is [{low}, {high}]; {_seen(found, ours)}"
    )
    return verdict, words


def _seen(found: Prediction, ours: Ours) -> str:
    """The sentence on power, and what it rests on."""
    seeds = f"{len(ours.seeds)} seed" + ("s" if len(ours.seeds) > 1 else "")
    spread = printed(found.spread, 2 if found.known else 1)
    rests = (
        f"{seeds} with a standard deviation of {spread} points"
        if found.known
        else f"{seeds}, whose spread is not known: {spread} points stand for it, a choice and no measurement"
    )
    asked = "" if found.tells or found.differs else f", and {MARGIN:g} are asked of a match"
    could = f"a difference of {printed(found.detectable, 1)} points would have been seen in four of five cases"
    return f"{could}{asked} ({rests})"


def _judged_bound(cell: Cell, ours: Ours, rising: bool) -> tuple[Verdict, str]:
    """Verdict on ours beside a printed bound: the whole interval on its side, the whole beyond it, or neither.

    `rising` is whether values above the bound are those that it says.
    """
    assert cell.printed is not None and cell.in_unit.number is not None and cell.in_unit.share is not None
    at = Fraction(cell.in_unit.number(cell.printed)) * Fraction(100, cell.in_unit.share.whole)
    found = beyond(Published(float(at), 1), ours.seeds, ours.sets)
    low, high = found.interval
    inside, outside = (low >= 0, high < 0) if rising else (high <= 0, low > 0)
    verdict: Verdict = "matches" if inside else "differs" if outside else "cannot tell"
    where = f"[{signed(low)}, {signed(high)}] points from the printed bound {cell.printed}"
    return verdict, f"ours, with its 95 % interval, lies {where}"


def _apart(points: float) -> str:
    """`1.25 points above`, or `on`."""
    text = printed(abs(points), 2)
    return f"{text} points {'above' if points > 0 else 'below'}" if float(text) else "on"


def signed(value: float) -> str:
    """A number of points with two decimals and its sign: `+1.25`, `-0.40`, `0.00`."""
    text = printed(value, 2)
    return text if text.startswith("-") or float(text) == 0 else f"+{text}"


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


def judge_number(cell: Cell, value: Fraction, how: str, left_open: Interval | None = None) -> tuple[Verdict, str]:
    """Verdict on a number without randomness, at the precision of the print. `how` says where ours comes from.

    `left_open` is where the number may lie when it was computed from prints that are themselves rounded: the print is
    exact where it is that of any number in there.
    """
    if cell.printed is None:
        return "not given", cell.reason or ""
    verdict, words = _judged(cell, cell.printed, value, Given(how))
    number = cell.in_unit.number
    if verdict != "not exact" or left_open is None or number is None:
        return verdict, words
    text, half = number(cell.printed), rounding_of(cell.in_unit, cell.printed)
    if left_open[1] < Fraction(text) - half or Fraction(text) + half < left_open[0]:
        return verdict, words
    ends = " to ".join(beside(text, end) for end in left_open)
    return "exact", f"{words}; exact within the rounding of its printed parts, which leave {ends} open"


def _judged(cell: Cell, text: str, value: Fraction | Value, given: Given) -> tuple[Verdict, str]:
    """What the unit of a cell says of the printed text and a value without randomness."""
    if cell.damaged is not None:
        return "source damaged", cell.damaged
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
