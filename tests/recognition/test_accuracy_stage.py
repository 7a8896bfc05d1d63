"""The accuracy of a given checkpoint on given videos, as a measurement: what it writes, keeps, checks and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from measure.trained import CONFIG, film
from reeltrace.artifacts.video_guesses import Guess, counted, read_guesses, write_guesses
from reeltrace.errors import UserError
from reeltrace.kinds.measurements.recognition import KIND, RecognitionMeasurement
from reeltrace.models.checkpoint import save_checkpoint
from reeltrace.recognition.accuracy_stage import run
from reeltrace.recognition.nets import describe, random_net
from reeltrace.recognition.recognise import best, recognise, stream_of
from reeltrace.recognition.views import Views
from reeltrace.registry.specs import MeasureSpec

NONE = {"checkpoint": None, "videos": None, "truth": None, "labels": None}


def entry(**sets: dict[str, Any]) -> RecognitionMeasurement:
    given = {
        "kind": "recognition",
        "document": "d",
        "clips": 2,
        "crops": 1,
        "device": "cpu",
        "threads": 1,
        "sets": sets,
    }
    return RecognitionMeasurement.model_validate(given)


def spec(asked: RecognitionMeasurement) -> MeasureSpec:
    return MeasureSpec(stage="measure", key="accuracies", scale="smoke", measurement=asked, networks={})


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A checkpoint, three videos of which one is broken, and their classes, of which one is what the network says."""
    folder = tmp_path_factory.mktemp("given")
    loaded = random_net("slowfast", 1, **CONFIG)
    loaded = replace(loaded, view=loaded.view.changed(frames=8, stride=1, side=64, crop=64))
    save_checkpoint(folder / "net.pt", describe("slowfast", loaded.config, loaded.view), 0, loaded.net)
    for name in ("a.avi", "b.avi"):
        film(folder / name)
    (folder / "c.avi").write_bytes(b"nothing")
    stream = stream_of(loaded, torch.device("cpu"))
    likely = best(recognise(folder / "a.avi", loaded, [stream], Views(2, 1)))
    rows = [f"a.avi,{likely[0]}", f"b.avi,{likely[3]}", "c.avi,0"]
    (folder / "truth.csv").write_text("\n".join(["video,label", *rows]))
    return {"checkpoint": str(folder / "net.pt"), "videos": str(folder), "truth": str(folder / "truth.csv")}


def test_each_video_counts_once_and_what_is_broken_is_named(tmp_path: Path, given: dict[str, str]) -> None:
    asked = entry(**{"first": given, "second": NONE})
    run(spec(asked), {}, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["sets"].keys() == {"first"}
    found = metrics["sets"]["first"]
    assert found["top1"] == {"correct": 1, "total": 2, "percent": 50.0}
    assert found["top5"] == {"correct": 2, "total": 2, "percent": 100.0}
    assert [each["video"] for each in found["left_out"]] == ["c.avi"]
    assert found["checkpoint"]["path"] == given["checkpoint"] and found["view"] == {
        "frames": 8,
        "stride": 1,
        "crop": 64,
    }
    assert [each.video for each in read_guesses(tmp_path / "guesses.csv")] == ["a.avi", "b.avi"]
    assert KIND.check is not None
    assert list(KIND.check(tmp_path, asked.model_dump(), metrics)) == []
    # one that is edited is named
    found["top1"]["correct"] = 2
    assert [file for file, _ in KIND.check(tmp_path, asked.model_dump(), metrics)] == ["metrics.json"]
    write_guesses(tmp_path / "guesses.csv", [])
    assert list(KIND.check(tmp_path, asked.model_dump(), metrics)) == [("guesses.csv", "holds no guess for first")]


def test_without_a_checkpoint_nothing_is_run(tmp_path: Path) -> None:
    asked = entry(first=NONE)
    run(spec(asked), {}, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"schema": 1, "sets": {}}
    assert (tmp_path / "guesses.csv").read_text() == "set,video,truth,guesses\n"
    assert list(KIND.files(asked)) == [] and KIND.resources(asked).gpus == 0


def test_files_of_the_users_are_known_by_their_place(given: dict[str, str]) -> None:
    assert dict(KIND.files(entry(first=given))) == {
        given["checkpoint"]: "sets.first.checkpoint",
        given["truth"]: "sets.first.truth",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"truth": None}, "checkpoint, videos and truth together"),
        ({**NONE, "labels": "a.txt"}, "labels belong to a checkpoint"),
    ],
)
def test_half_a_set_is_refused(given: dict[str, str], change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        entry(first={**given, **change})


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, given: dict[str, str]) -> None:
    place = "params.yaml: measurements.accuracies.sets.first: "
    for change, said in (
        ({"checkpoint": str(tmp_path / "no.pt")}, "no.pt: no such checkpoint"),
        ({"videos": str(tmp_path)}, "holds none of the 3 videos"),
    ):
        with pytest.raises(UserError, match=said) as error:
            run(spec(entry(first={**given, **change})), {}, tmp_path)
        assert str(error.value).startswith(place)
    assert not (tmp_path / "metrics.json").exists()


def test_guesses_are_kept_as_they_were(tmp_path: Path) -> None:
    guesses = [Guess("x", "a, b.mp4", 3, (3, 1, 2, 4, 5)), Guess("y", "c.mp4", 9, (1, 9))]
    write_guesses(tmp_path / "g.csv", guesses)
    assert read_guesses(tmp_path / "g.csv") == guesses
    assert counted(tmp_path / "g.csv")["y"]["top5"] == {"correct": 1, "total": 1, "percent": 100.0}
    (tmp_path / "g.csv").write_text("set,video\n")
    with pytest.raises(ValueError, match="not set, video, truth, guesses"):
        read_guesses(tmp_path / "g.csv")
