"""Recurrent convolutional networks of any depth whose spatial weights are random (singh2019supp, figure 2)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import HIDDEN
from reeltrace.kinds.architecture import Architecture, Further, Least
from reeltrace.registry.fields import Channels, Extent, Flag
from reeltrace.registry.models import Entry

TITLE = "RCN"
Blocks = Annotated[int, Field(ge=1, le=50, strict=True)]


class RCNScratchModel(Entry):
    """An RCN without a backbone: `blocks` of two recurrent units in each of four stages, (2, 2, 2, 2) for ResNet-18 and
    (3, 4, 6, 3) for ResNet-34; `width` is that of the first stage."""

    architecture: Literal["rcn-scratch"]
    blocks: tuple[Blocks, Blocks, Blocks, Blocks]
    width: Channels
    stem_kernel: Extent
    stem_stride: Extent
    max_pool: Flag
    hidden_init: Literal["random", "identity"]
    halve: Flag


def _words(model: Mapping[str, Any]) -> str:
    halved = "" if model["halve"] else "not "
    layers = 2 * sum(model["blocks"]) + 2
    return (
        f"{TITLE} ResNet-{layers}, width {model['width']}; w_xh random, w_hh {model['hidden_init']}, sum {halved}halved"
    )


def _describe(entry: RCNScratchModel, backbone: None, classes: int) -> dict[str, Any]:
    same = entry.model_dump(mode="json", exclude={"width"})
    return {**same, "widths": [entry.width * 2**stage for stage in range(4)], "classes": classes}


def _least(entry: RCNScratchModel, backbone: None, classes: int) -> Least:
    return Least(9 * (8 * entry.width) ** 2, entry.width, (1, entry.stem_stride, entry.stem_stride))


KIND = Architecture(
    name="rcn-scratch",
    params=RCNScratchModel,
    title=TITLE,
    words=_words,
    stage="reeltrace.training.stage",
    net="reeltrace.models.rcn:build",
    describe=_describe,
    fed="clips",
    backbone=None,
    further=Further(
        outputs=(HIDDEN,),
        write="reeltrace.training.hidden:write",
        check="reeltrace.verify.nets_on_frames:hidden_states",
    ),
    in_runs=True,
    augmented=True,
    transformed=True,
    bfloat16=False,  # as an RCN that grows from a backbone
    conforms=True,
    work=lambda entry, videos: sum(entry.blocks) // 4,
    least=_least,
)
