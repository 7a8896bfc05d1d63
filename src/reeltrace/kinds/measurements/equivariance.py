"""How equivariant untrained group nets are, by the size of the clips: what their layers allow, whatever they learn."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.architectures import cnn4, resnet18
from reeltrace.kinds.architectures.cnn4 import CNN4Model
from reeltrace.kinds.architectures.resnet18 import ResNet18Model
from reeltrace.kinds.measurement import Entry, MeasurementKind, no_files, no_names, one_processor
from reeltrace.kinds.words import listed
from reeltrace.registry.fields import Frames, Name, Pixels, PositiveInt, Seed
from reeltrace.registry.needs import Need

GroupNet = Annotated[CNN4Model | ResNet18Model, Field(discriminator="architecture")]
Size = tuple[Frames, Pixels, Pixels]
DECLARED = {"cnn4": cnn4.KIND, "resnet18": resnet18.KIND}


class EquivarianceMeasurement(Entry):
    """Nets with initial weights drawn by `seed`, on `clips` drawn clips of each of `sizes`, (T, H, W).

    A net is moved by the elements of its own group.
    """

    kind: Literal["equivariance"]
    nets: Annotated[dict[Name, GroupNet], Field(min_length=1)]
    sizes: Annotated[tuple[Size, ...], Field(min_length=1)]
    clips: Annotated[int, Field(ge=2, le=1000, strict=True)]  # a spread wants two
    classes: PositiveInt
    seed: Seed


def size_words(size: tuple[int, ...]) -> str:
    """The name of a size in metrics.json and on the page: "32x32x32"."""
    return "x".join(map(str, size))


def net_words(net: Mapping[str, Any]) -> str:
    """What a chain says of a net, from its entry as plain values."""
    return DECLARED[net["architecture"]].words(net)


def _least(asked: EquivarianceMeasurement) -> Need:
    largest = max(math.prod(size) for size in asked.sizes)
    return Need(
        8 * asked.clips * largest * min(net.widths[0] for net in asked.nets.values()), "clips", "clips or sizes"
    )


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{name: net_words(net) for name, net in asked["nets"].items()},
        "clips": f"{asked['clips']} drawn by seed {asked['seed']}, {listed(map(size_words, asked['sizes']))}",
    }


KIND = MeasurementKind(
    name="equivariance",
    params=EquivarianceMeasurement,
    stage="reeltrace.measure.equivariance_stage",
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
    weight=6,
    words=_words,
    check=None,
    beside="reeltrace.analysis.blocks:equivariance",
    draws=None,
)
