"""What the engines and the commands around them take, against the bare ones.

    python benchmarks/engines.py [--scale quick] [--turns 3] [--megabytes 512] [--results FOLDER] [--json figures.json]

Clones the committed state of this project, puts an artifact of small files in the place of each one (its manifest is
true of them), records them with DVC, and times there what finds nothing to be done:

- `snakemake -n` against a bare Snakefile with a rule per stage, the same jobs, files and targets;
- `dvc status` against a bare dvc.yaml with as many stages, of one dependency and one output each; and once more with
  the parameters taken out of our dvc.yaml, to show what DVC takes to read them;
- `reeltrace status` and `reeltrace explain`;
- what `verify --data` takes to read large files, against sha256sum and against hashlib with a thread per processor;
- the report, where `--results` (or results/<scale> of this project) has the artifacts of all tables.

The two of a pair take turns; times of the engines are of the processor, which a busy machine changes little.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from bench import HEAD, line
from cold_report import at_least, machine

from reeltrace.analysis import published
from reeltrace.artifacts.formats import CELLS
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.pipeline.graph import code_sha256, texts_sha256
from reeltrace.pipeline.plan import Plan, Task, load_plan
from reeltrace.pipeline.standings import DVC_YAML, refresh_specs
from reeltrace.verify.verify import verify

PROJECT = Path(__file__).resolve().parents[1]
TOOLS = Path(sys.executable).parent
ENGINE, RATE, ANSWER, REPORT = 1.2, 0.8, 0.3, 10.0  # the goals
BARE_RULE = """
rule {stage}:
    input:
        spec="results/{scale}/{stage}/{{key}}/spec.json",
        manifests=lambda wildcards: JOBS["{stage}/" + wildcards.key]["manifests"],
        sources=lambda wildcards: JOBS["{stage}/" + wildcards.key]["sources"],
    output:
        manifest="results/{scale}/{stage}/{{key}}/manifest.json",
    log:
        "results/{scale}/logs/{stage}-{{key}}.log",
    shell:
        "true"
"""
BARE_SNAKEFILE = """import json
with open("jobs.json") as file:
    JOBS, TARGETS = json.load(file)

rule all:
    input: [job["manifest"] for job in JOBS.values()]
{rules}
for each, manifests in TARGETS.items():
    rule:
        name: each
        input: manifests
"""
BUILD = """import sys
from pathlib import Path
from reeltrace.pipeline.plan import load_plan
from reeltrace.report.document import build
plan, results = load_plan(), Path(sys.argv[1])
task = plan["report/all"]
build(task.spec, {name: results / name for name in task.inputs}, plan.root)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="quick", choices=("quick", "smoke"))
    parser.add_argument("--turns", type=at_least(1), default=3)
    parser.add_argument("--megabytes", type=at_least(1), default=512, help="of the files that are hashed")
    parser.add_argument("--results", type=Path, help="a folder with the artifacts of a scale, for the report")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    results = (asked.results or PROJECT / "results" / asked.scale).resolve()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), asked.scale, asked.turns, asked.megabytes, results)
    print("\n".join((machine(), HEAD, *map(line, rows))))
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n", encoding="utf-8")


def measure(folder: Path, scale: str, turns: int, megabytes: int, results: Path) -> list[dict[str, Any]]:
    ours, bare = folder / "ours", folder / "bare"
    with inside(clone(ours, scale)):
        plan = load_plan()
        cell = fill(plan)
    run(ours, "reeltrace", "sync")
    bare_snakemake(bare / "snakemake", ours, plan)
    bare_dvc(bare / "dvc", len(plan.tasks) + 1)
    rows = []
    for name, peer, says in (("snakemake -n", "snakemake", "Nothing to be done"), ("dvc status", "dvc", "up to date")):
        found = in_turns(turns, *(partial(run, at, *name.split(), says=says) for at in (ours, bare / peer)))
        rows.append(compared(f"{name}, {len(plan.tasks)} tasks: processor seconds", *found, ENGINE))
    without_params(ours / DVC_YAML)
    run(ours, "dvc", "commit", "-f")
    found = in_turns(turns, *(partial(run, at, "dvc", "status", says="up to date") for at in (ours, bare / "dvc")))
    rows.append(compared("  the same without parameters", *found, None))
    for arguments, says in ((("status",), "current"), (("explain", cell), "verdict")):
        call = partial(run, ours, "reeltrace", *arguments, says=says)
        walls = [timed(call) for _ in range(2 * turns + 1)][1:]
        rows.append(limited(f"reeltrace {arguments[0]}: seconds", statistics.median(walls), ANSWER))
    rows += hashed(folder / "large", turns, megabytes)
    rows.append(report(results, turns))
    return rows


# --- what is measured ---


def clone(folder: Path, scale: str) -> Path:
    """The committed state of this project in a folder of its own, at a scale."""
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    params = folder / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("\nscale: quick", f"\nscale: {scale}"), encoding="utf-8")
    return folder


def fill(plan: Plan) -> str:
    """Put small files in the place of all artifacts, with manifests that are true of them; return a cell's identity."""
    refresh_specs(plan)
    cell = ""
    for task in plan:
        for name in task.outputs:
            path = task.folder / name
            if name.endswith("/"):
                path.mkdir()
                path /= "0"
            path.write_text(task.name, encoding="utf-8")
        write_json(task.folder / RECEIPT, {})
        if task.stage == "aggregate":
            cell = fill_table(plan, task)
        inputs = {source.name: source.folder for source in plan.inputs_of(task)}
        made = make_manifest(task.folder, task.stage, task.key, code_sha256(task), inputs, texts_sha256(task))
        write_json(task.manifest, made)
    return cell


def fill_table(plan: Plan, task: Task) -> str:
    """The cells of a table, none of them run, each traced to one of its inputs; return the last one's identity."""
    document, number = plan.tables[task.key]
    trace = [{"artifact": f"{plan[name].folder}/metrics.json", "pointer": "/x", "sha256": "0"} for name in task.inputs]
    cells = [
        {
            "row": cell.row,
            "column": cell.column,
            "unit": cell.unit,
            "origin": "trained",
            "published": {"printed": cell.printed, "place": cell.place, "reason": cell.reason, "note": cell.note},
            "reproduced": None,
            "derivation": None,
            "verdict": "not run",
            "reason": "",
            "circumstances": "",
            "trace": trace[:1],
        }
        for cell in published.load(document, plan.root).tables[number].cells
    ]
    write_json(task.folder / CELLS, {"document": document, "table": number, "cells": cells})
    return f"{document}/{number}/{cells[-1]['row']}/{cells[-1]['column']}"


def bare_snakemake(folder: Path, ours: Path, plan: Plan) -> None:
    """The same jobs, files and targets, in a Snakefile that holds nothing else."""
    unlike = shutil.ignore_patterns(".git", ".dvc", ".snakemake", "__pycache__")
    shutil.copytree(ours, folder, symlinks=True, ignore=unlike)
    with inside(ours):
        jobs = {
            task.name: {
                "manifest": str(task.manifest),
                "manifests": [str(source.manifest) for source in plan.inputs_of(task)],
                "sources": [str(path) for path in task.sources],
            }
            for task in plan
        }
        targets = {name: [str(task.manifest) for task in tasks] for name, tasks in plan.named().items()}
    (folder / "jobs.json").write_text(json.dumps([jobs, targets]), encoding="utf-8")
    stages = dict.fromkeys(task.stage for task in plan)
    rules = "".join(BARE_RULE.format(stage=stage, scale=plan.scale) for stage in stages)
    (folder / "Snakefile").write_text(BARE_SNAKEFILE.format(rules=rules), encoding="utf-8")


def bare_dvc(folder: Path, stages: int) -> None:
    """A dvc.yaml of so many stages, each with one dependency and one output, all recorded."""
    folder.mkdir(parents=True)
    entries = {}
    for number in range(stages):
        for side in ("in", "out"):
            (folder / f"{side}{number}").write_text(f"{side} {number}", encoding="utf-8")
        entries[f"stage{number}"] = {"cmd": "true", "deps": [f"in{number}"], "outs": [f"out{number}"]}
    (folder / DVC_YAML).write_text(yaml.safe_dump({"stages": entries}), encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    run(folder, "dvc", "init")
    run(folder, "dvc", "commit", "-f")


def without_params(path: Path) -> None:
    """Take the parameters out of a dvc.yaml."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    for stage in found["stages"].values():
        stage.pop("params", None)
    path.write_text(yaml.safe_dump(found, sort_keys=False), encoding="utf-8")


def hashed(folder: Path, turns: int, megabytes: int) -> list[dict[str, Any]]:
    """Bytes per second of `verify --data` over the large files of one artifact, and of the others over the same."""
    artifact = folder / "results" / "quick" / "frames" / "large"
    shards = artifact / "shards"
    shards.mkdir(parents=True)
    files = [shards / str(number) for number in range(8)]
    for file in files:
        file.write_bytes(os.urandom(megabytes * 10**6 // len(files)))
    write_json(artifact / "spec.json", {})
    write_json(artifact / RECEIPT, {})
    write_json(artifact / MANIFEST, make_manifest(artifact, "frames", "large", "0" * 64, {}))

    def threads() -> None:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(digest, files))

    times: list[list[float]] = [[], [], []]
    for _ in range(turns):
        times[0].append(timed(lambda: verify(folder, scale="quick", data=True)))
        times[1].append(timed(lambda: subprocess.run(["sha256sum", *files], stdout=subprocess.DEVNULL, check=True)))
        times[2].append(timed(threads))
    ours, *peers = ([megabytes / seconds for seconds in of] for of in times)
    names = ("sha256sum", "hashlib on all processors")
    return [
        compared(f"verify --data, {name}: MB/s", ours, peer, RATE, least=True)
        for name, peer in zip(names, peers, strict=True)
    ]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report(results: Path, turns: int) -> dict[str, Any]:
    """How long the whole report takes from its artifacts; a row without figures where they are not all there."""
    what = "building the report: seconds"
    walls = []
    for _ in range(min(turns, 2)):
        began = time.perf_counter()
        command = [sys.executable, "-c", BUILD, str(results)]
        done = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, check=False, env=environment(PROJECT)
        )
        if done.returncode:
            why = done.stderr.strip().splitlines()[-1:] or ["no message"]
            print(f"no report from {results}: {why[0]}", file=sys.stderr)
            return {"what": what, "ours": None, "peer": None, "ratio": None, "goal": f"< {REPORT:g}", "met": None}
        walls.append(time.perf_counter() - began)
    return limited(what, min(walls), REPORT)


# --- how ---


def environment(project: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(project / "src")}


def run(folder: Path, *command: str, says: str = "") -> float:
    """Run a command there, and return its processor time in seconds; it must end well, and say so."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode or says not in said:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(call: Callable[[], object]) -> float:
    """Wall time in seconds."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_turns(turns: int, *calls: Callable[[], float]) -> list[list[float]]:
    """What each call returns, in alternating order, after a first round that is not counted."""
    found = [[call() for call in calls] for _ in range(turns + 1)][1:]
    return [list(of) for of in zip(*found, strict=True)]


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def compared(
    what: str, ours: list[float], peer: list[float], goal: float | None, *, least: bool = False
) -> dict[str, Any]:
    """A row: medians of both, and the median of the ratios within a turn."""
    ratio = statistics.median(a / b for a, b in zip(ours, peer, strict=True))
    met = None if goal is None else ratio >= goal if least else ratio <= goal
    return {
        "what": what,
        "ours": round(statistics.median(ours), 3),
        "peer": round(statistics.median(peer), 3),
        "ratio": round(ratio, 3),
        "goal": "" if goal is None else f"{'>=' if least else '<='} {goal:g}",
        "met": met,
    }


def limited(what: str, ours: float, goal: float) -> dict[str, Any]:
    """A row without a peer: a time that must stay below a goal."""
    return {
        "what": what,
        "ours": round(ours, 3),
        "peer": None,
        "ratio": None,
        "goal": f"< {goal:g}",
        "met": ours < goal,
    }


if __name__ == "__main__":
    main()
