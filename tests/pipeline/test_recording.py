"""What has been made and checked is a success; recording it with DVC waits, is skipped in one line, and is made up for.

All of it on the artifact data/digits, through the real Snakemake and the real DVC, in real processes.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from conftest import Command, edit, environment, git, lock_of_others, run_in
from invented import make_workspace
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import sha256_json
from reeltrace.pipeline import workflow_run
from reeltrace.pipeline.plan import code_sha256, load_plan
from reeltrace.pipeline.standings import MISMATCH, looks_current, standings, unrecorded
from reeltrace.registry.reading import spec_json

pytestmark = pytest.mark.slow
FOLDER = "results/smoke/data/digits"
DIGITS = f"{FOLDER}/manifest.json"
STAGE = "data-digits"
SKIPPED = "made and checked, but not recorded with DVC: "
NOTHING = "Nothing to be done"
POWERLESS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository in which Snakemake has made data/digits, before anything is recorded with DVC."""
    folder = make_workspace(tmp_path_factory.mktemp("recording") / "project")
    git(folder, "init", "-q")
    run_in(folder, "reeltrace", "sync")  # compiles dvc.yaml
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    run_in(folder, "snakemake", "--cores", "1", "--no-hooks", DIGITS)
    assert not (folder / "dvc.lock").exists()
    return folder


@pytest.fixture
def made(original: Path, tmp_path: Path) -> Path:
    """A copy of it, with times and Snakemake's metadata."""
    return Path(shutil.copytree(original, tmp_path / "project", symlinks=True))


def snakemake(folder: Path, *arguments: str, code: int = 0) -> str:
    done = run_in(folder, "snakemake", "--cores", "1", *arguments, DIGITS, code=code)
    return done.stdout + done.stderr


def sync(folder: Path, *arguments: str, code: int = 0) -> str:
    done = run_in(folder, "reeltrace", "sync", *arguments, code=code)
    return done.stdout + done.stderr


def is_recorded(folder: Path) -> bool:
    return run_in(folder, "dvc", "status", "--json", STAGE).stdout.strip() == "{}"


def line_with(text: str, output: str) -> str:
    (line,) = (line for line in output.splitlines() if text in line)
    return line


@contextmanager
def process(folder: Path, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A process of a workspace that has printed its first line."""
    running = subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert running.stdout is not None and running.stdout.readline()
        yield running
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


HOLDER = """
import sys, time
from dvc.repo import Repo
with Repo().lock:
    print("locked", flush=True)
    time.sleep(float(sys.argv[1]))
"""


def holder(folder: Path, seconds: float) -> "contextmanager[subprocess.Popen[str]]":
    return process(folder, sys.executable, "-c", HOLDER, str(seconds))


# --- Snakemake makes up for what was not recorded ---


def test_a_run_with_nothing_to_do_records_what_an_earlier_one_could_not(made: Path) -> None:
    output = snakemake(made)
    assert NOTHING in output
    assert "recorded 1 artifacts with DVC" in output
    assert is_recorded(made)
    lock = (made / "dvc.lock").stat().st_mtime_ns
    assert "recorded" not in snakemake(made)  # once is enough
    assert (made / "dvc.lock").stat().st_mtime_ns == lock


@pytest.mark.parametrize("arguments", [["-n"], ["--touch"], ["--no-hooks"]])
def test_a_run_that_is_none_records_nothing(made: Path, arguments: list[str]) -> None:
    snakemake(made, *arguments)
    assert not (made / "dvc.lock").exists()


def test_a_failed_run_records_what_it_finished(made: Path) -> None:
    shutil.rmtree(made / FOLDER)
    (made / "results/smoke/data/.spinning-digits.work").touch()  # where the next job wants its folder
    run_in(made, "snakemake", "--cores", "1", "results/smoke/data/spinning-digits/manifest.json", code=1)
    assert is_recorded(made)


def test_of_a_job_that_runs_one_line_is_said_and_of_one_that_fails_its_log_too(made: Path) -> None:
    shutil.rmtree(made / FOLDER)
    log, code = "results/smoke/logs/data-digits.log", "src/reeltrace/data/images_stage.py"
    planned = snakemake(made, "-n")  # what a job would read, and why it would run
    assert code in planned and "reason: " in planned
    output = snakemake(made, "--no-hooks")
    assert "    input: " in output  # without hooks as Snakemake has it
    shutil.rmtree(made / FOLDER)
    output = snakemake(made)
    assert re.fullmatch(rf"Job \d+: data digits \(log: {log}\)", line_with("Job 0", output))
    assert code not in output and "1 of 1 steps (100%) done" in output
    shutil.rmtree(made / FOLDER)
    (made / "results/smoke/data/.digits.work").touch()  # where the job wants its folder
    output = snakemake(made, code=1)
    assert f"    log: {log} (check" in output
    assert (made / log).read_text().splitlines()[-1] in output


def test_an_altered_artifact_is_never_recorded_and_fails_a_run_with_work(made: Path) -> None:
    for key in ("spinning-digits", "drifting-digits"):  # the first whole, then altered while the second is made
        output = snakemake(made, f"results/smoke/data/{key}/manifest.json", code=int(key == "drifting-digits"))
        path = made / "results/smoke/data/spinning-digits/index.csv"
        path.write_bytes(path.read_bytes()[::-1])
        lock = (made / "dvc.lock").read_bytes()
    assert "1 of 1 steps (100%) done" in output
    assert "reeltrace: tampered artifact: results/smoke/data/spinning-digits/index.csv" in output
    assert "Traceback" not in output
    assert (made / "dvc.lock").read_bytes() == lock
    path.write_bytes(b"")
    assert "tampered artifact: " in sync(made, code=1)
    assert "tampered artifact: " in sync(made, "--later", code=MISMATCH)
    assert "tampered artifact: " in snakemake(made)  # nothing to do, and nothing is recorded
    assert "drifting-digits:" not in (made / "dvc.lock").read_text()


# --- another process at work ---


def test_sync_waits_for_a_process_that_holds_dvcs_lock(made: Path) -> None:
    with holder(made, 5):
        assert "recorded 1 artifacts" in sync(made)


def test_a_lock_that_is_kept_costs_one_line_and_the_next_run_records(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REELTRACE_WAIT", "0")
    shutil.rmtree(made / FOLDER)
    with holder(made, 600) as other:
        output = snakemake(made)  # exit 0: the work is done
        assert f"{SKIPPED}process {other.pid} holds DVC's lock; the next call of snakemake" in output
        assert "not recorded with DVC" in line_with("reeltrace: ", sync(made, code=1))
    assert NOTHING in snakemake(made)
    assert is_recorded(made)


def test_dvc_repro_at_work_is_not_disturbed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`dvc repro` gives up after three seconds when somebody keeps its lock; so nothing is recorded beside it."""
    monkeypatch.setenv("REELTRACE_WAIT", "0")
    sync(made, "--wait", "0")
    (made / "dvc.lock").unlink()
    with (
        FileLock(made / "results/smoke/data/.drifting-digits.lock"),  # keeps its leaf waiting
        process(made, "dvc", "repro", "-s", "data-drifting-digits") as repro,
    ):
        assert repro.stdout is not None
        while "waiting: another process" not in (line := repro.stdout.readline()):
            assert line, "dvc repro ended"
        output = sync(made, "--later")
        assert SKIPPED in output
        assert f"dvc repro -s data-drifting-digits` (process {repro.pid}) is at work" in output
    snakemake(made)
    assert is_recorded(made)


# --- where recording is not possible, or only in another way ---


def test_a_tree_without_git_is_recorded_and_says_how_dvc_works_there(made: Path) -> None:
    shutil.rmtree(made / ".git")
    shutil.rmtree(made / FOLDER)
    output = snakemake(made)
    assert "recorded 1 artifacts with DVC" in output
    advice = line_with("no git repository here", output).partition("commands: ")[2]
    run_in(made, *advice.split())
    assert is_recorded(made)


def test_results_behind_a_link_are_recorded(made: Path, tmp_path: Path) -> None:
    (made / "results").rename(tmp_path / "scratch")
    (made / "results").symlink_to(tmp_path / "scratch")
    shutil.rmtree(made / FOLDER)
    assert "recorded 1 artifacts with DVC" in snakemake(made)
    assert is_recorded(made)
    assert NOTHING in snakemake(made, "-n")
    status = subprocess.run(["git", "status", "--porcelain"], cwd=made, capture_output=True, text=True, check=True)
    assert "results" not in status.stdout


def test_dvc_repro_refuses_results_behind_a_link_before_it_works(made: Path, tmp_path: Path) -> None:
    """DVC itself would find out after the work that git cannot look behind a link."""
    (made / "results").rename(tmp_path / "scratch")
    (made / "results").symlink_to(tmp_path / "scratch")
    shutil.rmtree(made / FOLDER)
    done = run_in(made, "dvc", "repro", "-s", STAGE, code=None)
    assert done.returncode != 0
    advice = line_with("reeltrace: results: a link", done.stderr).partition("run: ")[2]
    assert not (made / DIGITS).exists()
    run_in(made, *advice.split())
    run_in(made, "dvc", "repro", "-s", STAGE)
    assert is_recorded(made)


def test_without_dvcs_folder_recording_is_skipped_in_one_line(made: Path) -> None:
    shutil.rmtree(made / ".dvc")
    assert f"{SKIPPED}no .dvc folder here; run `dvc init`" in line_with("reeltrace: ", sync(made))
    run_in(made, "dvc", "init")
    assert "recorded 1 artifacts" in sync(made)


def test_a_checkout_that_cannot_be_written_is_skipped_in_one_line(made: Path, tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs mounts of its own (unshare)")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name in ("results", ".snakemake"):
        (made / name).rename(scratch / name)
        (made / name).symlink_to(scratch / name)
    shutil.rmtree(made / FOLDER)
    script = 'mount --bind . . && mount -o remount,bind,ro . && cd "$PWD" && snakemake --cores 1 "$1"'
    done = run_in(made, "unshare", "-rm", "bash", "-c", script, "bash", DIGITS)
    assert "1 of 1 steps (100%) done" in done.stderr
    assert f"{SKIPPED}dvc.lock: this folder cannot be written" in line_with("reeltrace: ", done.stdout + done.stderr)
    assert (scratch / "results/smoke/data/digits/manifest.json").is_file()
    assert "recorded 1" in snakemake(made)


# --- DVC's files are whole, or mended ---


def other_lock(folder: Path, cut: int = 0) -> bytes:
    """A large dvc.lock of other stages, or what a writer leaves who is killed `cut` bytes before its end."""
    data = lock_of_others().encode()
    data = data[: len(data) - cut]
    (folder / "dvc.lock").write_bytes(data)
    return data


def test_a_torn_dvc_lock_is_mended_by_a_run_with_nothing_to_do(made: Path) -> None:
    data = other_lock(made, 10_003)
    output = snakemake(made)
    assert NOTHING in output
    whole = data.count(b"\n    cmd: ") - 1
    assert f"dvc.lock was torn; {whole} whole entries were kept" in output
    assert (made / ".dvc/tmp/dvc.lock.torn").read_bytes() == data
    assert is_recorded(made)
    assert (made / "dvc.lock").read_bytes().startswith(data[: data.rindex(b"\n  other-") + 1])


def test_marks_of_a_merge_are_left_to_the_user(made: Path) -> None:
    text = "<<<<<<< HEAD\n" + lock_of_others()
    (made / "dvc.lock").write_text(text)
    assert "dvc.lock: holds the marks of a merge" in line_with("reeltrace: ", sync(made, code=1))
    assert (made / "dvc.lock").read_text() == text


def test_a_full_disk_while_dvc_lock_is_written_leaves_it_whole(made: Path) -> None:
    """The limit on a file's size stands for the disk: dvc.lock is the only file here beyond it."""
    sync(made)  # now DVC knows the hashes of all files, and its own database grows no more
    data = other_lock(made)
    command = "ulimit -f 600; exec reeltrace sync"
    done = run_in(made, "bash", "-c", command, code=1)
    assert "File too large" in line_with("reeltrace: not recorded with DVC", done.stderr)
    assert len(done.stderr.splitlines()) == 1
    assert (made / "dvc.lock").read_bytes() == data
    assert not list(made.glob(".dvc.lock*"))
    assert "recorded 1" in sync(made)
    assert is_recorded(made)


def test_a_kill_while_dvc_lock_is_written_leaves_it_whole(made: Path) -> None:
    data = other_lock(made)
    command = [sys.executable, "-m", "reeltrace.pipeline.dvc_commit", STAGE]
    running = subprocess.Popen(command, cwd=made, env=environment(made), stdout=subprocess.DEVNULL)
    try:
        while not list(made.glob(".dvc.lock*.tmp")):
            assert running.poll() is None, "it ended before it was caught writing"
            time.sleep(0.0005)
        running.send_signal(signal.SIGSTOP)
        written = sum(path.stat().st_size for path in made.glob(".dvc.lock*.tmp"))
    finally:
        running.kill()
        running.wait()
    assert written <= len(data)
    assert (made / "dvc.lock").read_bytes() == data
    assert "recorded 1" in sync(made)
    assert is_recorded(made)


# --- a killed Snakemake ---


@contextmanager
def working(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A Snakemake whose job waits at the lock of its leaf."""
    shutil.rmtree(folder / FOLDER)
    log = folder / "results/smoke/logs/data-digits.log"
    log.unlink()
    with (
        FileLock(folder / "results/smoke/data/.digits.lock"),
        process(folder, "snakemake", "--cores", "1", DIGITS) as running,
    ):
        deadline = time.monotonic() + 60
        while not log.is_file() or "waiting: another process" not in log.read_text():
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        assert list((folder / ".snakemake/locks").iterdir())
        yield running


def test_a_snakemake_killed_outright_needs_no_unlock(made: Path) -> None:
    """Its leaf lives on for a while; the next run waits for it and takes what it makes."""
    kept = "results/smoke/logs/data-digits.log.1"
    with ThreadPoolExecutor() as pool:
        with working(made) as running:
            running.send_signal(signal.SIGKILL)
            running.wait()
            following = pool.submit(snakemake, made)
            deadline = time.monotonic() + 60
            # The leaf may only go on when that one has seen its work undone, and begun a job of its own.
            while not all((made / log).is_file() for log in (kept, Path(kept).with_suffix(""))):
                assert not following.done() and time.monotonic() < deadline
                time.sleep(0.05)
        output = following.result()
    assert f", {kept} put aside" in line_with("put aside", output)
    assert "waiting: another process" in (made / kept).read_text()
    assert len(list((made / kept).parent.iterdir())) == 2
    assert "no other run is alive, so the lock was removed" in line_with("reeltrace: ", output)
    assert "1 of 1 steps (100%) done" in output
    assert is_recorded(made)


def test_a_change_that_is_dated_before_the_artifact_is_seen(made: Path) -> None:
    """As of a file that was put back with the time that it had."""
    source = made / "src/reeltrace/data/digits.py"
    before = source.stat().st_mtime_ns
    text = source.read_text()
    for changed in (text + "# changed\n", text):
        source.write_text(changed)
        os.utime(source, ns=(before, before))
        assert "1 of 1 steps (100%) done" in snakemake(made)
        assert NOTHING in snakemake(made)
    assert is_recorded(made)


def test_the_lock_of_a_live_run_is_kept(made: Path) -> None:
    with working(made) as running:
        output = snakemake(made, code=1)
        assert f"Directory cannot be locked: process {running.pid}, another run of" in line_with("locked", output)
        assert f"wait until it ends, or end it: kill {running.pid}" in output
        assert "unlock" not in output and "reeltrace: " not in output
        assert NOTHING not in snakemake(made, "-n")  # a look is no reason to take it either
        assert list((made / ".snakemake/locks").iterdir())


def test_a_run_on_another_machine_may_be_alive(made: Path) -> None:
    with working(made) as running:
        running.send_signal(signal.SIGKILL)
        running.wait()
        (boot,) = (made / ".snakemake/reeltrace-runs").iterdir()
        elsewhere = boot.with_name("another-boot")
        elsewhere.write_text("node17\n4711\n")
        output = snakemake(
            made, code=1
        )  # while its leaf has work: Snakemake asks for no lock when nothing is to be done
    assert "a run on node17 may be alive; if it is not: snakemake --unlock" in line_with("reeltrace: ", output)
    elsewhere.write_text("")  # as a run leaves it at its end
    snakemake(made)


def test_a_leaf_takes_what_another_made_meanwhile(made: Path) -> None:
    receipt = (made / FOLDER / "receipt.json").read_bytes()
    for altered in (False, True):
        with FileLock(made / "results/smoke/data/.digits.lock"):
            running = subprocess.Popen(
                ["reeltrace", "run", "data", "digits"],
                cwd=made,
                env=environment(made),
                stderr=subprocess.PIPE,
                text=True,
            )
            assert running.stderr is not None
            assert running.stderr.readline() == "waiting: another process is working on data/digits\n"
            if altered:
                (made / FOLDER / "labels.npy").unlink()
        running.communicate(timeout=60)
        assert running.returncode == 0
        assert ((made / FOLDER / "receipt.json").read_bytes() == receipt) is not altered
    assert (made / FOLDER / "labels.npy").is_file()


# --- times ---


def test_times_without_content_make_nothing_run_again(made: Path) -> None:
    """As in a clone with pulled results: Snakemake knows nothing of them, and its sources are newer."""
    shutil.rmtree(made / ".snakemake")
    plan = load_plan(made)
    for path in plan["data/digits"].sources:
        (made / path).touch()
    assert NOTHING in snakemake(made, "-n")
    assert looks_current(plan, plan["data/digits"])
    shutil.rmtree(made / ".snakemake")
    source = made / "src/reeltrace/data/digits.py"
    source.write_text(source.read_text() + "\n# changed\n")
    assert "1 of 1" not in snakemake(made, "-n") and NOTHING not in snakemake(made, "-n")


def test_what_is_recorded_is_known_from_small_files(made: Path) -> None:
    plan = load_plan(made)
    assert unrecorded(plan, standings(plan)) == ["data/digits"]
    assert "1 current artifacts are not recorded with DVC" in run_in(made, "reeltrace", "status").stdout
    sync(made)
    assert unrecorded(plan, standings(plan)) == []
    assert "recorded" not in run_in(made, "reeltrace", "status").stdout
    receipt = made / FOLDER / "receipt.json"
    receipt.write_text(receipt.read_text() + " ")
    assert unrecorded(plan, standings(plan)) == ["data/digits"]


def hours_ahead(*paths: Path) -> None:
    later = time.time() + 7200
    for path in paths:
        os.utime(path, (later, later))


def test_a_source_that_is_dated_in_the_future_fails_no_job(made: Path) -> None:
    """As by another machine's clock. Snakemake would remove what was made of it. Somebody else's file is refused."""
    shutil.rmtree(made / FOLDER)
    source = "src/reeltrace/data/digits.py"
    hours_ahead(made / source)
    output = snakemake(made)
    assert f"reeltrace: {source}: dated in the future; set to now" in output
    assert "1 of 1 steps (100%) done" in output
    assert NOTHING in snakemake(made, "-n")
    hours_ahead(made / source)
    module = made / "src/reeltrace/pipeline/standings.py"  # a system's refusal stands for another owner's file
    edit(module, "os.utime(graph.root / path, ns=(now, now))", "raise PermissionError")
    assert f"owner run: touch {source}" in line_with("dated in the future", snakemake(made, "-n", code=1))


def test_an_edit_is_seen_though_the_artifact_is_dated_in_the_future(made: Path) -> None:
    source = made / "src/reeltrace/data/digits.py"
    hours_ahead(source, made / DIGITS)
    assert NOTHING in snakemake(made, "-n")
    assert (made / DIGITS).stat().st_mtime < time.time() + 10
    hours_ahead(made / DIGITS)
    source.write_text(source.read_text() + "\n# changed\n")
    assert "reeltrace run data digits " in snakemake(made, "-n", "-p")


# --- what the system refuses ---


def test_what_was_made_while_the_disk_filled_is_not_made_again(made: Path) -> None:
    """Snakemake then cannot take back its mark of an unfinished job, and leaves half a record."""
    (name,) = (made / ".snakemake/metadata").iterdir()
    mark = made / ".snakemake/incomplete" / name.name
    mark.parent.mkdir(exist_ok=True)
    for whole in (True, False):
        name.write_text("")
        mark.write_text("{}")
        if not whole:
            (made / FOLDER / "labels.npy").write_bytes(b"")
        output = snakemake(made, "-n")
        assert (NOTHING in output) is whole
        assert mark.exists() is not whole
        assert "Ignore corrupted" not in output


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_full_disk_before_a_run_is_one_line(made: Path) -> None:
    script = (
        "mount -t tmpfs -o size=64k tmpfs .snakemake && head -c 65536 /dev/zero >.snakemake/filler 2>/dev/null; "
        'snakemake --cores 1 "$1"'
    )
    done = run_in(made, "unshare", "-m", "sh", "-c", script, "sh", DIGITS, code=1)
    assert ".snakemake: the disk is full" in line_with("the disk is full", done.stderr)
    assert "Traceback" not in done.stderr and "Errno" not in done.stderr


@contextmanager
def unreadable(path: Path) -> Iterator[list[str]]:
    """A path without permissions, and what a command begins with so that they bind it."""
    if os.getuid() == 0 and subprocess.run([*POWERLESS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root, whose privileges setpriv cannot drop here")
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield POWERLESS if os.getuid() == 0 else []
    finally:
        path.chmod(mode)


def refused(folder: Path, words: str, *before: str, commands: tuple[str, ...] = ("status", "sync", "verify")) -> None:
    """What cannot be read is named in one line by all commands, and no Snakemake begins to work."""
    for command in commands:
        done = run_in(folder, *before, "reeltrace", command, code=None)
        assert words in line_with(words, done.stdout + done.stderr)
        assert "Errno" not in done.stderr and "Traceback" not in done.stderr
    done = run_in(folder, *before, "snakemake", "--cores", "1", DIGITS, code=1)
    assert words in line_with(words, done.stderr)
    assert "Errno" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "place", ["params.yaml", "documents/nobody2024", "reports/templates", "src/reeltrace/training/stage.py"]
)
def test_an_input_that_cannot_be_read_is_one_line(made: Path, place: str) -> None:
    with unreadable(made / place) as before:
        commands = ("sync",) if place.startswith("src") else ("status", "sync", "verify")
        refused(made, "Permission denied", *before, commands=commands)


def test_a_manifest_that_cannot_be_read_is_named_with_what_to_do(made: Path) -> None:
    with unreadable(made / DIGITS) as before:
        refused(made, f"{DIGITS}: cannot be read (Permission denied)", *before, commands=("verify",))
    (made / DIGITS).unlink()
    (made / DIGITS).mkdir()
    refused(made, f"remove {FOLDER} to have it made again", commands=("sync",))
    shutil.rmtree(made / FOLDER)
    snakemake(made)


def test_what_is_no_manifest_is_made_again(made: Path) -> None:
    (made / DIGITS).write_text("{}")
    output = snakemake(made)
    assert f"{FOLDER}: its manifest is none; it has to be made again" in line_with("reeltrace: ", output)
    assert "1 of 1 steps (100%) done" in output


def test_a_dvc_lock_that_cannot_be_read_is_one_line_after_the_work(made: Path) -> None:
    sync(made)
    with unreadable(made / "dvc.lock") as before:
        done = run_in(made, *before, "snakemake", "--cores", "1", DIGITS)
    assert "dvc.lock: Permission denied" in line_with("reeltrace: not recorded with DVC", done.stderr)
    assert "Traceback" not in done.stderr


def test_results_that_can_lie_nowhere_are_one_line(made: Path, tmp_path: Path) -> None:
    shutil.rmtree(made / "results/smoke/logs")
    (made / "results/smoke/logs").touch()
    refused(made, "results/smoke/logs: not a folder")
    shutil.rmtree(made / "results")
    (made / "results").symlink_to(tmp_path / "nowhere")
    refused(made, f"results: a link to {tmp_path / 'nowhere'}, which is not there")


# --- everything means everything ---


def test_a_deleted_intermediate_is_made_again(made: Path) -> None:
    """Whatever is missing, though the report is there. Manifests say what is current; other files may be empty."""
    plan = load_plan(made)
    for task in plan:
        for path in task.files:
            (made / path).parent.mkdir(parents=True, exist_ok=True)
            if path.name in ("shards", "splits", "videos"):
                (made / path).mkdir(exist_ok=True)
            (made / path).touch()
    frames = made / plan["frames/hmdb51"].folder
    for shard in ("0", "1"):
        (frames / "shards" / shard).touch()
    for task in plan:
        manifest = {
            "spec": {"sha256": sha256_json(spec_json(task.spec))},
            "code": {"sha256": code_sha256(task, made)},
            "inputs": {name: {"sha256": sha256_file(made / plan[name].manifest)} for name in task.inputs},
            "outputs": {"shards/": {"files": 2}} if task.name == "frames/hmdb51" else {},
        }
        (made / task.manifest).write_text(json.dumps(manifest))
    assert {standing.state for standing in standings(plan).values()} == {"current"}
    assert NOTHING in run_in(made, "snakemake", "-n").stdout
    shutil.rmtree(made / plan["train/drift-t2-s0"].folder)
    (made / "results/smoke/train/drift-deep-s0/metrics.json").unlink()
    (made / "results/smoke/measure/nobody2024-structure/receipt.json").unlink()
    (frames / "shards/1").unlink()
    planned = run_in(made, "snakemake", "-n", "-p")
    for name in ("train drift-t2-s0", "train drift-deep-s0", "measure nobody2024-structure", "frames hmdb51"):
        assert f"reeltrace run {name} " in planned.stdout
    assert "reeltrace run train drift-plain-s0 " not in planned.stdout
    assert "frames/hmdb51: shards/ has 1 of its 2 files; " in line_with("hmdb51", planned.stderr)
    of_one_table = run_in(made, "snakemake", "-n", "-p", "nobody2024-table3").stdout
    assert "reeltrace run train drift-deep-s0 " in of_one_table
    assert "reeltrace run train drift-t2-s0 " not in of_one_table


@pytest.mark.parametrize("name", ["labels.npy", "receipt.json"])
def test_a_file_that_is_gone_is_named_and_made_again_unless_it_comes_back(made: Path, name: str) -> None:
    path = made / FOLDER / name
    data = path.read_bytes()
    path.unlink()
    output = snakemake(made, "-n", "-p")
    assert f"reeltrace: {FOLDER}: {name} is not there; it has to be made again" in output.splitlines()
    assert "reeltrace run data digits " in output
    (line,) = re.findall("^ *data/digits .*$", run_in(made, "reeltrace", "status", "--artifacts").stdout, re.MULTILINE)
    assert line.split(maxsplit=2)[1:] == ["missing", f"{name} is not there"]
    path.write_bytes(data)
    assert NOTHING in snakemake(made, "-n")
    path.unlink()
    assert "1 of 1 steps (100%) done" in snakemake(made)
    assert path.is_file()
    assert NOTHING in snakemake(made, "-n")


def test_json_says_what_was_not_recorded(made: Path) -> None:
    with holder(made, 600):
        done = run_in(made, "reeltrace", "sync", "--json", "--wait", "0", code=1)
    answer = json.loads(done.stdout)
    assert answer["recorded"] == []
    assert re.fullmatch(r"process \d+ holds DVC's lock", answer["reason"])
    assert answer["possible"] is True


@pytest.mark.parametrize(("code", "success"), [(0, True), (MISMATCH, False), (1, True), (2, True), (-9, True)])
def test_only_an_artifact_that_does_not_match_fails_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, success: bool
) -> None:
    """A recording that crashes, or is killed, comes after the work, and takes nothing from it.

    Nor from who made it and when, which is attested unless something does not match.
    """
    attested: list[bool] = []
    monkeypatch.setattr(workflow_run, "_sync", lambda *_: code)
    monkeypatch.setattr(workflow_run.WorkflowRun, "_attest", lambda *_: attested.append(True))
    run = workflow_run.WorkflowRun.__new__(workflow_run.WorkflowRun)
    assert run.record() is success
    said = capsys.readouterr().err
    assert ("made, but not recorded with DVC" in said) is (code in (1, 2, -9))
    assert bool(attested) is success


def test_a_failed_run_says_that_the_disk_is_full_where_its_log_could_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = workflow_run.WorkflowRun.__new__(workflow_run.WorkflowRun)
    run.plan = SimpleNamespace(root=tmp_path)  # type: ignore[assignment]
    (tmp_path / "results").mkdir()
    run.explain_failure()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    run.explain_failure()
    said = capsys.readouterr().err
    assert (
        said == f"reeltrace: {tmp_path / 'results'}: the disk is full; free some space and run the same command again\n"
    )


def test_an_edit_made_by_dvc_and_undone_is_seen_by_snakemake(invented: Path, command: Command) -> None:
    """Snakemake remembers the checksum of the first spec, and would take the artifact of the second for its own."""
    manifest = "results/smoke/data/spinning-digits/manifest.json"
    snakemake(invented, manifest)
    first = (invented / manifest).read_bytes()
    params = invented / "documents/nobody2024/experiments.yaml"
    text = params.read_text()
    edit(params, "seed: 1\n", "seed: 5\n")
    command("reeltrace", "run", "data", "spinning-digits")
    second = (invented / manifest).read_bytes()
    params.write_text(text)
    snakemake(invented, manifest)
    assert second != first == (invented / manifest).read_bytes()
