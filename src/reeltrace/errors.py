"""What a user can act on, in one line: two kinds of failure (what, where, expected, remedy), and what a check found."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

FEW = 12  # names that are all listed


class UserError(Exception):
    """Bad input: an unknown key, a missing file, an unreachable source. The command line exits with 2."""


class CheckFailed(Exception):
    """A check that did not hold: altered artifact, changed spec, broken chain. The command line exits with 1."""


def short(value: object) -> str:
    """A value as it stands in a message."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def known_names(name: str, known: Iterable[str]) -> str:
    """In words, what might have been meant by a name that is not known: all the names, or of many the nearest."""
    names = list(known)
    if len(names) <= FEW:
        return f"it has: {', '.join(names)}"
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
    return f"nearest of {len(names)}: {', '.join(near)}"


@dataclass(frozen=True)
class Problem:
    """One failed check of `verify`: its kind, the file or cell it is about, and what was found."""

    kind: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.found}"
