"""Units of quantities that are one number and the letters around it: costs, times, memory, ratios."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from reeltrace.kinds.rounding import printed
from reeltrace.kinds.unit import Unit, as_it_is, marked, numeral, real, rounded, with_decimals

NUMBER = r"\d+(?:\.\d+)?"
MICRO = Fraction(1, 1000)  # ratios below it are written in millionths, as the document writes them


def cost(value: Any) -> str:
    """A whole number as it is, another with two decimals."""
    whole = isinstance(value, int | Fraction) and value.denominator == 1
    return str(value) if whole else with_decimals(2)(value)


def ratio(value: Any) -> str:
    """`1.344e-6` or `0.01137`."""
    if isinstance(value, str | list):
        return as_it_is(value)
    return f"{printed(value * 10**6, 3)}e-6" if value < MICRO else printed(value, 5)


def quantity(name: str, pattern: str, what: str, write: Callable[[Any], str], behind: str = "") -> Unit:
    """A unit of which `pattern` is how it is printed, and `what` what is expected, in words."""
    number = marked(numeral(pattern, what))
    return Unit(
        name=name,
        read=real(number),
        number=number,
        whole=False,
        write=write,
        compare=rounded,
        share=None,
        layers=None,
        behind=behind,
    )


KINDS = (
    quantity("gigaflops", NUMBER, "a number of GFLOPS such as '235.8'", cost, "GFLOPS"),
    quantity("seconds", rf"({NUMBER})s", "a time such as '0.52s'", with_decimals(2, "s"), "s"),
    quantity("rate", NUMBER, "a number per second such as '2.5'", with_decimals(3)),
    quantity("gigabytes", rf"({NUMBER}) ?G?B", "an amount of memory such as '2.888 GB'", with_decimals(3, " GB"), "GB"),
    quantity("ratio", rf"{NUMBER}(?:e-?\d+)?", "a ratio such as '1.344e-6'", ratio),
    quantity("thousands", rf"({NUMBER})[Kk]", "a number of thousands such as '2.7K'", with_decimals(1, "K")),
    quantity("millions", rf"({NUMBER})M?", "a number of millions such as '133' or '34M'", with_decimals(1, "M")),
    quantity("times", rf"({NUMBER})x", "a multiple such as '2x'", with_decimals(2, "x")),
)
