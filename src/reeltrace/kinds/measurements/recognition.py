"""How often a network with weights that the user has recognises the videos of a set that the user has."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.video_guesses import GUESSES, counted
from reeltrace.kinds.measurement import ONE_PROCESSOR, Entry, MeasurementKind, Resources, no_bound, no_names
from reeltrace.kinds.network import NETWORKS
from reeltrace.registry.fields import Name, Strict
from reeltrace.registry.measurements import GivenFile

Count = Annotated[int, Field(ge=1, le=1000, strict=True)]


class GivenSet(Strict):
    """A set of the user's: a checkpoint that `reeltrace convert` wrote, a folder of videos, a csv of their classes.

    `truth` has the columns video and label; `labels` the names of the classes where those are not numbers. Without a
    checkpoint the set is not run.
    """

    checkpoint: GivenFile | None = None
    videos: GivenFile | None = None
    truth: GivenFile | None = None
    labels: GivenFile | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = [name for name in ("checkpoint", "videos", "truth") if getattr(self, name) is not None]
        if given and len(given) < 3:
            raise ValueError(f"checkpoint, videos and truth together, or none of them; found {', '.join(given)} alone")
        if self.labels is not None and not given:
            raise ValueError("labels belong to a checkpoint; name it too, or set them to null")
        return self


class RecognitionMeasurement(Entry):
    """Top-1 and top-5 of each set, its probabilities averaged over `clips` times `crops` views of each video."""

    kind: Literal["recognition"]
    sets: Annotated[dict[Name, GivenSet], Field(min_length=1)]
    clips: Count
    crops: Count
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]


def _run(asked: RecognitionMeasurement) -> list[tuple[str, GivenSet]]:
    return [(name, each) for name, each in asked.sets.items() if each.checkpoint is not None]


def _files(asked: RecognitionMeasurement) -> Iterator[tuple[str, str]]:
    for name, each in _run(asked):
        for key in ("checkpoint", "truth", "labels"):
            if (path := getattr(each, key)) is not None:
                yield path, f"sets.{name}.{key}"


def _builds(asked: RecognitionMeasurement) -> Iterable[str]:
    """Which network a checkpoint is of, only the checkpoint tells."""
    return NETWORKS.all() if _run(asked) else ()


def _resources(asked: RecognitionMeasurement) -> Resources:
    return Resources(threads=asked.threads, gpus=int(asked.device != "cpu")) if _run(asked) else ONE_PROCESSOR


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    sets = {
        name: f"{each['checkpoint']} on {each['videos']}, by {each['truth']}" if each["checkpoint"] else "not run"
        for name, each in asked["sets"].items()
    }
    return {"views": f"{asked['clips']} clips of {asked['crops']} crops", **sets}


def _check(folder: Path, asked: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Its counts are those of its guesses."""
    found = counted(folder / GUESSES)
    for name in sorted(found.keys() | metrics["sets"].keys()):
        stored = metrics["sets"].get(name, {})
        for what, score in found.get(name, {}).items():
            if stored.get(what) != score:
                yield METRICS, f"/sets/{name}/{what} is {stored.get(what)}, its guesses give {score}"
        if name not in found:
            yield GUESSES, f"holds no guess for {name}"


KIND = MeasurementKind(
    name="recognition",
    params=RecognitionMeasurement,
    stage="reeltrace.recognition.accuracy_stage",
    outputs=(METRICS, GUESSES),
    calls_document=False,
    observes=True,  # of videos that only the user has: nothing makes it again to compare
    offers=None,
    speaks_of=None,
    builds=_builds,
    names=no_names,
    files=_files,
    least=no_bound,
    resources=_resources,
    weight=3,
    words=_words,
    check=_check,
    beside=None,
    draws=None,
)
