"""A linear layer on the mean of the features of a video's frames (iqbal2017, section 5.2)."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from reeltrace.kinds.architecture import Architecture, Least, OnBackbone
from reeltrace.kinds.features_nets import UNITS, FeaturesModel, features, words
from reeltrace.registry.models import Backbone

TITLE = "average pooling on features"


class AveragePoolModel(FeaturesModel):
    """The mean of features with a linear layer; it has no units."""

    architecture: Literal["average-pool"]
    units: Any = None

    @model_validator(mode="after")
    def _no_units(self) -> Self:
        if self.units is not None:
            raise ValueError(UNITS)
        return self


def _words(model: Mapping[str, Any]) -> str:
    return words(TITLE, model)


def _describe(entry: AveragePoolModel, backbone: Backbone, classes: int) -> dict[str, Any]:
    return {
        "architecture": "average-pool",
        "features": features(entry, backbone),
        "z_norm": entry.z_norm,
        "classes": classes,
    }


def _least(entry: AveragePoolModel, backbone: Backbone, classes: int) -> Least:
    return Least(features(entry, backbone) * classes, 0, (1, 1, 1))


KIND = Architecture(
    name="average-pool",
    params=AveragePoolModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.backbone_nets_stage",
    net="reeltrace.models.baselines:build_average_pool",
    describe=_describe,
    fed="pooled features",
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
