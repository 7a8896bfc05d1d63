"""Recurrent convolutional networks (singh2019supp)."""

from collections.abc import Mapping
from typing import Any, Literal

from reeltrace.artifacts.formats import HIDDEN
from reeltrace.kinds.architecture import Architecture, Further, OnBackbone
from reeltrace.kinds.backbone_nets import least, stem
from reeltrace.registry.fields import Flag
from reeltrace.registry.models import Backbone, BackboneEntry

TITLE = "RCN ResNet-18"


class RCNModel(BackboneEntry):
    """A recurrent convolutional network (singh2019supp). `input_init` is that of w_xh, `hidden_init` that of w_hh."""

    architecture: Literal["rcn"]
    input_init: Literal["random", "pretrained"]
    hidden_init: Literal["random", "identity"]
    halve: Flag


def _words(model: Mapping[str, Any]) -> str:
    halved = "" if model["halve"] else "not "
    return (
        f"{TITLE}, backbone {model['backbone']}; "
        f"w_xh {model['input_init']}, w_hh {model['hidden_init']}, sum {halved}halved"
    )


def _describe(entry: RCNModel, backbone: Backbone, classes: int) -> dict[str, Any]:
    return {**plain(backbone), "hidden_init": entry.hidden_init, "halve": entry.halve, "classes": classes}


def plain(backbone: Backbone) -> dict[str, Any]:
    """A backbone of ResNet-18 alone, but for the number of classes: the net that carries its state on unchanged."""
    return {
        "architecture": "rcn",
        "hidden_init": "identity",
        "halve": False,
        "widths": [backbone.width * 2**stage for stage in range(4)],
        **stem(backbone),
    }


KIND = Architecture(
    name="rcn",
    params=RCNModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.backbone_nets_stage",
    net="reeltrace.models.rcn:build",
    describe=_describe,
    fed="clips",
    backbone=OnBackbone("resnet18", learned=lambda entry: bool(entry.input_init == "pretrained")),
    further=Further(
        outputs=(HIDDEN,),
        write="reeltrace.training.hidden:write",
        check="reeltrace.verify.nets_on_frames:hidden_states",
    ),
    in_runs=True,
    augmented=True,
    transformed=True,
    bfloat16=False,  # these nets spend a CPU's time in many small layers, where it costs
    conforms=True,
    work=lambda entry, videos: 2,
    least=least,
)
