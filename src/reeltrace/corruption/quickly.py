"""The check of `reeltrace verify`, many times in one process: what has not changed is not worked out again.

Every damage is seen by the very functions that the command calls. Some of them are remembered: those that make again
what a file should hold (an artifact's own contents, a table, the report) and that read the texts. Each is called again
where a file that it opened has another time, size or inode, or where a name has come or gone in a folder that it reads.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from reeltrace import cli
from reeltrace.analysis import cross_checks
from reeltrace.errors import Problem, UserError
from reeltrace.pipeline.plan import Plan, load_plan
from reeltrace.pipeline.standings import standings
from reeltrace.verify import verify as module

Stamp = tuple[int, int, int, int] | None
TEXTS = ("params.yaml", "documents", "src")


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


class Checker:
    """Problems of the project in the working folder, as `reeltrace verify --data --key KEY` finds them."""

    def __init__(self, root: Path, key: str | None = None) -> None:
        self.root = root.resolve()
        self.key = key
        self._opened = _Opened()
        self._known: dict[Any, tuple[dict[str, Stamp], Any]] = {}
        self._plan: tuple[dict[str, Stamp], Plan] | None = None

    def plan(self) -> Plan:
        """The plan of now; read again where a text of the project has changed."""
        now = _stamps(self.root / text for text in TEXTS)
        if self._plan is None or self._plan[0] != now:
            self._plan = now, load_plan(Path())
        return self._plan[1]

    def problems(self, *, keyless: bool = False) -> list[Problem]:
        """What `verify` would print, `keyless` without `--key`; a refusal of the project's texts is its one problem."""
        with self._remembering():
            try:
                plan = self.plan()
                return cli.everything_wrong(plan, standings(plan), data=True, key=None if keyless else self.key)
            except UserError as error:
                return [Problem("refused", str(error).partition(":")[0], str(error))]

    def _read_by(self, arguments: tuple[Any, ...]) -> set[str]:
        """The folders of the artifacts that a call is about, whether it opened a file in them or none was there."""
        assert self._plan is not None
        plan = self._plan[1]
        found = {str(folder.absolute()) for each in arguments if isinstance(each, dict) for folder in each.values()}
        names = [each for each in arguments if isinstance(each, str) and each in plan.tasks]
        around = [plan[name] for name in (*names, *(other for name in names for other in plan[name].inputs))]
        return found | {str((self.root / task.folder).absolute()) for task in around}

    @contextlib.contextmanager
    def _remembering(self) -> Iterator[None]:
        places = (
            (module, "_contents"),
            (module, "build"),
            (module, "aggregate_outputs"),
            (cross_checks, "check_texts"),
        )
        before = [getattr(owner, name) for owner, name in places]
        for (owner, name), function in zip(places, before, strict=True):
            setattr(owner, name, self._remembered(name, function))
        try:
            yield
        finally:
            for (owner, name), function in zip(places, before, strict=True):
                setattr(owner, name, function)

    def _remembered(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            asked = (name, *map(str, arguments)) if name != "check_texts" else (name,)
            if asked in self._known:
                stamps, outcome = self._known[asked]
                if all(_stamp(path) == stamp for path, stamp in stamps.items()):
                    self._opened.add(stamps)  # for what was worked out around it
                    return _given(outcome)
            with self._opened.watched() as seen:
                outcome = _outcome(function, arguments)
            read = {path for path in seen if Path(path).is_relative_to(self.root)}
            folders = {str(Path(path).parent) for path in read} | self._read_by(arguments)
            self._known[asked] = {path: _stamp(path) for path in read | folders}, outcome
            return _given(outcome)

        return call


def _outcome(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return True, function(*arguments)
    except Exception as error:
        return False, error


def _given(outcome: tuple[bool, Any]) -> Any:
    if outcome[0]:
        return outcome[1]
    raise outcome[1]


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
