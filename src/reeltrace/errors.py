"""What a user can act on, in one line: two kinds of failure (what, where, expected, remedy), and what a check found."""

from dataclasses import dataclass


class UserError(Exception):
    """Bad input: an unknown key, a missing file, an unreachable source. The command line exits with 2."""


class CheckFailed(Exception):
    """A check that did not hold: altered artifact, changed spec, broken chain. The command line exits with 1."""


@dataclass(frozen=True)
class Problem:
    """One failed check of `verify`: its kind, the file or cell it is about, and what was found."""

    kind: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.found}"
