"""How well a net that the user has finds actions in AVA's videos: frame-mAP at an overlap of one half."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import ONE_PROCESSOR, Entry, MeasurementKind, Resources, no_bound, no_names
from reeltrace.registry.fields import Strict
from reeltrace.registry.measurements import GivenFile

DETECTIONS = "detections.csv"
TOLERANCE = 1e-9


class AvaFiles(Strict):
    """A set of videos in AVA's format, all of it the user's own.

    `labels` is AVA's csv, `excluded` its timestamps that are left out, `actions` the list of actions that count, and
    `videos` the folder of videos: files, or folders of images of which `rate` make a second, named as AVA names the
    video. A video begins at the timestamp `begins`; one whose name ends as in `name_000012_000022` at the first number.
    `boxes` are those of a person detector, from the score `persons` on; null: the labelled ones.
    """

    labels: GivenFile
    excluded: GivenFile | None = None
    actions: GivenFile | None = None
    videos: GivenFile
    begins: Annotated[float, Field(ge=0, le=1e6)] = 900.0
    rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    boxes: GivenFile | None = None
    persons: Annotated[float, Field(ge=0, le=1)] = 0.8


class DetectionMeasurement(Entry):
    """Frame-mAP of the net in a `checkpoint` of `reeltrace convert` on a set; null for either: it is not run."""

    kind: Literal["detection"]
    checkpoint: GivenFile | None
    set: AvaFiles | None
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]


def _files(asked: DetectionMeasurement) -> Iterator[tuple[str, str]]:
    if asked.checkpoint is not None and asked.set is not None:
        yield asked.checkpoint, "checkpoint"
        for name in ("labels", "excluded", "actions", "boxes"):
            if (path := getattr(asked.set, name)) is not None:
                yield path, f"set.{name}"


def _resources(asked: DetectionMeasurement) -> Resources:
    if asked.checkpoint is None or asked.set is None:
        return ONE_PROCESSOR
    return Resources(threads=asked.threads, gpus=int(asked.device != "cpu"))


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    if asked["checkpoint"] is None or asked["set"] is None:
        return {"net": asked["checkpoint"] or "none is named", "set": "none is named" if not asked["set"] else "named"}
    files = asked["set"]
    return {
        "net": asked["checkpoint"],
        "labels": files["labels"],
        "videos": files["videos"],
        "boxes": f"{files['boxes']}, from {files['persons']}" if files["boxes"] else "as labelled",
    }


def _check(folder: Path, asked: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The mean is that of the actions, each of which lies between 0 and 1."""
    if "actions" not in metrics:
        return
    every = [each["average_precision"] for each in metrics["actions"].values()]
    if any(not 0 <= value <= 1 for value in every):
        yield METRICS, "/actions: an average precision that is no share"
    expected = sum(every) / len(every)
    found = metrics["frame_map"]
    if not math.isclose(found["mean"], expected, abs_tol=TOLERANCE):
        yield METRICS, f"/frame_map/mean is {found['mean']}, the mean of its actions is {expected:.10g}"
    if not math.isclose(found["percent"], 100 * expected, abs_tol=100 * TOLERANCE):
        yield METRICS, f"/frame_map/percent is {found['percent']}, the mean of its actions is {expected:.10g}"


KIND = MeasurementKind(
    name="detection",
    params=DetectionMeasurement,
    stage="reeltrace.detection.stage",
    outputs=(METRICS, DETECTIONS),
    calls_document=False,
    observes=True,  # of videos that only the user has: nothing makes it again to compare
    offers=None,
    speaks_of=None,
    builds=None,
    names=no_names,
    files=_files,
    least=no_bound,
    resources=_resources,
    weight=2,
    words=_words,
    check=_check,
    beside=None,
    draws=None,
)
