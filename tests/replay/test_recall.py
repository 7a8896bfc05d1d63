"""A run made again from what it kept: to the byte where it is honest, and told where it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.protocol import outputs_in
from reeltrace.errors import CheckFailed, UserError
from reeltrace.models.checkpoint import load_checkpoint, save_state
from reeltrace.replay.compare import compare, flips, same_arithmetic
from reeltrace.replay.recall import remembered
from reeltrace.training import loop, stage


@pytest.fixture(scope="module")
def made(datasets, tmp_path_factory):
    """A finished run and what it was made from; its best epoch is not its last."""
    from reeltrace.registry.specs import TrainSpec
    from training.conftest import RUN, merged

    spec = TrainSpec.model_validate(merged(RUN, {"model": {"group": "t2"}}))
    work = tmp_path_factory.mktemp("run")
    inputs = {f"data/{name}": folder for name, folder in datasets.items()}
    stage.run(spec, inputs, work)
    shutil.rmtree(work / "scratch")
    return spec, inputs, work


@pytest.fixture
def run(made, tmp_path):
    """A copy of it to alter."""
    spec, inputs, work = made
    shutil.copytree(work, tmp_path / "run")
    return spec, inputs, tmp_path / "run"


def replayed(run, work: Path, exactly: bool | None = None) -> list[str]:
    spec, inputs, folder = run
    work.mkdir()
    training = loop.train
    with remembered(folder):
        stage.run(spec, inputs, work)
    assert loop.train is training
    exactly = same_arithmetic(folder, work) if exactly is None else exactly
    return [f"{each.file}: {each.found}" for each in compare(folder, work, tuple(outputs_in(folder)), exactly=exactly)]


def edit(path: Path, change) -> None:
    value = read_json(path)
    change(value)
    write_json(path, value)


def predict(folder: Path, name: str, change) -> None:
    with np.load(folder / "predictions.npz") as stored:
        arrays = {key: stored[key] for key in stored.files}
    change(arrays[name])
    with (folder / "predictions.npz").open("wb") as file:
        np.savez(file, **arrays)


def test_an_honest_run_is_made_again_to_the_byte(run, tmp_path):
    assert replayed(run, tmp_path / "again") == []
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {"metrics.json", "scores.json", "history.jsonl", "predictions.npz", "best.pt", "last.pt"}


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        (
            "metrics.json",
            lambda m: m["best"]["test"]["original"].update(top1=100.0),
            "/best/test/original/top1 is 100.0",
        ),
        ("metrics.json", lambda m: m["last"]["validation"].update(loss=0.5), "/last/validation/loss is 0.5"),
        ("metrics.json", lambda m: m["model"].update(parameters=8460), "/model/parameters is 8460"),
        ("metrics.json", lambda m: m["best"].update(epoch=7), "/best/epoch is 7"),
        ("scores.json", lambda s: s.update(treverse=99.0), "/treverse is 99.0"),
    ],
)
def test_a_forged_number_is_told_with_what_the_replay_gives(run, tmp_path, file, change, said):
    edit(run[2] / file, change)
    (found,) = replayed(run, tmp_path / "again")
    assert found.startswith(f"{file}: {said}, a replay gives ")


def test_forged_predictions_are_told(run, tmp_path):
    def right(array):
        array[:] = (array + 1) % 4

    predict(run[2], "best_original", right)
    (found,) = replayed(run, tmp_path / "again")
    assert found == "predictions.npz: best_original differs in 14 of 14 places from what a replay gives"


def test_other_weights_in_a_checkpoint_are_told(run, tmp_path):
    architecture, epoch, state = load_checkpoint(run[2] / "best.pt")
    other = {name: 0.5 * value if value.is_floating_point() else value for name, value in state.items()}
    save_state(run[2] / "best.pt", architecture, epoch, other)
    assert any(each.startswith("metrics.json: /best/") for each in replayed(run, tmp_path / "again"))


def test_history_and_checkpoints_speak_of_the_same_epochs(run, tmp_path):
    path = run[2] / "history.jsonl"
    path.write_text("".join(f"{line}\n" for line in path.read_text().splitlines()[:-1]))
    with pytest.raises(CheckFailed, match=r"last.pt: of epoch 3, history.jsonl has 2"):
        replayed(run, tmp_path / "again")
    path.write_text("[]\n")
    with pytest.raises(CheckFailed, match="not the history of a training"):
        replayed(run, tmp_path / "once more")


def test_a_damaged_checkpoint_is_one_line(run, tmp_path):
    (run[2] / "best.pt").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match=r"best.pt cannot be read"):
        replayed(run, tmp_path / "again")


def test_history_is_held_to_the_bytes_that_training_writes(run, tmp_path):
    path = run[2] / "history.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(dict(reversed(line.items()))) + "\n" for line in lines))
    assert replayed(run, tmp_path / "again") == ["history.jsonl: its lines are not as training writes them"]


# --- another machine ---


def elsewhere(metrics) -> None:
    metrics["arithmetic"]["processor"]["features"] = ["none"]


def test_on_another_machine_one_clip_may_flip_and_no_more(run, tmp_path):
    def flip(count):
        def change(array):
            array[:count] = (array[:count] + 1) % 4

        return change

    edit(run[2] / "metrics.json", elsewhere)
    assert replayed(run, tmp_path / "none") == []
    predict(run[2], "last_treverse", flip(1))
    assert replayed(run, tmp_path / "one") == []
    predict(run[2], "last_treverse", flip(2))
    (found,) = replayed(run, tmp_path / "two")
    assert "last_treverse differs in 2 of 14 places" in found or "differs in" in found


@pytest.mark.parametrize(
    ("change", "near"),
    [
        (lambda m: m["best"]["test"]["original"].update(loss=m["best"]["test"]["original"]["loss"] + 1e-5), True),
        (lambda m: m["best"]["test"]["original"].update(loss=m["best"]["test"]["original"]["loss"] + 0.1), False),
        (lambda m: m["best"]["test"]["original"].update(correct=m["best"]["test"]["original"]["correct"] + 1), True),
        (lambda m: m["best"]["test"]["original"].update(correct=m["best"]["test"]["original"]["correct"] + 2), False),
        (lambda m: m["best"]["test"]["original"].update(total=15), False),
        (lambda m: m["best"].update(epoch=m["best"]["epoch"] + 1), False),
        (lambda m: m["model"].update(parameters=1), False),
    ],
)
def test_the_tolerance_of_another_machine(run, tmp_path, change, near):
    edit(run[2] / "metrics.json", elsewhere)
    edit(run[2] / "metrics.json", change)
    assert (replayed(run, tmp_path / "again") == []) == near


def test_more_clips_may_flip_where_there_are_many():
    assert [flips(count) for count in (1, 20, 199, 399, 400, 3783)] == [1, 1, 1, 1, 2, 18]
