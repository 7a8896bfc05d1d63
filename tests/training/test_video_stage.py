"""A run on real encoded videos: from the stages `data` and `frames` to scores on videos and on clips."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltrace.artifacts.protocol import outputs_in
from reeltrace.data import frames_stage, videos_stage
from reeltrace.data.clips import open_videos
from reeltrace.errors import UserError
from reeltrace.kinds.datasets.videos import VideosSpec
from reeltrace.registry.specs import FramesSpec, TrainSpec
from reeltrace.training import stage
from reeltrace.training.loading import Loader

VIEW: dict[str, Any] = {
    "split": 1,
    "validation": 0.2,
    "clip": {"frames": 7, "stride": 2, "crop": 15, "size": 15, "place": "random"},
    "test_clips": 2,
    "normalise": {"mean": [0.4, 0.4, 0.4], "std": [0.2, 0.2, 0.2]},
    "broken_videos": 0,
}
CHANGES: dict[str, Any] = {
    "dataset": "tiny",
    "classes": 2,
    "video": VIEW,
    "protocol": {"epochs": 2, "milestones": [1], "batch_size": 4},
}


def make(root: Path, break_one: bool = False) -> dict[str, Path]:
    """A set of 2 classes and 8 groups, and its frames; with one test video that nobody can read, if asked for."""
    data, frames = root / "data", root / "frames"
    data.mkdir(parents=True)
    frames.mkdir()
    generated = {"groups": 8, "clips_per_group": 1, "frames": (12, 16), "seed": 3}
    spec = VideosSpec.model_validate(
        {"stage": "data", "key": "tiny", "scale": "smoke", "kind": "videos", "layout": "ucf101", "classes": 2}
        | {"generated": generated}
    )
    videos_stage.run(spec, {}, data)
    if break_one:
        with (data / "index.csv").open(newline="") as file:
            broken = next(row["video"] for row in csv.DictReader(file) if row["split1"] == "test")
        (data / "videos" / broken).write_bytes(b"")
    frames_stage.run(FramesSpec(stage="frames", key="tiny", scale="smoke", short_side=16), {"data/tiny": data}, frames)
    return {"data/tiny": data, "frames/tiny": frames}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make(tmp_path_factory.mktemp("videos"))


SpecOf = Callable[..., TrainSpec]


def test_scores_are_of_videos_with_those_of_clips_beside(
    spec_of: SpecOf, made: dict[str, Path], tmp_path: Path
) -> None:
    spec = spec_of(**CHANGES, evaluation=["original", "treverse", "r90"])
    stage.run(spec, made, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    with (made["data/tiny"] / "index.csv").open(newline="") as file:
        tested = sum(row["split1"] == "test" for row in csv.DictReader(file))
    assert metrics["videos"]["test"] == tested
    assert metrics["videos"]["missing"] == 0
    predicted = np.load(tmp_path / "predictions.npz")
    assert predicted["video"].tolist() == [number for number in range(tested) for _ in range(2)]
    for which in ("best", "last"):
        for name in spec.evaluation:
            scored = metrics[which]["test"][name]
            assert (scored["total"], scored["clip"]["total"]) == (tested, 2 * tested)
            assert scored["correct"] == (predicted[f"{which}_{name}"] == predicted["label"]).sum()
            assert scored["clip"]["correct"] == (predicted[f"clip_{which}_{name}"] == predicted["clip_label"]).sum()
    assert metrics["best"]["validation"]["clip"]["total"] == 2 * metrics["videos"]["validation"]


def test_two_runs_and_any_number_of_loaders_give_the_same_bytes(
    spec_of: SpecOf, made: dict[str, Path], tmp_path: Path
) -> None:
    outputs = []
    for number, loaders in enumerate((0, 0, 2)):
        spec = spec_of(**CHANGES, device={"loaders": loaders})
        stage.run(spec, made, work := tmp_path / str(number))
        outputs.append({name: (work / name).read_bytes() for name in outputs_in(work)})
    assert outputs[0] == outputs[1] == outputs[2]


def test_each_epoch_cuts_other_clips(spec_of: SpecOf, made: dict[str, Path]) -> None:
    spec = spec_of(**CHANGES)
    assert spec.video is not None
    clips, _, _ = open_videos(spec.video, made["data/tiny"], made["frames/tiny"])
    loader = Loader(spec, clips)
    first, again, second = (torch.cat([x.sum((1, 2, 3, 4)) for x, _ in loader.epoch(n)]).sort()[0] for n in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_an_unreadable_video_stops_a_run_unless_it_is_allowed(spec_of: SpecOf, tmp_path: Path) -> None:
    made = make(tmp_path / "set", break_one=True)
    reported = json.loads((made["frames/tiny"] / "broken.json").read_text())
    assert len(reported) == 1
    with pytest.raises(UserError) as caught:
        stage.run(spec_of(**CHANGES), made, tmp_path / "refused")
    assert "1 videos of split 1 cannot be decoded" in str(caught.value)
    assert reported[0]["video"] in str(caught.value)
    stage.run(spec_of(**CHANGES | {"video": {**VIEW, "broken_videos": 1}}), made, tmp_path / "allowed")
    metrics = json.loads((tmp_path / "allowed" / "metrics.json").read_text())
    assert metrics["videos"]["missing"] == 1
    assert metrics["best"]["test"]["original"]["total"] == metrics["videos"]["test"]


def test_a_crop_that_the_frames_do_not_hold_is_refused(spec_of: SpecOf, made: dict[str, Path], tmp_path: Path) -> None:
    video = {**VIEW, "clip": {**VIEW["clip"], "crop": 17, "size": 17}}
    with pytest.raises(UserError, match="smaller than the crop of 17"):
        stage.run(spec_of(**CHANGES | {"video": video}), made, tmp_path)


def test_another_number_of_classes_is_refused(spec_of: SpecOf, made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it has 2 classes, the run's net 3"):
        stage.run(spec_of(**CHANGES | {"classes": 3}), made, tmp_path)
