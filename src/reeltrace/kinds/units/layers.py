"""Units of the layers of one architecture: channels, sizes of feature maps and filters, and the parameters of a net."""

import re
from fractions import Fraction
from typing import Any

from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import (
    Given,
    OnLayers,
    Unit,
    as_it_is,
    bounded,
    equal,
    grouped,
    integer,
    marked,
    numeral,
    rounded,
)

NOT_APPLICABLE = "N/A"


def entries(text: str) -> list[int | str]:
    """A tuple such as "(3, 64)" as a list of integers, and of names such as N; "N/A" is the empty one."""
    if text == NOT_APPLICABLE:
        return []
    match = re.match(r"^\((\w+(?:, \w+)*)\)$", text)
    if not match:
        raise ValueError(f"{text!r} is not a tuple such as '(3, 64)'")
    return [int(part) if part.isdigit() else part for part in match[1].split(", ")]


def in_brackets(value: Any) -> str:
    """`(2, 16, 16, 16)`, or `N/A`."""
    if not isinstance(value, list):
        return grouped(value)
    return f"({', '.join(map(str, value))})" if value else NOT_APPLICABLE


def sides(text: str) -> list[int | str]:
    """A filter's size in time, height and width."""
    return [int(part) for part in numeral(r"\d+x\d+x\d+", "a filter size such as '3x3x3'")(text).split("x")]


@marked
def thousands(text: str) -> str:
    """The number in a count of parameters, which is printed in thousands."""
    return numeral(r"(\d+)K parameters", "a parameter count such as '687K parameters'")(text) + "e3"


def in_thousands(unit: Unit, text: str, ours: Any, given: Given) -> tuple[bool, str]:
    """Whether a count of parameters gives the printed thousands, by the rounding of its document."""
    if not isinstance(ours, int):
        return rounded(unit, text, ours, given)
    if (within := bounded(unit, text, Fraction(ours), given)) is not None:
        return within
    if given.rounding == "truncated":
        found, how = str(ours // 1000), "with the fraction dropped, the rule that explains every printed count, is"
    else:
        found, how = printed(Fraction(ours, 1000), 0), "rounds to"
    if int(found) * 1000 == unit.read(text):
        return True, f"{ours:,} {how} the printed {found}K"
    return False, f"{ours:,} {how} {found}K, printed {text.split()[0]}"


stride = numeral(r"[1-9]\d*", "a stride")

KINDS = (
    Unit(
        name="parameters",
        read=integer(thousands),
        number=thousands,
        whole=True,
        write=grouped,
        compare=in_thousands,
        share=None,
        layers=OnLayers(read="reeltrace.analysis.layers:parameters", search=True),
        behind="",
    ),
    Unit(
        name="channels",
        read=entries,
        number=None,
        whole=False,
        write=in_brackets,
        compare=equal,
        share=None,
        layers=OnLayers(read="reeltrace.analysis.layers:channels", search=False),
        behind="",
    ),
    Unit(
        name="shape",
        read=entries,
        number=None,
        whole=False,
        write=in_brackets,
        compare=equal,
        share=None,
        layers=OnLayers(read="reeltrace.analysis.layers:shape", search=False),
        behind="",
    ),
    Unit(
        name="filter",
        read=sides,
        number=None,
        whole=False,
        write=as_it_is,
        compare=equal,
        share=None,
        layers=OnLayers(read="reeltrace.analysis.layers:of_layer", search=False),
        behind="",
    ),
    Unit(
        name="stride",
        read=integer(stride),
        number=stride,
        whole=True,
        write=grouped,
        compare=rounded,
        share=None,
        layers=OnLayers(read="reeltrace.analysis.layers:of_layer", search=False),
        behind="",
    ),
)
