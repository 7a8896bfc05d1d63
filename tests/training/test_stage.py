"""The stage `train` as a whole: what it writes, that it repeats, what it refuses."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nets import build_model
from reeltrace.artifacts.protocol import outputs_in
from reeltrace.data.store import ClipStore
from reeltrace.errors import CheckFailed, UserError
from reeltrace.models.checkpoint import load_checkpoint, restore
from reeltrace.training import loop, stage
from reeltrace.training.evaluation import evaluate

OUTPUTS = {"metrics.json", "scores.json", "history.jsonl", "predictions.npz", "best.pt", "last.pt"}


def outputs(work: Path) -> dict[str, bytes]:
    return {name: (work / name).read_bytes() for name in outputs_in(work)}


def go(spec, datasets, work):
    work.mkdir(exist_ok=True)
    return stage.run(spec, {f"data/{name}": folder for name, folder in datasets.items()}, work)


@pytest.mark.parametrize("net", ["cnn4", "resnet18"])
def test_two_runs_of_one_spec_write_the_same_bytes_and_another_seed_does_not(net, spec_of, resnet, datasets, tmp_path):
    model = {"group": "t2", **(resnet if net == "resnet18" else {})}
    augment = {"kind": "treverse", "probability": 0.3}
    go(spec_of(model=model, augment=augment), datasets, tmp_path / "a")
    torch.rand(7)  # what was drawn before must not matter
    go(spec_of(model=model, augment=augment), datasets, tmp_path / "b")
    go(spec_of(model=model, augment=augment, seed=1), datasets, tmp_path / "c")
    first = outputs(tmp_path / "a")
    assert set(first) == OUTPUTS
    assert first == outputs(tmp_path / "b")
    assert all(first[name] != data for name, data in outputs(tmp_path / "c").items() if name != "scores.json")


def test_outputs_agree_with_each_other(spec_of, datasets, tmp_path):
    spec = spec_of(dataset="digit", classes=10, model={"group": "p43d"}, evaluation=["original", "r90", "r180", "r270"])
    facts = go(spec, datasets, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    history = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    predictions = np.load(tmp_path / "predictions.npz")
    test = ClipStore.open(datasets["digit"], "test")
    transforms = ["original", "r90", "r180", "r270"]

    assert [line["epoch"] for line in history] == [1, 2, 3]
    assert np.array_equal(predictions["label"], test.labels)
    assert set(predictions.files) == {"label", *(f"{w}_{t}" for w in ("best", "last") for t in transforms)}
    assert all(predictions[name].dtype == np.int16 for name in predictions.files)
    for which in ("best", "last"):
        told = metrics[which]
        architecture, epoch, _ = load_checkpoint(tmp_path / f"{which}.pt")
        model = build_model(**architecture)
        assert restore(model, architecture, tmp_path / f"{which}.pt") == epoch == told["epoch"]
        again = evaluate(model, test, transforms)
        assert told["validation"]["top1"] == history[epoch - 1]["validation_top1"]
        for name in transforms:
            predicted = predictions[f"{which}_{name}"]
            assert np.array_equal(again[name].argmax(1).numpy(), predicted)
            correct = int((predicted == test.labels).sum())
            assert told["test"][name]["correct"] == correct
            assert told["test"][name]["top1"] == 100 * correct / len(test)
        for name in transforms[1:]:
            same = (predictions[f"{which}_{name}"] == predictions[f"{which}_original"]).mean()
            assert metrics["equivariance"][which][name]["agreement"] == pytest.approx(100 * same)
            # 15 pixels suit the 4-layer net: its equivariance is exact, and the stored error is float32's
            assert metrics["equivariance"][which][name]["relative_error"] < 1e-4
    assert metrics["last"]["epoch"] == 3
    assert metrics["model"]["parameters"] == sum(p.numel() for p in model.parameters())
    assert metrics["model"]["widths"] == [2, 2, 2, 2]
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["r180"] == metrics["best"]["test"]["r180"]["top1"]
    assert set(scores) == {"epoch", "validation", *transforms}
    assert len(facts["seconds_per_epoch"]) == 3
    assert facts["peak_memory_bytes"] > 10**7
    assert facts["resumed_after_epoch"] is None


def test_a_dataset_with_other_classes_is_refused_in_one_line(spec_of, datasets, tmp_path):
    with pytest.raises(UserError, match="has 4 classes, the run's net 10") as refusal:
        go(spec_of(classes=10), datasets, tmp_path)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_clips_too_small_for_the_net_are_refused(spec_of, datasets, tmp_path):
    small = tmp_path / "small"
    shutil.copytree(datasets["direction"], small)
    for split in ("train", "validation", "test"):
        path = small / f"clips-{split}.npy"
        np.save(path, np.load(path)[:, :2])
    with pytest.raises(UserError, match=r"2 x 15 x 15 do not fit cnn4") as refusal:
        go(spec_of(), {"direction": small}, tmp_path / "work")
    assert "\n" not in str(refusal.value)


def test_splits_of_different_shapes_are_refused(spec_of, datasets, tmp_path):
    mixed = tmp_path / "mixed"
    shutil.copytree(datasets["direction"], mixed)
    np.save(mixed / "clips-test.npy", np.load(mixed / "clips-test.npy")[:, :, :11])
    with pytest.raises(UserError, match=r"of split test are \(7, 11, 15\), of split train \(7, 15, 15\)"):
        go(spec_of(), {"direction": mixed}, tmp_path / "work")


def test_frames_that_are_not_square_cannot_be_rotated(spec_of, datasets, tmp_path):
    wide = tmp_path / "wide"
    shutil.copytree(datasets["direction"], wide)
    for split in ("train", "validation", "test"):
        path = wide / f"clips-{split}.npy"
        np.save(path, np.load(path)[:, :, :11])
    with pytest.raises(UserError, match="must be square for that; found 11 x 15"):
        go(spec_of(evaluation=["original", "r90"]), {"direction": wide}, tmp_path / "work")


def test_a_loss_that_is_not_finite_stops_the_run_before_anything_is_written(spec_of, datasets, tmp_path):
    with pytest.raises(CheckFailed, match=r"run tiny-s0: the training loss of epoch 1 is (nan|inf)") as failure:
        go(spec_of(model={"batch_norm": False}, protocol={"learning_rate": 1e30}), datasets, tmp_path)
    assert "learning_rate" in str(failure.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("when", ["resume", "best.pt"])
def test_a_full_disk_leaves_no_broken_checkpoint(when, spec_of, datasets, tmp_path, monkeypatch):
    """The disk fills while a checkpoint is written; after making room the run ends as if nothing had happened."""
    go(spec_of(), datasets, tmp_path / "whole")
    work = tmp_path / "work"

    class Full:
        """A file that takes a few bytes and then fails, as on a full disk."""

        def __init__(self, file):
            self.file = file

        def write(self, data):
            self.file.write(bytes(data)[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    opened = Path.open

    def open_full(path, mode="r", *args, **kwargs):
        file = opened(path, mode, *args, **kwargs)
        full = "w" in mode and when in path.name and (when == "best.pt" or epochs_done(work) == 1)
        return Full(file) if full else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        with pytest.raises(UserError, match="disk is full"):
            go(spec_of(), datasets, work)
    assert not (work / "metrics.json").exists()
    assert not (work / "best.pt").exists()
    assert not list(work.rglob(".*")), "a half-written temporary file stayed behind"
    assert go(spec_of(), datasets, work)["resumed_after_epoch"] == (1 if when == "resume" else 3)
    assert outputs(work) == outputs(tmp_path / "whole")


def epochs_done(work: Path) -> int:
    history = work / loop.HISTORY
    return len(history.read_text().splitlines()) if history.exists() else 0
