"""A set that has another one's videos: its index is the other's, and its frames are decoded from where they lie."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reeltrace.artifacts.formats import VIDEO_INDEX
from reeltrace.artifacts.json_values import write_json
from reeltrace.data import frames_stage, shared_stage
from reeltrace.kinds.datasets.videos import KIND, SHARED, VideosSpec
from reeltrace.registry.specs import FramesSpec


def spec(videos_of: str | None = "small") -> VideosSpec:
    return VideosSpec(
        stage="data", key="large", scale="paper", kind="videos", layout="ucf101", classes=2, generated=None,
        videos_of=videos_of,
    )  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    (folder / "videos").mkdir(parents=True)
    VIDEO_INDEX.write(folder, [["a/1.avi", "a", 0, "train", "test", "unused", 5, "0" * 64]])
    write_json(folder / "about.json", {"kind": "videos", "classes": ["a", "b"]})
    return folder


def test_index_and_about_are_those_of_the_other_set(small: Path, tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    assert shared_stage.run(spec(), {"data/small": small}, work) == {}
    assert sorted(path.name for path in work.iterdir()) == ["about.json", "index.csv"] == sorted(SHARED.outputs)
    assert all((work / name).read_bytes() == (small / name).read_bytes() for name in SHARED.outputs)
    assert KIND.making(spec()) is SHARED and KIND.making(spec(None)) is not SHARED
    assert KIND.words(spec().model_dump(mode="json"))["files"] == "those of small"


@pytest.mark.parametrize("shared", [True, False])
def test_frames_are_decoded_from_where_the_videos_lie(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    asked: list[tuple[Path, list[str], int]] = []

    def extract(videos: Path, names: list[str], work: Path, *, short_side: int, **_: Any) -> Any:
        asked.append((videos, names, short_side))
        return SimpleNamespace(frames=1, videos=1, seconds=1.0, peak_worker_bytes=0, shards=1, shards_before=0)

    monkeypatch.setattr(frames_stage, "extract", extract)
    inputs = {"data/small": small}
    if shared:
        (work := tmp_path / "large").mkdir()
        shared_stage.run(spec(), inputs, work)
        inputs = {"data/large": work, **inputs}
    key = "large" if shared else "small"
    frames_stage.run(FramesSpec(stage="frames", key=key, scale="paper", short_side=240), inputs, tmp_path)
    assert asked == [(small / "videos", ["a/1.avi"], 240)]
