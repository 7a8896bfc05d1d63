"""What the two engines share: spec files, the compiled dvc.yaml, the state of each artifact, and `sync`.

Snakemake reads the plan while it parses; DVC reads `dvc.yaml`, which is compiled from the same plan and committed.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from reeltrace.artifacts.files import atomic_write, read_whole, reason_of, sha256_file
from reeltrace.artifacts.formats import CURVES, SCORES
from reeltrace.artifacts.json_values import read_json, sha256_json, write_json_if_changed
from reeltrace.artifacts.names import DOCUMENTS, RECEIPT
from reeltrace.artifacts.protocol import absent, check_outputs, hash_large
from reeltrace.errors import CheckFailed, Problem, UserError
from reeltrace.kinds.brought import module_file
from reeltrace.pipeline.code import PACKAGE, files_sha256, of_documents, package_sha256
from reeltrace.pipeline.named import STAGE_MODULES, module_of, named_by_kinds, own_module
from reeltrace.pipeline.plan import RESULTS, TEMPLATES, Plan, Task, code_sha256, texts_sha256
from reeltrace.registry.documents import PARAMS
from reeltrace.registry.reading import spec_json

try:  # libyaml's, which writes the same several times as quick
    from yaml import CSafeDumper as SafeDumper
except ImportError:
    from yaml import SafeDumper  # type: ignore[assignment]

DVC_YAML = Path("dvc.yaml")
DVC_LOCK = Path("dvc.lock")
DVC_CACHE = Path(".dvc/cache")
DVC_HEADER = "# Compiled from params.yaml and documents/ by `reeltrace sync`; edit those, not this file.\n"
CODE = RESULTS / "code"
CODE_STAGE = "code"
LONGEST = 200  # characters in the name of a digest: a file may have 255 bytes
WHOLE = "reeltrace"  # among the digests, that of the whole package

MISMATCH = 3  # the exit code of `reeltrace sync --later` where an artifact is not what its manifest says

NOT_MADE = "not made yet"
State = Literal["current", "stale", "missing"]


def refresh_specs(plan: Plan) -> list[Path]:
    """Write each task's spec.json where it differs from the registry's, and return the files written."""
    written = []
    for task in plan:
        if write_json_if_changed(plan.root / task.spec_path, spec_json(task.spec)):
            written.append(task.spec_path)
    return written


# --- dvc.yaml ---


def stage_name(task: Task) -> str:
    """The name of a task's stage in dvc.yaml, where punctuation other than - and _ is not allowed."""
    return f"{task.stage}-{task.key}"


class InLine(list[Any]):
    """A list that YAML writes in brackets, with what is in it."""


class InLines(SafeDumper):
    """PyYAML's safe dumper, which knows such lists."""


InLines.add_representer(InLine, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, True))


def compile_dvc(plan: Plan) -> str:
    """The text of dvc.yaml: one stage per task, its edges the manifests, its parameters the registry's keys.

    Its code is one digest. DVC does not trace imports: a stage of its own, which it runs after any change of the
    package, writes the digests, and those that changed make their stages run.

    Outputs persist: DVC would remove them before the command, which may refuse to work. The command replaces them,
    once there is something to replace them with.
    """
    stages: dict[str, Any] = {
        CODE_STAGE: {
            "cmd": "sh workflow/reeltrace code",
            "deps": [str(PACKAGE), *_of_documents(plan)],
            "outs": InLine([{str(CODE): {"persist": True}}]),
        }
    }
    for task in plan:
        whole = task.stage == "report"  # it reads what every file of the registry says
        texts = (PARAMS, DOCUMENTS, TEMPLATES) if whole else task.texts
        made_of = (
            CODE / _name_of_code(*_made_by(plan, task)),
            *texts,
            *(path for path, _ in task.given),
            *(source.manifest for source in plan.inputs_of(task)),
        )
        stages[stage_name(task)] = {
            "cmd": task.launch,
            "deps": InLine(map(str, made_of)),
            "params": InLine(_params(plan, ["scale"] if whole else task.params)),
            "outs": InLine([{str(task.folder): {"persist": True}}]),
        }
    scores = [str(task.folder / SCORES) for task in plan.of("train")]
    document = {"stages": stages, "metrics": scores, "plots": _plots(plan)}
    return DVC_HEADER + yaml.dump(document, Dumper=InLines, sort_keys=False, width=118, default_flow_style=None)


def _params(plan: Plan, paths: Iterable[str]) -> list[Any]:
    """Registry paths as DVC's parameters: those of params.yaml by themselves, others below the files that hold them."""
    by_file: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        for file in plan.registry.files.files_of(path):
            by_file.setdefault(file, []).append(path)
    own = by_file.pop(PARAMS, [])
    return [*own, *({file: found} for file, found in by_file.items())]


def _plots(plan: Plan) -> list[dict[str, Any]]:
    """For `dvc plots show`: one plot of learning curves per table of accuracies."""
    plots = []
    for task in plan.of("aggregate"):
        runs = plan.registry.table_runs(task.key)
        columns = [plan.registry.train_key(run, seed) for run in runs for seed in plan.registry.params.seeds]
        if columns:
            plots.append(
                {
                    f"learning curves of {task.key}": {
                        "x": "epoch",
                        "y": {str(task.folder / CURVES): columns},
                        "x_label": "epoch",
                        "y_label": "validation top-1 (%)",
                    }
                }
            )
    return plots


def _made_by(plan: Plan, task: Task) -> tuple[str, tuple[str, ...], Path | None]:
    """The module of a task's stage, those that kinds name for it, and its document's own module if it calls that."""
    return module_of(task.spec), named_by_kinds(plan.registry, task.spec), own_module(task.spec, plan.root)


def _of_documents(plan: Plan) -> list[str]:
    """The Python files of documents that some task is made of; of one that cannot be read, not what it imports."""
    made_by = [_made_by(plan, task) for task in plan]
    named = {name for module, names, _ in made_by for name in (module, *names)}
    called = {path for name in named if (path := module_file(name)) is not None}
    called |= {own for _, _, own in made_by if own is not None}
    found = set(called)
    for path in called:
        with contextlib.suppress(UserError):
            found |= of_documents([path], plan.root)[0]
    return sorted(map(str, found))


def _name_of_code(module: str, named: tuple[str, ...], own: Path | None) -> str:
    names = [each.removeprefix("reeltrace.").removeprefix("kinds.") for each in (module, *named)]
    name = f"{'+'.join(names)}.{own.parent.name}" if own else "+".join(names)
    if len(name) > LONGEST:
        name = f"{names[0]}+{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return name


def _code_digests(plan: Plan) -> dict[str, str]:
    """The texts of the files of digests, by name: one per module of a stage, and one for the whole package.

    A stage that calls the module of a document has one per document, and one that loads what kinds name, one for that.
    """
    alone: list[tuple[str, tuple[str, ...], Path | None]] = [(module, (), None) for module in STAGE_MODULES]
    asked = dict.fromkeys([*alone, *(_made_by(plan, task) for task in plan)])
    found = {_name_of_code(*each): files_sha256(plan.code(*each), plan.root, each[0]) for each in asked}
    return {name: f"{digest}\n" for name, digest in {**found, WHOLE: package_sha256(plan.root)}.items()}


def write_code(plan: Plan) -> None:
    """Write what DVC compares instead of source files: the digests of the code that stands there now."""
    digests = _code_digests(plan)
    folder = plan.root / CODE
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in digests:
                path.unlink()
    for name, text in digests.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            with atomic_write(path, "w") as handle:
                handle.write(text)


def dvc_is_current(plan: Plan) -> bool:
    """Whether the dvc.yaml on disk is the one the registry compiles to."""
    path = plan.root / DVC_YAML
    return path.is_file() and path.read_bytes() == compile_dvc(plan).encode()


def write_dvc(plan: Plan) -> bool:
    """Write dvc.yaml if it is not current; say whether it was written."""
    if dvc_is_current(plan):
        return False
    with atomic_write(plan.root / DVC_YAML, "w") as handle:
        handle.write(compile_dvc(plan))
    return True


def refuse_outdated_dvc(plan: Plan) -> None:
    """Under `dvc repro`, refuse to work from a dvc.yaml that no longer says what params.yaml says."""
    if "DVC_STAGE" in os.environ and not dvc_is_current(plan):
        raise UserError(
            "dvc.yaml: compiled from other experiments than those that stand there now; run `reeltrace sync`, then "
            "`dvc repro` again"
        )


def refuse_unrecordable_results(plan: Plan) -> None:
    """Under `dvc repro`, refuse results behind a link: DVC would ask git about them, after the work, and give up."""
    results = plan.root / RESULTS
    if "DVC_STAGE" not in os.environ or results.resolve() == plan.root.resolve() / RESULTS:
        return
    config = ConfigParser()
    with contextlib.suppress(ConfigError):
        config.read([plan.root / ".dvc" / "config", plan.root / ".dvc" / "config.local"], encoding="utf-8")
    if not config.has_option("core", "no_scm"):
        raise UserError(
            f"{RESULTS}: a link; git, which DVC asks, cannot look behind it; run: dvc config --local core.no_scm true"
        )


# --- the state of artifacts ---


@dataclass(frozen=True)
class Standing:
    """Whether an artifact is current, and if not, why not; `of` is the input that it is not current for, if so."""

    state: State
    reason: str
    of: str | None = None


def standings(plan: Plan) -> dict[str, Standing]:
    """The standing of every task, judged by the small files alone: specs, manifests, source code."""
    found: dict[str, Standing] = {}
    manifests: dict[str, str] = {}
    digests: dict[tuple[Path, ...], str] = {}  # of code, which many tasks share
    for task in plan:
        path = plan.root / task.manifest
        try:
            if not path.is_file():
                found[task.name] = Standing("missing", NOT_MADE)
                if os.path.lexists(path):
                    reason = f"{path}: not a file; remove {path.parent} to have it made again"
                    found[task.name] = Standing("stale", reason)
                continue
            manifests[task.name] = sha256_file(path)
            found[task.name] = _standing(plan, task, found, manifests, digests)
        except OSError as error:  # one file that cannot be read says nothing about the others
            found[task.name] = Standing("stale", f"{error.filename or path}: cannot be read ({reason_of(error)})")
    return found


def _standing(
    plan: Plan,
    task: Task,
    found: dict[str, Standing],
    manifests: dict[str, str],
    digests: dict[tuple[Path, ...], str],
) -> Standing:
    try:
        manifest = read_json(plan.root / task.manifest)
        spec, code, inputs = manifest["spec"]["sha256"], manifest["code"]["sha256"], manifest["inputs"]
    except (CheckFailed, KeyError, TypeError):
        return Standing("stale", "its manifest cannot be read")
    if spec != sha256_json(spec_json(task.spec)):
        return Standing("stale", "its parameters changed")
    try:
        if (sources := task.sources) not in digests:
            digests[sources] = code_sha256(task, plan.root)
        same = code == digests[sources]
    except UserError as error:  # a file of the user's, or of the project's, is not there
        return Standing("stale", str(error))
    if not same:
        return Standing("stale", f"{_changed_texts(manifest, texts_sha256(task, plan.root))} changed")
    for name in task.inputs:
        if found[name].state != "current":
            return Standing("stale", f"{name} is {found[name].state}", name)
        if not isinstance(inputs, dict) or inputs.get(name, {}).get("sha256") != manifests[name]:
            return Standing("stale", f"{name} was made again")
    missing = _absent(plan, task)
    return Standing("missing", missing) if missing else Standing("current", "")


def _changed_texts(manifest: Any, now: dict[str, str]) -> str:
    """Which texts and given files of an artifact are not those it was made with; its source files where none is."""
    then = manifest["code"].get("texts")
    if not isinstance(then, dict):
        return "its source files"
    return few(sorted(path for path in {**then, **now} if then.get(path) != now.get(path))) or "its source files"


def few(names: Sequence[str]) -> str:
    """The first three of some names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _absent(plan: Plan, task: Task) -> str:
    return absent(plan.root / task.folder, (RECEIPT, *task.outputs))


def incomplete(plan: Plan) -> dict[str, str]:
    """By name of the task: what is missing of an artifact whose manifest is there, or that this is no manifest."""
    found = {}
    for task in plan:
        with contextlib.suppress(OSError):  # what cannot be looked into is no less there
            if not (plan.root / task.manifest).is_file():
                continue
            if missing := _absent(plan, task):
                found[task.name] = missing
            elif not _is_manifest(plan.root / task.manifest):
                found[task.name] = "its manifest is none"
    return found


def _is_manifest(path: Path) -> bool:
    try:
        manifest = read_json(path)
        return all(manifest[part]["sha256"] for part in ("spec", "code")) and isinstance(manifest["inputs"], dict)
    except (CheckFailed, KeyError, TypeError):
        return False


def refuse_unreadable(plan: Plan) -> None:
    """Raises `UserError` for a manifest that cannot be read, or is no file: nobody could say what stands behind it.

    Snakemake takes it for one that is there; and what it may cost to make again is not for us to decide.
    """
    for task in plan:
        path = plan.root / task.manifest
        remedy = f"correct that, or remove {task.folder} to have it made again"
        try:
            if path.is_file() or os.path.lexists(path):
                read_whole(path)
        except OSError as error:
            raise UserError(f"{task.manifest}: cannot be read ({reason_of(error)}); {remedy}") from None


def table_standings(plan: Plan, found: dict[str, Standing]) -> dict[str, dict[str, Any]]:
    """Per table: its state, and how many of the artifacts behind it are current, stale and missing."""
    tables = {}
    for task in plan.of("aggregate"):
        names = [each.name for each in plan.behind(task)]
        counts = {state: sum(found[n].state == state for n in names) for state in ("current", "stale", "missing")}
        worst = next(state for state in ("missing", "stale", "current") if counts[state])
        reasons = [f"{n}: {found[n].reason}" for n in names if found[n].state != "current"]
        tables[task.key] = {"state": worst, **counts, "why": reasons[0] if reasons else ""}
    return tables


def progress(plan: Plan, found: dict[str, Standing]) -> dict[str, str]:
    """By "document/table" of each table that is not there: how far it is, and what is being made for it now."""
    said = {}
    busy = [task.name for task in plan if _is_being_made(plan, task)]
    for task in plan.of("aggregate"):
        if found[task.name].reason != NOT_MADE:
            continue
        names = [each.name for each in plan.behind(task) if each is not task]
        made = sum(found[name].state == "current" for name in names)
        now = f"make it: snakemake --cores all {task.key}"
        if busy:
            now = f"being made now: {few([name for name in busy if name in (*names, task.name)] or busy)}"
        table = plan.registry.params.tables[task.key]
        said[f"{table.document}/{table.table}"] = (
            f"{task.folder}: not made yet; {made} of the {len(names)} artifacts behind it are current; {now}"
        )
    return said


def _is_being_made(plan: Plan, task: Task) -> bool:
    """Whether a process holds the lock of the task's artifact, as the leaf does while it works."""
    path = plan.root / task.folder.with_name(f".{task.key}.lock")
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # not there, or not to be read
        return False
    return False


# --- sync ---


@dataclass(frozen=True)
class Recorded:
    """What DVC's record holds now: names of stages, what was noted on the way, and why nothing was recorded, if so.

    `possible` is false where it cannot be recorded by the nature of the place: then it is no failure.
    """

    names: list[str]
    notes: tuple[str, ...] = ()
    reason: str = ""
    possible: bool = True


def sync(plan: Plan, wait: float = 0.0) -> dict[str, Any]:
    """Make both engines agree with what is on disk.

    Compiles dvc.yaml, checks every current artifact byte by byte against its manifest, puts the time stamps in the
    order of the graph (a `dvc pull` restores files in any order, and Snakemake goes by time), and records the artifacts
    as `dvc commit` does, waiting up to `wait` seconds for other DVC processes. Raises `CheckFailed` naming the first
    file that does not match; then nothing is recorded. Where recording fails, `reason` says why; `possible` is false
    where it cannot be done here at all.
    """
    writable = _is_writable(plan.root)
    compiled = write_dvc(plan) if writable else False
    refresh_specs(plan)
    write_code(plan)
    found = standings(plan)
    problems = _problems(plan, found)
    if problems:  # unless another run has just replaced, or is replacing, what was looked at
        found = standings(plan)
        problems = _problems(plan, found)
    if problems:
        raise CheckFailed(
            f"{problems[0]}; nothing was recorded. Remove {Path(problems[0].where).parent} and make it again"
        )
    current = [task for task in plan if found[task.name].state == "current"]
    order_times(plan, found)
    if writable:
        recorded = _dvc_commit(plan, current, wait)
    else:
        recorded = Recorded([], (), f"{DVC_LOCK}: this folder cannot be written", possible=False)
    return {
        "compiled": compiled,
        "recorded": recorded.names,
        "notes": list(recorded.notes),
        "reason": recorded.reason,
        "possible": recorded.possible,
        "left": {name: s.reason for name, s in found.items() if s.state != "current"},
    }


def _problems(plan: Plan, found: dict[str, Standing]) -> list[Problem]:
    current = [plan.root / task.folder for task in plan if found[task.name].state == "current"]
    sha256_of = hash_large(current)
    return [problem for folder in current for problem in check_outputs(folder, sha256_of=sha256_of)]


def _is_writable(root: Path) -> bool:
    """Whether DVC could write its files; the mode of a mount counts, for the superuser too."""
    folders = (root, root / ".dvc", root / ".dvc" / "tmp")
    return all(os.access(folder, os.W_OK) for folder in folders if folder.exists())


def bring_back_times(plan: Plan) -> list[Path]:
    """Give the files that Snakemake compares, and whose time lies in the future, the time of now; return them.

    Another machine's clock sets such times, or an archive. Snakemake would remove what is made of such a file as older
    than it, for hours, and an edit in between would not be seen. Raises `UserError` where a file is somebody else's.
    """
    now = _now(plan.root / RESULTS)
    changed = []
    for path in dict.fromkeys(path for task in plan for path in (*plan.before(task), task.manifest)):
        with contextlib.suppress(FileNotFoundError):
            if (plan.root / path).stat().st_mtime_ns <= now:
                continue
            try:
                os.utime(plan.root / path, ns=(now, now))
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


def order_times(plan: Plan, found: dict[str, Standing]) -> int:
    """Give the manifest of each current artifact a time later than those of its spec, inputs and sources.

    Returns how many had an earlier one.
    """
    newest, touched = 0, 0
    for task in plan:
        if found[task.name].state != "current":
            continue
        manifest = plan.root / task.manifest
        with contextlib.suppress(FileNotFoundError, PermissionError):  # removed meanwhile, or somebody else's
            floor = _newest_before(plan, task)
            if manifest.stat().st_mtime_ns <= floor:
                newest = max(newest + 1, floor + 1_000_000, time.time_ns())
                touched += 1
                os.utime(manifest, ns=(newest, newest))
    return touched


def looks_current(plan: Plan, task: Task) -> bool:
    """Whether a manifest is no earlier than its spec, inputs and sources: then Snakemake leaves it as it is."""
    try:
        return (plan.root / task.manifest).stat().st_mtime_ns >= _newest_before(plan, task)
    except OSError:
        return False


def _newest_before(plan: Plan, task: Task) -> int:
    """The latest time in ns of what Snakemake takes as the inputs of a task. Raises `OSError` where one is missing."""
    return max((plan.root / path).stat().st_mtime_ns for path in plan.before(task))


def unrecorded(plan: Plan, found: dict[str, Standing]) -> list[str]:
    """The current artifacts whose manifest or receipt is not the one that DVC recorded. Reads small files alone."""
    entries = _lock_entries(plan)
    return [
        task.name
        for task in plan
        if found[task.name].state == "current" and not _is_recorded(plan, task, entries.get(stage_name(task), ""))
    ]


def code_is_recorded(plan: Plan) -> bool:
    """Whether DVC, if it has recorded anything, has the digests of the code that stands there now."""
    if not (entries := _lock_entries(plan)):
        return True
    digests = {name: _md5(text.encode()) for name, text in _code_digests(plan).items()}
    return _recorded(plan, CODE, entries.get(CODE_STAGE, "")) == digests


def _lock_entries(plan: Plan) -> dict[str, str]:
    """The text of each entry of dvc.lock, by stage; nothing of one that is torn."""
    path = plan.root / DVC_LOCK
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    whole = text if text.endswith("\n") else ""
    return {block.partition(":")[0]: block for block in re.split(r"^  (?=\S)", whole, flags=re.MULTILINE)[1:]}


def _is_recorded(plan: Plan, task: Task, entry: str) -> bool:
    recorded = _recorded(plan, task.folder, entry)
    try:
        return all(recorded.get(path.name) == _md5((plan.root / path).read_bytes()) for path in task.files[:2])
    except FileNotFoundError:
        return False


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _recorded(plan: Plan, folder: Path, entry: str) -> dict[str, str]:
    """The md5 of each file in a folder that DVC recorded, by name; empty where it has none, or lost the list."""
    outs = entry.partition("\n    outs:\n")[2]
    pattern = rf"^    - path:\s+{re.escape(folder.as_posix())}\n      hash: md5\n      md5: (\w\w)(\w+\.dir)$"
    if (seen := re.search(pattern, outs, re.MULTILINE)) is None:  # a long path is wrapped
        return {}
    name = Path("files", "md5", seen[1], seen[2])
    path = plan.root / DVC_CACHE / name
    if not path.is_file():
        path = _configured_cache(plan.root.resolve()) / name
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


def _dvc_commit(plan: Plan, tasks: list[Task], wait: float) -> Recorded:
    names = [stage_name(task) for task in tasks]
    if not names and not (plan.root / DVC_LOCK).exists():
        return Recorded([])
    if not (plan.root / ".dvc").is_dir():
        advice = "no .dvc folder here; run `dvc init` (outside git: `dvc init --no-scm`), then `reeltrace sync`"
        return Recorded([], (), advice, possible=False)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "reeltrace.pipeline.dvc_commit", "--wait", str(wait), CODE_STAGE, *names],
        cwd=plan.root,
        capture_output=True,
        text=True,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
        check=False,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    notes = tuple(line.removeprefix("NOTE: ") for line in lines if line.startswith("NOTE: "))
    if done.returncode:
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no message")
        return Recorded([], notes, reason.removeprefix("ERROR: "))
    return Recorded(names, notes)
