"""AVA's files: what is read is what was written, and what is none is refused with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reeltrace.detection import ava
from reeltrace.detection.ava import Frame, Label
from reeltrace.errors import UserError

LABELS = """\
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1
-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,1
-5KQ66BBWC4,0903,0.226,0.032,0.366,0.497,12,0
"""
KINETICS = """\
00-xyz_A,12.345,0.1,0.2,0.5,1.0,11
00-xyz_A,7.000,0.1,0.2,0.5,1.0,4
another,3
more,0004.500,,,,,
"""


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str) -> Path:
        (tmp_path / "some.csv").write_text(text)
        return tmp_path / "some.csv"

    return written


def test_labels_of_ava(file: Callable[[str], Path]) -> None:
    found = ava.read_labels(file(LABELS))
    first, second = Frame("-5KQ66BBWC4", 902_000), Frame("-5KQ66BBWC4", 903_000)
    assert found.labels == (
        Label(first, (0.077, 0.151, 0.283, 0.811), 80),
        Label(first, (0.077, 0.151, 0.283, 0.811), 9),
        Label(second, (0.226, 0.032, 0.366, 0.497), 12),
    )
    assert found.frames == {first, second}
    assert ava.read_labels(file(LABELS), actions=[12]).labels == found.labels[2:]
    boxes, targets = ava.targets(found.labels[:2], classes=80)
    assert boxes == [(0.077, 0.151, 0.283, 0.811)]
    assert [number + 1 for number, value in enumerate(targets[0]) if value] == [9, 80]
    with pytest.raises(UserError, match="action 80 of -5KQ66BBWC4: the net has 60 classes"):
        ava.targets(found.labels, classes=60)


def test_labels_of_ava_kinetics(file: Callable[[str], Path]) -> None:
    found = ava.read_labels(file(KINETICS))
    assert [label.frame.milliseconds for label in found.labels] == [12_345, 7_000]
    assert {frame.video for frame in found.frames} == {"00-xyz_A", "another", "more"}
    assert [frame.timestamp for frame in sorted(found.frames)] == ["0007", "12.345", "0003", "4.500"]


def test_detections_are_read_as_they_were_written(tmp_path: Path) -> None:
    frames = [Frame("a b,c", 902_000), Frame("v", 1_250)]
    found = [Label(frames[0], (0.1, 0.25, 0.5, 1.0), 3, 0.123456), Label(frames[1], (0.0, 0.0, 1.0, 0.5), 80, 1.0)]
    ava.write_detections(tmp_path / "out.csv", found)
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == '"a b,c",0902,0.100,0.250,0.500,1.000,3,0.123456'
    assert ava.read_detections(tmp_path / "out.csv") == tuple(found)
    assert ava.read_detections(tmp_path / "out.csv", actions=[80]) == (found[1],)
    assert list(ava.by_frame(found[::-1])) == frames


def test_boxes_of_a_person_detector(file: Callable[[str], Path]) -> None:
    """Lines of several actions are one box; a line without an action is one too."""
    text = "v,0902,0.1,0.1,0.5,0.9,,0.98\nv,0902,0.6,0.1,0.9,0.9,,0.40\nw,0903,0.2,0.2,0.4,0.4,3,0.9\n"
    text += "w,0903,0.2,0.2,0.4,0.4,11,0.95\nx,0904\n"
    found = ava.read_boxes(file(text), least=0.8)
    assert found == {
        Frame("v", 902_000): [((0.1, 0.1, 0.5, 0.9), 0.98)],
        Frame("w", 903_000): [((0.2, 0.2, 0.4, 0.4), 0.95)],
        Frame("x", 904_000): [],
    }


def test_timestamps_that_are_left_out(file: Callable[[str], Path]) -> None:
    assert ava.read_excluded(file("v,0902\nw,903\n")) == {Frame("v", 902_000), Frame("w", 903_000)}


@pytest.mark.parametrize(
    "text",
    [
        'item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\nitem {\n  name: "a \\"quoted\\" one"\n  id: 3\n}\n',
        'label {\n  name: "bend/bow (at the waist)"\n  label_id: 1\n  label_type: PERSON_MOVEMENT\n}\n'
        'label { name: "a \\"quoted\\" one" label_id: 3 }\n',
        'id,name\n1,bend/bow (at the waist)\n3,"a ""quoted"" one"\n',
        '1,bend/bow (at the waist)\n3,"a ""quoted"" one"\n',
    ],
)
def test_lists_of_actions(text: str, file: Callable[[str], Path]) -> None:
    actions = ava.read_actions(file(text))
    assert actions == {1: "bend/bow (at the waist)", 3: 'a "quoted" one'}
    assert ava.names_of(actions, 3) == ["bend/bow (at the waist)", "action 2", 'a "quoted" one']


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (ava.read_labels, LABELS + "v,0904,0.1,0.1,0.2,12\n", r"some.csv: line 4: 6 values; expected video, timestamp"),
        (ava.read_labels, "v,0904,0.1,0.1,0.1,0.2,1\n", r"line 1: box 0.1, 0.1, 0.1, 0.2 has no area"),
        (ava.read_labels, "v,0904,10,20,100,200,1\n", r"line 1: box .* leaves the frame; expected shares"),
        (ava.read_labels, "v,0904,0.1,0.1,0.2,0.2,0\n", r"line 1: action is '0'; expected a whole number from 1"),
        (ava.read_labels, "v,0904,0.1,0.1,0.2,0.2,1.0\n", r"line 1: action is '1.0'"),
        (ava.read_labels, "v,0904,0.1,nan,0.2,0.2,1\n", r"line 1: y1 is 'nan'; expected a number"),
        (ava.read_labels, "v,early,0.1,0.1,0.2,0.2,1\n", r"line 1: timestamp is 'early'"),
        (ava.read_labels, "v,-1,0.1,0.1,0.2,0.2,1\n", r"line 1: timestamp -1; expected seconds from 0"),
        (ava.read_labels, ",0904,0.1,0.1,0.2,0.2,1\n", r"line 1: no video is named"),
        (ava.read_labels, 'v,"0904\n', r"line 1: not csv"),
        (ava.read_detections, "v,0904,0.1,0.1,0.2,0.2,1\n", r"line 1: 7 values; .* action, score"),
        (ava.read_detections, "v,0904,0.1,0.1,0.2,0.2,1,1.5\n", r"line 1: score 1.5; expected 0 to 1"),
        (ava.read_boxes, "v,0904,0.1,0.1,0.2\n", r"line 1: 5 values"),
        (ava.read_excluded, "v,0904,1\n", r"line 1: 3 values; expected video, timestamp"),
        (ava.read_actions, "", r"some.csv: no action in it"),
        (ava.read_actions, "1,a\n1,b\n", r"line 2: action 1 a second time; it is 'a' already"),
        (ava.read_actions, "1,\n", r"line 1: action 1 has no name"),
        (ava.read_actions, "1\n", r"line 1: 1 values; expected id, name"),
        (ava.read_actions, "1,talk to (self, a person, a group)\n", r"line 1: 4 values; .*in quotes"),
        (ava.read_actions, 'item {\n name: "a"\n}\n', r"line 1: an action without id"),
        (ava.read_actions, 'item {\n name: "a"\n id: 1\n', r"line 1: an action that does not end"),
    ],
)
def test_what_is_none_is_refused(
    read: Callable[[Path], Any], text: str, message: str, file: Callable[[str], Path]
) -> None:
    with pytest.raises(UserError, match=message):
        read(file(text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        ava.read_labels(tmp_path / "none.csv")
    (tmp_path / "odd.csv").write_bytes(b"v,\xff")
    with pytest.raises(UserError, match="not UTF-8 text"):
        ava.read_labels(tmp_path / "odd.csv")
