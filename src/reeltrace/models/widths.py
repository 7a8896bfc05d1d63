"""How many group channels a layer of a group network has, given the width of the plain network."""

from __future__ import annotations

import math

from reeltrace.errors import UserError


def group_width(width: int, order: int) -> int:
    """Group channels where the plain network has `width`: the largest whole number <= width / sqrt(order).

    basu2021, section 4.1, divides the filters of each layer by sqrt(H) and does not say how to round. Table 1
    prints 45 for 64 / sqrt(2) = 45.25 and 90 for 128 / sqrt(2) = 90.51, so the fraction is dropped, not
    rounded. UserError if nothing is left.
    """
    channels = math.isqrt(width * width // order)
    if channels < 1:
        raise UserError(f"width {width} is too small for a group of {order} elements: it would leave no channel")
    return channels
