"""The leaf command: one stage, one key, wrapped in the artifact protocol. Both engines call it; nothing else works.

A stage writes into a hidden work folder beside its artifact. Only when it has ended well, its declared outputs are all
there and its spec is still the one it started with does the folder take the artifact's place, by one rename.
"""

import errno
import importlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from reeltrace.artifacts.files import explain_full_disk, reason_of, sha256_file
from reeltrace.artifacts.json_values import read_json, sha256_json, write_json, write_json_if_changed
from reeltrace.artifacts.names import MANIFEST, RECEIPT, SCRATCH, SPEC
from reeltrace.artifacts.protocol import check_outputs, make_manifest, outputs_in, swap_in
from reeltrace.errors import CheckFailed, UserError
from reeltrace.machine import circumstances, pauses, process_memory
from reeltrace.machine.memory import LOADING, explaining_memory, try_import
from reeltrace.pipeline.graph import code_sha256, texts_sha256
from reeltrace.pipeline.named import module_of
from reeltrace.pipeline.plan import Plan, Task, load_plan
from reeltrace.registry.fields import Scale
from reeltrace.registry.reading import spec_json
from reeltrace.registry.sizes import refuse_beyond

RESUME = ".resume.json"
CHECK_LIMIT = 64 * 2**20  # bytes up to which an input file is hashed before use; larger ones by their size
StageFunction = Callable[[Any, dict[str, Path], Path], dict[str, Any]]


def run(
    stage: str,
    key: str,
    root: Path = Path(),
    wait: float = 0.0,
    scale: Scale | None = None,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Run one stage and return the folder of its artifact; `scale` replaces the one that params.yaml names.

    Where another process is at the same work (the other engine's, or one that a killed run left behind), wait for it
    up to `wait` seconds, below zero without end; what it has made is then taken as it is, if it is what was asked for.
    `check` is called once the code of now has been read, and may raise where this process has loaded another.

    Raises `UserError` for an unknown stage or key, an input that is not there or another process at the same work, and
    `CheckFailed` when an input was altered or the spec changed meanwhile.
    """
    plan = load_plan(root, scale)
    task = plan[f"{stage}/{key}"]
    target = root / task.folder
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.parent / f".{key}.lock")
    try:
        lock.acquire(blocking=False)
        met = False
    except Timeout:
        met = True
        if wait:
            print(f"waiting: another process is working on {task.name}", file=sys.stderr, flush=True)
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise UserError(
                f"{task.folder}: another process is working on {task.name}; "
                "wait until it ends, or end it, and try again"
            ) from None
    try:
        return target if met and is_made(task, root, plan) else _run(plan, task, root, check)
    finally:
        lock.release()


def _run(plan: Plan, task: Task, root: Path, check: Callable[[], None]) -> Path:
    target = root / task.folder
    work = target.with_name(f".{task.key}.work")
    inputs = {name: root / plan[name].folder for name in task.inputs}
    for name in task.inputs:
        _check_input(plan[name], task, root)
    spec = spec_json(task.spec)
    code = code_sha256(task, root)
    check()
    refuse_beyond(task.spec, plan.registry.params, target.parent)
    _remove_leftovers(target)
    with explain_full_disk(work):
        _prepare(work, spec, code, inputs)
        write_json_if_changed(target / SPEC, spec)
        write_json(work / SPEC, spec)
    loading = f"{task.name}, while its libraries are loaded"
    with explaining_memory(loading, LOADING):
        try_import(module_of(task.spec), loading)
        function: StageFunction = importlib.import_module(module_of(task.spec)).run
    started, clock, used = datetime.now(UTC), time.monotonic(), _processor_seconds()
    try:
        with explaining_memory(task.name):
            facts = function(task.spec, inputs, work)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            if error.filename is not None:
                raise
            raise UserError(
                f"{task.folder}: {reason_of(error)}, while {task.name} read or wrote; it was left unfinished and "
                "nothing was replaced. Correct that and run the same command again."
            ) from error
        raise UserError(
            f"{error.filename or task.folder}: the disk is full; {task.name} was left unfinished and nothing was "
            "replaced. Free some space and run the same command again."
        ) from error
    _check_unchanged(task, code, root)
    found = set(outputs_in(work))
    if found != set(task.outputs):
        raise CheckFailed(
            f"{task.name}: wrote {sorted(found)}, expected {sorted(task.outputs)}; correct the stage or what the plan "
            "expects of it"
        )
    texts = texts_sha256(task, root)
    with explain_full_disk(target):
        write_json(work / RECEIPT, _receipt(task, root, started, time.monotonic() - clock, used, facts))
        write_json(work / MANIFEST, make_manifest(work, task.stage, task.key, code, inputs, texts))
        with pauses.finishing():  # what a killed run goes on from stays until now
            shutil.rmtree(work / SCRATCH, ignore_errors=True)
            (work / RESUME).unlink()
            swap_in(work, target)
    return target


def is_made(task: Task, root: Path, plan: Plan) -> bool:
    """Whether the artifact stands there, whole, as made from the spec, the code and the inputs of now."""
    target = root / task.folder
    try:
        manifest = read_json(target / MANIFEST)
        same = (
            manifest["spec"]["sha256"] == sha256_json(spec_json(task.spec))
            and manifest["code"]["sha256"] == code_sha256(task, root)
            and {name: entry["sha256"] for name, entry in manifest["inputs"].items()}
            == {name: sha256_file(root / plan[name].manifest) for name in task.inputs}
        )
        return same and (target / RECEIPT).is_file() and not check_outputs(target, limit=CHECK_LIMIT)
    except (CheckFailed, FileNotFoundError, KeyError, TypeError, AttributeError):
        return False


def _prepare(work: Path, spec: Any, code: str, inputs: dict[str, Path]) -> None:
    """An empty work folder, or the one of a killed run of exactly this work."""
    token = {
        "spec": sha256_json(spec),
        "code": code,
        "inputs": {name: sha256_file(folder / MANIFEST) for name, folder in inputs.items()},
    }
    if work.is_dir():
        try:
            same = read_json(work / RESUME) == token
        except CheckFailed:
            same = False
        if not same:
            shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / RESUME, token)


def _remove_leftovers(target: Path) -> None:
    """Put back, or remove, the older artifact that a process killed between two renames may have left aside."""
    for path in target.parent.glob(f".{target.name}.*.old"):
        if (path / MANIFEST).is_file() and not (target / MANIFEST).is_file() and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _check_input(task: Task, reader: Task, root: Path) -> None:
    folder = root / task.folder
    if not (folder / MANIFEST).is_file():
        raise UserError(f"{task.folder}: not there yet, and {reader.name} reads it; first run: {task.command}")
    manifest = read_json(folder / MANIFEST)
    spec = manifest.get("spec") if isinstance(manifest, dict) else None
    if not isinstance(spec, dict):
        raise CheckFailed(
            f"{task.folder / MANIFEST}: no manifest; {reader.name} needs one. Make it again: {task.command}"
        )
    if spec.get("sha256") != sha256_json(spec_json(task.spec)):
        raise UserError(
            f"{task.folder}: stale (its parameters have changed since it was made), and {reader.name} reads it; "
            f"first run: {task.command}"
        )
    problems = [p for p in check_outputs(folder, limit=CHECK_LIMIT) if not p.where.endswith(SPEC)]
    if problems:
        raise CheckFailed(f"{problems[0]}; {reader.name} does not use it. Make it again: {task.command}")


def _check_unchanged(task: Task, code: str, root: Path) -> None:
    """The spec and the code are still what the stage started with."""
    now = load_plan(root, task.spec.scale)
    same = (task.name in now.tasks or task.name in now.asides) and spec_json(now[task.name].spec) == spec_json(
        task.spec
    )
    if not same:
        raise CheckFailed(
            f"{task.name}: its parameters changed while it ran; the result was not kept. Run it again: {task.command}"
        )
    if code_sha256(now[task.name], root) != code:
        raise CheckFailed(
            f"src: the code of {task.name} changed while it ran; the result was not kept. Run it again: {task.command}"
        )


def _receipt(
    task: Task, root: Path, started: datetime, seconds: float, used: float, facts: dict[str, Any]
) -> dict[str, Any]:
    """What may differ between two identical runs: time, place, versions. `used`: processor seconds at the start."""
    lock = root / "requirements.lock"
    return {
        "schema": 1,
        "stage": task.stage,
        "key": task.key,
        "command": task.command,
        "started": started.isoformat(timespec="seconds"),
        "duration_s": round(seconds, 3),
        "processor_s": round(_processor_seconds() - used, 3),
        "peak_memory_bytes": process_memory.peak(),
        "host": circumstances.host(),
        "python": platform.python_version(),
        "packages": circumstances.packages(),
        "lock_sha256": sha256_file(lock) if lock.is_file() else None,
        "git": circumstances.git(root),
        "facts": facts,
    }


def _processor_seconds() -> float:
    """What this process, and those that it started and that have ended, have used of all processors so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
