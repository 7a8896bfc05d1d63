"""Spatio-temporal residual networks (iqbal2017, chapter 4)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reeltrace.kinds.architecture import Architecture, OnBackbone
from reeltrace.kinds.backbone_nets import least, stem
from reeltrace.registry.fields import Flag, Frames, Strict
from reeltrace.registry.models import Backbone, BackboneEntry

TITLE = "ST-ResNet"


class Connection(Strict):
    """A connection through time between two layers, counted from zero (iqbal2017, sections 4.2 and 5.4)."""

    source: Annotated[int, Field(ge=1, le=104, strict=True)]
    target: Annotated[int, Field(ge=1, le=104, strict=True)]
    kind: Literal["identity", "linear", "non-linear"]
    delay: Frames = 1

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.source >= self.target:
            raise ValueError(f"a connection leads to a later layer, found {self.source} to {self.target}")
        return self


class StResNetModel(BackboneEntry):
    """A spatio-temporal residual network on sequences of `frames` frames; the last step is the output.

    With `fixed_statistics` batch norm keeps the mean and variance of the pre-training: a gradient is then the same in
    however many pieces it is accumulated.
    """

    architecture: Literal["st-resnet"]
    frames: Frames
    connections: tuple[Connection, ...]
    fixed_statistics: Flag

    @model_validator(mode="after")
    def _context(self) -> Self:
        if self.frames > 1 + sum(connection.delay for connection in self.connections):
            raise ValueError(f"no chain of connections reaches back {self.frames} frames; lower frames")
        return self


def _words(model: Mapping[str, Any]) -> str:
    words = [f"{TITLE}, backbone {model['backbone']}"]
    words += [f"{w['source']} to {w['target']} {w['kind']}, delay {w['delay']}" for w in model["connections"]]
    return "; ".join((*words, f"{'fixed' if model['fixed_statistics'] else 'batch'} statistics"))


def _describe(entry: StResNetModel, backbone: Backbone, classes: int) -> dict[str, Any]:
    wires = [wire.model_dump(mode="json") for wire in entry.connections]
    return {**plain(backbone), "connections": wires, "fixed_statistics": entry.fixed_statistics, "classes": classes}


def plain(backbone: Backbone) -> dict[str, Any]:
    """A backbone of ResNet-50 alone, but for the number of classes: the net without connections."""
    return {
        "architecture": "st-resnet",
        "connections": [],
        "fixed_statistics": False,
        "width": backbone.width,
        **stem(backbone),
    }


KIND = Architecture(
    name="st-resnet",
    params=StResNetModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.backbone_nets_stage",
    net="reeltrace.models.st_resnet:build",
    describe=_describe,
    fed="sequences",
    backbone=OnBackbone("resnet50", learned=lambda entry: True),
    further=None,
    in_runs=True,
    augmented=False,
    transformed=False,
    bfloat16=False,  # these nets spend a CPU's time in many small layers, where it costs
    conforms=True,
    work=lambda entry, videos: 2,
    least=least,
)
