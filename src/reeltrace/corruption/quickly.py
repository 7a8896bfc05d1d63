"""The check of `reeltrace verify`, many times in one process: what has not changed is not worked out again.

Every damage is seen by the very functions that the command calls. Some of them are remembered: those that make again
what a file should hold (an artifact's own contents, a table, the report) and that read the texts. Each is called again
where a file that it opened has another time, size or inode, or where a name has come or gone in a folder that it reads.
The answer for the sound results is kept beside the last ones, since every damage is put back. `wholly` remembers
nothing: the harness asks both in a share of the damages, and a test of every kind, and they must say the same.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from reeltrace import cli
from reeltrace.analysis import cross_checks
from reeltrace.bundle import check
from reeltrace.errors import Problem, UserError
from reeltrace.pipeline.plan import Plan, load_plan
from reeltrace.pipeline.standings import standings
from reeltrace.verify import published
from reeltrace.verify import verify as module

Stamp = tuple[int, int, int, int] | None
TEXTS = ("params.yaml", "documents", "src")
KEPT = 3  # answers to one question: that of the sound results, and the last ones
REMEMBERED: tuple[tuple[Any, str], ...] = (
    (module, "_contents"),
    (module, "build"),
    (module, "aggregate_outputs"),
    (cross_checks, "check_texts"),
    (published, "_of"),
)


class _Opened:
    """The files that this process opens, while somebody asks."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._seen and event == "open" and isinstance(arguments[0], str | bytes):
            self.add([str(Path(os.fsdecode(arguments[0])).absolute())])

    def add(self, paths: Iterable[str]) -> None:
        """Take these for opened."""
        for each in self._seen:
            each.update(paths)

    @contextlib.contextmanager
    def watched(self) -> Iterator[set[str]]:
        seen: set[str] = set()
        self._seen.append(seen)
        try:
            yield seen
        finally:
            self._seen.remove(seen)


# Of check.py what it reads from a page and from predictions, dearest of all, and how much of each is remembered.
PLACES = {"marked_on": KEPT, "outcomes_on": KEPT, "unpacked": KEPT, "arrays": 500}


class Beside:
    """What check.py finds in the results of the project in the working folder, in this process.

    What it reads from a page and from predictions is remembered by their bytes.
    """

    def __init__(self, scale: str) -> None:
        self.folder = Path("results", scale)
        self._read = {name: lru_cache(most)(getattr(check, name)) for name, most in PLACES.items()}

    def problems(self, key: str | None) -> list[Problem]:
        """Every problem that check.py prints; that it stops is one too."""
        before = {name: getattr(check, name) for name in PLACES}
        try:
            for name, function in self._read.items():
                setattr(check, name, function)
            lines = check.check(self.folder, key).problems
        except check.Unreadable as error:
            return [Problem("check.py", self.folder.as_posix(), str(error))]
        finally:
            for name, function in before.items():
                setattr(check, name, function)
        found = (line.partition(": ") for line in lines)
        return [Problem("check.py", f"{self.folder.as_posix()}/{where.rstrip('/')}", what) for where, _, what in found]


@dataclass(frozen=True)
class _Answer:
    """What a call gave or raised, and the files that this rests on as they were then."""

    stamps: dict[str, Stamp]
    raised: bool
    value: Any

    def given(self) -> Any:
        if self.raised:
            raise self.value
        return self.value


class Checker:
    """Problems of the project in the working folder, as `reeltrace verify --data --key KEY` finds them."""

    def __init__(self, root: Path, key: str | None = None) -> None:
        self.root = root.resolve()
        self.key = key
        self._opened = _Opened()
        self._known: dict[Any, list[_Answer]] = {}
        self._plans: list[tuple[dict[str, Stamp], Plan]] = []
        self._plan: Plan | None = None
        self._now: dict[str, Stamp] | None = None  # stamps of one check, in which no file changes

    def plan(self) -> Plan:
        """The plan of now; read again where a text of the project has changed."""
        now = _stamps(self.root / text for text in TEXTS)
        known = next((plan for stamps, plan in self._plans if stamps == now), None)
        self._plan = load_plan(Path()) if known is None else known
        if known is None:
            self._plans = [*self._plans[:1], *self._plans[1:][-KEPT + 2 :], (now, self._plan)]
        return self._plan

    def problems(self, *, keyless: bool = False) -> list[Problem]:
        """What `verify` would print, `keyless` without `--key`; a refusal of the project's texts is its one problem."""
        self._now = {}
        try:
            with self._remembering():
                return self._asked(self.plan, keyless)
        finally:
            self._now = None

    def wholly(self, *, keyless: bool = False) -> list[Problem]:
        """The same with everything worked out again."""
        return self._asked(lambda: load_plan(Path()), keyless)

    def _asked(self, plan_of_now: Callable[[], Plan], keyless: bool) -> list[Problem]:
        try:
            plan = plan_of_now()
            return cli.everything_wrong(plan, standings(plan), data=True, key=None if keyless else self.key)
        except UserError as error:
            return [Problem("refused", str(error).partition(":")[0], str(error))]

    def _read_by(self, arguments: tuple[Any, ...]) -> set[str]:
        """The folders of the artifacts that a call is about, whether it opened a file in them or none was there."""
        assert self._plan is not None
        plan = self._plan
        found = {str(folder.absolute()) for each in arguments if isinstance(each, dict) for folder in each.values()}
        names = [each for each in arguments if isinstance(each, str) and each in plan.tasks]
        around = [plan[name] for name in (*names, *(other for name in names for other in plan[name].inputs))]
        return found | {str((self.root / task.folder).absolute()) for task in around}

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        before = [getattr(owner, name) for owner, name in REMEMBERED]
        for (owner, name), function in zip(REMEMBERED, before, strict=True):
            setattr(owner, name, self._remembered(name, function))
        try:
            yield
        finally:
            for (owner, name), function in zip(REMEMBERED, before, strict=True):
                setattr(owner, name, function)

    def _remembered(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            asked = (name, *map(str, arguments)) if name != "check_texts" else (name,)
            known = self._known.setdefault(asked, [])
            for answer in known:
                if all(self._stamp(path) == stamp for path, stamp in answer.stamps.items()):
                    self._opened.add(answer.stamps)  # for what was worked out around it
                    return answer.given()
            with self._opened.watched() as seen:
                raised, value = _outcome(function, arguments)
            read = {path for path in seen if Path(path).is_relative_to(self.root)}
            folders = {str(Path(path).parent) for path in read} | self._read_by(arguments)
            answer = _Answer({path: self._stamp(path) for path in read | folders}, raised, value)
            known[1:] = [*known[1:][-KEPT + 2 :], answer]
            return answer.given()

        return call

    def _stamp(self, path: str) -> Stamp:
        if self._now is None:
            return _stamp(path)
        if path not in self._now:
            self._now[path] = _stamp(path)
        return self._now[path]


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, function(*arguments)
    except Exception as error:
        return True, error


def _stamp(path: str) -> Stamp:
    """What changes when a file does; of a folder the names in it, and which of them are files."""
    try:
        found = Path(path).stat()
        if S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                return hash(tuple(sorted((e.name, e.is_file(follow_symlinks=False)) for e in entries))), 0, 0, 0
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino, found.st_mode


def _stamps(paths: Iterator[Path]) -> dict[str, Stamp]:
    found: dict[str, Stamp] = {}
    for path in paths:
        inside = [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
        found |= {str(each): _stamp(str(each)) for each in (path, *inside) if "__pycache__" not in each.parts}
    return found
