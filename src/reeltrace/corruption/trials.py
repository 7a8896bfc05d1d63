"""One damage after another: what `verify` says of each, and the counts."""

import random
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Literal, get_args

from reeltrace.corruption.bench import Bench
from reeltrace.corruption.damages import KINDS, Damage, NotHere, Scene
from reeltrace.corruption.quickly import Beside, Checker
from reeltrace.errors import Problem
from reeltrace.verify.replay import replay
from reeltrace.verify.shares import Share

Outcome = Literal["named", "by replay", "elsewhere", "missed", "crashed", "otherwise"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Beheld = Literal["named", "elsewhere", "nothing"]  # by check.py
# Kinds by how their names begin, and in one of how many rounds they are: those that have the whole report made again or
# read whole, which takes seconds, less often than others.
ONE_IN = {"forged: ": 5, "page: ": 2, "report.json: ": 2, "receipt: ": 2}
# What check.py cannot see: texts beside the results, and forgeries that agree with themselves.
BEYOND_CHECK = frozenset(
    (
        "claims: a digit",
        "claims: one left out",
        "forged: a count, no key to ask for",
        "forged: a run perfect, no key to ask for",
        "ledger: a word",
        "published table: a printed digit",
        "source code of a stage",
        "template: a word",
    )
)
LONGEST = 120  # seconds that a check may take; more is a pipe that is read for ever


@dataclass(frozen=True)
class Trial:
    """One damage and what came of it; `said` is the first problem, or the end of a traceback.

    `number` is its place in the order that the seed gives. `beside` is what check.py found. `whole` says whether
    `verify` was also asked with everything worked out again: where it then says something else, the outcome is
    "otherwise".
    """

    kind: str
    damage: str
    outcome: Outcome
    seconds: float
    said: str
    beside: Beheld = "nothing"
    whole: bool = False
    number: int = 0

    def __str__(self) -> str:
        return f"{self.number}: {self.outcome}: {self.kind}: {self.damage}: {self.said or 'nothing was said'}"

    @property
    def failed(self) -> bool:
        """Whether nothing named it at its place, or check.py did not where it can."""
        seen = self.beside != "nothing" or self.kind in BEYOND_CHECK
        return self.outcome not in ("named", "by replay") or not seen


@dataclass
class Counts:
    """All trials with one seed; how long they took, and of that on processors."""

    seed: int
    trials: list[Trial] = field(default_factory=list)
    seconds: float = 0.0
    processor: float = 0.0

    def failed(self) -> list[Trial]:
        """Those that nothing named at the right place, or not check.py where it can."""
        return [trial for trial in self.trials if trial.failed]

    def table(self) -> str:
        """A Markdown table of counts by kind."""
        heads = ("kind of damage", "tried", *OUTCOMES, *(f"check.py: {seen}" for seen in BEHELD), "median s")
        lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
        for kind in sorted({trial.kind for trial in self.trials}):
            lines.append(_row(kind, [trial for trial in self.trials if trial.kind == kind]))
        lines.append(_row("all", self.trials))
        took = f"{self.seconds:.0f} s, {self.processor:.0f} s of processors"
        wholly = sum(trial.whole for trial in self.trials)
        rate = f"seed {self.seed}, {len(self.trials)} damages in {took}; {wholly} of them verified whole, too"
        return "\n".join([*(f"| {line} |" for line in lines), rate])


BEHELD: tuple[Beheld, ...] = get_args(Beheld)


def _row(kind: str, trials: Sequence[Trial]) -> str:
    times = sorted(trial.seconds for trial in trials) or [0.0]
    found = [sum(trial.outcome == outcome for trial in trials) for outcome in OUTCOMES]
    found += [sum(trial.beside == seen for trial in trials) for seen in BEHELD]
    return " | ".join(
        [kind, str(len(trials)), *(str(number or "") for number in found), f"{times[len(times) // 2]:.2f}"]
    )


def kinds_in_turn(draw: random.Random) -> Iterator[str]:
    """Every kind once a round, in any order; the dear ones in some rounds, from the first on."""
    rounds = 0
    while True:
        names = [name for name in KINDS if rounds % _one_in(name) == 0]
        draw.shuffle(names)
        yield from names
        rounds += 1


def _one_in(kind: str) -> int:
    return next((rounds for begin, rounds in ONE_IN.items() if kind.startswith(begin)), 1)


@dataclass(frozen=True)
class Asked:
    """Those who are asked of each damage, each of the project in the working folder."""

    checker: Checker
    beside: Beside


def try_one(
    kind: str, bench: Bench, asked: Asked, draw: random.Random, *, number: int = 0, whole: bool = False
) -> Trial | None:
    """Do one damage and ask `verify` and check.py; None where these results have no place for it.

    With `whole`, `verify` is asked a second time and remembers nothing.
    """
    plan = asked.checker.plan()
    try:
        damage = KINDS[kind](Scene(bench, plan, draw))
    except NotHere:
        return None
    began = time.monotonic()
    try:
        with _at_most(LONGEST):
            problems = asked.checker.problems(keyless=damage.keyless)
        seconds = time.monotonic() - began
        with _at_most(LONGEST):
            behold = judge(damage, asked.beside.problems(None if damage.keyless else asked.checker.key))
            again = asked.checker.wholly(keyless=damage.keyless) if whole else problems
    except Exception:
        last = " / ".join(traceback.format_exc().strip().splitlines()[-3:])
        return Trial(kind, damage.what, "crashed", time.monotonic() - began, last, number=number)
    outcome = judge(damage, problems)
    if outcome == "missed" and damage.replays:
        found = replay(Path(), plan.scale, [damage.replays], Share(1.0, 0), lambda line: None)
        problems = found.problems
        outcome = "by replay" if judge(damage, problems) == "named" else "missed"
    if whole and again != problems and outcome != "by replay":
        outcome = "otherwise"
    said = str(problems[0]) if problems else ""
    return Trial(kind, damage.what, outcome, seconds, said, SEEN[behold], whole, number)


SEEN: dict[str, Beheld] = {"named": "named", "elsewhere": "elsewhere", "missed": "nothing"}


def judge(damage: Damage, problems: Sequence[Problem]) -> Outcome:
    """Whether one of the problems is about one of the places where the damage is."""
    for problem in problems:
        where = problem.where
        if any(where == place or (place.endswith("/") and f"{where}/".startswith(place)) for place in damage.places):
            return "named"
    return "elsewhere" if problems else "missed"


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Raise `TimeoutError` in what takes longer."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
