"""The leaf: the artifact protocol around a stage, and what it does when something goes wrong."""

import errno
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from conftest import edit, environment, git
from invented import lay
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.protocol import check_outputs
from reeltrace.errors import CheckFailed, UserError
from reeltrace.pipeline.leaf import run

DIGITS, CLIPS = "results/smoke/data/digits", "results/smoke/data/drifting-digits"

EXPERIMENTS = "documents/nobody2024/experiments.yaml"


@pytest.fixture
def workspace(workspace: Path) -> Path:
    """With the invented documents."""
    return lay(workspace)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("text", ["[]", '{"spec": [1]}', "{}", "3"])
def test_an_input_whose_manifest_is_none_is_named_in_one_line(workspace: Path, text: str) -> None:
    run("data", "digits", workspace)
    (workspace / "results/smoke/data/digits/manifest.json").write_text(text)
    with pytest.raises(CheckFailed) as caught:
        run("data", "spinning-digits", workspace)
    assert str(caught.value).startswith(
        "results/smoke/data/digits/manifest.json: no manifest; data/spinning-digits needs"
    )


def test_an_artifact_is_complete_and_checks_out(workspace: Path) -> None:
    folder = run("data", "digits", workspace)
    assert folder == workspace / DIGITS
    assert names(folder) == ["about.json", "images.npy", "labels.npy", "manifest.json", "receipt.json", "spec.json"]
    assert check_outputs(folder) == []
    receipt = read_json(folder / "receipt.json")
    assert receipt["command"] == "reeltrace run data digits"
    assert receipt["packages"]["scikit-learn"]
    assert receipt["lock_sha256"] == sha256_file(workspace / "requirements.lock")


def test_the_commit_of_another_users_clone_is_recorded(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git refuses such a clone (in a container, say) unless it is told that the folder is trusted."""
    git(workspace, "init", "-q")
    git(workspace, "add", "-A")
    git(workspace, "commit", "-qm", "Start")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own
    refused = subprocess.run(["git", "-C", workspace, "log"], capture_output=True, text=True, check=False)
    assert "dubious ownership" in refused.stderr
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as in a hook of another repository
    found = read_json(run("data", "digits", workspace) / "receipt.json")["git"]
    assert len(found["commit"]) == 40
    assert found["dirty"] is False
    edit(workspace / "params.yaml", "\nscale: smoke", "\nscale:  smoke")
    assert read_json(run("data", "digits", workspace) / "receipt.json")["git"] == {**found, "dirty": True}


def test_a_receipt_says_why_it_has_no_commit(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Any:
        return read_json(run("data", "digits", workspace) / "receipt.json")["git"]

    assert found()["why"].startswith("not a git repository")
    around = workspace.parent  # a release archive that was unpacked in somebody's repository
    git(around, "init", "-q")
    (around / "theirs").write_text("x")
    git(around, "add", "theirs")
    git(around, "commit", "-qm", "Theirs")
    assert found() == {"commit": None, "dirty": None, "why": "the git repository here does not hold this project"}
    monkeypatch.setenv("PATH", "")
    assert found()["why"] == "git is not installed"


def test_same_spec_same_manifest(workspace: Path) -> None:
    run("data", "digits", workspace)
    first = (run("data", "drifting-digits", workspace) / "manifest.json").read_bytes()
    assert (run("data", "drifting-digits", workspace) / "manifest.json").read_bytes() == first


def test_the_spec_is_older_than_the_outputs(workspace: Path) -> None:
    folder = run("data", "digits", workspace)
    spec = (folder / "spec.json").stat().st_mtime_ns
    assert all(path.stat().st_mtime_ns > spec for path in folder.iterdir() if path.name != "spec.json")


def test_an_input_that_is_not_there_says_what_to_run(workspace: Path) -> None:
    with pytest.raises(UserError, match="first run: reeltrace run data digits"):
        run("data", "drifting-digits", workspace)
    assert not (workspace / CLIPS / "manifest.json").exists()


def test_a_stale_input_is_not_used(workspace: Path) -> None:
    run("data", "digits", workspace)
    run("data", "drifting-digits", workspace)
    text = (workspace / EXPERIMENTS).read_text()
    (workspace / EXPERIMENTS).write_text(text.replace("seed: 2}", "seed: 3}"))
    with pytest.raises(UserError, match=r"drifting-digits: stale.*first run: reeltrace run data drifting-digits"):
        run("train", "drift-plain-s0", workspace)


def test_an_altered_input_is_not_used(workspace: Path) -> None:
    folder = run("data", "digits", workspace)
    data = bytearray((folder / "images.npy").read_bytes())
    data[-1] ^= 1
    (folder / "images.npy").write_bytes(bytes(data))
    with pytest.raises(CheckFailed, match=r"tampered artifact: .*images\.npy"):
        run("data", "drifting-digits", workspace)


def test_two_pipelines_in_one_folder(workspace: Path) -> None:
    folder = workspace / "results/smoke/data"
    folder.mkdir(parents=True)
    with FileLock(folder / ".digits.lock"), pytest.raises(UserError, match="another process is working on data/digits"):
        run("data", "digits", workspace)
    assert run("data", "digits", workspace).is_dir()


def patched(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    """Let `function` make the pools and the moving digits."""
    from reeltrace.data import images_stage, moving_digits_stage

    for stage in (images_stage, moving_digits_stage):
        monkeypatch.setattr(stage, "run", function)


def test_a_spec_that_changes_meanwhile_is_not_blessed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.data.moving_digits_stage import run as real

    run("data", "digits", workspace)
    before = (run("data", "drifting-digits", workspace) / "manifest.json").read_bytes()

    def meddling(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        facts = real(spec, inputs, work)
        edit(workspace / EXPERIMENTS, "seed: 2}", "seed: 3}")
        return facts

    patched(monkeypatch, meddling)
    with pytest.raises(CheckFailed, match=r"data/drifting-digits: its parameters changed"):
        run("data", "drifting-digits", workspace)
    assert (workspace / CLIPS / "manifest.json").read_bytes() == before


def test_code_that_changes_meanwhile_is_not_blessed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.data.images_stage import run as real

    def meddling(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        path = workspace / "src/reeltrace/data/images_stage.py"
        path.write_text(path.read_text() + "\n# changed\n")
        return real(spec, inputs, work)

    patched(monkeypatch, meddling)
    with pytest.raises(CheckFailed, match="the code of data/digits changed while it ran"):
        run("data", "digits", workspace)
    assert not (workspace / DIGITS / "manifest.json").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_old_artifact(workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = (run("data", "digits", workspace) / "manifest.json").read_bytes()

    def full(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        raise OSError(number, "No space left on device", str(work / "images.npy"))

    patched(monkeypatch, full)
    with pytest.raises(UserError, match=r"images\.npy: the disk is full") as caught:
        run("data", "digits", workspace)
    assert "\n" not in str(caught.value)
    assert (workspace / DIGITS / "manifest.json").read_bytes() == before


def test_an_artifact_left_aside_between_two_renames_is_put_back(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run("data", "digits", workspace)
    manifest = (folder / "manifest.json").read_bytes()
    folder.rename(folder.with_name(".digits.123.old"))

    def failing(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        raise UserError("no data today")

    patched(monkeypatch, failing)
    with pytest.raises(UserError, match="no data today"):
        run("data", "digits", workspace)
    assert (folder / "manifest.json").read_bytes() == manifest
    assert not list(folder.parent.glob(".digits.*.old"))


def test_a_stage_that_writes_other_files_than_declared_is_refused(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(monkeypatch, lambda spec, inputs, work: (work / "other").write_text("x") and {})
    with pytest.raises(CheckFailed, match=r"wrote \['other'\], expected"):
        run("data", "digits", workspace)


def test_files_of_other_work_are_not_taken_over(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run of another spec left behind does not enter this run's artifact."""
    leftover = workspace / "results/smoke/data/.digits.work"
    leftover.mkdir(parents=True)
    (leftover / "stray.json").write_text("{}")
    assert "stray.json" not in names(run("data", "digits", workspace))


def test_work_on_another_input_is_not_taken_over(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same spec, same code, but the dataset was made anew and came out different while the run lay half done."""
    from reeltrace.data import moving_digits_stage as stage

    class Killed(BaseException):
        """Leaves the work folder as a kill would."""

    def killed(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        (work / "scratch").mkdir()
        (work / "scratch/half").write_text("half")
        raise Killed

    def seen(spec: Any, inputs: dict[str, Path], work: Path) -> dict[str, Any]:
        found.append((work / "scratch/half").exists())
        raise Killed

    found: list[bool] = []
    digits = run("data", "digits", workspace)
    for function, changed in ((killed, False), (seen, False), (killed, True), (seen, True)):
        if function is killed:
            shutil.rmtree(workspace / "results/smoke/data/.drifting-digits.work", ignore_errors=True)
        elif changed:
            manifest = read_json(digits / "manifest.json")
            manifest["code"]["sha256"] = "0" * 64
            write_json(digits / "manifest.json", manifest)
        monkeypatch.setattr(stage, "run", function)
        with pytest.raises(Killed):
            run("data", "drifting-digits", workspace)
    assert found == [True, False]


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["start", "epoch"])
def test_a_killed_training_leaves_nothing_finished_and_resumes(workspace: Path, moment: str) -> None:
    """SIGKILL before or after the first epoch: no folder that looks finished; the next run gives the same manifest."""
    edit(workspace / "documents/nobody2024/smoke.yaml", "drift: {epochs: 2", "drift: {epochs: 12")
    for stage, key in (("data", "digits"), ("data", "drifting-digits")):
        run(stage, key, workspace)
    command = ["reeltrace", "run", "train", "drift-plain-s0"]

    def leaf() -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, cwd=workspace, env=environment(workspace), stderr=subprocess.PIPE)

    train = workspace / "results/smoke/train"
    process = leaf()
    work = train / ".drift-plain-s0.work"
    sign = work / "spec.json" if moment == "start" else work / "scratch"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (sign.is_file() or (sign.is_dir() and any(sign.glob("*.pt")))):
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (train / "drift-plain-s0" / "manifest.json").exists()
    assert leaf().wait() == 0
    resumed = train / "drift-plain-s0"
    assert (read_json(resumed / "receipt.json")["facts"]["resumed_after_epoch"] is not None) == (moment == "epoch")
    manifest = (resumed / "manifest.json").read_bytes()
    resumed.rename(workspace / "resumed")
    assert leaf().wait() == 0
    assert (resumed / "manifest.json").read_bytes() == manifest
