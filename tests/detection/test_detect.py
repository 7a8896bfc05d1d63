"""Persons and their actions in a video, and the command around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from reeltrace.cli import app
from reeltrace.data.decoding import pyav_frames
from reeltrace.detection import ava, command
from reeltrace.detection.ava import Frame
from reeltrace.detection.clips import clips_around, open_source
from reeltrace.detection.command import Asked, run
from reeltrace.detection.detect import Person, annotated, as_detections, check_net, detect, regions
from reeltrace.detection.persons import NETS
from reeltrace.errors import UserError
from reeltrace.models.checkpoint import save_checkpoint
from reeltrace.models.r2plus1d import R2Plus1DConfig
from reeltrace.recognition.nets import Loaded, describe

LEFT, RIGHT = (0.1, 0.2, 0.5, 0.9), (0.5, 0.0, 1.0, 1.0)
BOXES = "walk,0901,0.1,0.2,0.5,0.9,,0.98\nwalk,0901,0.5,0.0,1.0,1.0,,0.85\nwalk,0903,0.1,0.2,0.5,0.9,,0.9\n"


def test_boxes_are_pixels_of_what_the_net_sees() -> None:
    found = regions([LEFT, (-0.01, 0.0, 1.01, 1.0)], (32, 42), clip=3)
    torch.testing.assert_close(found, torch.tensor([[3.0, 4.2, 6.4, 21.0, 28.8], [3.0, 0.0, 0.0, 42.0, 32.0]]))


def test_scores_are_the_nets(video: Path, small: Loaded) -> None:
    source = open_source(video)
    found = detect(source, {10: [(LEFT, 0.9), (RIGHT, 0.8)], 20: [], 30: [(LEFT, 0.7)]}, small)
    assert list(found) == [10, 20, 30] and found[20] == []
    clips = dict(clips_around(source, [10, 30], small.view))
    for key, boxes in ((10, [LEFT, RIGHT]), (30, [LEFT])):
        with torch.no_grad():
            expected = small.net(clips[key], regions(boxes, (32, 42))).sigmoid()
        torch.testing.assert_close(torch.tensor([person.actions for person in found[key]]), expected)
    assert [person.score for person in found[10]] == [0.9, 0.8]
    assert abs(found[10][0].actions[0] - found[10][1].actions[0]) > 1e-6  # the two boxes see something else


def test_detections_have_the_timestamps_of_their_key_frames() -> None:
    found = {10: [Person(LEFT, 0.9, (0.7, 0.2, 0.9))], 20: []}
    lines = list(as_detections(found, "walk", {10: 901.0, 20: 902.0}, threshold=0.5))
    assert [(line.frame, line.action, line.score) for line in lines] == [
        (Frame("walk", 901_000), 3, 0.9),
        (Frame("walk", 901_000), 1, 0.7),
    ]
    assert {line.box for line in lines} == {LEFT}


def test_each_frame_shows_the_nearest_key_frame(video: Path) -> None:
    """The box moves from left to right half way between the two; what is below the threshold is not written."""
    source = open_source(video)
    found = {10: [Person(LEFT, 0.9, (0.2,))], 20: [Person(RIGHT, 0.9, (0.8,))]}
    frames = list(annotated(source, found, ["wave"], 0.5))
    plain = list(source.native())
    assert len(frames) == 40
    for number, left in ((0, True), (14, True), (15, True), (16, False), (39, False)):
        changed = np.abs(frames[number].astype(int) - plain[number]).max(2) > 40
        assert bool(changed[32:40, 5:9].any()) == left  # the left edge of the left box
        assert bool(changed[32:40, 60:].any()) != left  # the right edge of the right one
    untouched = list(annotated(source, {}, [], 0.5))
    assert all(np.array_equal(one, other) for one, other in zip(untouched, plain, strict=True))


def test_a_net_that_takes_no_boxes_is_refused(small: Loaded) -> None:
    check_net(small)
    with pytest.raises(UserError, match="a test: a network for recognition, slowfast; detection needs"):
        check_net(replace(small, config=replace(small.config, head="classify")))
    other = replace(small, network="r2plus1d", config=R2Plus1DConfig())
    with pytest.raises(UserError, match="a test: a network for recognition, r2plus1d"):
        check_net(other)


# --- the command ---


@pytest.fixture
def checkpoint(tmp_path: Path, small: Loaded) -> Path:
    path = tmp_path / "net.pt"
    save_checkpoint(path, describe(small.network, small.config, small.view), 1, small.net)
    return path


def test_from_boxes_to_a_video_and_a_file(video: Path, checkpoint: Path, tmp_path: Path, small: Loaded) -> None:
    (tmp_path / "boxes.csv").write_text(BOXES)
    (tmp_path / "actions.csv").write_text("1,wave\n2,walk\n4,stand\n")
    out, table = tmp_path / "out.mp4", tmp_path / "out.csv"
    options = {"--boxes": "boxes.csv", "--labels": "actions.csv", "-o": "out.mp4", "--csv": "out.csv"}
    words = [word for option, name in options.items() for word in (option, str(tmp_path / name))]
    words += ["--checkpoint", str(checkpoint), "--begins", "900", "--threshold", "0"]
    done = CliRunner().invoke(app, ["detect", str(video), *words])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "1.0 s: 2 persons" and "3.0 s: 1 person" in done.output
    assert "stand" in done.output and "action 3" in done.output
    found = ava.read_detections(table)
    assert len(found) == 3 * 5 and {label.frame.timestamp for label in found} == {"0901", "0903"}
    expected = detect(open_source(video), {10: [(LEFT, 0.98), (RIGHT, 0.85)]}, small)[10][0].actions
    scores = {label.action: label.score for label in found if label.frame.timestamp == "0901" and label.box == LEFT}
    assert [scores[action] for action in range(1, 6)] == pytest.approx(list(expected), abs=1e-6)
    assert sum(1 for _ in pyav_frames(out, 48, 64)) == 40


def test_persons_are_found_each_second(video: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[Any] = []

    def detector(file: Path | None, net: str, least: float) -> Any:
        asked_for.append((file, net, least))
        return lambda frame: [(LEFT, 0.9)] if frame.mean() > 100 else []

    monkeypatch.setattr(command, "detector", detector)
    asked = Asked(video, checkpoint, person_detector=Path("persons.pth"), persons=0.7, threshold=0.0)
    lines = list(run(asked, note=lambda line: None))
    assert [line for line in lines if line[0] != " "] == ["1.0 s: no persons", "2.0 s: 1 person", "3.0 s: 1 person"]
    assert asked_for == [(Path("persons.pth"), NETS[0], 0.7)]
    lines = list(run(Asked(video, random=True, every=3.0), note=lambda line: None))
    assert lines[0] == "drawn weights: the scores mean nothing" and asked_for[1] == (None, NETS[-1], 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": None}, r"--checkpoint: no net is named; .* --random"),
        ({"random": True}, r"--random: draws the weights of a net, and --checkpoint names some"),
        ({"boxes": None}, r"--person-detector: nothing says where the persons are"),
        ({"person_detector": Path("persons.pth")}, r"--boxes: says where the persons are, and so would"),
        ({"threshold": 1.5}, r"--threshold: found 1.5; expected 0 to 1"),
        ({"begins": 0.0}, r"timestamp 0901 of walk lies outside of the video; say with --begins"),
        ({"labels": Path("actions.csv")}, r"actions.csv: names action 9; the net has 5 classes"),
        ({"video": Path("run.mp4")}, r"boxes.csv: no box of a video 'run'; it has: walk"),
        ({"checkpoint": Path("none.pt")}, r"none.pt: no such checkpoint"),
        ({"output": Path("out.txt")}, r"out.txt: found the suffix '.txt'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    changes: dict[str, Any],
    message: str,
    video: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("boxes.csv").write_text(BOXES)
    Path("actions.csv").write_text("9,wave\n")
    Path("run.mp4").write_bytes(video.read_bytes())
    asked = replace(Asked(video, checkpoint, boxes=Path("boxes.csv"), begins=900.0), **changes)
    with pytest.raises(UserError, match=message) as refused:
        list(run(asked, note=lambda line: None))
    assert "\n" not in str(refused.value)
