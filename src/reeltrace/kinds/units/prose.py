"""Units of what a text says of its results in sentences: gains in points, numbers in words, fractions."""

from fractions import Fraction

from reeltrace.kinds.unit import Unit, as_it_is, numeral, rounded, with_decimals
from reeltrace.kinds.units.quantities import NUMBER, quantity

WORDS = {
    "half": "0.5",
    "one": "1",
    "first": "1",
    "two": "2",
    "twice": "2",
    "double": "2",
    "doubling": "2",
    "second": "2",
    "three": "3",
    "third": "3",
    "four": "4",
    "five": "5",
    "fifth": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "tenth": "10",
    "fifteenth": "15",
}


def spelled(text: str) -> str:
    """The number that a word says: 3 of "three", 0.5 of "half", 10 of "tenth"."""
    word = text.lower()
    if word not in WORDS:
        raise ValueError(f"{text!r} is not one of the number words {', '.join(WORDS)}")
    return WORDS[word]


def quotient(text: str) -> str:
    """The value of "1/8" as decimals; the denominator's only factors are 2 and 5."""
    what = "a fraction such as '1/8'"
    above, below = numeral(r"\d+/[1-9]\d*", what)(text).split("/")
    value = Fraction(int(above), int(below))
    for decimals in range(13):
        if (value * 10**decimals).denominator == 1:
            return f"{float(value):.{decimals}f}"
    raise ValueError(f"{text!r} is not {what} of which the decimals end")


KINDS = (
    quantity("points", rf"\+?(-?{NUMBER})", "a difference of percentages such as '1.41' or '+7.3'", with_decimals(2)),
    quantity("billions", NUMBER, "a number of billions such as '3.6'", with_decimals(1)),
    *(
        Unit(
            name=name,
            read=lambda text, number=number: float(number(text)),  # type: ignore[misc]
            number=number,
            whole=False,
            write=lambda value: as_it_is(value) if isinstance(value, str | list) else with_decimals(2)(value),
            compare=rounded,
            share=None,
            layers=None,
            behind="",
        )
        for name, number in (("words", spelled), ("fraction", quotient))
    ),
)
