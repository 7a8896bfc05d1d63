"""What the two engines share: the compiled dvc.yaml, and `sync`.

Snakemake reads the plan while it parses; DVC reads `dvc.yaml`, which is compiled from the same plan and committed.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import CURVES, SCORES
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.artifacts.protocol import check_outputs, hash_large
from reeltrace.errors import CheckFailed, Problem, UserError
from reeltrace.kinds.brought import module_file
from reeltrace.machine.affinity import processors
from reeltrace.pipeline.code import of_documents, package_sha256
from reeltrace.pipeline.graph import PACKAGE, RESULTS, TEMPLATES, files_sha256
from reeltrace.pipeline.named import STAGE_MODULES, module_of, named_by_kinds, own_module
from reeltrace.pipeline.plan import Plan, Task
from reeltrace.pipeline.standings import (
    DVC_LOCK,
    DVC_YAML,
    Standing,
    lock_entries,
    md5,
    order_times,
    recorded_in,
    refresh_specs,
    stage_name,
    standings,
)
from reeltrace.registry.documents import PARAMS

try:  # libyaml's, which writes the same several times as quick
    from yaml import CSafeDumper as SafeDumper
except ImportError:
    from yaml import SafeDumper  # type: ignore[assignment]

DVC_HEADER = "# Compiled from params.yaml and documents/ by `reeltrace sync`; edit those, not this file.\n"
CODE = RESULTS / "code"
CODE_STAGE = "code"
LONGEST = 200  # characters in the name of a digest: a file may have 255 bytes
WHOLE = "reeltrace"  # among the digests, that of the whole package


# --- dvc.yaml ---


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
    sha256_of = hash_large(current, processors())
    return [problem for folder in current for problem in check_outputs(folder, sha256_of=sha256_of)]


def _is_writable(root: Path) -> bool:
    """Whether DVC could write its files; the mode of a mount counts, for the superuser too."""
    folders = (root, root / ".dvc", root / ".dvc" / "tmp")
    return all(os.access(folder, os.W_OK) for folder in folders if folder.exists())


def code_is_recorded(plan: Plan) -> bool:
    """Whether DVC, if it has recorded anything, has the digests of the code that stands there now."""
    if not (entries := lock_entries(plan)):
        return True
    digests = {name: md5(text.encode()) for name, text in _code_digests(plan).items()}
    return recorded_in(plan, CODE, entries.get(CODE_STAGE, "")) == digests


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
