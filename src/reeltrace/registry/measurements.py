"""Measurements: what is built and counted or timed, and never trained."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from reeltrace.registry.datasets import Normalise
from reeltrace.registry.fields import Channels, Flag, Frames, GroupName, Name, Pixels, PositiveInt, Seed, Strict


class Search(Strict):
    """The open choices over which a printed parameter count is searched, and the printed thousands."""

    biases: Annotated[tuple[Flag, ...], Field(min_length=1)]
    batch_norms: Annotated[tuple[Flag, ...], Field(min_length=1)]
    classes: dict[GroupName, tuple[PositiveInt, ...]]
    printed_thousands: dict[GroupName, PositiveInt]


class StructureMeasurement(Strict):
    """Parameters and feature-map sizes of one architecture under each group; built at full size, never trained."""

    kind: Literal["structure"]
    document: Name
    architecture: Literal["cnn4"]
    widths: tuple[Channels, Channels, Channels, Channels]
    batch_norm: Flag
    bias: Flag
    input: tuple[Channels, Frames, Pixels, Pixels]
    classes: dict[GroupName, PositiveInt]
    search: Search | None = None


Json = Any  # a plain value of YAML; what it must be is checked where it is used
Architecture = Literal["slowfast", "nonlocal_i3d", "r2plus1d"]


class View(Strict):
    """What one inference looks at: frames, and the side of the square crop in pixels. `boxes` is for detection."""

    frames: Frames
    crop: Pixels
    boxes: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0


class Network(Strict):
    """A net at its published size: `config` holds the values in which it differs from the architecture's defaults."""

    architecture: Architecture
    config: dict[str, Json]
    views: Annotated[dict[Name, View], Field(min_length=1)]


class NetworksMeasurement(Strict):
    """Parameters, multiply-adds per view and the sizes of stages of whole nets, counted without memory for weights."""

    kind: Literal["networks"]
    document: Name
    networks: Annotated[dict[Name, Network], Field(min_length=1)]


class Printed(Strict):
    """A net as one configuration, and the number of parameters that the document prints for it."""

    architecture: Architecture
    config: dict[str, Json]
    parameters: Annotated[int, Field(ge=1, le=10**13, strict=True)]


class SearchMeasurement(Strict):
    """Which of the open choices gives every printed parameter count: each choice has settings, by label."""

    kind: Literal["search"]
    document: Name
    networks: Annotated[dict[Name, Printed], Field(min_length=1)]
    choices: Annotated[dict[Name, dict[str, dict[str, Json]]], Field(min_length=1)]


def _without_null(views: Any) -> Any:
    """Leave out the nets that a reduced scale does without: a merged mapping cannot lose a key."""
    return {net: view for net, view in views.items() if view is not None} if isinstance(views, dict) else views


class LatencyMeasurement(Strict):
    """Time and memory of one view of each net, on this machine: `views` names one of the net's views, null for none.

    `checkpoint` may name files with weights, by net; without them a net has its initial weights, which cost the same.
    """

    kind: Literal["latency"]
    document: Name
    of: Name
    views: Annotated[dict[Name, Name], BeforeValidator(_without_null), Field(min_length=1)]
    precisions: Annotated[tuple[Literal["float32", "bfloat16"], ...], Field(min_length=1)]
    warm_up: Annotated[int, Field(ge=0, le=1000, strict=True)]
    repeats: Annotated[int, Field(ge=1, le=10**5, strict=True)]
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    checkpoint: dict[Name, str] = Field(default_factory=dict)


class FactsMeasurement(Strict):
    """Facts that the document's own module counts, by the part of it that the print speaks of."""

    kind: Literal["facts"]
    document: Name


def _plain_path(path: str) -> str:
    if path != path.strip() or path.startswith("~"):
        raise ValueError("a path from the folder of params.yaml, or an absolute one; `~` is not understood here")
    return path


GivenFile = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_plain_path)]
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


class PicturesMeasurement(Strict):
    """Pictures of the weights and feature maps of one trained net; without a `checkpoint` nothing is drawn.

    `of`, `network` and `view` name a net of a measurement of networks and one of its views. `checkpoint` and `videos`
    are files of the user's. `channels` feature maps of a layer are chosen at random, by `seed`, and `frames` points in
    time of each are shown. `figures` are those of the document, by number.
    """

    kind: Literal["pictures"]
    document: Name
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


Measurement = Annotated[
    StructureMeasurement
    | NetworksMeasurement
    | SearchMeasurement
    | LatencyMeasurement
    | FactsMeasurement
    | PicturesMeasurement,
    Field(discriminator="kind"),
]
