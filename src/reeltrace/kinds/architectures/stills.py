"""A backbone itself: a 2D ResNet in training on still frames. No run names it; stage `pretrain` trains it."""

from collections.abc import Mapping
from typing import Any, Literal

from reeltrace.kinds.architecture import STILLS, Architecture, OnBackbone
from reeltrace.kinds.architectures import rcn, st_resnet
from reeltrace.kinds.backbone_nets import least
from reeltrace.registry.models import Backbone, BackboneEntry

TITLE = "backbone on still frames"
PLAIN = {"resnet18": rcn.plain, "resnet50": st_resnet.plain}  # the nets that are this backbone where nothing is carried


class StillsModel(BackboneEntry):
    """A backbone itself, in training on still frames."""

    architecture: Literal["stills"]


def describe_backbone(backbone: Backbone) -> dict[str, Any]:
    """A backbone alone, but for the number of classes."""
    return PLAIN[backbone.architecture](backbone)


def _words(model: Mapping[str, Any]) -> str:
    return f"{TITLE}, backbone {model['backbone']}"


def _describe(entry: StillsModel, backbone: Backbone, classes: int) -> dict[str, Any]:
    return {**describe_backbone(backbone), "classes": classes}


KIND = Architecture(
    name=STILLS,
    params=StillsModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.pretrain_stage",
    net="reeltrace.models.backbones:build",
    describe=_describe,
    fed="sequences",
    backbone=OnBackbone("resnet50", learned=lambda entry: True),
    further=None,
    in_runs=False,
    augmented=False,
    transformed=False,
    bfloat16=False,  # these nets spend a CPU's time in many small layers, where it costs
    conforms=True,
    work=lambda entry, videos: 2,
    least=least,
)
