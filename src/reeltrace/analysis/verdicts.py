"""The verdicts: when two numbers may be called the same, and when they may not even be compared.

A verdict is never better than the data it rests on: off the paper's scale, or on stand-in data, an accuracy is
`not comparable` however close it comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from reeltrace.analysis.intervals import decimals_of, overlap, printed, rounding_interval
from reeltrace.analysis.published import QUANTITIES, Cell, Value, number_in

Verdict = Literal["matches", "differs", "exact", "not exact", "not comparable", "not given", "not run"]
Rounding = Literal["nearest", "truncated"]
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
    if overlap(rounding_interval(cell.printed), interval):
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
    if cell.unit == "parameters":
        assert isinstance(value, int)
        if rounding == "truncated":
            thousands, how = (
                str(value // 1000),
                "with the fraction dropped, the rule that explains every printed count, is",
            )
        else:
            thousands, how = printed(Fraction(value, 1000), 0), "rounds to"
        if int(thousands) * 1000 == cell.value:
            return "exact", f"{value:,} {how} the printed {thousands}K"
        return "not exact", f"{value:,} {how} {thousands}K, printed {cell.printed.split()[0]}"
    expected = cell.value
    if isinstance(expected, list) and classes is not None:
        expected = [classes if part == "N" else part for part in expected]
    if value == expected:
        return "exact", "equal to the print"
    return "not exact", f"measured {format_value(value, cell.unit)}, printed {cell.printed}"


def judge_equal(cell: Cell, value: Value, ours: str) -> tuple[Verdict, str]:
    """Verdict on a size or a description of kernels; `ours` is how it is printed here."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    if value == cell.value:
        return "exact", "equal to the print"
    return "not exact", f"measured {ours}, printed {cell.printed}"


def judge_number(cell: Cell, value: Fraction, how: str) -> tuple[Verdict, str]:
    """Verdict on a number without randomness, at the precision of the print. `how` says where ours comes from."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    text = number_in(cell.printed, cell.unit) if cell.unit in QUANTITIES else cell.printed.replace(",", "")
    mantissa, _, exponent = text.partition("e")
    decimals, power = decimals_of(mantissa), int(exponent or 0)
    shown = value / Fraction(10) ** power
    rounded = printed(shown, decimals)
    suffix = f"e{power}" if power else ""
    long = printed(shown, decimals + 3)
    long = (long.rstrip("0").rstrip(".") if "." in long else long) + suffix
    if shown.denominator == 1:
        long = f"{int(shown):,}" if cell.unit == "count" else str(int(shown))
    if shown == Fraction(mantissa):
        return "exact", f"{how} {long}, equal to the printed {cell.printed}"
    if Fraction(rounded) == Fraction(mantissa):
        return "exact", f"{how} {long}, which rounds to the printed {cell.printed}"
    if cell.unit == "count":
        return "not exact", f"{how} {long}, {int(value - Fraction(mantissa)):+,} from the printed {cell.printed}"
    if shown.denominator == 1:
        return "not exact", f"{how} {long}, printed {cell.printed}"
    cut = Fraction(int(shown * 10**decimals), 10**decimals) == Fraction(mantissa)
    return "not exact", (
        f"{how} {long}, which rounds to {rounded}{suffix}, printed {cell.printed}"
        + (": what is left when further digits are cut off" if cut else "")
    )


def judge_observed(cell: Cell, device: str) -> tuple[Verdict, str]:
    """Verdict on a time or an amount of memory, which belongs to the machine that it was measured on."""
    if cell.printed is None:
        return "not given", cell.reason or ""
    return (
        "not comparable",
        f"measured on {device}, with another implementation: no reproduction of the published value",
    )


def format_value(value: Value, unit: str) -> str:
    """A measured quantity as the document would print it: `(2, 16, 16, 16)`, `3x3x3`, `687,114`, `N/A`."""
    if isinstance(value, list):
        if unit == "filter":
            return "x".join(map(str, value))
        return f"({', '.join(map(str, value))})" if value else "N/A"
    return f"{value:,}" if isinstance(value, int) else str(value)


def count(verdicts: Sequence[str]) -> dict[str, int]:
    """How often each verdict was given; all verdicts appear, in their fixed order."""
    return {verdict: sum(v == verdict for v in verdicts) for verdict in VERDICTS}
