"""Pictures of the weights and feature maps of a net whose trained weights the user has."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Drawing, Entry, MeasurementKind, Named, Nets, no_bound, one_processor
from reeltrace.kinds.words import listed
from reeltrace.registry.datasets import Normalise
from reeltrace.registry.fields import Channels, Frames, Name, Seed, Strict
from reeltrace.registry.measurements import GivenFile, Network

Layer = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=100)]
FigureNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3})*$")]
MOST_TILES = 36  # maps in one picture; each has at most 64 x 64 pixels, so that no picture exceeds 200 KB


class Figure(Strict):
    """A figure of the document: its subject in words, and the layers that it shows, by their place in the net."""

    title: Annotated[str, StringConstraints(min_length=1)]
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _layers_once(self) -> Self:
        if len(set(self.layers)) != len(self.layers):
            raise ValueError("each layer once")
        return self


class WeightsFigure(Figure):
    """Kernels of convolutions: those of the first `channels` output channels, null for all."""

    show: Literal["weights"]
    channels: Channels | None


class MapsFigure(Figure):
    """Feature maps of layers for one video, counted from 1: the `first` frames or frames `spread` over the clip.

    `stack` says how the channels lie: one `below` the other with time across, or `beside` each other with time down.
    """

    show: Literal["feature-maps"]
    video: Annotated[int, Field(ge=1, le=100, strict=True)]
    frames: Literal["first", "spread"]
    stack: Literal["below", "beside"]


class PicturesMeasurement(Entry):
    """Pictures of the weights and feature maps of one trained net; without a `checkpoint` nothing is drawn.

    `of`, `network` and `view` name a net of a measurement of networks and one of its views. `checkpoint` and `videos`
    are files of the user's. `channels` feature maps of a layer are chosen at random, by `seed`, and `frames` points in
    time of each are shown. `figures` are those of the document, by number.
    """

    kind: Literal["pictures"]
    of: Name
    network: Name
    view: Name
    checkpoint: GivenFile | None
    videos: tuple[GivenFile, ...]
    normalise: Normalise
    channels: Channels
    frames: Frames
    seed: Seed
    figures: Annotated[
        dict[FigureNumber, Annotated[WeightsFigure | MapsFigure, Field(discriminator="show")]], Field(min_length=1)
    ]

    @model_validator(mode="after")
    def _small_enough(self) -> Self:
        if self.channels * self.frames > MOST_TILES:
            raise ValueError(f"channels times frames is at most {MOST_TILES}, or the pictures are too large for a page")
        return self


def _speaks_of(asked: PicturesMeasurement) -> Nets:
    return Nets(of=asked.of, views={asked.network: asked.view}, precisions=("float32",))


def _names(asked: PicturesMeasurement, nets: Mapping[str, Mapping[str, Network]]) -> Iterator[Named]:
    yield Named("of", "measurement of networks", asked.of, nets)
    yield Named("network", "network", asked.network, nets[asked.of])
    yield Named("view", "view", asked.view, nets[asked.of][asked.network].views)


def _wanted(asked: PicturesMeasurement) -> bool:
    return asked.checkpoint is not None


def _files(asked: PicturesMeasurement) -> Iterator[tuple[str, str]]:
    if asked.checkpoint is not None:
        yield asked.checkpoint, "checkpoint"
        for path in asked.videos:
            yield path, "videos"


def _figures(asked: PicturesMeasurement) -> Iterable[str]:
    return asked.figures


def _no_runs(asked: Any) -> Iterable[str]:
    """Of pictures whose weights are no run's."""
    return ()


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        "network": f"{asked['network']}, view {asked['view']}",
        "weights": str(asked["checkpoint"]),
        "videos": listed(asked["videos"]),
        "maps": f"{asked['channels']} channels chosen by seed {asked['seed']}, {asked['frames']} points in time",
        **{f"figure {number}": listed(figure["layers"]) for number, figure in asked["figures"].items()},
    }


def check_pictures(folder: Path, asked: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each picture is the one that the measurement describes."""
    for figure in metrics["figures"]:
        for picture in figure["pictures"]:
            if (found := altered(folder / picture["file"], picture["sha256"])) is not None:
                yield picture["file"], found


def altered(picture: Path, sha256: str) -> str | None:
    """What is wrong with the file of a picture; None where it is the one with this hash."""
    if not picture.is_file():
        return "missing"
    return None if sha256_file(picture) == sha256 else "is not the picture that metrics.json describes"


KIND = MeasurementKind(
    name="pictures",
    params=PicturesMeasurement,
    stage="reeltrace.measure.pictures_stage",
    outputs=(METRICS, "pictures/"),
    calls_document=False,
    observes=False,
    offers=None,
    speaks_of=_speaks_of,
    builds=None,
    names=_names,
    files=_files,
    least=no_bound,
    resources=one_processor,
    weight=2,
    words=_words,
    check=check_pictures,
    beside=None,
    draws=Drawing(
        wanted=_wanted,
        figures=_figures,
        runs=_no_runs,
        describe="reeltrace.report.layer_pictures:describe_pictures",
    ),
)
