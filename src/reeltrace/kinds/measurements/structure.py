"""Parameters and feature-map sizes of group networks, at the document's own size on every scale."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Entry, MeasurementKind, no_files, no_names, one_processor
from reeltrace.kinds.words import listed
from reeltrace.registry.fields import Channels, Flag, Frames, GroupName, Pixels, PositiveInt, Strict
from reeltrace.registry.needs import Need, kernels


class Search(Strict):
    """The open choices over which a printed parameter count is searched, and the printed thousands."""

    biases: Annotated[tuple[Flag, ...], Field(min_length=1)]
    batch_norms: Annotated[tuple[Flag, ...], Field(min_length=1)]
    classes: dict[GroupName, tuple[PositiveInt, ...]]
    printed_thousands: dict[GroupName, PositiveInt]


class StructureMeasurement(Entry):
    """Parameters and feature-map sizes of one architecture under each group; built at full size, never trained."""

    kind: Literal["structure"]
    architecture: Literal["cnn4"]
    widths: tuple[Channels, Channels, Channels, Channels]
    batch_norm: Flag
    bias: Flag
    input: tuple[Channels, Frames, Pixels, Pixels]
    classes: dict[GroupName, PositiveInt]
    search: Search | None = None


def _least(asked: StructureMeasurement) -> Need:
    weights, inputs = kernels(asked.widths, pointwise=True) // 2, math.prod(asked.input)
    return Need(4 * (weights + inputs), "weights and an input", "widths or input")


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        "architecture": asked["architecture"],
        "base widths": listed(asked["widths"]),
        "input": listed(asked["input"]),
        "batch norm": str(asked["batch_norm"]).lower(),
        "bias": str(asked["bias"]).lower(),
    }


KIND = MeasurementKind(
    name="structure",
    params=StructureMeasurement,
    stage="reeltrace.measure.structure_stage",
    outputs=(METRICS,),
    calls_document=False,
    observes=False,
    offers=None,
    speaks_of=None,
    builds=None,
    names=no_names,
    files=no_files,
    least=_least,
    resources=one_processor,
    weight=2,
    words=_words,
    check=None,
    beside=None,
    draws=None,
)
