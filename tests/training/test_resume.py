"""A killed run goes on to the same bytes; a checkpoint that does not fit is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reeltrace.artifacts.protocol import outputs_in
from reeltrace.errors import UserError
from reeltrace.training import loop, stage
from reeltrace.training.resume import resume_path

SOURCES = Path(stage.__file__).parents[2]

# Runs the stage in a process of its own, which kills itself at a chosen moment.
CHILD = """
import os, signal, sys
from pathlib import Path
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import loop, resume, stage

spec, moment = TrainSpec.model_validate_json(sys.argv[1]), sys.argv[4]
folder, work = Path(sys.argv[2]), Path(sys.argv[3])

def killing(function, when):
    def wrapped(*args, **kwargs):
        if when(*args, **kwargs):
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapped

if moment == "start of epoch 3":
    loop.learning_rate = killing(loop.learning_rate, lambda protocol, epoch, done=0.0: epoch == 3)
elif moment == "after a checkpoint, before its line of history":
    loop.write_history = killing(loop.write_history, lambda work, history: len(history) == 2)
elif moment == "evaluation":
    stage.evaluate = killing(stage.evaluate, lambda *args: True)
stage.run(spec, {f"data/{spec.dataset}": folder}, work)
"""
LIMIT = "ONEDNN_MAX_CPU_ISA"
MOMENTS = {"start of epoch 3": 2, "after a checkpoint, before its line of history": 2, "evaluation": 3}


def outputs(work: Path) -> dict[str, bytes]:
    return {name: (work / name).read_bytes() for name in outputs_in(work)}


@pytest.fixture
def run(datasets):
    def go(spec, work: Path):
        work.mkdir(exist_ok=True)
        return stage.run(spec, {f"data/{spec.dataset}": datasets[spec.dataset]}, work)

    return go


def killed(spec, folder: Path, work: Path, moment: str, **more: str) -> None:
    work.mkdir()
    child = subprocess.run(
        [sys.executable, "-c", CHILD, spec.model_dump_json(), str(folder), str(work), moment],
        env={**os.environ, "PYTHONPATH": str(SOURCES), "OMP_NUM_THREADS": "1", **more},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert not (work / "metrics.json").exists()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_continues_to_the_same_bytes(moment, spec_of, run, datasets, tmp_path):
    spec = spec_of(augment={"kind": "treverse", "probability": 0.5})
    run(spec, tmp_path / "whole")
    work = tmp_path / "killed"
    killed(spec, datasets[spec.dataset], work, moment)
    assert run(spec, work)["resumed_after_epoch"] == MOMENTS[moment]
    assert outputs(work) == outputs(tmp_path / "whole")


def test_a_run_that_was_killed_on_another_processor_starts_again(spec_of, run, datasets, tmp_path, capsys):
    """Its first epochs would not be those of a run here."""
    spec = spec_of()
    run(spec, tmp_path / "whole")
    work = tmp_path / "killed"
    killed(spec, datasets[spec.dataset], work, "start of epoch 3", **{LIMIT: "SSE41"})
    assert torch.load(resume_path(work), weights_only=True)["progress"]["epoch"] == 2
    capsys.readouterr()
    assert run(spec, work)["resumed_after_epoch"] is None
    assert capsys.readouterr().err.splitlines()[-1] == (  # on an older processor a line on emulation comes before
        f"{spec.key}: starts again at epoch 1; the 2 epochs in {resume_path(work)} were computed otherwise: "
        f"processor: limits: {LIMIT} is 'SSE41', expected {os.environ.get(LIMIT)!r}"
    )
    assert outputs(work) == outputs(tmp_path / "whole")


@pytest.mark.parametrize("what", ["precision", "torch"])
def test_a_run_that_was_killed_in_another_arithmetic_starts_again(what, spec_of, run, tmp_path, capsys, monkeypatch):
    spec = spec_of(protocol={"epochs": 1, "milestones": []})
    run(spec, tmp_path / "whole")
    here = json.loads((tmp_path / "whole/metrics.json").read_text())["arithmetic"]["precision"]
    found = {"precision": "float32" if here == "bfloat16" else "bfloat16", "torch": "1.0"}[what]
    with monkeypatch.context() as other:
        if what == "precision":
            other.setattr(loop, "choose", lambda *args, **more: found)
        else:
            other.setattr(torch, "__version__", found)
        run(spec, tmp_path / "killed")
    capsys.readouterr()
    run(spec, tmp_path / "killed")
    said = capsys.readouterr().err
    assert f"computed otherwise: {what} is '{found}', expected '" in said
    assert said.count("computed otherwise") == 1
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")


def test_a_checkpoint_of_an_older_layout_is_refused(spec_of, run, tmp_path):
    spec = spec_of(protocol={"epochs": 1, "milestones": []})
    run(spec, tmp_path)
    stored = torch.load(resume_path(tmp_path), weights_only=True)
    torch.save({"schema": 2, "progress": stored["progress"]}, resume_path(tmp_path))
    with pytest.raises(UserError, match="another schema: found 2, expected 3; delete it"):
        run(spec, tmp_path)


def test_a_checkpoint_of_another_architecture_is_refused(spec_of, run, tmp_path):
    run(spec_of(), tmp_path)
    with pytest.raises(UserError, match=r"another architecture: group is 'z3', expected 't2'") as refusal:
        run(spec_of(model={"group": "t2"}), tmp_path)
    assert str(resume_path(tmp_path)) in str(refusal.value)
    assert "delete it" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_checkpoint_of_another_spec_is_refused(spec_of, run, tmp_path):
    run(spec_of(), tmp_path)
    with pytest.raises(UserError, match=r"another spec: found .* delete it"):
        run(spec_of(protocol={"learning_rate": 0.2}), tmp_path)


def test_a_checkpoint_of_another_dataset_is_refused(spec_of, run, tmp_path, datasets):
    run(spec_of(), tmp_path / "work")
    other = tmp_path / "other"
    other.mkdir()
    for path in datasets["direction"].iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match=r"another data: found .* delete it"):
        stage.run(spec_of(), {"data/direction": other}, tmp_path / "work")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_refused_and_deleting_it_helps(damage, spec_of, run, tmp_path):
    spec = spec_of(protocol={"epochs": 1, "milestones": []})
    run(spec, tmp_path)
    path = resume_path(tmp_path)
    whole, before = path.read_bytes(), outputs(tmp_path)
    weights = torch.load(path, weights_only=True)["progress"]["model"]["conv2.weight"].numpy().tobytes()
    flipped = bytearray(whole)
    flipped[whole.index(weights) + 5] ^= 1  # torch.load alone would not notice
    path.write_bytes({"cut": whole[: len(whole) // 2], "flipped": flipped, "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(UserError, match=r"is damaged .* delete it") as refusal:
        run(spec, tmp_path)
    assert str(path) in str(refusal.value)
    path.unlink()
    run(spec, tmp_path)
    assert outputs(tmp_path) == before
