"""The graph of tasks, kept from call to call by the contents of all that it is made from.

To read the registry, check its texts and trace imports takes longer than all else that `status`, `explain` or
`snakemake -n` do. What comes of it lies in results/, under one hash over the contents of every file that it is made
from: never of times, so what is kept is what would be found now. Specs, manifests and the files that a user gives are
no part of it and are looked at each time. `verify`, `sync` and the leaf commands do not ask for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import reeltrace
from reeltrace.artifacts.files import atomic_write, not_a_folder, sha256_bytes
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.pipeline.graph import PACKAGE, RESULTS, TEMPLATES, Graph, Job, Node

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


class KeptGraph(Graph[KeptNode]):
    """A graph from what `keep` has written; `hashes` are those of the files that it was looked up by."""

    def __init__(self, root: Path, kept: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
        self.root, self._hashes = root, hashes
        self.scale = kept["scale"]
        self.tables = {key: (document, table) for key, (document, table) in kept["tables"].items()}
        self._jobs = {name: Job(*job) for name, job in kept["jobs"].items()}
        self._dvc_sha256: str = kept["dvc"]
        self._whole: Plan | None = None
        codes = [tuple(map(Path, paths)) for paths in kept["codes"]]
        nodes = [
            KeptNode(
                stage=stage,
                key=key,
                scale=self.scale,
                inputs=tuple(inputs),
                outputs=tuple(outputs),
                texts=tuple(map(Path, texts)),
                given=tuple((Path(path), place) for path, place in given),
                code=lambda code=codes[code]: code,  # type: ignore[misc]
                spec=spec,
            )
            for stage, key, inputs, outputs, texts, given, code, spec in kept["tasks"]
        ]
        self.tasks = {node.name: node for node in nodes}

    def whole(self) -> Plan:
        """The plan, read from the registry."""
        from reeltrace.pipeline.plan import load_plan

        if self._whole is None:
            self._whole = load_plan(self.root)
        return self._whole

    def jobs(self) -> Mapping[str, Job]:
        """By name of the task, how it is to be started."""
        return self._jobs

    def dvc_sha256(self) -> str:
        """The sha256 of the dvc.yaml that this compiles to."""
        return self._dvc_sha256

    def sha256_of(self, path: Path) -> str:
        """The sha256 of a file of the project, its path from the root."""
        return self._hashes.get(str(path)) or super().sha256_of(path)


def load(root: Path = Path()) -> Graph[Any]:
    """The graph of the project below `root`, kept or made now; its texts are checked. Raises `UserError` as both do."""
    found = read(root)
    if found is not None:
        return found
    from reeltrace.analysis.cross_checks import check_texts
    from reeltrace.pipeline.plan import load_plan

    made_from = contents(root)  # before it is read: an edit in between is seen by the next call
    plan = load_plan(root)
    named = check_texts(plan.registry, root)
    if made_from is not None and (root / RESULTS).is_dir():
        with contextlib.suppress(OSError, UserError):  # who cannot keep it makes it again
            keep(plan, made_from, named)
    return plan


def read(root: Path = Path()) -> KeptGraph | None:
    """What is kept of exactly the files that stand there now; None where nothing is.

    Raises `UserError` where results can lie nowhere.
    """
    if not (root / KEPT).is_file() or (hashes := contents(root)) is None:
        return None
    try:
        kept = json.loads((root / KEPT).read_bytes())
        if kept["of"] != _of(hashes) or not all(_is_there(path, root) for path in kept["named"]):
            return None
        found = KeptGraph(root, kept, hashes)
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
    from reeltrace.kinds.brought import bring
    from reeltrace.registry import documents

    bring(documents.read(root), root)
    return found


def keep(plan: Plan, hashes: Mapping[str, str], named: tuple[str, ...]) -> None:
    """Write what `read` finds, of a plan that was made from these files and whose texts name these paths."""
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
        for task in plan
    ]
    kept = {
        "of": _of(hashes),
        "scale": plan.scale,
        "tables": plan.tables,
        "named": named,
        "jobs": {name: (job.priority, job.threads, job.gpus, job.small) for name, job in plan.jobs().items()},
        "dvc": plan.dvc_sha256(),
        "codes": [[str(path) for path in code] for code in codes],
        "tasks": tasks,
    }
    with atomic_write(plan.root / KEPT, "w") as handle:
        json.dump(kept, handle, ensure_ascii=False)


def contents(root: Path) -> dict[str, str] | None:
    """The sha256 of every file that a graph is made from, by its path from `root`.

    None where that cannot be said: something is no file or folder, cannot be read, or the running code is another's.
    """
    found: dict[str, str] = {}
    above = f"{root}/"
    try:
        if not (root / PACKAGE).samefile(Path(reeltrace.__file__).parent):
            return None
        found[PARAMS] = _sha256(above + PARAMS)
        waiting = [f"{above}{folder}" for folder in (PACKAGE, DOCUMENTS, TEMPLATES)]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        found[entry.path.removeprefix(above)] = _sha256(entry.path)
                    elif not entry.is_dir(follow_symlinks=False):
                        return None
                    elif entry.name != "__pycache__":
                        waiting.append(entry.path)
    except OSError:
        return None
    return found


def _sha256(path: str) -> str:
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
