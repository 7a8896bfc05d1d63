"""The `measure` stage for the accuracy of networks with weights that the user has, on videos that the user has."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.video_guesses import GUESSES, Guess, counted, write_guesses
from reeltrace.errors import UserError
from reeltrace.recognition.nets import load_net
from reeltrace.recognition.recognise import (
    choose_device,
    read_labels,
    read_truth,
    recognise,
    recognise_set,
    stream_of,
)
from reeltrace.recognition.views import Views

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.recognition import GivenSet, RecognitionMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json` and `guesses.csv`: of each set that the user has named, and of no other. Needs no inputs."""
    asked = cast("RecognitionMeasurement", spec.measurement)
    guesses: list[Guess] = []
    sets: dict[str, Any] = {}
    for name, given in asked.sets.items():
        if given.checkpoint is not None:
            found, sets[name] = measured(asked, name, given, f"params.yaml: measurements.{spec.key}.sets.{name}")
            guesses += found
    write_guesses(work / GUESSES, guesses)
    for name, scores in counted(work / GUESSES).items():
        sets[name] |= scores
    write_json(work / METRICS, {"schema": SCHEMA, "sets": sets})
    return {}


def measured(
    asked: RecognitionMeasurement, name: str, given: GivenSet, place: str
) -> tuple[list[Guess], dict[str, Any]]:
    """The guesses for the videos of one set, and what stands beside its scores in metrics.json.

    Raises UserError, with the place in params.yaml, for a file that does not fit, and where no video can be read.
    """
    assert given.checkpoint is not None and given.videos is not None and given.truth is not None
    torch.set_num_threads(asked.threads)
    device = choose_device(asked.device, "params.yaml: device")
    try:
        loaded = load_net(Path(given.checkpoint))
        labels = read_labels(None if given.labels is None else Path(given.labels), loaded.config.classes)
        truth = read_truth(Path(given.truth), labels if given.labels is not None else _numbers(len(labels)))
        stream, views = stream_of(loaded, device), Views(asked.clips, asked.crops)
        guesses, left_out = [], []
        videos = recognise_set(Path(given.videos), truth, lambda path: recognise(path, loaded, [stream], views))
        for each in videos:
            if isinstance(each, tuple):
                left_out.append({"video": each[0], "reason": each[1]})
                print(f"{name}: left out: {each[1]}", file=sys.stderr)
            else:
                guesses.append(Guess(name, each.video, each.truth, tuple(each.guesses)))
        if not guesses:
            raise UserError(f"{given.videos}: not one of {len(truth)} videos can be read; name another folder")
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
    file = Path(given.checkpoint)
    return guesses, {
        "network": loaded.network,
        "checkpoint": {"path": file.as_posix(), "sha256": sha256_file(file), "bytes": file.stat().st_size},
        "view": {"frames": loaded.view.frames, "stride": loaded.view.stride, "crop": loaded.view.crop},
        "left_out": left_out,
    }


def _numbers(classes: int) -> list[str]:
    return [str(number) for number in range(classes)]
