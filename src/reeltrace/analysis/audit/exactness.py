"""Whether a relation between printed numbers was computed, or holds only nearly, as between what was measured apart.

Frames per second and milliseconds of two runs agree to a few percent, and in a print of few digits some agree to the
last one. A cell that departs from such a relation is no slip. So two accounts of the same cells are weighed: that one
was computed from the other and rounded, but for a few slips of any size; and that both were measured, with a scatter of
any size that measurements have. Only where the first is much the better one, departures mean something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from reeltrace.analysis.expressions import Interval

SLIPS = 0.1  # of cells that may depart where a relation was computed
CUT = 0.1  # of cells whose digits may be cut off instead of rounded
SIZES = 7.0  # a slip may be of any size over so many powers of e
SCATTER = np.geomspace(0.002, 0.2, 25)  # of measurements, as part of their value
BETTER = 10.0  # times likelier the first account must make the print, where nothing else speaks for it

Floats = NDArray[np.float64]


def odds(cells: Sequence[tuple[Fraction, Fraction, Interval]]) -> float:
    """How many times more likely the print is where the relation was computed than where both sides were measured.

    Of each number its value, the unit of its last place, 0 where it is exact, and what the relation gives for it.
    """
    value = np.array([float(v) for v, _, _ in cells])
    # Whole numbers that are exact are no finer than whole ones.
    half = np.array([float(step or v.denominator == 1) / 2 for v, step, _ in cells])
    low = np.array([float(ends[0]) for _, _, ends in cells])
    high = np.array([float(ends[1]) for _, _, ends in cells])
    off = value - (low + high) / 2
    room = half + (high - low) / 2
    room = np.maximum(room, 1e-9 * max(float(np.abs(value).max()), 1e-9))  # other exact numbers have none
    slips = SLIPS / (2 * np.maximum(np.abs(off), room) * SIZES)
    rounded = np.where(np.abs(off) <= room * (1 + 1e-9), (1 - SLIPS - CUT) / (2 * room), 0.0)
    inward = off * np.sign(value)
    cut = np.where((-room - half <= inward) & (inward <= room - half), CUT / (2 * room), 0.0)
    exact = np.log(slips + rounded + cut).sum()
    scale = np.stack([np.abs(value), np.full_like(value, np.median(np.abs(value)))])
    spread = SCATTER[:, None, None] * scale * np.sqrt(2) + 1e-300
    within = (_error((off + room) / spread) - _error((off - room) / spread)) / (4 * room)  # of a normal distribution
    apart = np.log(np.maximum(within, 1e-300)).sum(axis=2)  # by how far it scatters, and by what that goes with
    likely = np.logaddexp.reduce(apart, axis=0) - np.log(len(SCATTER))
    return float(np.exp(np.clip(exact - likely.max(), -700, 700)))


def _error(values: Floats) -> Floats:
    """The error function of each."""
    return np.array([math.erf(value) for value in values.ravel()]).reshape(values.shape)
