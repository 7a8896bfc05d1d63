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
