"""What the report reads of a set of videos, on files that the stages themselves wrote."""

import csv
from pathlib import Path

import numpy as np
import pytest

from reeltrace.artifacts.formats import FRAMES, VIDEO_INDEX
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.names import MANIFEST, SPEC
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.data import frames_stage, videos_stage
from reeltrace.data.frame_store import FrameStore
from reeltrace.kinds.datasets.videos import VideosSpec
from reeltrace.registry.reading import spec_json
from reeltrace.registry.specs import FramesSpec
from reeltrace.report import videos
from reeltrace.verify.videos import sides, stored

GENERATED = {"groups": 8, "clips_per_group": 1, "frames": (12, 16), "seed": 3}
VIEW = {"split": 1, "clip": {"frames": 4, "stride": 2, "crop": 15, "size": 15, "place": "center"}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes, eight groups, and a first test video that nobody can read."""
    root = tmp_path_factory.mktemp("results")
    data, frames = root / "data/tiny", root / "frames/tiny"
    data.mkdir(parents=True)
    frames.mkdir(parents=True)
    spec = VideosSpec.model_validate(
        {"stage": "data", "key": "tiny", "scale": "smoke", "kind": "videos", "layout": "hmdb51", "classes": 2}
        | {"generated": GENERATED}
    )
    videos_stage.run(spec, {}, data)
    with (data / "index.csv").open(newline="") as file:
        (data / "videos" / next(r["video"] for r in csv.DictReader(file) if r["split1"] == "test")).write_bytes(b"")
    of_frames = FramesSpec(stage="frames", key="tiny", scale="smoke", short_side=16)
    frames_stage.run(of_frames, {"data/tiny": data}, frames)
    for folder, stage, made_by, inputs in (
        (data, "data", spec, {}),
        (frames, "frames", of_frames, {"data/tiny": data}),
    ):
        write_json(folder / SPEC, spec_json(made_by))
        write_json(folder / MANIFEST, make_manifest(folder, stage, "tiny", "c0de" * 16, inputs))
    return root


def test_what_the_stages_write_is_verified_without_a_problem(results: Path) -> None:
    assert sides(results / "data/tiny") == []
    assert stored(results / "frames/tiny", results) == []


def test_the_shown_clip_is_the_one_that_a_frame_store_gives(results: Path) -> None:
    data, frames = results / "data/tiny", results / "frames/tiny"
    stored = {row["video"]: row for row in FRAMES.check(frames)}
    row, clip = videos.shown_clip(data, frames, stored, VIEW)
    tests = [r["video"] for r in VIDEO_INDEX.check(data) if r["split1"] == "test"]
    assert row["video"] == tests[1]  # the first cannot be read
    store = FrameStore.open(frames)
    number = store.names.index(row["video"])
    start = (int(store.counts[number]) - 7) // 2
    top, left = (int(store.heights[number]) - 15) // 2, (int(store.widths[number]) - 15) // 2
    chosen = start + 2 * np.arange(4)
    assert (clip == store.read(number, chosen, top, left, 15, 15)).all()
