"""A share of what `verify` could look at, drawn at random: whoever forges does not know which files will be read."""

import math
import random
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from reeltrace.errors import UserError

T = TypeVar("T")
ALL = "all"
PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")


@dataclass(frozen=True)
class Share:
    """A part of things, above 0 and at most 1, and the seed that it is drawn with."""

    part: float
    seed: int

    @classmethod
    def read(cls, option: str, text: str, seed: int | None) -> "Share":
        """From `all` or a percentage such as `10%`; without a seed one is drawn. Raises `UserError` for other text."""
        found = PERCENT.fullmatch(text.strip())
        part = 1.0 if text.strip() == ALL else float(found[1]) / 100 if found else 0.0
        if not 0 < part <= 1:
            raise UserError(
                f"{option}: found {text!r}; expected {ALL} or a percentage above 0 and up to 100, as in 10%"
            )
        return cls(part, secrets.randbelow(10**6) if seed is None else seed)

    def draw(self, things: Sequence[T]) -> list[T]:
        """As many of some things, rounded up, in their order."""
        drawn = set(random.Random(self.seed).sample(range(len(things)), math.ceil(self.part * len(things))))
        return [thing for number, thing in enumerate(things) if number in drawn]

    def __str__(self) -> str:
        return ALL if self.part == 1 else f"{100 * self.part:g}% (seed {self.seed})"
