"""The command line: one-line errors, exit codes, and output for people and for programs."""

import json
import os
import platform
import re
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from conftest import Command, edit, run_in
from invented import lay
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.cli import _complain
from reeltrace.cli import run as run_command
from reeltrace.machine import processor
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.plan import STAGES, code_sha256, load_plan
from reeltrace.pipeline.standings import Standing, altered
from reeltrace.registry.reading import spec_json

EXPERIMENTS = "documents/nobody2024/experiments.yaml"
ON_X86 = pytest.mark.skipif(platform.machine() not in processor.X86, reason="other architectures have their own values")


@pytest.fixture
def workspace(workspace: Path) -> Path:
    """With the invented documents."""
    return lay(workspace)


def test_the_help_names_every_stage() -> None:
    (argument,) = run_command.__annotations__["stage"].__metadata__
    assert argument.help == f"{', '.join(STAGES[:-1])} or {STAGES[-1]}"


def test_bad_params_is_one_line_and_exit_2(workspace: Path, command: Command) -> None:
    edit(workspace / EXPERIMENTS, "momentum: 0.9", "momentun: 0.9")
    for arguments in (["status"], ["run", "data", "digits"], ["verify"], ["sync"], ["explain", "nobody2024/3/x/y"]):
        done = command("reeltrace", *arguments, code=2)
        assert done.stderr.splitlines() == [
            f"reeltrace: {EXPERIMENTS}: protocols.drift.momentun: unknown key; remove it or correct its spelling"
        ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REELTRACE_WAIT", "soon", "found 'soon'; expected a number of seconds, 0 or more"),
        ("REELTRACE_WAIT", "-1", "found '-1'; expected a number of seconds"),
        ("REELTRACE_WAIT", "nan", "found 'nan'; expected a number of seconds"),
        ("REELTRACE_WAIT", "inf", "found 'inf'; expected a number of seconds"),
        ("REELTRACE_WORKERS", "0", "found '0'; expected a number of processes, 1 or more"),
        ("REELTRACE_WORKERS", "\u00b2", "expected a number of processes"),
        ("REELTRACE_DOWNLOADS", "params.yaml", "found 'params.yaml', which is no folder"),
        ("REELTRACE_CUDA_GRAPHS", "yes", "found 'yes'; expected 0 or 1"),
        ("REELTRACE_PYTHON", "no/such/python", "found 'no/such/python', which is no program"),
        pytest.param("ONEDNN_MAX_CPU_ISA", "banana", "found 'banana', which oneDNN would ignore", marks=ON_X86),
    ],
)
def test_a_wrong_variable_is_one_line_and_exit_2_before_any_work(
    workspace: Path, command: Command, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    for arguments in (["run", "data", "digits"], ["sync"], ["status"]):
        said = command("reeltrace", *arguments, code=2).stderr
        assert said.startswith(f"reeltrace: {name}: ")
        assert words in said and said.count("\n") == 1
    if value in ("soon", "0", "banana"):
        done = command("snakemake", "--cores", "1", "results/smoke/data/digits/manifest.json", code=1)
        assert f"{name}: {words}" in done.stderr
    assert not (workspace / "results").exists()


def test_an_empty_variable_is_none(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "REELTRACE_WAIT",
        "REELTRACE_WORKERS",
        "REELTRACE_DOWNLOADS",
        "REELTRACE_PYTHON",
        "REELTRACE_CUDA_GRAPHS",
    ):
        monkeypatch.setenv(name, "")
    command("reeltrace", "sync")
    assert "--wait: found inf" in command("reeltrace", "sync", "--wait", "inf", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "trian", "x"], "no stage is named 'trian'"),
        (["run", "train", "x"], "no train is named 'x'"),
        (["run", "train", "drift-plain-s0"], "first run: reeltrace run data drifting-digits"),
        (["run", "train", "$(touch owned)"], "no train is named"),
    ],
)
def test_a_run_that_cannot_be_is_one_line_and_exit_2(
    workspace: Path, command: Command, arguments: list[str], said: str
) -> None:
    done = command("reeltrace", *arguments, code=2)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(workspace.rglob("owned"))


def test_outside_a_project_it_says_where_to_run(workspace: Path, command: Command) -> None:
    (workspace / "params.yaml").unlink()
    assert "run the command in the folder that holds params.yaml" in command("reeltrace", "status", code=2).stderr


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_2(workspace: Path, command: Command) -> None:
    (workspace / "results").write_text("a file where the folder should be")
    done = command("reeltrace", "run", "data", "digits", code=2)
    said = "reeltrace: results: not a folder, and one is needed; move it away and run the same command again\n"
    assert done.stderr == said


def test_finished_work_is_no_failure_where_nobody_listens(workspace: Path) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        run_in(workspace, "bash", "-c", f"reeltrace run data digits {closed}")
        run_in(workspace, "bash", "-c", f"reeltrace status --json {closed}")
    assert (workspace / "results/smoke/data/digits/manifest.json").is_file()


def test_a_reader_that_went_away_is_silent_and_a_full_disk_is_one_line(workspace: Path) -> None:
    def status(redirection: str) -> subprocess.CompletedProcess[str]:
        line = f"set -o pipefail; reeltrace status --artifacts {redirection}"
        return run_in(workspace, "bash", "-c", line, code=None)

    assert status("| true").stderr == ""
    full = status("> /dev/full")
    assert full.returncode == 2
    assert (
        full.stderr
        == "reeltrace: standard output: No space left on device; correct that and run the same command again\n"
    )


def test_verify_whose_reader_went_away_says_by_its_code_alone_that_there_are_problems(workspace: Path) -> None:
    run("data", "digits", workspace)
    done = run_in(workspace, "bash", "-c", "set -o pipefail; reeltrace verify | true", code=None)
    assert (done.returncode, done.stderr) == (141, "")


def test_verify_ends_with_what_was_looked_at_and_what_was_not(workspace: Path, command: Command) -> None:
    run("data", "digits", workspace)
    *problems, last = command("reeltrace", "verify", code=1).stdout.splitlines()
    count = len(json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"])
    assert last.startswith(f"scale smoke: {len(problems)} problems (") and f"; {count} artifacts looked at; " in last
    assert "; root hash none; not attested (`reeltrace attest` does it); not looked at: " in last
    assert "(--data)" in last and "(--replay)" in last


def test_verify_names_the_documents_that_it_held_to_no_text(
    workspace: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("data", "digits", workspace)
    monkeypatch.setenv("REELTRACE_TEXTS", str(workspace / "texts"))
    said = command("reeltrace", "verify", code=2).stderr
    assert said.startswith(f"reeltrace: REELTRACE_TEXTS: {workspace / 'texts'}: No such") and said.count("\n") == 1
    (workspace / "texts").mkdir()
    last = command("reeltrace", "verify", code=1).stdout.splitlines()[-1]
    said = last.rpartition("not looked at: ")[2].rpartition("in the documents' own texts the transcribed values of ")[2]
    documents = sorted(path.parent.name for path in workspace.glob("documents/*/published.yaml"))
    assert re.findall(r"([\w-]+) \((?:no text there|it has no spans)", said) == documents


def test_verify_of_one_artifact_looks_at_what_is_behind_it(workspace: Path, command: Command) -> None:
    run("data", "digits", workspace)
    run("data", "drifting-digits", workspace)
    (line,) = command("reeltrace", "verify", "data/drifting-digits").stdout.splitlines()
    assert "every artifact behind data/drifting-digits agrees" in line and "; 2 artifacts looked at; " in line
    replayed = command("reeltrace", "verify", "data/drifting-digits", "--replay").stdout.splitlines()
    assert "replayed 2 of 2 artifacts; 0 of them differ" in replayed
    images = workspace / "results/smoke/data/digits/labels.npy"
    images.write_bytes(images.read_bytes()[:-1] + b"x")
    first, _ = command("reeltrace", "verify", "data/drifting-digits", code=1).stdout.splitlines()
    assert first.startswith("tampered artifact: results/smoke/data/digits/labels.npy")
    for name, said in (("data/nosuch", "no data is named 'nosuch'"), ("nobody2024/3/x/y", "no tables yet")):
        assert said in command("reeltrace", "verify", name, code=2).stderr
    said = command("reeltrace", "verify", "data/digits", "--key", "0" * 64, code=2).stderr
    assert said.startswith("reeltrace: --key: the report is attested as a whole") and said.count("\n") == 1
    said = command("reeltrace", "verify", "--key", "nowhere.pub", code=2).stderr
    assert said.startswith("reeltrace: --key: nowhere.pub: No such file or directory; expected the key.pub")


def test_a_report_whose_files_were_edited_is_not_called_current(workspace: Path) -> None:
    task = load_plan(workspace)["report/all"]
    folder = workspace / task.folder
    for name in ("report.html", "report.json", "receipt.json"):
        write_json(folder / name, {})
    write_json(folder / "spec.json", spec_json(task.spec))
    write_json(folder / "manifest.json", make_manifest(folder, task.stage, task.key, "", {}))
    graph, current = load_plan(workspace), {task.name: Standing("current", "")}
    assert altered(graph, current, task.name) == current
    (folder / "report.html").write_text("[]\n")
    found = altered(graph, current, task.name)[task.name]
    assert (found.state, found.reason.split(": ")[0]) == ("stale", "report.html")
    (folder / "manifest.json").write_text("{")
    assert altered(graph, current, task.name)[task.name].state == "stale"


def test_status_says_what_is_current_stale_and_missing(workspace: Path, command: Command) -> None:
    def states() -> dict[str, str]:
        answer = json.loads(command("reeltrace", "status", "--json").stdout)
        return {name: entry["state"] for name, entry in answer["artifacts"].items()}

    assert set(states().values()) == {"missing"}
    run("data", "digits", workspace)
    run("data", "drifting-digits", workspace)
    assert states()["data/drifting-digits"] == "current"
    text = (workspace / EXPERIMENTS).read_text()
    (workspace / EXPERIMENTS).write_text(text.replace("seed: 2}", "seed: 3}"))
    found = json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"]
    assert found["data/digits"]["state"] == "current"
    assert found["data/drifting-digits"] == {"state": "stale", "reason": "its parameters changed"}
    (workspace / EXPERIMENTS).write_text(text)
    (workspace / "results/smoke/data/digits/images.npy").unlink()
    found = json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"]
    assert found["data/digits"]["state"] == "missing"
    assert found["data/drifting-digits"]["state"] == "stale"


def test_status_for_people_lists_each_table_once(command: Command) -> None:
    lines = command("reeltrace", "status").stdout.splitlines()
    assert lines[0] == "scale smoke"
    for number in "12345":
        assert sum(f"nobody2024-table{number} " in line for line in lines) == 1
    assert any("run: reeltrace sync" in line for line in lines)  # the smoke scale's dvc.yaml is not compiled yet


def test_sync_compiles_for_the_scale_in_force(workspace: Path, command: Command) -> None:
    """Without DVC's folder the compilation is done and the rest is explained."""
    done = command("reeltrace", "sync")
    assert "dvc.yaml was compiled anew" in done.stdout
    assert "results/smoke/" in (workspace / "dvc.yaml").read_text()
    assert "dvc.yaml was compiled" not in command("reeltrace", "sync").stdout


def test_sync_says_in_one_line_what_is_not_current(command: Command) -> None:
    done = command("reeltrace", "sync")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("left alone"))
    count = len(json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"])
    assert line.startswith(f"left alone: {count} artifacts not current: data/digits (not made yet), data/")
    assert line.endswith(f" and {count - 3} more; `reeltrace status --artifacts` names all")


def test_a_changed_transcription_is_named_and_not_the_code(workspace: Path, command: Command) -> None:
    def reason() -> str:
        found = json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"]
        return str(found["aggregate/nobody2024-a1"]["reason"])

    command("reeltrace", "run", "aggregate", "nobody2024-a1")
    assert reason() == ""
    path = workspace / "documents/nobody2024/published.yaml"
    text = path.read_text()
    path.write_text(f"{text}# seen again\n")
    assert reason() == "documents/nobody2024/published.yaml changed"
    path.write_text(text)
    assert reason() == ""
    edit(workspace / "src/reeltrace/analysis/tables.py", "SCHEMA = 1", "SCHEMA = 2")
    assert reason() == "its source files changed"


def test_explain_says_during_a_run_what_is_there_and_what_is_being_made(workspace: Path, command: Command) -> None:
    run("data", "digits", workspace)
    behind = "results/smoke/aggregate/nobody2024-table3: not made yet; 1 of the 4 artifacts behind it are current"
    cell = "nobody2024/3/plain/original"
    said = command("reeltrace", "explain", cell, code=2).stderr
    assert said == f"reeltrace: {behind}; make it: snakemake --cores all nobody2024-table3\n"
    (workspace / "results/smoke/data").mkdir(parents=True, exist_ok=True)
    with FileLock(workspace / "results/smoke/data/.drifting-digits.lock"):
        said = command("reeltrace", "explain", cell, code=2).stderr
    assert said == f"reeltrace: {behind}; being made now: data/drifting-digits\n"


def test_where_without_a_report_is_exit_1(command: Command) -> None:
    assert "run: snakemake --cores all" in command("reeltrace", "status", "--where", code=1).stderr


def test_a_missing_file_of_the_users_leaves_status_and_verify_standing(workspace: Path, command: Command) -> None:
    """A fabricated artifact suffices: its state is judged by spec, code and given files."""
    edit(workspace / EXPERIMENTS, "checkpoint: null #", "checkpoint: weights/w.pt #")
    weights = workspace / "weights" / "w.pt"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    task = load_plan(workspace)["measure/nobody2024-pictures"]
    folder = workspace / task.folder
    write_json(folder / "spec.json", spec_json(task.spec))
    write_json(folder / "metrics.json", {"figures": []})
    write_json(folder / "receipt.json", {})
    (folder / "pictures").mkdir()
    write_json(folder / "manifest.json", make_manifest(folder, task.stage, task.key, code_sha256(task, workspace), {}))

    def standing() -> dict[str, str]:
        found: dict[str, str] = json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"][task.name]
        return found

    assert standing()["state"] == "current"
    weights.write_bytes(b"other weights")
    assert standing() == {"state": "stale", "reason": "its source files changed"}
    weights.unlink()
    said = (
        "weights/w.pt: missing; measure/nobody2024-pictures needs it. Put it there, or correct "
        "documents/nobody2024/experiments.yaml: measurements.nobody2024-pictures.checkpoint"
    )
    assert standing() == {"state": "stale", "reason": said}
    assert f"{task.folder}: {said}" in command("reeltrace", "verify", code=1).stdout
    assert command("reeltrace", "run", "measure", task.key, code=2).stderr == f"reeltrace: {said}\n"
    told = command("snakemake", "-n", code=1)
    assert said in told.stdout + told.stderr


def test_a_file_that_cannot_be_written_is_named(workspace: Path) -> None:
    """A limit of file sizes: the error of writing itself names no file."""
    done = run_in(workspace, "bash", "-c", "ulimit -f 8; exec reeltrace run data digits", code=2)
    assert re.fullmatch(
        r"reeltrace: \S*results/smoke/data/\S+: cannot (be written|write here) \(File too large\).*\n", done.stderr
    ), done.stderr


@pytest.mark.parametrize("content", ["[" * 5000, '{"a": ' * 5000])
def test_a_deeply_nested_manifest_is_said_in_one_line(workspace: Path, command: Command, content: str) -> None:
    folder = run("data", "digits", workspace)
    (folder / "manifest.json").write_text(content)
    found = json.loads(command("reeltrace", "status", "--json").stdout)["artifacts"]
    assert found["data/digits"] == {"state": "stale", "reason": "its manifest cannot be read"}
    for arguments in (["verify"], ["run", "data", "drifting-digits"]):
        done = command("reeltrace", *arguments, code=1)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        assert "data/digits/manifest.json" in said and "nested deeper than 100 levels" in said


def test_deeply_nested_params_are_one_line(workspace: Path, command: Command) -> None:
    with (workspace / "params.yaml").open("a") as file:
        file.write("deep: " + "[" * 100_000)
    done = command("reeltrace", "status", code=2)
    assert re.fullmatch(r"reeltrace: params\.yaml: line \d+, column \d+: not valid YAML \(nested.*\)\n", done.stderr)


def test_a_pipe_in_place_of_params_is_refused(workspace: Path, command: Command) -> None:
    (workspace / "params.yaml").unlink()
    os.mkfifo(workspace / "params.yaml")
    done = command("reeltrace", "status", code=2, timeout=60)
    assert done.stderr == "reeltrace: params.yaml: not a file; correct that and run the same command again\n"


def test_what_is_said_is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    _complain("first\n\n  \x1b[31msecond\x1b[0m third\x07 \udcff")
    assert capsys.readouterr().err == "reeltrace: first second third? ?\n"
