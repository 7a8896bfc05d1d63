"""The real Snakemake and the real DVC on the smoke scale: one truth in two engines.

One workspace is reproduced once with Snakemake; the tests that change something work in a copy of it.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from conftest import edit, environment, git, run_in, snakemake
from e2e.chosen import (
    AUGMENTED,
    BESIDE,
    DATASET,
    DOCUMENT,
    FEATURES,
    OTHER,
    PARAMS,
    PLAN,
    RUN,
    TABLE,
    TIMED,
    a_table_of_each,
    measured,
    readers,
    rewrite,
)
from reeltrace.pipeline.plan import load_plan

pytestmark = pytest.mark.slow
TWICE = tuple(a_table_of_each())
NOTHING = "Nothing to be done"


def dvc(folder: Path, *arguments: str) -> str:
    return run_in(folder, "dvc", *arguments).stdout


def assert_clean_in_both(folder: Path) -> None:
    assert NOTHING in snakemake(folder, "-n")
    assert json.loads(dvc(folder, "status", "--json")) == {}


def test_after_snakemake_both_engines_have_nothing_to_do(reproduced: Path) -> None:
    assert (reproduced / "results/smoke/report/all/report.html").stat().st_size > 10_000
    assert_clean_in_both(reproduced)
    assert "; not looked at: " in run_in(reproduced, "reeltrace", "verify", "--data").stdout.splitlines()[-1]
    status = json.loads(run_in(reproduced, "reeltrace", "status", "--json").stdout)
    assert {table["state"] for table in status["tables"].values()} == {"current"}


def test_a_second_reproduction_gives_identical_manifests(copy: Path) -> None:
    """Of a table of each kind. Times and memory differ from one measurement to the next: no table has any here."""
    manifests = {path.relative_to(copy): path.read_bytes() for path in copy.glob("results/smoke/*/*/manifest.json")}
    assert len(manifests) == len(list(load_plan(copy)))
    shutil.rmtree(copy / "results")
    snakemake(copy, *(f"results/smoke/aggregate/{table}/manifest.json" for table in TWICE))
    again = {path.relative_to(copy): path.read_bytes() for path in copy.glob("results/smoke/*/*/manifest.json")}
    stages = {"data", "frames", "pretrain", "features", "measure", "train", "aggregate"}
    assert {path.parts[2] for path in again} == stages
    assert again == {path: manifests[path] for path in again}


def test_times_that_are_measured_again_touch_what_shows_them_and_nothing_else(copy: Path) -> None:
    folder = copy / "results/smoke/measure" / TIMED
    before = json.loads((folder / "manifest.json").read_text())
    shutil.rmtree(folder)
    run_in(copy, "reeltrace", "run", "measure", TIMED)
    after = json.loads((folder / "manifest.json").read_text())
    assert {key for key in before if before[key] != after[key]} <= {"outputs"}
    assert planned_by_snakemake(copy) == {*(f"aggregate {key}" for key in readers(f"measure/{TIMED}")), "report all"}
    snakemake(copy)
    assert_clean_in_both(copy)


def planned_by_snakemake(folder: Path, *targets: str) -> set[str]:
    text = snakemake(folder, "-n", "-p", *targets)
    return {f"{stage} {key}" for stage, key in re.findall(r"reeltrace run (\w+) ([a-z0-9-]+)", text)}


def ran_by_dvc(folder: Path) -> set[str]:
    return set(re.findall(r"> sh workflow/reeltrace run (\w+ [a-z0-9-]+)", dvc(folder, "repro")))


def test_an_edit_to_one_run_reruns_it_and_what_depends_on_it(copy: Path) -> None:
    """Snakemake plans exactly that; DVC does exactly that; afterwards Snakemake has nothing to do."""
    rewrite(copy, f"runs.{AUGMENTED}.augment.probability", "0.4")
    tables = [f"aggregate {key}" for key in readers(f"train/{AUGMENTED}-s0")]
    expected = {f"train {AUGMENTED}-s0", *tables, "report all"}
    assert planned_by_snakemake(copy) == expected
    before = {path: path.stat().st_mtime_ns for path in copy.glob("results/smoke/*/*/manifest.json")}
    diff = dvc(copy, "params", "diff")
    assert f"{AUGMENTED}.augment.probability" in diff
    assert "0.4" in diff
    assert ran_by_dvc(copy) == expected
    changed = {path.parent.name for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert changed == {key.partition(" ")[2] for key in expected}
    assert_clean_in_both(copy)
    run_in(copy, "reeltrace", "verify")


def test_an_edit_that_snakemake_reproduces_leaves_dvc_clean(copy: Path) -> None:
    rewrite(copy, f"runs.{AUGMENTED}.augment.probability", "0.4")
    snakemake(copy)
    assert_clean_in_both(copy)


def test_another_seed_trains_only_that_seed(copy: Path) -> None:
    edit(copy / "params.yaml", "smoke: [0]}", "smoke: [0, 1]}")
    assert f"train {RUN}-s1" in planned_by_snakemake(copy)
    assert f"train {RUN}-s0" not in planned_by_snakemake(copy)
    snakemake(copy, f"results/smoke/aggregate/{TABLE}/manifest.json")
    cells = json.loads((copy / f"results/smoke/aggregate/{TABLE}/cells.json").read_text())["cells"]
    for cell in cells:
        values = cell["reproduced"]["values"]
        assert set(values) == {"0", "1"}
        assert cell["reproduced"]["value"] == pytest.approx(sum(values.values()) / 2)


def test_the_paper_scale_is_planned_whole(copy: Path) -> None:
    edit(copy / "params.yaml", "\nscale: smoke", "\nscale: paper")
    planned = planned_by_snakemake(copy)
    assert {f"train {OTHER}-s{seed}" for seed in (0, 1, 2)} <= planned
    assert "data mnist" in planned
    assert "data digits" not in planned


def test_a_touched_file_is_no_change(copy: Path) -> None:
    (copy / "src/reeltrace/models/group_conv.py").touch()
    (copy / "params.yaml").touch()
    assert_clean_in_both(copy)


def test_a_changed_layer_reruns_what_is_built_from_it(copy: Path) -> None:
    path = copy / "src/reeltrace/models/group_conv.py"
    path.write_text(path.read_text() + "\n# changed\n")
    stages = {name.split()[0] for name in planned_by_snakemake(copy)}
    assert stages == {"pretrain", "features", "train", "timing", "measure", "aggregate", "report"}
    # DVC traces no imports: it sees that the package changed, and which stages that concerns when it works.
    assert set(json.loads(dvc(copy, "status", "--json"))) == {"code"}


def test_dvc_repro_sees_an_edit_of_a_source_file(copy: Path) -> None:
    path = copy / "src/reeltrace/measure/facts_stage.py"
    path.write_text(path.read_text() + "\n# changed\n")
    planned = planned_by_snakemake(copy)
    facts = {f"measure {key}" for key in measured("facts")}
    tables = {name for name in planned if name.startswith("aggregate ")}
    assert planned == facts | tables | {"report all"}
    assert ran_by_dvc(copy) == planned
    assert_clean_in_both(copy)


def test_an_edit_that_concerns_no_stage_leaves_both_engines_clean(copy: Path) -> None:
    path = copy / "src/reeltrace/cli.py"
    for engine in (snakemake, ran_by_dvc):
        path.write_text(path.read_text() + "\n# changed\n")
        assert planned_by_snakemake(copy) == set()
        assert set(json.loads(dvc(copy, "status", "--json"))) == {"code"}
        engine(copy)
        assert_clean_in_both(copy)


def test_what_dvc_made_counts_as_recorded(copy: Path) -> None:
    rewrite(copy, f"runs.{AUGMENTED}.augment.probability", "0.4")
    dvc(copy, "repro")
    assert json.loads(run_in(copy, "reeltrace", "status", "--json").stdout)["unrecorded"] == []
    lock = (copy / "dvc.lock").stat().st_mtime_ns
    assert "recorded" not in snakemake(copy)
    assert (copy / "dvc.lock").stat().st_mtime_ns == lock


def test_a_clone_and_a_pull_and_a_sync_are_clean(reproduced: Path, tmp_path: Path) -> None:
    first, store, clone = tmp_path / "first", tmp_path / "store", tmp_path / "clone"
    shutil.copytree(reproduced, first, symlinks=True)
    dvc(first, "remote", "add", "-d", "store", str(store))
    git(first, "add", "-A")
    git(first, "commit", "-qm", "Record")
    dvc(first, "push", "-q")
    git(tmp_path, "clone", "-q", str(first), str(clone))
    dvc(clone, "pull", "-q")
    run_in(clone, "reeltrace", "sync")
    assert_clean_in_both(clone)
    run_in(clone, "reeltrace", "verify", "--data")


def test_sync_never_blesses_an_altered_file(copy: Path) -> None:
    path = copy / f"results/smoke/train/{RUN}-s0/metrics.json"
    lock = (copy / "dvc.lock").read_bytes()
    path.write_text(path.read_text().replace('"epoch": ', '"epoch": 1'))
    done = run_in(copy, "reeltrace", "sync", code=1)
    assert "tampered artifact: " in done.stderr
    assert "metrics.json" in done.stderr
    assert (copy / "dvc.lock").read_bytes() == lock


def test_a_file_that_is_gone_is_noticed_by_both_and_may_come_back(copy: Path) -> None:
    shard = sorted((copy / "results/smoke/frames/hmdb51/shards").iterdir())[-1]
    shard.unlink()
    (copy / f"results/smoke/train/{RUN}-s0/metrics.json").unlink()
    planned = planned_by_snakemake(copy)
    trained = {task.name.replace("/", " "): task for task in PLAN.of("train")}
    hit = {name for name, task in trained.items() if "frames/hmdb51" in task.inputs}
    spared = {name for name, task in trained.items() if task.inputs == ("data/ucf101", "frames/ucf101")}
    assert hit and spared
    assert {"frames hmdb51", f"train {RUN}-s0", "report all"} | hit <= planned
    assert not planned & {"data hmdb51", "frames ucf101", f"train {OTHER}-s0", *spared}
    assert set(json.loads(dvc(copy, "status", "--json"))) == {"frames-hmdb51", f"train-{RUN}-s0"}
    dvc(copy, "checkout", "-q")
    assert shard.is_file()
    assert_clean_in_both(copy)


KILLED = f"""
import os, signal
from reeltrace.pipeline import leaf
from reeltrace.training import loop

def rate(protocol, epoch, done=0.0, of=loop.learning_rate):
    if epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return of(protocol, epoch, done)

loop.learning_rate = rate
leaf.run("train", "{RUN}-s0")
"""


def test_a_training_that_was_killed_goes_on_under_snakemake(copy: Path) -> None:
    """What Snakemake removes before a job, the manifest, is not what the training goes on from."""
    folder = copy / f"results/smoke/train/{RUN}-s0"
    manifest = (folder / "manifest.json").read_bytes()
    run_in(copy, sys.executable, "-c", KILLED, code=-signal.SIGKILL)
    (folder / "metrics.json").unlink()
    snakemake(copy, TABLE)
    assert json.loads((folder / "receipt.json").read_text())["facts"]["resumed_after_epoch"] == 1
    assert (folder / "manifest.json").read_bytes() == manifest


def test_a_document_and_a_table_are_made_by_name(copy: Path) -> None:
    shutil.rmtree(copy / "results")
    whole = {f"{task.stage} {task.key}" for task in load_plan(copy)}
    table = planned_by_snakemake(copy, TABLE)
    trained = {f"train {run}-s0" for run in (RUN, *BESIDE)}
    assert table == {"data digits", f"data {DATASET}", *trained, f"aggregate {TABLE}"}
    document = planned_by_snakemake(copy, DOCUMENT)
    assert table < document < planned_by_snakemake(copy, "all") == whole
    assert {name for name in document if name.startswith("aggregate ")} == {
        f"aggregate {key}" for key, of in PARAMS.tables.items() if of.document == DOCUMENT
    }


def test_both_engines_have_the_same_nodes_edges_and_commands(reproduced: Path) -> None:
    """Snakemake's graph is read off its own --dag and -p output, DVC's off `dvc dag` and dvc.yaml.

    DVC has one node more, which stands for the source files: Snakemake reads them itself.
    """
    dot = run_in(reproduced, "snakemake", "--dag", "dot", "-F").stdout
    labels = dict(re.findall(r'^\s*(\d+)\[label = "(.*?)"', dot, re.MULTILINE))
    stages = yaml.safe_load((reproduced / "dvc.yaml").read_text())["stages"]
    del stages["code"]
    arrows = re.findall(r"(\d+) -> (\d+)", dot)
    keys = {number: label.partition("\\nkey: ")[2] for number, label in labels.items()}
    nodes = {}
    for number, label in labels.items():
        rule = label.partition("\\n")[0]
        if rule == "all":
            continue
        names = [f"{rule}-{keys[number]}"]
        if not keys[number]:  # Snakemake leaves out a key that is the same in a job before
            names = [f"{rule}-{keys[a]}" for a, b in arrows if b == number]
        nodes[number] = next(name for name in names if name in stages)
    edges = {(nodes[a], nodes[b]) for a, b in arrows if a in nodes and b in nodes}
    dvc_edges = set(re.findall(r'"(.*?)" -> "(.*?)"', dvc(reproduced, "dag", "--dot")))
    assert set(nodes.values()) == set(stages)
    assert edges == {(a, b) for a, b in dvc_edges if a != "code"}
    assert {b for a, b in dvc_edges if a == "code"} == set(stages)
    commands = set(re.findall(r"(sh workflow/reeltrace run \w+ [a-z0-9-]+) >", snakemake(reproduced, "-n", "-p", "-F")))
    assert commands == {stage["cmd"] for stage in stages.values()}


def test_dvc_metrics_and_plots_say_something(reproduced: Path, tmp_path: Path) -> None:
    metrics = json.loads(dvc(reproduced, "metrics", "show", "--json"))[""]["data"]
    scores = metrics[f"results/smoke/train/{RUN}-s0/scores.json"]["data"]
    assert {"original", "treverse", "validation"} <= set(scores)
    page = tmp_path / "plots"
    dvc(reproduced, "plots", "show", "-o", str(page))
    text = (page / "index.html").read_text()
    assert f"learning curves of {TABLE}" in text
    assert f"{RUN}-s0" in text


def test_dvc_repro_refuses_a_dvc_yaml_of_another_scale(copy: Path) -> None:
    edit(copy / "params.yaml", "\nscale: smoke", "\nscale: quick")
    done = run_in(copy, "dvc", "repro", code=None)
    assert done.returncode != 0
    assert "dvc.yaml: compiled from other experiments" in done.stderr


def test_what_a_refused_repro_would_have_made_again_is_kept(copy: Path) -> None:
    """DVC removes the outputs of a stage before its command, unless they persist."""
    rewrite(copy, f"runs.{FEATURES}.protocol", "stills")
    manifest = copy / f"results/smoke/train/{FEATURES}-s0/manifest.json"
    before = manifest.read_bytes()
    assert run_in(copy, "dvc", "repro", code=None).returncode != 0
    assert manifest.read_bytes() == before
    assert (manifest.parent / "best.pt").is_file()


def test_a_mistake_in_params_stops_snakemake_in_one_line(copy: Path) -> None:
    protocol = PARAMS.runs[RUN].protocol
    rewrite(copy, f"protocols.{protocol}.momentum", "0.9", key="momentun")
    done = run_in(copy, "snakemake", "-n", code=1)
    assert f"protocols.{protocol}.momentun: unknown key" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_two_snakemakes_in_one_folder(copy: Path) -> None:
    """The second one refuses and touches nothing; the first completes."""
    shutil.rmtree(copy / "results")
    first = subprocess.Popen(
        ["snakemake", "--cores", "1", f"results/smoke/train/{RUN}-s0/manifest.json"],
        cwd=copy,
        env=environment(copy),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert first.stderr is not None
        for line in first.stderr:
            if "(log: " in line:
                break
        second = run_in(copy, "snakemake", "--cores", "1", code=1)
        assert "lock" in (second.stdout + second.stderr).lower()
        first.stderr.read()
        assert first.wait(timeout=120) == 0
    finally:
        first.kill()
