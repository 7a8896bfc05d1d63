"""Measurements: what is built and counted or timed, and never trained."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from reeltrace.registry.fields import Flag, GroupName, Name, PositiveInt, Strict


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
    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    batch_norm: Flag
    bias: Flag
    input: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    classes: dict[GroupName, PositiveInt]
    search: Search | None = None


Json = Any  # a plain value of YAML; what it must be is checked where it is used
Architecture = Literal["slowfast", "nonlocal_i3d", "r2plus1d"]
NetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ()+.,_-]*$", max_length=60)]


class View(Strict):
    """What one inference looks at: frames, and the side of the square crop in pixels. `boxes` is for detection."""

    frames: PositiveInt
    crop: PositiveInt
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
    parameters: Annotated[int, Field(ge=1, strict=True)]


class SearchMeasurement(Strict):
    """Which of the open choices gives every printed parameter count: each choice has settings, by label."""

    kind: Literal["search"]
    document: Name
    networks: Annotated[dict[Name, Printed], Field(min_length=1)]
    choices: Annotated[dict[Name, dict[str, dict[str, Json]]], Field(min_length=1)]


class LatencyMeasurement(Strict):
    """Time and memory of one view of each net, on this machine: `views` names one of the net's views.

    `checkpoint` may name files with weights, by net; without them a net has its initial weights, which cost the same.
    """

    kind: Literal["latency"]
    document: Name
    of: Name
    views: Annotated[dict[Name, Name], Field(min_length=1)]
    precisions: Annotated[tuple[Literal["float32", "bfloat16"], ...], Field(min_length=1)]
    warm_up: Annotated[int, Field(ge=0, le=1000, strict=True)]
    repeats: PositiveInt
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    checkpoint: dict[Name, str] = Field(default_factory=dict)


class FactsMeasurement(Strict):
    """Architecture facts that a document prints about image networks, counted on networks that are built here."""

    kind: Literal["facts"]
    document: Name


Measurement = Annotated[
    StructureMeasurement | NetworksMeasurement | SearchMeasurement | LatencyMeasurement | FactsMeasurement,
    Field(discriminator="kind"),
]
