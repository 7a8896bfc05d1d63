"""Rounding: with how many decimals a number is printed, and which digits those are."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction


def printed(value: Fraction | float, decimals: int) -> str:
    """`value` with so many decimals, rounded half to even from its exact value."""
    exact = Fraction(value)
    step = Fraction(1, 10**decimals)
    quotient, rest = divmod(exact, step)
    up = rest * 2 > step or (rest * 2 == step and quotient % 2 == 1)
    number = (Decimal(int(quotient) + int(up)) / 10**decimals).quantize(
        Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN
    )
    return f"{number:f}"


def decimals_of(text: str) -> int:
    """Decimals that a printed number shows: 2 in "24.13", 0 in "100"."""
    return len(text.partition(".")[2])


def scientific(value: float) -> str:
    """Three significant digits: `0.731` in plain notation down to a thousandth, `2.14e-7` below."""
    if value == 0:
        return "0"
    if value >= 1e-3:
        return f"{value:.3f}" if value < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"
