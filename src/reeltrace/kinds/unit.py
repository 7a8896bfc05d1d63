"""Units of printed cells: how a print is read, how ours is printed beside it, and when the two are the same.

Whoever reads a transcription may ask any unit that its document may use: the files of all of them are part of its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, cast

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.kinds.points import Named, Point
from reeltrace.kinds.rounding import decimals_of, printed

Value = float | int | list[int | str] | str | None  # of a cell; None where nothing is printed
Rounding = Literal["nearest", "truncated"]

EXACT = ("count", "words", "fraction")  # units whose numbers are printed whole

Bound = Literal["<", "<=", ">", ">=", "~"]


class Marks(NamedTuple):
    """A printed number without what stands around it: whether it is a bound, and the spread behind plus-minus."""

    bare: str
    bound: Bound | None
    spread: str | None


class Given(NamedTuple):
    """What a comparison may need besides the two values.

    `how` says where ours comes from: "measured", or "7020 / 30 =". `classes` is the number of those of the net, for
    which a print may say N. `rounding` is how the document came from a count to thousands: to the nearest, half to
    even, or by dropping the fraction.
    """

    how: str = "measured"
    classes: int | None = None
    rounding: Rounding = "nearest"


@dataclass(frozen=True)
class Share:
    """What is said of a unit of shares of a test set.

    `whole` is the value of all of it: 100 of percent, 1 of a rate. Claims are judged in percent of it. `decimals` are
    those with which ours is printed, unless the document's `decimals` say otherwise. `drawn` and `caption` are what the
    title and the caption of a drawing call it.
    """

    whole: int
    decimals: int
    drawn: str
    caption: str


@dataclass(frozen=True)
class OnLayers:
    """How a table of layers finds a cell of the unit.

    `read` names a function, "module:function", of an `analysis.layers.Asked`, which gives an `analysis.layers.Answer`.
    `search` is whether the table then shows which of the choices that its document leaves open explain the print.
    """

    read: str
    search: bool


@dataclass(frozen=True)
class Unit(Named):
    """A unit. What is None is not there.

    `read` gives the value of a printed text and raises `ValueError` where it is not of the unit; `number` gives the
    number in it as `Fraction` reads one ("0.52" of "0.52s", "687e3" of "687K parameters"): without it no column follows
    from such cells and no claim compares them. `whole` is whether a value without a fraction is kept as an integer.
    `write` prints a value found here, a number (a `Fraction`, or an integer), a list of integers or a text.
    `compare` is given the unit, the printed text, ours and what else is `Given`, and says whether the two are the same
    where nothing is random, and why in words; without it cells are words that are shown and never compared. What comes
    from a training is judged by its interval, whatever the unit.
    `share` and `layers` see there. `behind` is what stands behind a number of the unit in a sentence.
    """

    read: Callable[[str], Value]
    number: Callable[[str], str] | None
    whole: bool
    write: Callable[[Any], str]
    compare: Callable[[Unit, str, Any, Given], tuple[bool, str]] | None
    share: Share | None
    layers: OnLayers | None
    behind: str


UNITS = Point("unit", "unit", f"{__package__}.units", Unit)


def units_of(document: str | None) -> Mapping[str, Unit]:
    """The units that the transcription of a document may use: ours, and those that it brings; of None all there are."""
    own = f"{DOCUMENTS}.{document}."
    others = set() if document is None else {name for name in UNITS.brought() if not UNITS.home(name).startswith(own)}
    return {name: unit for name, unit in UNITS.all().items() if name not in others}


# --- reading ---


def numeral(pattern: str, what: str) -> Callable[[str], str]:
    """What gives the number in a printed text: the first group of the pattern, or all of it. `what` one was expected.

    It raises `ValueError` where the text is not of the pattern.
    """

    def number(text: str) -> str:
        match = re.fullmatch(pattern, text)
        if not match:
            raise ValueError(f"{text!r} is not {what}")
        return match[1] if match.groups() else match[0]

    return number


def real(number: Callable[[str], str]) -> Callable[[str], float]:
    """What reads the number in a text as a float."""
    return lambda text: float(number(text))


def integer(number: Callable[[str], str]) -> Callable[[str], int]:
    """What reads the number in a text as an integer."""
    return lambda text: int(Fraction(number(text)))


_BOUND = re.compile(r"\s*(<=|>=|[<>~≤≥≈∼])\s*(.*)", re.DOTALL)
_SPREAD = re.compile(r"(.*?)\s*(\()?(?:±|\+/-|\+-)\s*(\d+(?:\.\d+)?)(?(2)\s*\))(.*)", re.DOTALL)
_ALIKE: Mapping[str, Bound] = {"≤": "<=", "≥": ">=", "≈": "~", "∼": "~"}


def marks(text: str) -> Marks:
    """What a print says around its number: `< 5`, `~78.2`, `78.2 ± 0.4`, `0.52 ± 0.01s`; the rest is `bare`.

    `<=` is written for its sign, `~` for all signs of about, and plus-minus may be `+/-`, and in brackets.
    """
    bound: Bound | None = None
    if before := _BOUND.fullmatch(text):
        bound, text = _ALIKE.get(before[1], cast(Bound, before[1])), before[2]
    if behind := _SPREAD.fullmatch(text):
        return Marks(behind[1] + behind[4], bound, behind[3])
    return Marks(text, bound, None)


def marked(number: Callable[[str], str]) -> Callable[[str], str]:
    """What gives the number in a printed text that may be a bound, or have a spread."""
    return lambda text: number(marks(text).bare)


# --- printing ---


def with_decimals(decimals: int, suffix: str = "") -> Callable[[Any], str]:
    """What prints numbers with so many decimals and a suffix, and other values as they are."""

    def write(value: Any) -> str:
        return as_it_is(value) if isinstance(value, str | list) else printed(value, decimals) + suffix

    return write


def grouped(value: Any) -> str:
    """`59,342,488`; a number with a fraction with two decimals, other values as they are."""
    if isinstance(value, str | list):
        return as_it_is(value)
    return f"{int(value):,}" if value == int(value) else printed(value, 2)


def as_it_is(value: str | list[int]) -> str:
    """A text, or a list such as `3x3x3`."""
    return value if isinstance(value, str) else "x".join(map(str, value))


# --- comparing ---


def equal(unit: Unit, text: str, ours: Any, given: Given) -> tuple[bool, str]:
    """Whether ours is the value of the print; where the print says N it is the number of classes."""
    theirs = unit.read(text)
    if isinstance(theirs, list) and given.classes is not None:
        theirs = [given.classes if part == "N" else part for part in theirs]
    if ours == theirs:
        return True, "equal to the print"
    return False, f"measured {unit.write(ours)}, printed {text}"


def rounded(unit: Unit, text: str, ours: Any, given: Given) -> tuple[bool, str]:
    """Whether a `Fraction` is what is printed, at the precision of the print; another value must be equal."""
    if not isinstance(ours, Fraction) or unit.number is None:
        return equal(unit, text, ours, given)
    if (within := bounded(unit, text, ours, given)) is not None:
        return within
    mantissa, _, exponent = unit.number(text).partition("e")
    decimals, power = decimals_of(mantissa), int(exponent or 0)
    shown, theirs = ours / Fraction(10) ** power, Fraction(mantissa)
    nearest, suffix = printed(shown, decimals), f"e{power}" if power else ""
    found = f"{given.how} {long(shown, decimals)}{suffix}"
    if shown == theirs:
        return True, f"{found}, equal to the printed {text}"
    if Fraction(nearest) == theirs:
        return True, f"{found}, which rounds to the printed {text}"
    if shown.denominator == 1:
        return False, f"{found}, printed {text}"
    cut = Fraction(int(shown * 10**decimals), 10**decimals) == theirs
    return False, (
        f"{found}, which rounds to {nearest}{suffix}, printed {text}"
        + (": what is left when further digits are cut off" if cut else "")
    )


def bounded(unit: Unit, text: str, ours: Fraction, given: Given) -> tuple[bool, str] | None:
    """Whether ours lies where a bound or a spread says; None for a print that has neither.

    About is within one whole unit of the last printed place to either side, twice what rounding would allow.
    """
    said = marks(text)
    if unit.number is None or (said.bound is None and said.spread is None):
        return None
    number = unit.number(text)
    theirs, power = Fraction(number), Fraction(10) ** int(number.partition("e")[2] or 0)
    found = f"{given.how} {beside(number, ours)}"
    if said.bound is not None and said.bound != "~":
        holds = {"<": ours < theirs, "<=": ours <= theirs, ">": ours > theirs, ">=": ours >= theirs}[said.bound]
        return holds, f"{found}, {'as the print says' if holds else 'beyond the print'}: {text}"
    reach = last_place(number) if said.spread is None else Fraction(said.spread) * power
    same = abs(ours - theirs) <= reach
    return same, f"{found}, {'within' if same else 'outside'} the printed {text}"


def last_place(number: str) -> Fraction:
    """One unit of the last printed place of a number such as "78.20", "59342488" or "1.344e-6"."""
    mantissa, _, exponent = number.partition("e")
    return Fraction(10) ** (int(exponent or 0) - decimals_of(mantissa))


def rounding_of(unit: Unit, text: str) -> Fraction:
    """How far the number behind a print may lie from it: half a unit of its last place, of about a whole one.

    Nothing where the unit's numbers are printed whole, as counts are. Raises `ValueError` for a unit without numbers.
    """
    if unit.number is None:
        raise ValueError(f"{text!r} is no number")
    if unit.name in EXACT:
        return Fraction(0)
    return last_place(unit.number(text)) / (1 if marks(text).bound == "~" else 2)


def beside(number: str, value: Fraction) -> str:
    """A value with the exponent of a printed number such as "1.344e-6", and up to three decimals more."""
    mantissa, _, exponent = number.partition("e")
    shown = long(value / Fraction(10) ** int(exponent or 0), decimals_of(mantissa))
    return f"{shown}e{exponent}" if exponent else shown


def long(value: Fraction, decimals: int) -> str:
    """A number with up to three decimals more than a print has, without zeros at its end."""
    text = printed(value, decimals + 3)
    return text.rstrip("0").rstrip(".") if "." in text else text
