"""A set of videos in the user's own folder: its lists are read strictly, its videos stay where they are."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reeltrace.data import frames_stage, listed_stage
from reeltrace.data.clips import read_index
from reeltrace.errors import UserError
from reeltrace.kinds.datasets.videos import VideosSpec

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    def make(
        train: str = "a/1.mp4 riding\nb/1.mp4 juggling\n", test: str = "a/2.mp4 riding\nb/2.mp4 juggling\n"
    ) -> Path:
        for name in ("a/1.mp4", "a/2.mp4", "b/1.mp4", "b/2.mp4", "b/with space.mp4"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
        (tmp_path / "train.txt").write_text(train)
        (tmp_path / "validation.txt").write_text(test or "a/2.mp4 riding\nb/2.mp4 juggling\n")
        return tmp_path

    return make


def spec_of(folder: Path) -> VideosSpec:
    return VideosSpec(
        stage="data", key="mine", scale="paper", kind="videos", layout="listed", folder=str(folder), classes=2,
        generated=None,
    )  # fmt: skip


def test_the_lists_become_an_index(folder: Folder, tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    listed_stage.run(spec_of(folder(train="a/1.mp4 riding\n\nb/with space.mp4 juggling\n")), {}, work)
    rows, classes = read_index(work, 1)
    assert classes == ("juggling", "riding")
    assert [(row.path, row.label, row.side) for row in rows] == [
        ("b/2.mp4", 0, "test"),
        ("b/with space.mp4", 0, "train"),
        ("a/1.mp4", 1, "train"),
        ("a/2.mp4", 1, "test"),
    ]
    about = json.loads((work / "about.json").read_text())
    assert about["counts"]["split1"] == {"train": 2, "test": 2, "unused": 0}
    with (work / "index.csv").open(newline="") as file:
        assert int(next(csv.DictReader(file))["bytes"]) == len("b/2.mp4")
    assert frames_stage.read_names(work) == [row.path for row in rows]


@pytest.mark.parametrize(
    ("lists", "words"),
    [
        ({"train": "a/1.mp4\n"}, "train.txt line 1: found 'a/1.mp4'; expected `path class`"),
        ({"train": "../x.mp4 riding\n"}, "train.txt line 1: '../x.mp4' leaves the folder"),
        ({"train": "/x.mp4 riding\n"}, "train.txt line 1: '/x.mp4' leaves the folder"),
        ({"train": "a/9.mp4 riding\n"}, "train.txt line 1: a/9.mp4 is not there"),
        ({"train": "a/1.mp4 riding\n", "test": "a/1.mp4 riding\n"}, "validation.txt line 1: a/1.mp4 is listed twice"),
        ({"train": "\n"}, "train.txt: names no video"),
        ({"train": "a/1.mp4 riding\nb/1.mp4 sitting\n"}, "name 3 classes, expected 2"),
        ({"train": "a/1.mp4 riding\n"}, "train.txt: no video of class juggling"),
    ],
)
def test_a_wrong_list_is_refused_in_one_line(folder: Folder, tmp_path: Path, lists: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        listed_stage.run(spec_of(folder(**lists)), {}, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_or_a_list_that_is_not_there_is_named(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"datasets.mine.folder in params.yaml: .* is no folder"):
        listed_stage.run(spec_of(tmp_path / "nowhere"), {}, tmp_path)
    (made := folder()).joinpath("validation.txt").unlink()
    with pytest.raises(UserError, match=r"validation\.txt: no such list"):
        listed_stage.run(spec_of(made), {}, tmp_path)
