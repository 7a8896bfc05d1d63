"""Frame-mAP of a net on a set in AVA's format, as a measurement like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reeltrace.detection import ava
from reeltrace.detection.ava import Frame, Label
from reeltrace.detection.average_precision import evaluate, mean
from reeltrace.detection.clips import open_source
from reeltrace.detection.detect import detect
from reeltrace.detection.stage import run
from reeltrace.errors import UserError
from reeltrace.kinds.measurements.detection import KIND, DetectionMeasurement
from reeltrace.models.checkpoint import save_checkpoint
from reeltrace.recognition.nets import Loaded, describe
from reeltrace.registry.specs import MeasureSpec

LABELS = """\
walk,0901,0.1,0.2,0.5,0.9,1,0
walk,0901,0.1,0.2,0.5,0.9,3,0
walk,0902,0.5,0.0,1.0,1.0,2,0
walk,0903,0.1,0.2,0.5,0.9,3,0
other,0012.500,0.2,0.2,0.8,0.9,3
"""
ACTIONS = "1,wave\n2,walk\n3,stand\n"


@pytest.fixture
def files(tmp_path: Path, video: Path, small: Loaded) -> dict[str, str]:
    """A set of two videos, one of them a clip that begins at second 10 of its video."""
    (tmp_path / "videos").mkdir()
    shutil.copy(video, tmp_path / "videos" / "walk.mp4")
    shutil.copy(video, tmp_path / "videos" / "other_000010_000014.mp4")
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "actions.csv").write_text(ACTIONS)
    (tmp_path / "excluded.csv").write_text("walk,0902\n")
    save_checkpoint(tmp_path / "net.pt", describe(small.network, small.config, small.view), 1, small.net)
    return {name: str(tmp_path / f"{name}.csv") for name in ("labels", "actions", "excluded")} | {
        "videos": str(tmp_path / "videos")
    }


def spec(checkpoint: Path | None, files: dict[str, Any] | None) -> MeasureSpec:
    asked = DetectionMeasurement.model_validate(
        {
            "kind": "detection",
            "document": "d",
            "checkpoint": None if checkpoint is None else str(checkpoint),
            "set": files,
            "device": "cpu",
            "threads": 1,
        }
    )
    return MeasureSpec(stage="measure", key="found", scale="smoke", measurement=asked)


def measured(tmp_path: Path, files: dict[str, Any]) -> tuple[dict[str, Any], tuple[Label, ...]]:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    run(spec(tmp_path / "net.pt", files), {}, work)
    metrics = json.loads((work / "metrics.json").read_text())
    assert list(KIND.check(work, {}, metrics)) == []  # type: ignore[misc]
    return metrics, ava.read_detections(work / "detections.csv")


def test_it_is_what_the_parts_say(tmp_path: Path, files: dict[str, str], small: Loaded) -> None:
    """The scores of the net at each labelled box, and frame-mAP of these without the frame that is left out."""
    metrics, detections = measured(tmp_path, files)
    source = open_source(Path(files["videos"]) / "walk.mp4")
    left, wide = (0.1, 0.2, 0.5, 0.9), (0.2, 0.2, 0.8, 0.9)
    frames = {10: Frame("walk", 901_000), 30: Frame("walk", 903_000), 25: Frame("other", 12_500)}
    found = detect(source, {10: [(left, 1.0)], 30: [(left, 1.0)], 25: [(wide, 1.0)]}, small)
    expected = [
        Label(frames[number], person.box, action, person.actions[action - 1])
        for number, persons in found.items()
        for person in persons
        for action in (1, 2, 3)
    ]
    assert {(one.frame, one.box, one.action) for one in detections} == {
        (one.frame, one.box, one.action) for one in expected
    }
    scores = {(one.frame, one.action): one.score for one in detections}
    assert all(scores[one.frame, one.action] == pytest.approx(one.score, abs=1e-5) for one in expected)
    labels = ava.read_labels(Path(files["labels"])).labels
    aps = evaluate(labels, expected, {Frame("walk", 902_000)})
    assert list(metrics["actions"]) == ["1", "3"]  # nothing else is labelled in the frames that count
    average = mean(aps) or 0
    found_there = metrics["frame_map"]
    assert (found_there["mean"], found_there["percent"]) == pytest.approx((average, 100 * average))
    assert found_there["of"] == "3 key frames of labels.csv" and "labelled ones" in found_there["departs"]
    assert metrics["actions"]["3"] | {"average_precision": 0} == {
        "name": "stand",
        "labelled": 3,
        "detected": 3,
        "average_precision": 0,
    }
    assert (metrics["key_frames"], metrics["labelled"], metrics["boxes"]) == (3, 4, "as labelled")
    assert [(each["path"], each["key_frames"]) for each in metrics["videos"]] == [
        ("other_000010_000014.mp4", 1),
        ("walk.mp4", 2),
    ]


def test_boxes_of_a_person_detector(tmp_path: Path, files: dict[str, str]) -> None:
    """One box that fits and one of too low a score; the frames without a box count against it."""
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(
        "walk,0901,0.1,0.2,0.5,0.9,,0.9\nwalk,0901,0.5,0.5,0.9,0.9,,0.7\nunknown,0001,0.1,0.1,0.2,0.2,,1\n"
    )
    metrics, detections = measured(tmp_path, {**files, "boxes": str(boxes)})
    assert {(one.frame.timestamp, one.box) for one in detections} == {("0901", (0.1, 0.2, 0.5, 0.9))}
    assert metrics["actions"]["1"]["average_precision"] == 1.0
    assert metrics["actions"]["3"]["average_precision"] == pytest.approx(1 / 3)
    assert metrics["frame_map"]["percent"] == pytest.approx(200 / 3)
    assert metrics["frame_map"]["departs"] is None


def test_without_net_or_set_it_says_so(tmp_path: Path, files: dict[str, str]) -> None:
    for checkpoint, given, words in (
        (None, None, "no checkpoint and no set"),
        (tmp_path / "net.pt", None, "no set"),
        (None, files, "no checkpoint"),
    ):
        run(spec(checkpoint, given), {}, tmp_path)
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        assert metrics == {"schema": 1, "left_out": f"measurements.found names {words}"}
        assert (tmp_path / "detections.csv").read_text() == ""
        assert list(KIND.check(tmp_path, {}, metrics)) == []  # type: ignore[misc]


def test_an_altered_number_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    metrics, _ = measured(tmp_path, files)
    for change, where in (
        ({"mean": metrics["frame_map"]["mean"] / 2}, "/frame_map/mean is"),
        ({"percent": 101.0}, "/frame_map/percent is"),
    ):
        altered = {**metrics, "frame_map": {**metrics["frame_map"], **change}}
        (found, *_) = [said for _, said in KIND.check(tmp_path, {}, altered)]  # type: ignore[misc]
        assert found.startswith(where)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels", "walk,0901,0.1,0.2,0.5,0.9,9,0\n", r"action 9 is beyond the 5 classes of .*net.pt"),
        ("labels", "run,0901,0.1,0.2,0.5,0.9,1,0\n", r"set.videos: .* lacks 1 labelled videos: run; it has: other_"),
        ("labels", "walk,0901\n", r"set.labels: .*labels.csv has no label of an action that counts"),
        ("labels", "walk,0901,0.1\n", r"labels.csv: line 1: 3 values"),
        ("videos", "none", r"set.videos: .*none is no folder"),
    ],
)
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, files: dict[str, str], name: str, text: str, message: str
) -> None:
    changed: dict[str, Any] = {**files, "actions": None}
    if name == "labels":
        Path(files["labels"]).write_text(text)
    else:
        changed[name] = str(tmp_path / text)
    with pytest.raises(UserError, match=message) as refused:
        measured(tmp_path, changed)
    assert "\n" not in str(refused.value)
