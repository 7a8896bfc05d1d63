"""Gated recurrent units on the features of a video's frames (iqbal2017, section 5.2)."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from reeltrace.kinds.architecture import Architecture, Least, OnBackbone
from reeltrace.kinds.features_nets import UNITS, FeaturesModel, features, words
from reeltrace.registry.fields import Channels
from reeltrace.registry.models import Backbone

TITLE = "GRU on features"


class GRUModel(FeaturesModel):
    """A GRU on features; `units` is its width."""

    architecture: Literal["gru"]
    units: Channels | None = None

    @model_validator(mode="after")
    def _has_units(self) -> Self:
        if self.units is None:
            raise ValueError(UNITS)
        return self


def _words(model: Mapping[str, Any]) -> str:
    return f"{words(TITLE, model)}; {model['units']} units"


def _describe(entry: GRUModel, backbone: Backbone, classes: int) -> dict[str, Any]:
    return {
        "architecture": "gru",
        "features": features(entry, backbone),
        "z_norm": entry.z_norm,
        "units": entry.units,
        "classes": classes,
    }


def _least(entry: GRUModel, backbone: Backbone, classes: int) -> Least:
    assert entry.units is not None
    return Least(features(entry, backbone) * 3 * entry.units, 0, (1, 1, 1))


KIND = Architecture(
    name="gru",
    params=GRUModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.backbone_nets_stage",
    net="reeltrace.models.baselines:build_gru",
    describe=_describe,
    fed="features",
    backbone=OnBackbone("resnet50", learned=lambda entry: True),
    further=None,
    in_runs=True,
    augmented=False,
    transformed=False,
    bfloat16=False,  # it has no convolution for which it would pay
    conforms=False,
    work=lambda entry, videos: 1,
    least=_least,
)
