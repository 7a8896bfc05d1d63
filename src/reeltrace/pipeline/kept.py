"""The graph of tasks, kept from call to call by the contents of all that it is made from.

To read the registry, check its texts and trace imports takes longer than all else that `status`, `explain` or
`snakemake -n` do. What comes of it lies in results/, under one hash over the contents of every file that it is made
from: never of times, so what is kept is what would be found now. Specs, manifests and the files that a user gives are
no part of it and are looked at each time. `verify`, `sync` and the leaf commands do not ask for it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reeltrace
from reeltrace.artifacts.files import LARGEST_TEXT, atomic_write, not_a_folder, sha256_bytes, sha256_file
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.pipeline.graph import PACKAGE, RESULTS, TEMPLATES, Graph, Job, Node
from reeltrace.pipeline.standings import DVC_YAML

if TYPE_CHECKING:
    from reeltrace.pipeline.plan import Plan

KEPT = RESULTS / ".plan.json"
PARAMS = "params.yaml"
LIBRARIES = ("grimp-", "pydantic-", "pydantic_core-", "pyyaml-")  # whose versions read or check the registry


@dataclass(frozen=True)
class KeptNode(Node):
    """A task whose spec is known by its text."""

    spec: str

    def spec_text(self) -> str:
        """As in `Node`."""
        return self.spec


class KeptGraph(Graph[Node]):
    """Tasks with what is said of all of them; `hashes` are those of the files that it was looked up by.

    `brings_kinds` says whether documents bring kinds of their own.
    """

    def __init__(self, root: Path, said: Mapping[str, Any], whole: Iterable[Node], hashes: Mapping[str, str]) -> None:
        self.root, self._hashes = root, hashes
        self.scale = said["scale"]
        self.tables = {key: (document, table) for key, (document, table) in said["tables"].items()}
        aside = set(said["asides"])
        every = {task.name: task for task in whole}
        self.tasks = {name: task for name, task in every.items() if name not in aside}
        self.asides = {name: task for name, task in every.items() if name in aside}
        self._jobs = {name: Job(*job) for name, job in said["jobs"].items()}
        self.brings_kinds: bool = said["kinds"]
        self._dvc_sha256: str = said["dvc"]

    def jobs(self) -> Mapping[str, Job]:
        """By name of the task, how it is to be started."""
        return self._jobs

    def dvc_is_current(self) -> bool:
        """Whether the dvc.yaml on disk is the one the registry compiles to."""
        path = self.root / DVC_YAML
        return path.is_file() and sha256_file(path) == self._dvc_sha256

    def sha256_of(self, path: Path) -> str:
        """The sha256 of a file of the project, its path from the root."""
        return self._hashes.get(str(path)) or super().sha256_of(path)

    def read_anew(self) -> None:
        """As in `Graph`."""
        self._hashes = {}


def load(root: Path = Path()) -> KeptGraph:
    """The graph of the project below `root`, kept or made now; its texts are checked. Raises `UserError` as both do."""
    found = read(root)
    if found is not None:
        return found
    from reeltrace.analysis.cross_checks import check_texts
    from reeltrace.pipeline.plan import load_plan

    hashes = contents(root)  # before it is read: an edit in between is seen by the next call
    plan = load_plan(root)
    named = check_texts(plan.registry, root)
    said = _said_of(plan)
    if hashes is not None and (root / RESULTS).is_dir():
        with contextlib.suppress(OSError, UserError):  # code that cannot be read, a disk that refuses
            text = json.dumps({"of": _of(hashes), "named": named, **said, **_kept_of(plan)})
            if contents(root) == hashes:  # or something was edited while it was read
                with atomic_write(root / KEPT, "w") as handle:
                    handle.write(f"{sha256_bytes(text.encode())}\n{text}")
    return KeptGraph(root, said, plan.whole(), {})


def read(root: Path = Path()) -> KeptGraph | None:
    """What is kept of exactly the files that stand there now; None where nothing is.

    Raises `UserError` where results can lie nowhere.
    """
    if not (root / KEPT).is_file() or (hashes := contents(root)) is None:
        return None
    try:
        sha256, _, text = (root / KEPT).read_bytes().partition(b"\n")
        if sha256 != sha256_bytes(text).encode():  # damaged
            return None
        kept = json.loads(text)
        if kept["of"] != _of(hashes) or not all(_is_there(path, root) for path in kept["named"]):
            return None
        found = KeptGraph(root, kept, _nodes(kept), hashes)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    if refused := not_a_folder(root / RESULTS / found.scale / "logs" / "any.log"):
        raise UserError(refused)
    return found


def with_kinds(root: Path = Path()) -> Graph[Any]:
    """The graph, kept or made now, with the kinds of documents at hand; texts are checked no further."""
    found = read(root)
    if found is None:
        from reeltrace.pipeline.plan import load_plan

        return load_plan(root)
    if found.brings_kinds:
        from reeltrace.kinds.brought import bring
        from reeltrace.registry import documents

        bring(documents.read(root), root)
    return found


def _said_of(plan: Plan) -> dict[str, Any]:
    """What is said of all tasks of a plan."""
    from reeltrace.pipeline.engines import compile_dvc
    from reeltrace.pipeline.order import jobs

    return {
        "scale": plan.scale,
        "tables": plan.tables,
        "asides": list(plan.asides),
        "jobs": {name: (job.priority, job.threads, job.gpus, job.small) for name, job in jobs(plan.whole()).items()},
        "kinds": bool(plan.registry.files.kinds),
        "dvc": sha256_bytes(compile_dvc(plan).encode()),
    }


def _kept_of(plan: Plan) -> dict[str, Any]:
    """The tasks as they are kept; code, which many share, by its number. Raises `UserError` where it cannot be read."""
    codes: dict[tuple[Path, ...], int] = {}
    tasks = [
        (
            task.stage,
            task.key,
            task.inputs,
            task.outputs,
            [str(path) for path in task.texts],
            [(str(path), place) for path, place in task.given],
            codes.setdefault(task.code(), len(codes)),
            task.spec_text(),
        )
        for task in plan.whole()
    ]
    return {"codes": [[str(path) for path in code] for code in codes], "tasks": tasks}


def _nodes(kept: Mapping[str, Any]) -> list[KeptNode]:
    codes = [tuple(map(Path, paths)) for paths in kept["codes"]]
    return [
        KeptNode(
            stage=stage,
            key=key,
            scale=kept["scale"],
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            texts=tuple(map(Path, texts)),
            given=tuple((Path(path), place) for path, place in given),
            code=partial(codes.__getitem__, code),
            spec=spec,
        )
        for stage, key, inputs, outputs, texts, given, code, spec in kept["tasks"]
    ]


def contents(root: Path) -> dict[str, str] | None:
    """The sha256 of every file that a graph is made from, by its path from `root`.

    None where that cannot be said: something is no file or folder, cannot be read, or the running code is another's.
    """
    found: dict[str, str] = {}
    above = f"{root}/"
    try:
        if not (root / PACKAGE).samefile(Path(reeltrace.__file__).parent):
            return None
        found[PARAMS] = _sha256(above + PARAMS, os.lstat(above + PARAMS))
        waiting = [f"{above}{folder}" for folder in (PACKAGE, DOCUMENTS, TEMPLATES)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        found[entry.path.removeprefix(above)] = _sha256(entry.path, entry.stat(follow_symlinks=False))
                    elif not entry.is_dir(follow_symlinks=False):
                        return None
                    elif entry.name != "__pycache__":
                        found[f"{entry.path.removeprefix(above)}/"] = ""  # a folder without files is seen, too
                        waiting.append(entry.path)
    except OSError:
        return None
    return found


def _sha256(path: str, found: os.stat_result) -> str:
    """The sha256 of a file. Raises `OSError` for what is none, as a pipe that would never end, and for a huge one."""
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_TEXT:
        raise OSError(errno.EINVAL, "not a text", path)
    with open(path, "rb") as handle:  # noqa: PTH123 - half the time of a Path, of hundreds of files
        return sha256_bytes(handle.read())


def _of(hashes: Mapping[str, str]) -> str:
    """One hash over files, the interpreter, and the libraries that read them."""
    installed = (path.name for path in Path(sysconfig.get_path("purelib")).iterdir())
    libraries = (name for name in installed if name.lower().startswith(LIBRARIES))
    text = json.dumps([sys.version, sorted(libraries), sorted(hashes.items())])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _is_there(path: str, root: Path) -> bool:
    file = (root / path).resolve()
    return file.is_relative_to(root.resolve()) and file.exists()
