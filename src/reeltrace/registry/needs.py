"""How many bytes something takes at the very least, and what would lower them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """Bytes, what they are for, and the keys of the registry that would lower them."""

    bytes: int
    what: str
    lower: str


def kernels(widths: tuple[int, int, int, int], *, pointwise: bool) -> int:
    """Weights of three convolutions between four widths, 3x3x3 but for the last where that is `pointwise`."""
    a, b, c, d = widths
    return 27 * (a * b + b * c) + (1 if pointwise else 27) * c * d
