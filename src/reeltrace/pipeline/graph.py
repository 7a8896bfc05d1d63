"""The graph of tasks as both engines take it: which stage, which key, from which artifacts, into which files.

What a task does, and where in the registry that is declared, says plan.py. This, and what it imports, loads in a few
milliseconds: each command and each call of Snakemake begins with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

from reeltrace.artifacts.files import reason_of, sha256_bytes, sha256_file
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, RECEIPT, SPEC
from reeltrace.errors import UserError, known_names

Stage = Literal[
    "data", "frames", "pretrain", "features", "measure", "train", "timing", "aggregate", "reading", "report"
]
STAGES: tuple[Stage, ...] = (
    "data",
    "frames",
    "pretrain",
    "features",
    "measure",
    "train",
    "timing",
    "aggregate",
    "reading",
    "report",
)
READINGS = "readings"
TARGETS = (*STAGES, "all", READINGS)  # of Snakemake, besides documents and tables
PACKAGE = Path("src/reeltrace")
RESULTS = Path("results")
TEMPLATES = Path("reports/templates")
Hash = Callable[[Path], str]


@dataclass(frozen=True)
class Node:
    """One task, as a node of the graph. Paths are relative to the project's root.

    `inputs` are names "stage/key"; `outputs` the files (and folders, with a slash) beside spec, manifest and receipt;
    `texts` the text files that its result depends on, `code` finds the source files; `given` those of the files that
    the user names, with the key of params.yaml that does.
    """

    stage: str
    key: str
    scale: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    texts: tuple[Path, ...]
    given: tuple[tuple[Path, str], ...]
    code: Callable[[], tuple[Path, ...]] = field(repr=False, compare=False)

    def spec_text(self) -> str:
        """What spec.json holds: the canonical JSON text of its spec."""
        raise NotImplementedError

    @cached_property
    def spec_sha256(self) -> str:
        """The sha256 of `spec_text`."""
        return sha256_bytes(self.spec_text().encode())

    @cached_property
    def sources(self) -> tuple[Path, ...]:
        """The code, found when it is asked for, the texts, and the files that the user gives."""
        return tuple(dict.fromkeys((*self.code(), *self.read)))

    @property
    def read(self) -> tuple[Path, ...]:
        """The sources that are no code: the texts, and the files that the user gives."""
        return tuple(dict.fromkeys((*self.texts, *(path for path, _ in self.given))))

    @cached_property
    def name(self) -> str:
        return f"{self.stage}/{self.key}"

    @cached_property
    def folder(self) -> Path:
        return RESULTS / self.scale / self.stage / self.key

    @property
    def spec_path(self) -> Path:
        return self.folder / SPEC

    @cached_property
    def manifest(self) -> Path:
        return self.folder / MANIFEST

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything the task leaves behind except its spec: manifest first, receipt second."""
        return (self.manifest, self.folder / RECEIPT, *(self.folder / name for name in self.outputs))


@dataclass(frozen=True)
class Job:
    """What an engine is told of a task besides its files, see order.py. `small` is a set of videos to decode."""

    priority: int
    threads: int
    gpus: int
    small: bool = False


N = TypeVar("N", bound=Node, covariant=True)


class Graph(Generic[N]):
    """Tasks in an order in which they can run. `tables` has document and table of each task that makes one, by key.

    `asides` are those that the report does not wait for, and that are made when they are asked for by name.
    """

    root: Path
    scale: str
    tasks: Mapping[str, N]
    asides: Mapping[str, N]
    tables: Mapping[str, tuple[str, str]]

    def sha256_of(self, path: Path) -> str:
        """The sha256 of a file of the project, its path from the root."""
        return sha256_file(self.root / path)

    def read_anew(self) -> None:
        """Forget what was read of files before, as after a run that may have taken hours."""

    def __getitem__(self, name: str) -> N:
        """The task "stage/key". Raises `UserError` naming what there is."""
        try:
            return self.tasks[name] if name in self.tasks else self.asides[name]
        except KeyError:
            stage = name.partition("/")[0]
            if stage not in STAGES:
                raise UserError(f"no stage is named {stage!r}; expected one of {', '.join(STAGES)}") from None
            key, keys = name.partition("/")[2], (task.key for task in self.whole().of(stage))
            raise UserError(f"no {stage} is named {key!r}; {known_names(key, keys)}") from None

    def __iter__(self) -> Iterator[N]:
        return iter(self.tasks.values())

    def whole(self) -> Self:
        """The same graph with what stands aside among its tasks."""
        found = copy(self)
        found.tasks, found.asides = {**self.tasks, **self.asides}, {}
        return found

    def with_made(self) -> Self:
        """The same graph with those among its tasks that stand aside and were made, and all that they are made of."""
        made = [task for task in self.asides.values() if (self.root / task.manifest).is_file()]
        behind = {each.name for task in made for each in self.behind(task)}
        found = copy(self)
        found.tasks = {**self.tasks, **{name: task for name, task in self.asides.items() if name in behind}}
        found.asides = {name: task for name, task in self.asides.items() if name not in behind}
        return found

    def of(self, stage: str) -> list[N]:
        """The tasks of one stage."""
        return [task for task in self if task.stage == stage]

    def inputs_of(self, task: Node) -> list[N]:
        """The tasks whose artifacts `task` reads."""
        return [self[name] for name in task.inputs]

    def before(self, task: Node) -> list[Path]:
        """What Snakemake takes as the inputs of a task."""
        return [task.spec_path, *task.sources, *(source.manifest for source in self.inputs_of(task))]

    def behind(self, task: Node) -> list[N]:
        """`task` and everything that it is made of, in an order in which they can run."""
        seen: dict[str, None] = {}
        waiting = [task.name]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen[name] = None
                waiting.extend(self[name].inputs)
        return [each for each in (*self, *self.asides.values()) if each.name in seen]

    def named(self) -> dict[str, list[N]]:
        """What one may ask for by name: each document, each table, and all readings, with all that they are made of.

        Raises `UserError` where the name of a document would mean something else.
        """
        asked: dict[str, dict[str, N]] = {}
        for task in self.of("aggregate"):
            document = self.tables[task.key][0]
            if document in TARGETS:
                raise UserError(
                    f"{DOCUMENTS / document}: {document!r} names a stage or everything; give the folder another name"
                )
            behind = {each.name: each for each in self.behind(task)}
            for name in (document, task.key):
                asked.setdefault(name, {}).update(behind)
        for task in self.whole().of("reading"):
            asked.setdefault(READINGS, {}).update({each.name: each for each in self.behind(task)})
        return {name: list(tasks.values()) for name, tasks in asked.items()}


def check_sources(graph: Graph[Any]) -> None:
    """Raises `UserError` for the first file that some task is made of and that is not there or cannot be read."""
    for task in graph:
        check_given(task, graph.root)
    readers = {path: task.name for task in graph for path in task.sources}
    for path, reader in readers.items():
        if not (graph.root / path).exists():
            raise UserError(f"{path}: missing; {reader} needs it. Restore it with `git checkout {path}`")
        check_readable(path, graph.root)


def check_given(task: Node, root: Path = Path()) -> None:
    """Raises `UserError`, naming the key of params.yaml, where a file that the user names is not there."""
    for path, key in task.given:
        if not (root / path).is_file():
            what = "not a file" if (root / path).exists() else "missing"
            raise UserError(f"{path}: {what}; {task.name} needs it. Put it there, or correct {key}")


def code_sha256(task: Node, root: Path = Path(), sha256_of: Hash | None = None) -> str:
    """One hash over the task's source files: their paths and their contents.

    `sha256_of` gives the hash of a file by its path from the root. Raises `UserError` where a file is missing.
    """
    check_given(task, root)
    return files_sha256(task.sources, root, task.name, sha256_of)


def texts_sha256(task: Node, root: Path = Path()) -> dict[str, str]:
    """By path, the hash of each text and given file of a task that is there."""
    return {path.as_posix(): sha256_file(root / path) for path in task.read if (root / path).is_file()}


def files_sha256(paths: Iterable[Path], root: Path, reader: str, sha256_of: Hash | None = None) -> str:
    """One hash over files: paths and contents. Raises `UserError`, naming `reader`, where one is missing."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            found = sha256_file(root / path) if sha256_of is None else sha256_of(path)
            digest.update(f"{path.as_posix()}\0{found}\n".encode())
        except FileNotFoundError:
            raise UserError(f"{path}: missing; {reader} needs it. Restore it with `git checkout {path}`") from None
        except OSError as error:
            raise _unreadable(path, error) from None
    return digest.hexdigest()


def check_readable(path: Path, root: Path = Path()) -> None:
    """Raises `UserError` where a file cannot be opened."""
    try:
        with (root / path).open("rb"):
            pass
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read ({reason_of(error)}); correct that and run the same command again")
