"""Tables in one process: the same artifacts, in the order in which tables are complete soonest, as far as time goes."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import pytest

from conftest import PROJECT, Command, edit, environment, git, refusal, run_in, snakemake
from invented import lay
from reeltrace.artifacts.json_values import read_json
from reeltrace.data import reach
from reeltrace.pipeline import code, leaf
from reeltrace.pipeline.plan import Plan, load_plan
from reeltrace.pipeline.reproduce import OUT_OF_TIME, Outcome, _Work, in_order, reproduce
from reeltrace.registry.reading import load

TABLE, OTHER, STRUCTURE = "nobody2024-table3", "nobody2024-table4", "nobody2024-table1"
PLAIN, DEEP = "train/drift-plain-s0", "train/drift-deep-s0"
SMOKE = "documents/nobody2024/smoke.yaml"


@pytest.fixture
def workspace(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the invented documents, and nothing of DVC: to record takes longer than the rest. One works in it."""
    monkeypatch.chdir(workspace)  # stages read documents/ there
    (lay(workspace) / ".dvc/config").unlink()
    (workspace / ".dvc/.gitignore").unlink()
    (workspace / ".dvc").rmdir()
    return workspace


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a git repository, which DVC can record."""
    from invented import make_workspace

    folder = make_workspace(tmp_path / "recorded")
    git(folder, "init", "-q")
    run_in(folder, "reeltrace", "sync")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    monkeypatch.chdir(folder)
    return folder


def ten_seconds_an_epoch(root: Path) -> Callable[[], float]:
    """A clock that counts the epochs that are kept."""

    def clock() -> float:
        found = (root / "results/smoke").glob("train/*/history.jsonl")  # of artifacts, and of work that is not done
        return 10.0 * sum(len(path.read_bytes().splitlines()) for path in found)

    return clock


def called(root: Path, *tables: str, **asked: Any) -> tuple[Outcome, list[str]]:
    said: list[str] = []
    clock = asked.pop("clock", ten_seconds_an_epoch(root))
    return reproduce(tables or (TABLE,), root=root, say=said.append, clock=clock, **asked), said


def manifest(root: Path, name: str) -> bytes:
    return (root / "results/smoke" / name / "manifest.json").read_bytes()


# --- the order ---


def at_paper(root: Path) -> Plan:
    return Plan(load(root, "paper"), root)


def test_a_table_comes_after_its_last_training_and_a_training_after_what_it_needs(workspace: Path) -> None:
    names = [task.name for task in in_order(at_paper(workspace), [TABLE, OTHER, STRUCTURE], [0, 1, 2])]
    assert names[:10] == [
        *("data/mnist", "data/drifting-digits"),
        *(f"train/drift-{net}-s{seed}" for seed in (0, 1, 2) for net in ("plain", "deep")),
        f"aggregate/{TABLE}",
        "train/drift-plain-aug-s0",
    ]
    assert len(set(names)) == len(names)
    assert names[-2:] == ["measure/nobody2024-structure", f"aggregate/{STRUCTURE}"]


def test_what_is_learned_before_a_run_comes_right_before_it(workspace: Path) -> None:
    names = [task.name for task in in_order(at_paper(workspace), [TABLE, "someone2025-table1-2"], [0])]
    backbone, run = names.index("pretrain/tuned-resnet50"), names.index("train/tuned-net-z-s0")
    assert names.index("train/mean-net-s0") < backbone < run
    assert names.index("data/ucf101") < names.index(PLAIN)
    assert names.index("pretrain/imagenet-resnet50") < names.index(PLAIN)
    assert set(names[backbone:run]) <= {"pretrain/tuned-resnet50", "features/ucf101-tuned-resnet50"}


def test_other_seeds_are_left_out(workspace: Path) -> None:
    names = [task.name for task in in_order(at_paper(workspace), [TABLE], [1])]
    assert [name for name in names if name.startswith("train/")] == ["train/drift-plain-s1", "train/drift-deep-s1"]
    assert names[-1] == f"aggregate/{TABLE}"


# --- what is refused ---


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tables": ["nobody2024-tabel3"]}, "no table is named 'nobody2024-tabel3'; nearest of 18: nobody2024-table3"),
        ({"tables": []}, "--tables: names no table"),
        ({"seeds": [0, 7]}, "--seeds: 7 is not among seeds in params.yaml; it has: 0"),
        ({"minutes": 0.0}, "--minutes: found 0; expected a number of minutes above 0"),
        ({"minutes": -1.0}, "--minutes: found -1"),
        ({"minutes": float("nan")}, "--minutes: found nan"),
        ({"minutes": float("inf")}, "--minutes: found inf"),
        ({"tables": ["someone2025-beginnings"], "scale": "paper"}, "datasets.streets.folder: streets is no folder"),
        ({"bring": Path(__file__)}, "is no folder; expected one, or a place for a new one"),
        ({"bring": Path()}, "--bring: . is the project itself, where results is made; name another folder"),
        ({"bring": Path("results")}, "--bring: results lies among the results; name a folder outside of results"),
        ({"bring": Path("results/bag")}, "--bring: results/bag lies among the results"),
        ({"bring": Path("/proc/foo")}, "--bring: /proc/foo: No such file or directory; name a folder that can"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(workspace: Path, asked: dict[str, Any], words: str) -> None:
    tables = asked.pop("tables", [TABLE])
    said = refusal(lambda: reproduce(tables, root=workspace, say=pytest.fail, **asked))
    assert words in said
    assert not (workspace / "results").exists()


def test_a_table_that_params_yaml_leaves_out_is_not_unknown(workspace: Path) -> None:
    edit(workspace / "params.yaml", "documents: all", f"documents: [{STRUCTURE}]")
    said = refusal(lambda: called(workspace, TABLE))
    assert said == f"--tables: params.yaml: documents: leaves out {TABLE} of nobody2024; name it there"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--tables", TABLE, "--minutes", "abc"), "Invalid value for '--minutes'"),
        (("--tables", TABLE, "--seeds", "0", "x"), "Invalid value for '--seeds'"),
        ((), "Missing option '--tables'"),
    ],
)
def test_what_is_no_number_is_one_line(workspace: Path, command: Command, asked: tuple[str, ...], words: str) -> None:
    done = command("reeltrace", "reproduce", *asked, code=2)
    assert done.stderr.startswith(f"reeltrace: {words}")
    assert done.stderr.endswith("; see: reeltrace reproduce --help\n")
    assert done.stderr.count("\n") == 1


def test_data_that_cannot_be_had_is_refused_where_nothing_else_can_be_made(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(specs: Mapping[str, Any]) -> dict[str, str]:
        return {name: "no answer; bring it by hand" for name in specs if name == "data/digits"}

    monkeypatch.setattr(reach, "out_of_reach", out_of_reach)
    said = refusal(lambda: reproduce([TABLE, OTHER], root=workspace, say=pytest.fail))
    assert said == "data/digits: no answer; bring it by hand"
    assert not (workspace / "results").exists()
    outcome, lines = called(workspace, TABLE, STRUCTURE)
    assert lines[1] == f"failed {said}"
    assert outcome.made == ["measure/nobody2024-structure", f"aggregate/{STRUCTURE}"]
    assert outcome.code == 1


def test_the_command_line_takes_lists_and_ends_with_the_code_of_what_came(workspace: Path, command: Command) -> None:
    done = command("reeltrace", "reproduce", "--tables", TABLE, "nobody2024-tabel3", code=2)
    assert done.stderr.startswith("reeltrace: --tables: no table is named 'nobody2024-tabel3'")
    assert done.stderr.count("\n") == 1
    assert "--seeds: 7" in command("reeltrace", "reproduce", "--tables", TABLE, "--seeds", "0", "7", code=2).stderr
    assert (
        "no scale is named 'papr'"
        in command("reeltrace", "reproduce", f"--tables={TABLE}", "--scale=papr", code=2).stderr
    )
    done = command("reeltrace", "reproduce", "--tables", STRUCTURE, "nobody2024-table2", "--scale", "smoke")
    assert done.stdout.splitlines()[0] == "scale smoke: 3 artifacts to make"
    assert f"tables: {STRUCTURE}, nobody2024-table2" in done.stdout
    assert done.stderr == ""
    done = command("reeltrace", "reproduce", "--tables", TABLE, "--minutes", "0.0001", code=OUT_OF_TIME)
    assert "the time is over; left: 5 artifacts, 2 of them trainings. The same command goes on" in done.stdout


# --- what is made ---


@pytest.mark.slow
def test_artifacts_are_those_of_snakemake_to_the_byte_and_it_has_nothing_to_do(recorded: Path) -> None:
    """A training on videos with a backbone of its own, on digits with groups, and what is measured, in one process."""
    tables = (OTHER, "nobody2024-table5", "nobody2024-a3", "someone2025-table1-2", "someone2025-beginnings")
    done = run_in(recorded, "reeltrace", "reproduce", "--tables", *tables)
    assert "with DVC" in done.stdout.splitlines()[-3]
    told = snakemake(recorded, "-n", *tables)
    assert "Nothing to be done" in told, told
    assert "up to date" in run_in(recorded, "dvc", "status", *(f"aggregate-{key}" for key in tables)).stdout
    plan = load_plan(recorded)
    names = [task.name for task in in_order(plan, tables, [0])]
    logs = recorded / "results/smoke/logs"
    assert {path.stem for path in logs.iterdir()} == {name.replace("/", "-") for name in names}
    receipt = read_json(recorded / "results/smoke" / PLAIN / "receipt.json")
    assert receipt["command"] == "reeltrace run train drift-plain-s0"
    assert receipt["facts"]["resumed_after_epoch"] is None
    (recorded / "results").rename(recorded / "in one process")
    snakemake(recorded, *tables)
    differ = [
        name
        for name in names
        if manifest(recorded, name) != (recorded / "in one process/smoke" / name / "manifest.json").read_bytes()
    ]
    observed = [task.name for task in plan if task.observes]
    assert set(differ) <= {*observed, "aggregate/nobody2024-a3"}  # what was seen of a machine at a time


def test_another_scale_needs_no_edit_and_is_there_for_the_engines(recorded: Path) -> None:
    edit(recorded / "params.yaml", "\nscale: smoke", "\nscale: quick")
    text = (recorded / "params.yaml").read_text()
    outcome, said = called(recorded, STRUCTURE, scale="smoke")
    assert outcome.code == 0
    assert any("not recorded with DVC: dvc.yaml is of the scale quick" in line for line in said)
    assert (recorded / "params.yaml").read_text() == text
    assert not (recorded / "results/quick").exists()
    edit(recorded / "params.yaml", "\nscale: quick", "\nscale: smoke")
    assert "Nothing to be done" in snakemake(recorded, "-n", STRUCTURE)


def test_what_is_there_is_taken_and_the_report_is_made_once_it_has_all(workspace: Path) -> None:
    edit(workspace / "params.yaml", "documents: all", f"documents: [{STRUCTURE}, {TABLE}]")
    outcome, said = called(workspace, STRUCTURE)
    assert outcome.made == ["measure/nobody2024-structure", f"aggregate/{STRUCTURE}"]
    assert any("the report waits for 5 artifacts of other tables or seeds" in line for line in said)
    before = manifest(workspace, f"aggregate/{STRUCTURE}")
    outcome, said = called(workspace, TABLE, STRUCTURE)
    assert outcome.there == ["measure/nobody2024-structure", f"aggregate/{STRUCTURE}"]
    assert outcome.made[-2:] == [f"aggregate/{TABLE}", "report/all"]
    assert manifest(workspace, f"aggregate/{STRUCTURE}") == before
    assert not any("waits" in line for line in said)
    assert called(workspace, TABLE, STRUCTURE)[0].made == []


def test_a_report_that_rests_on_what_is_made_again_waits_for_nothing(workspace: Path) -> None:
    """Two tables share trainings: with those of the one the other is current again, and so is the report."""
    edit(workspace / "params.yaml", "documents: all", f"documents: [{TABLE}, {STRUCTURE}]")
    _, said = called(workspace, TABLE)
    assert any("the report waits for 2 artifacts of other tables or seeds" in line for line in said)
    edit(workspace / "params.yaml", STRUCTURE, OTHER)
    assert called(workspace, TABLE, OTHER)[0].made[-1] == "report/all"
    (workspace / "results/smoke" / PLAIN).rename(workspace / "plain")
    (workspace / "results/smoke" / DEEP).rename(workspace / "deep")
    outcome, said = called(workspace, OTHER)
    assert outcome.made == [PLAIN, DEEP]
    assert not any("the report waits" in line for line in said)


def test_a_table_waits_for_the_seeds_that_were_not_asked_for(workspace: Path) -> None:
    edit(workspace / "params.yaml", "smoke: [0]", "smoke: [0, 1]")
    outcome, said = called(workspace, seeds=[1])
    assert outcome.code == 0
    assert [name for name in outcome.made if name.startswith("train/")] == [PLAIN[:-1] + "1", DEEP[:-1] + "1"]
    assert f"wait for trainings with other seeds of params.yaml: {TABLE}" in said
    outcome, _ = called(workspace)
    assert outcome.made == [PLAIN, DEEP, f"aggregate/{TABLE}"]


def test_a_run_that_fails_is_one_line_and_the_others_go_on(workspace: Path) -> None:
    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {learning_rate: 1.0e+30, epochs: 2")
    outcome, said = called(workspace, TABLE, STRUCTURE)
    (failed,) = outcome.failed.items()
    assert failed[0] == PLAIN
    assert "expected a finite number" in failed[1] and f"failed {PLAIN}: {failed[1]}" in said
    assert failed[1] in (workspace / "results/smoke/logs/train-drift-plain-s0.log").read_text()
    assert DEEP in outcome.made and f"aggregate/{STRUCTURE}" in outcome.made
    assert outcome.left == [PLAIN, f"aggregate/{TABLE}"]
    assert outcome.code == 1


def test_a_mistake_in_a_stage_is_one_line_with_its_log(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.measure import structure_stage

    def broken(*_: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(structure_stage, "run", broken)
    outcome, _ = called(workspace, STRUCTURE)
    log = workspace / "results/smoke/logs/measure-nobody2024-structure.log"
    assert outcome.failed == {"measure/nobody2024-structure": f"RuntimeError: first (log: {log})"}
    assert "Traceback" in log.read_text() and "second" in log.read_text()


def test_a_change_of_the_code_ends_it(workspace: Path) -> None:
    """What is loaded is the code that was there at first; an artifact would bear the hash of the new one."""

    def say(line: str) -> None:
        if line.startswith("made data/digits"):
            edit(workspace / "src/reeltrace/report/charts.py", '"""', '"""Changed. ')

    outcome = reproduce([TABLE], root=workspace, say=say)
    assert outcome.made == ["data/digits"]
    assert list(outcome.failed) == ["src"]
    assert outcome.code == 1


def test_a_change_of_the_code_while_it_waits_makes_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the code and the hash of an artifact: another holds the lock, or libraries load."""
    real = _Work._make_fresh

    def editing(work: _Work) -> None:
        real(work)
        edit(workspace / "src/reeltrace/training/evaluation.py", '"""', '"""Changed. ')

    monkeypatch.setattr(_Work, "_make_fresh", editing)
    outcome, _ = called(workspace)
    assert "the code changed since this began" in outcome.failed[PLAIN]
    assert not (workspace / "results/smoke" / PLAIN / "manifest.json").exists()
    assert outcome.code == 1


def test_what_an_editor_puts_beside_a_source_is_no_change(workspace: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("made measure"):
            (workspace / "src/reeltrace/.cli.py.swp").touch()
            (workspace / "src/reeltrace/4913").touch()

    assert reproduce([STRUCTURE], root=workspace, say=say).code == 0


def test_parameters_that_are_mistaken_in_the_end_are_a_line_after_the_work(recorded: Path) -> None:
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith(f"made aggregate/{STRUCTURE}"):
            edit(recorded / "params.yaml", "scale: smoke", "scale: smok")

    outcome = reproduce([STRUCTURE], root=recorded, say=say)
    assert outcome.made[-1] == f"aggregate/{STRUCTURE}"
    assert any(line.startswith("failed not recorded with DVC: params.yaml") for line in said)
    assert any(line.startswith("made 2 now") for line in said)


def test_a_report_that_waited_for_time_is_made_by_the_next_call(workspace: Path) -> None:
    edit(workspace / "params.yaml", "documents: all", f"documents: [{STRUCTURE}]")
    called(workspace, STRUCTURE)
    report = workspace / "results/smoke/report/all"
    report.rename(workspace / "results/smoke/report/old")
    assert called(workspace, STRUCTURE)[0].made == ["report/all"]


@pytest.mark.parametrize("place", ["_receipt", "swap_in"])
def test_a_signal_after_the_work_loses_nothing(workspace: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """While the receipt is written the last epoch is kept; once that goes, the artifact takes its place."""
    real = getattr(leaf, place)

    def ending(*given: Any) -> Any:
        if "drift-plain-s0" in str(given):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)
        return real(*given)

    with monkeypatch.context() as patched:
        patched.setattr(leaf, place, ending)
        outcome, _ = called(workspace)
    assert outcome.code == OUT_OF_TIME
    assert (PLAIN in outcome.made) == (place == "swap_in")
    assert called(workspace)[0].code == 0
    receipt = read_json(workspace / "results/smoke" / PLAIN / "receipt.json")
    assert receipt["facts"]["resumed_after_epoch"] == (2 if place == "_receipt" else None)


def test_a_change_of_its_parameters_fails_a_task(workspace: Path) -> None:
    def say(line: str) -> None:
        if line.startswith("made data/digits"):
            edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 3")

    outcome = reproduce([TABLE], root=workspace, say=say)
    assert outcome.failed == {PLAIN: "its parameters changed since this began; run it again"}


def test_variables_and_flags_that_a_stage_sets_do_not_reach_the_next(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from reeltrace.training import stage

    found: list[tuple[object, ...]] = []
    real = stage.run

    def leaving(*given: Any) -> Any:
        found.append((torch.get_num_threads(), torch.get_deterministic_debug_mode(), os.environ.get("LEFT_BEHIND")))
        os.environ["LEFT_BEHIND"] = "here"
        return real(*given)

    monkeypatch.setattr(stage, "run", leaving)
    torch.set_num_threads(2)
    torch.set_deterministic_debug_mode(0)
    assert called(workspace)[0].code == 0
    assert found == [(2, 0, None)] * 2
    assert "LEFT_BEHIND" not in os.environ


def test_what_is_measured_of_a_process_has_one_of_its_own(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here: list[str] = []
    real = leaf.run
    monkeypatch.setattr(leaf, "run", lambda *given, **named: here.append(given[1]) or real(*given, **named))
    outcome, _ = called(workspace, "nobody2024-a3")
    assert "measure/nobody2024-latency" in outcome.made
    assert sorted(here) == ["nobody2024-a3", "nobody2024-networks", "nobody2024-search"]


def test_who_works_on_an_artifact_is_waited_for(workspace: Path) -> None:
    folder = workspace / "results/smoke/measure"
    folder.mkdir(parents=True)
    log = workspace / "results/smoke/logs/measure-nobody2024-structure.log"

    def release(lock: IO[bytes]) -> None:
        until = time.monotonic() + 60
        while not (log.is_file() and log.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        fcntl.flock(lock, fcntl.LOCK_UN)

    with (folder / ".nobody2024-structure.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threading.Thread(target=release, args=(lock,)).start()
        assert called(workspace, STRUCTURE)[0].code == 0
    assert log.read_text() == "waiting: another process is working on measure/nobody2024-structure\n"


def test_what_cannot_be_brought_along_is_said_once(workspace: Path, tmp_path: Path) -> None:
    def say(line: str) -> None:
        said.append(line)
        (bag / "results").touch()  # where a folder is to be

    bag, said = tmp_path / "bag", list[str]()
    outcome = reproduce([STRUCTURE], root=workspace, bring=bag, say=say)
    assert [line for line in said if line.startswith("failed")] == [
        f"failed --bring {bag}: {outcome.failed[f'--bring {bag}']}"
    ]
    assert outcome.code == 1


def test_what_is_made_is_brought_along_and_what_is_half_done(workspace: Path, tmp_path: Path) -> None:
    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 6")
    bag = tmp_path / "bag"
    called(workspace, minutes=0.5, bring=bag)
    brought = bag / "results/smoke"
    assert (brought / "train/.drift-plain-s0.work/scratch/resume.pt").is_file()
    assert called(workspace, bring=bag)[0].code == 0
    for path in brought.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (workspace / path.relative_to(bag)).read_bytes()
    assert sorted(path.name for path in (brought / "train").iterdir()) == ["drift-deep-s0", "drift-plain-s0"]
    assert (brought / "aggregate" / TABLE / "cells.json").is_file()
    assert (brought / "data/digits/images.npy").is_file()


# --- the time ---


def test_no_epoch_begins_that_would_end_after_the_limit_and_the_next_call_ends_in_the_same_bytes(
    workspace: Path,
) -> None:
    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 6")
    outcome, said = called(workspace, minutes=0.5)  # 27 s without what is kept back, and 10 s an epoch
    assert outcome.code == OUT_OF_TIME
    assert outcome.left == [PLAIN, DEEP, f"aggregate/{TABLE}"]
    assert f"half done: {PLAIN} (epoch 2 of 6)" in said
    assert said[-1].startswith("the time is over; left: 3 artifacts, 2 of them trainings, about ")
    assert said[-1].endswith(" at the rate seen. The same command goes on")
    outcome, said = called(workspace)
    assert outcome.code == 0
    assert outcome.there == ["data/digits", "data/drifting-digits"]
    resumed = workspace / "results/smoke" / PLAIN
    assert read_json(resumed / "receipt.json")["facts"]["resumed_after_epoch"] == 2
    made = manifest(workspace, PLAIN)
    leaf.run("train", "drift-plain-s0", workspace)
    assert read_json(resumed / "receipt.json")["facts"]["resumed_after_epoch"] is None
    assert manifest(workspace, PLAIN) == made


def test_what_follows_the_last_epoch_needs_time_too(workspace: Path) -> None:
    """Without the evaluation two epochs fit, but an artifact needs it; what it takes is guessed as an epoch."""
    outcome, said = called(workspace, minutes=25 / 54)  # 25 s
    assert outcome.code == OUT_OF_TIME
    assert f"half done: {PLAIN} (epoch 2 of 2)" in said
    assert PLAIN in called(workspace)[0].made


def test_an_epoch_of_a_run_not_seen_yet_is_guessed_from_the_others(workspace: Path) -> None:
    """20 s pass with the first run; the second has deeper nets, of which an epoch takes longer than the 15 s left."""
    outcome, _ = called(workspace, minutes=39 / 54)
    assert PLAIN in outcome.made
    assert outcome.left == [DEEP, f"aggregate/{TABLE}"]
    assert not (workspace / "results/smoke/train/.drift-deep-s0.work/history.jsonl").exists()


def test_about_one_line_a_minute_says_how_far_a_training_is(workspace: Path) -> None:
    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 20")
    _, said = called(workspace)
    assert [line for line in said if line.startswith("at work")] == [
        f"at work on {PLAIN}: epoch {done} of 20, 10.0 s each" for done in (6, 12, 18)
    ]
    assert any(line.startswith(f"made {PLAIN} in 3 min") for line in said)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_breaks_off_and_the_last_whole_epoch_is_kept(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    from reeltrace.training import loop

    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 6")
    real, handlers = loop.write_history, [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def ending(work: Path, history: list[Any]) -> None:
        real(work, history)
        if len(history) == 3:
            os.kill(os.getpid(), number)
            time.sleep(1)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "write_history", ending)
        outcome, said = called(workspace)
    assert outcome.code == OUT_OF_TIME
    assert outcome.stopped == f"ended by {number.name}"
    assert f"half done: {PLAIN} (epoch 3 of 6)" in said
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert called(workspace)[0].code == 0
    receipt = read_json(workspace / "results/smoke" / PLAIN / "receipt.json")
    assert receipt["facts"]["resumed_after_epoch"] == 3


def test_a_signal_waits_while_code_of_others_runs(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that goes through grimp's Rust would come out as a panic."""
    real, unhurt = code.grimp.build_graph, list[str]()

    def ending(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        unhurt.append("here")
        return real(*given, **named)

    def say(line: str) -> None:
        if line.startswith("made data/digits"):
            monkeypatch.setattr(code.grimp, "build_graph", ending)

    assert called(workspace)[0].made  # what the process has loaded is there
    edit(workspace / SMOKE, "drift: {epochs: 2", "drift: {epochs: 3")
    (workspace / "results/smoke/data/digits").rename(workspace / "digits")
    outcome = reproduce([TABLE], root=workspace, say=say)
    assert unhurt
    assert (outcome.stopped, outcome.failed) == ("ended by SIGTERM", {})
    assert outcome.code == OUT_OF_TIME


def test_what_becomes_of_the_end_in_code_of_others_is_no_traceback(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reeltrace.data import images_stage

    class Panic(BaseException):
        pass

    def ending(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            raise Panic

    monkeypatch.setattr(images_stage, "run", ending)
    outcome, _ = called(workspace)
    assert (outcome.code, outcome.failed) == (OUT_OF_TIME, {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_command_is_imported_is_a_line(tmp_path: Path, number: signal.Signals) -> None:
    """`typer` is the first of all that takes long."""
    (tmp_path / "typer.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\nwhile True: pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "reeltrace.cli", "reproduce", "--tables", TABLE],
        cwd=tmp_path,
        env=environment(PROJECT),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = f"reeltrace: ended by {number.name} before anything was made; the same command goes on\n"
    assert (done.returncode, done.stdout, done.stderr) == (OUT_OF_TIME, "", said)


@pytest.mark.parametrize("named", ["smoke", "quick"])
def test_what_is_broken_off_says_who_records_it(workspace: Path, named: str) -> None:
    edit(workspace / "params.yaml", "\nscale: smoke", f"\nscale: {named}")
    _, said = called(workspace, scale="smoke", minutes=1e-4)
    (line,) = (line for line in said if line.startswith("not recorded"))
    assert line.endswith("does it" if named == "smoke" else "`scale: smoke` there, `reeltrace sync` records this one")


def test_what_fails_as_it_is_broken_off_has_not_failed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.data import images_stage

    def ending(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            raise RuntimeError("a process that reads clips ended")

    monkeypatch.setattr(images_stage, "run", ending)
    outcome, _ = called(workspace)
    assert outcome.failed == {}
    assert outcome.code == OUT_OF_TIME


def test_what_has_no_epochs_is_broken_off_at_the_limit(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.data import images_stage

    now = [0.0]

    def long(*_: object) -> None:
        now[0] = 100.0
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(60)

    monkeypatch.setattr(images_stage, "run", long)
    began = time.monotonic()
    outcome, said = called(workspace, minutes=1.0, clock=lambda: now[0])
    assert time.monotonic() - began < 30
    assert outcome.code == OUT_OF_TIME
    assert outcome.made == []
    assert said[-1] == "the time is over; left: 5 artifacts, 2 of them trainings. The same command goes on"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_the_systems_clock_is_watched(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[float] = []
    real = signal.setitimer
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: armed.append(seconds) or real(which, seconds))
    called(workspace, STRUCTURE, clock=time.monotonic, minutes=0.5, spent=9.0)
    assert 0 < armed[0] <= 18
    assert armed[-1] == 0
