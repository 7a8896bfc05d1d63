"""Models: what every entry says, and the backbones that nets on frames grow from (iqbal2017, singh2019supp).

What each architecture asks besides is declared where the architecture is, see `kinds.architecture`.
"""

from typing import Annotated, Literal, Self

from pydantic import SerializeAsAny, model_validator

from reeltrace.kinds.architecture import ARCHITECTURES, Architecture
from reeltrace.registry.datasets import Normalise
from reeltrace.registry.fields import Channels, Extent, Flag, Frames, Name, StandIn, Strict


class Entry(Strict):
    """A net of the kind that `architecture` names."""

    architecture: str


class BackboneEntry(Entry):
    """A net that grows from a backbone."""

    backbone: Name


class Stills(Strict):
    """Still frames that a backbone is trained on: every n-th frame of the videos of a set, under one protocol."""

    dataset: Name
    split: Literal[1, 2, 3]
    every: Frames
    protocol: Name


class Backbone(Strict):
    """A pre-trained 2D ResNet. Stage `pretrain` makes its weights; all nets built on it have its sizes.

    `width` is that of the first stage. The weights are a declared download (`weights`, a key of declared.yaml), or are
    learned from `stills`, beginning with those of the backbone `initial` where one is named; `stand_in` says what these
    stills stand in for. `normalise` is what its pixels are scaled with.
    """

    architecture: Literal["resnet18", "resnet50"]
    width: Channels
    stem_kernel: Extent
    stem_stride: Extent
    max_pool: Flag
    normalise: Normalise
    weights: str | None = None
    stills: Stills | None = None
    initial: Name | None = None
    stand_in: StandIn | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.weights is None) == (self.stills is None):
            raise ValueError("weights come from a declared download or from stills; give one of the two")
        if self.initial is not None and self.stills is None:
            raise ValueError("initial is where a training on stills begins; give stills too")
        if self.stand_in is not None and self.stills is None:
            raise ValueError("stand_in says what stills stand in for, and there are none; set it to null")
        return self


def _in_runs(kind: Architecture) -> bool:
    return kind.in_runs


AnyModel = Annotated[SerializeAsAny[Entry], ARCHITECTURES.entry()]
RunModel = Annotated[SerializeAsAny[Entry], ARCHITECTURES.entry(_in_runs)]
