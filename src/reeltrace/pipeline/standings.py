"""What is current, stale or missing, by the small files alone, and what DVC has recorded of it."""

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from reeltrace.artifacts.files import atomic_write, read_whole, reason_of, sha256_file
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.artifacts.protocol import absent, check_outputs
from reeltrace.errors import CheckFailed, UserError
from reeltrace.pipeline.graph import RESULTS, Graph, Node, check_given, files_sha256, texts_sha256

DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
DVC_CACHE = Path(".dvc/cache")
# A folder in an entry of dvc.lock, where a long path is wrapped.
OUTPUT = re.compile(r"^    - path:\s+(\S+)\n      hash: md5\n      md5: (\w\w)(\w+\.dir)$", re.MULTILINE)
NOT_MADE = "not made yet"
MISMATCH = 3  # the exit code of `reeltrace sync --later` where an artifact is not what its manifest says
State = Literal["current", "stale", "missing"]


@dataclass(frozen=True)
class Standing:
    """Whether an artifact is current, and if not, why not; `of` is the input that it is not current for, if so."""

    state: State
    reason: str
    of: str | None = None


def standings(graph: Graph[Any]) -> dict[str, Standing]:
    """The standing of every task, judged by the small files alone: specs, manifests, source code."""
    found: dict[str, Standing] = {}
    manifests: dict[str, str] = {}
    code_of = _codes(graph)
    for task in graph:
        path = graph.root / task.manifest
        try:
            if not path.is_file():
                found[task.name] = Standing("missing", NOT_MADE)
                if os.path.lexists(path):
                    reason = f"{path}: not a file; remove {path.parent} to have it made again"
                    found[task.name] = Standing("stale", reason)
                continue
            manifests[task.name] = sha256_file(path)
            found[task.name] = _standing(graph, task, found, manifests, code_of)
        except OSError as error:  # one file that cannot be read says nothing about the others
            found[task.name] = Standing("stale", f"{error.filename or path}: cannot be read ({reason_of(error)})")
    return found


def altered(graph: Graph[Any], found: dict[str, Standing], name: str) -> dict[str, Standing]:
    """These standings; but an artifact whose own files are not what its manifest says is not current.

    Its files are hashed for that, so it is asked of a small one alone: of the report, where its standing is told.
    """
    if found[name].state != "current":
        return found
    folder = graph.root / graph[name].folder
    more = "`reeltrace verify` says more"
    try:
        problems = check_outputs(folder)
        if not problems and read_json(folder / MANIFEST)["outputs"].keys() != set(graph[name].outputs):
            return {**found, name: Standing("stale", f"its manifest records other files than there are; {more}")}
    except CheckFailed as error:
        return {**found, name: Standing("stale", str(error))}
    if not problems:
        return found
    first = problems[0]
    return {**found, name: Standing("stale", f"{Path(first.where).name}: {first.found}; {more}")}


def _standing(
    graph: Graph[Any],
    task: Node,
    found: dict[str, Standing],
    manifests: dict[str, str],
    code_of: Callable[[Node], str],
) -> Standing:
    try:
        manifest = read_json(graph.root / task.manifest)
        spec, code, inputs = manifest["spec"]["sha256"], manifest["code"]["sha256"], manifest["inputs"]
    except (CheckFailed, KeyError, TypeError):
        return Standing("stale", "its manifest cannot be read")
    if spec != task.spec_sha256:
        return Standing("stale", "its parameters changed")
    try:
        same = code == code_of(task)
    except UserError as error:  # a file of the user's, or of the project's, is not there
        return Standing("stale", str(error))
    if not same:
        return Standing("stale", f"{_changed_texts(manifest, texts_sha256(task, graph.root))} changed")
    for name in task.inputs:
        if found[name].state != "current":
            return Standing("stale", f"{name} is {found[name].state}", name)
        if not isinstance(inputs, dict) or inputs.get(name, {}).get("sha256") != manifests[name]:
            return Standing("stale", f"{name} was made again")
    missing = _absent(graph, task)
    return Standing("missing", missing) if missing else Standing("current", "")


def _codes(graph: Graph[Any]) -> Callable[[Node], str]:
    """A function that gives the hash of a task's sources: many tasks share them, and these share files."""
    of_files = cache(graph.sha256_of)
    known: dict[tuple[Path, ...], str] = {}

    def code_of(task: Node) -> str:
        if (sources := task.sources) not in known:
            check_given(task, graph.root)
            known[sources] = files_sha256(sources, graph.root, task.name, of_files)
        return known[sources]

    return code_of


def _changed_texts(manifest: Any, now: dict[str, str]) -> str:
    """Which texts and given files of an artifact are not those it was made with; its source files where none is."""
    then = manifest["code"].get("texts")
    if not isinstance(then, dict):
        return "its source files"
    return few(sorted(path for path in {**then, **now} if then.get(path) != now.get(path))) or "its source files"


def few(names: Sequence[str]) -> str:
    """The first three of some names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _absent(graph: Graph[Any], task: Node) -> str:
    return absent(graph.root / task.folder, (RECEIPT, *task.outputs))


def incomplete(graph: Graph[Any]) -> dict[str, str]:
    """By name of the task: what is missing of an artifact whose manifest is there, or that this is no manifest."""
    found = {}
    for task in graph:
        with contextlib.suppress(OSError):  # what cannot be looked into is no less there
            if not (graph.root / task.manifest).is_file():
                continue
            if missing := _absent(graph, task):
                found[task.name] = missing
            elif not _is_manifest(graph.root / task.manifest):
                found[task.name] = "its manifest is none"
    return found


def _is_manifest(path: Path) -> bool:
    try:
        manifest = read_json(path)
        return all(manifest[part]["sha256"] for part in ("spec", "code")) and isinstance(manifest["inputs"], dict)
    except (CheckFailed, KeyError, TypeError):
        return False


def refuse_unreadable(graph: Graph[Any]) -> None:
    """Raises `UserError` for a manifest that cannot be read, or is no file: nobody could say what stands behind it.

    Snakemake takes it for one that is there; and what it may cost to make again is not for us to decide.
    """
    for task in graph:
        path = graph.root / task.manifest
        remedy = f"correct that, or remove {task.folder} to have it made again"
        try:
            if path.is_file() or os.path.lexists(path):
                read_whole(path)
        except OSError as error:
            raise UserError(f"{task.manifest}: cannot be read ({reason_of(error)}); {remedy}") from None


def table_standings(graph: Graph[Any], found: dict[str, Standing]) -> dict[str, dict[str, Any]]:
    """Per table: its state, and how many of the artifacts behind it are current, stale and missing."""
    tables = {}
    for task in graph.of("aggregate"):
        names = [each.name for each in graph.behind(task)]
        counts = {state: sum(found[n].state == state for n in names) for state in ("current", "stale", "missing")}
        worst = next(state for state in ("missing", "stale", "current") if counts[state])
        reasons = [f"{n}: {found[n].reason}" for n in names if found[n].state != "current"]
        tables[task.key] = {"state": worst, **counts, "why": reasons[0] if reasons else ""}
    return tables


def progress(graph: Graph[Any], found: dict[str, Standing]) -> dict[str, str]:
    """By "document/table" of each table that is not there: how far it is, and what is being made for it now."""
    said = {}
    busy = [task.name for task in graph if _is_being_made(graph, task)]
    for task in graph.of("aggregate"):
        if found[task.name].reason != NOT_MADE:
            continue
        names = [each.name for each in graph.behind(task) if each is not task]
        made = sum(found[name].state == "current" for name in names)
        now = f"make it: snakemake --cores all {task.key}"
        if busy:
            now = f"being made now: {few([name for name in busy if name in (*names, task.name)] or busy)}"
        document, table = graph.tables[task.key]
        said[f"{document}/{table}"] = (
            f"{task.folder}: not made yet; {made} of the {len(names)} artifacts behind it are current; {now}"
        )
    return said


def _is_being_made(graph: Graph[Any], task: Node) -> bool:
    """Whether a process holds the lock of the task's artifact, as the leaf does while it works."""
    path = graph.root / task.folder.with_name(f".{task.key}.lock")
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or not to be read
        return False
    return False


def bring_back_times(graph: Graph[Any]) -> list[Path]:
    """Give the files that Snakemake compares, and whose time lies in the future, the time of now; return them.

    Another machine's clock sets such times, or an archive. Snakemake would remove what is made of such a file as older
    than it, for hours, and an edit in between would not be seen. Raises `UserError` where a file is somebody else's.
    """
    now = _now(graph.root / RESULTS)
    changed = []
    for path in dict.fromkeys(path for task in graph for path in (*graph.before(task), task.manifest)):
        with contextlib.suppress(FileNotFoundError):
            if (graph.root / path).stat().st_mtime_ns <= now:
                continue
            try:
                os.utime(graph.root / path, ns=(now, now))
            except PermissionError:
                raise UserError(
                    f"{path}: dated in the future, and its time may not be changed here; correct the clock, or let its "
                    f"owner run: touch {path}"
                ) from None
            changed.append(path)
    return changed


def _now(folder: Path) -> int:
    """The time in ns that a new file has there: on a disk of another machine that one's clock decides."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".now.") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return time.time_ns()


def order_times(graph: Graph[Any], found: dict[str, Standing]) -> int:
    """Give the manifest of each current artifact a time later than those of its spec, inputs and sources.

    Returns how many had an earlier one.
    """
    newest, touched = 0, 0
    of_sources: dict[tuple[Path, ...], int] = {}
    for task in graph:
        if found[task.name].state != "current":
            continue
        manifest = graph.root / task.manifest
        with contextlib.suppress(FileNotFoundError, PermissionError):  # removed meanwhile, or somebody else's
            floor = _newest_before(graph, task, of_sources)
            if manifest.stat().st_mtime_ns <= floor:
                newest = max(newest + 1, floor + 1_000_000, time.time_ns())
                touched += 1
                os.utime(manifest, ns=(newest, newest))
    return touched


def looks_current(graph: Graph[Any], task: Node) -> bool:
    """Whether a manifest is no earlier than its spec, inputs and sources: then Snakemake leaves it as it is."""
    try:
        return (graph.root / task.manifest).stat().st_mtime_ns >= _newest_before(graph, task)
    except OSError:
        return False


def _newest_before(graph: Graph[Any], task: Node, of_sources: dict[tuple[Path, ...], int] | None = None) -> int:
    """The latest time in ns of what Snakemake takes as the inputs of a task. Raises `OSError` where one is missing.

    `of_sources` keeps the time of the latest of its sources, which many tasks share.
    """
    known, sources = {} if of_sources is None else of_sources, task.sources
    if sources not in known:
        known[sources] = _newest(graph, sources)
    made = (task.spec_path, *(source.manifest for source in graph.inputs_of(task)))
    return max(known[sources], _newest(graph, made))


def _newest(graph: Graph[Any], paths: tuple[Path, ...]) -> int:
    return max(((graph.root / path).stat().st_mtime_ns for path in paths), default=0)


def unrecorded(graph: Graph[Any], found: dict[str, Standing]) -> list[str]:
    """The current artifacts whose manifest or receipt is not the one that DVC recorded. Reads small files alone."""
    entries = lock_entries(graph)
    return [
        task.name
        for task in graph
        if found[task.name].state == "current" and not _is_recorded(graph, task, entries.get(stage_name(task), ""))
    ]


def lock_entries(graph: Graph[Any]) -> dict[str, str]:
    """The text of each entry of dvc.lock, by stage; nothing of one that is torn."""
    path = graph.root / DVC_LOCK
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    whole = text if text.endswith("\n") else ""
    return {block.partition(":")[0]: block for block in re.split(r"^  (?=\S)", whole, flags=re.MULTILINE)[1:]}


def _is_recorded(graph: Graph[Any], task: Node, entry: str) -> bool:
    recorded = recorded_in(graph, task.folder, entry)
    try:
        return all(recorded.get(path.name) == md5((graph.root / path).read_bytes()) for path in task.files[:2])
    except FileNotFoundError:
        return False


def md5(data: bytes) -> str:
    """Hexadecimal md5 of `data`, by which DVC knows a file."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def recorded_in(graph: Graph[Any], folder: Path, entry: str) -> dict[str, str]:
    """The md5 of each file in a folder that DVC recorded, by name; empty where it has none, or lost the list."""
    outs = entry.partition("\n    outs:\n")[2]
    seen = next((each for each in OUTPUT.finditer(outs) if each[1] == folder.as_posix()), None)
    if seen is None:
        return {}
    name = Path("files", "md5", seen[2], seen[3])
    path = graph.root / DVC_CACHE / name
    if not path.is_file():
        path = _configured_cache(graph.root.resolve()) / name
    try:
        return {each["relpath"]: each["md5"] for each in read_json(path)}
    except (CheckFailed, KeyError, TypeError):
        return {}


@cache
def _configured_cache(root: Path) -> Path:
    """Where DVC keeps its cache; asked only where it is not in the usual place, for it takes a while to load."""
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        return root / str(Config(str(root / ".dvc"))["cache"].get("dir", DVC_CACHE))
    except DvcException:
        return root / DVC_CACHE


def refresh_specs(graph: Graph[Any]) -> list[Path]:
    """Write each task's spec.json where it differs from the registry's, and return the files written."""
    written = []
    for task in graph:
        path, text = graph.root / task.spec_path, task.spec_text().encode()
        if path.is_file() and path.read_bytes() == text:
            continue
        with atomic_write(path) as handle:
            handle.write(text)
        written.append(task.spec_path)
    return written


def stage_name(task: Node) -> str:
    """The name of a task's stage in dvc.yaml, where punctuation other than - and _ is not allowed."""
    return f"{task.stage}-{task.key}"
