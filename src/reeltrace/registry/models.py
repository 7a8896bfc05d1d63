"""Models: nets on clips (basu2021), and nets on frames with the backbones they grow from (iqbal2017, singh2019supp)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reeltrace.registry.datasets import Normalise
from reeltrace.registry.fields import Channels, Extent, Flag, Frames, GroupName, Name, StandIn, Strict, Triple


class ResNetOptions(Strict):
    """What basu2021 leaves open in its 3D ResNet-18: kernel and stride of the stem, and its max-pool."""

    stem_kernel: Triple
    stem_stride: Triple
    max_pool: Flag


class Model(Strict):
    """A net: its architecture, its group, and the base widths C, of which it uses floor(C / sqrt|G|)."""

    architecture: Literal["cnn4", "resnet18"]
    group: GroupName
    widths: tuple[Channels, Channels, Channels, Channels]
    batch_norm: Flag
    bias: Flag
    options: ResNetOptions | None = None

    @model_validator(mode="after")
    def _options(self) -> Self:
        if (self.architecture == "resnet18") != (self.options is not None):
            raise ValueError("options (stem_kernel, stem_stride, max_pool) belong to resnet18, and only to it")
        if self.options is not None and any(extent % 2 == 0 for extent in self.options.stem_kernel):
            raise ValueError(f"stem_kernel must be odd along each axis, found {list(self.options.stem_kernel)}")
        return self


# --- nets on frames: iqbal2017 and singh2019supp ---


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


class StResNetModel(Strict):
    """A spatio-temporal residual network on sequences of `frames` frames; the last step is the output.

    With `fixed_statistics` batch norm keeps the mean and variance of the pre-training: a gradient is then the same in
    however many pieces it is accumulated.
    """

    architecture: Literal["st-resnet"]
    backbone: Name
    frames: Frames
    connections: tuple[Connection, ...]
    fixed_statistics: Flag

    @model_validator(mode="after")
    def _context(self) -> Self:
        if self.frames > 1 + sum(connection.delay for connection in self.connections):
            raise ValueError(f"no chain of connections reaches back {self.frames} frames; lower frames")
        return self


class BaselineModel(Strict):
    """A classifier on features of frames (iqbal2017, section 5.2): their mean with a linear layer, or a GRU.

    `units` is the width of the GRU. With `z_norm` each feature is first brought to mean 0 and deviation 1 over the
    frames of the training split.
    """

    architecture: Literal["average-pool", "gru"]
    backbone: Name
    block: Literal["block2", "block3", "block4"]
    z_norm: Flag
    units: Channels | None = None

    @model_validator(mode="after")
    def _units(self) -> Self:
        if (self.architecture == "gru") != (self.units is not None):
            raise ValueError("units belong to gru, and only to it")
        return self


class RCNModel(Strict):
    """A recurrent convolutional network (singh2019supp). `input_init` is that of w_xh, `hidden_init` that of w_hh."""

    architecture: Literal["rcn"]
    backbone: Name
    input_init: Literal["random", "pretrained"]
    hidden_init: Literal["random", "identity"]
    halve: Flag


class StillsModel(Strict):
    """A backbone itself, in training on still frames."""

    architecture: Literal["stills"]
    backbone: Name


FrameModel = StResNetModel | BaselineModel | RCNModel
AnyModel = Annotated[Model | FrameModel | StillsModel, Field(discriminator="architecture")]
