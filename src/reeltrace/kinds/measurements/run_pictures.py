"""Pictures of a net that was trained here: test clips under transforms, filters, feature maps and answers."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Drawing, Entry, MeasurementKind, Named, no_bound, no_files, one_processor
from reeltrace.kinds.measurements.pictures import FigureNumber, Layer, check_pictures
from reeltrace.kinds.words import listed
from reeltrace.registry.fields import Channels, Frames, Name, Seed, Strict, Transform

MOST_TILES = 64  # maps in one picture


class ShownFigure(Strict):
    """A figure of the document: its subject in words, and what of the net it shows.

    `clip` are frames of the test clip under each of the `transforms`; `feature-maps` are those, what the net answers,
    and maps of `layers`; `filters` are kernels of convolutions on their first input channel, of a group net under each
    of the group's elements. `channels` of a layer are shown, chosen at random by the seed, null for all.
    """

    title: Annotated[str, StringConstraints(min_length=1)]
    show: Literal["clip", "filters", "feature-maps"]
    layers: tuple[Layer, ...] = ()
    transforms: tuple[Transform, ...] = ()
    channels: Channels | None = None
    frames: Frames = 4

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if bool(self.layers) != (self.show != "clip"):
            raise ValueError("filters and feature maps are of layers, a clip of none")
        if bool(self.transforms) != (self.show != "filters"):
            raise ValueError("clips and feature maps are under transforms, filters under none")
        if self.frames > MOST_TILES:
            raise ValueError(f"at most {MOST_TILES} frames, or the pictures are too large for a page")
        return self


class RunPicturesMeasurement(Entry):
    """Pictures of the best checkpoint of a run with its first seed, and of the first test clip of the class `shows`.

    Null, or a class that the set does not have, shows the first test clip of all. It is drawn wherever the run is.
    """

    kind: Literal["run-pictures"]
    run: Name
    shows: str | None
    seed: Seed
    figures: Annotated[dict[FigureNumber, ShownFigure], Field(min_length=1)]


def _names(asked: RunPicturesMeasurement, nets: Mapping[str, Any]) -> Iterator[Named]:
    yield from ()


def _runs(asked: RunPicturesMeasurement) -> Iterable[str]:
    return (asked.run,)


def _figures(asked: RunPicturesMeasurement) -> Iterable[str]:
    return asked.figures


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        "run": str(asked["run"]),
        "clip": "the first test clip" + (f" of class {asked['shows']}" if asked["shows"] else ""),
        **{
            f"figure {number}": f"{figure['show']} {listed(figure['layers'])}".rstrip()
            for number, figure in asked["figures"].items()
        },
    }


KIND = MeasurementKind(
    name="run-pictures",
    params=RunPicturesMeasurement,
    stage="reeltrace.measure.run_pictures",
    outputs=(METRICS, "pictures/"),
    calls_document=False,
    observes=False,
    offers=None,
    speaks_of=None,
    builds=None,
    names=_names,
    files=no_files,
    least=no_bound,
    resources=one_processor,
    weight=1,
    words=_words,
    check=check_pictures,
    beside=None,
    draws=Drawing(
        wanted=lambda asked: True,
        figures=_figures,
        runs=_runs,
        describe="reeltrace.report.layer_pictures:describe_run_pictures",
    ),
)
