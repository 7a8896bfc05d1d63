"""Units of whole networks as their documents list them: counts, sizes, and settings in words."""

import re
from fractions import Fraction
from typing import Any

from reeltrace.kinds.unit import Given, Unit, bounded, grouped, integer, long, marked, numeral, rounded, with_decimals


@marked
def digits(text: str) -> str:
    """The digits of a count, without the commas between them."""
    return numeral(r"\d{1,3}(?:,\d{3})*|\d+", "a count such as '59,342,488'")(text).replace(",", "")


def counted(unit: Unit, text: str, ours: Any, given: Given) -> tuple[bool, str]:
    """Whether a count is the printed one, and by how much not."""
    same, words = rounded(unit, text, ours, given)
    if not isinstance(ours, Fraction) or bounded(unit, text, ours, given) is not None:
        return same, words
    whole, theirs = ours.denominator == 1, Fraction(digits(text))
    found = f"{given.how} {grouped(ours) if whole else long(ours, 0)}"
    if not same:
        return False, f"{found}, {int(ours - theirs):+,} from the printed {text}"
    return True, f"{found}, equal to the printed {text}" if whole else words


def size(text: str) -> list[int | str]:
    """Frames, height and width of "8x56^2"."""
    match = re.fullmatch(r"(\d+)x(\d+)\^2", text)
    if not match:
        raise ValueError(f"{text!r} is not a size such as '8x56^2'")
    return [int(match[1]), int(match[2]), int(match[2])]


def squared(value: Any) -> str:
    """`8x56^2`, or all sides where two of them differ."""
    if isinstance(value, list) and len(value) == 3 and value[1] == value[2]:
        return f"{value[0]}x{value[1]}^2"
    return with_decimals(2)(value)


def setting(text: str) -> str:
    """A setting is its own value."""
    return text


KINDS = (
    Unit(
        name="count",
        read=integer(digits),
        number=digits,
        whole=True,
        write=grouped,
        compare=counted,
        share=None,
        layers=None,
        behind="",
    ),
    Unit(
        name="size",
        read=size,
        number=None,
        whole=False,
        write=squared,
        compare=rounded,
        share=None,
        layers=None,
        behind="",
    ),
    Unit(
        name="blocks",
        read=setting,
        number=None,
        whole=False,
        write=with_decimals(2),
        compare=rounded,
        share=None,
        layers=None,
        behind="",
    ),
)
