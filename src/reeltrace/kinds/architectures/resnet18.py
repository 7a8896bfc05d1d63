"""The 3D ResNet-18 of basu2021, for any group."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import model_validator

from reeltrace.kinds.architecture import Architecture, Least
from reeltrace.kinds.group_nets import OPTIONS, ORIENTATIONS, GroupModel, describe
from reeltrace.kinds.group_nets import words as words_of_group_net
from reeltrace.registry.fields import Flag, Strict, Triple
from reeltrace.registry.needs import kernels


class ResNetOptions(Strict):
    """What basu2021 leaves open in its 3D ResNet-18: kernel and stride of the stem, max-pool, how maps are halved."""

    stem_kernel: Triple
    stem_stride: Triple
    max_pool: Flag
    downsampling: Literal["strided", "smoothed"] = "strided"


class ResNet18Model(GroupModel):
    """The net, its group and its options."""

    architecture: Literal["resnet18"]
    options: ResNetOptions | None = None

    @model_validator(mode="after")
    def _options(self) -> Self:
        if self.options is None:
            raise ValueError(OPTIONS)
        if any(extent % 2 == 0 for extent in self.options.stem_kernel):
            raise ValueError(f"stem_kernel must be odd along each axis, found {list(self.options.stem_kernel)}")
        if self.options.downsampling == "smoothed" and max(self.options.stem_stride) > 2:
            found = list(self.options.stem_stride)
            raise ValueError(
                f"stem_stride must be 1 or 2 along each axis where downsampling is smoothed, found {found}"
            )
        return self


def words(model: Mapping[str, Any]) -> str:
    """ "resnet18, group t2, base widths 64, 128, 256, 512; stem 7x7x7 at stride 1x2x2, max-pool, smoothed"."""
    options = model["options"]
    kernel, stride = ("x".join(map(str, options[key])) for key in ("stem_kernel", "stem_stride"))
    pool = "max-pool" if options["max_pool"] else "no max-pool"
    halved = options.get("downsampling", "strided")  # as trainings from before the option were
    return f"{words_of_group_net(model)}; stem {kernel} at stride {stride}, {pool}, {halved}"


def _work(entry: ResNet18Model, videos: bool) -> int:
    return 2 * ORIENTATIONS[entry.group]


def _least(entry: ResNet18Model, backbone: None, classes: int) -> Least:
    """Half the weights of the widest convolutions: of widths that are divided by a root the fraction is dropped."""
    assert entry.options is not None
    stride = (1, 1, 1) if entry.options.downsampling == "smoothed" else entry.options.stem_stride
    return Least(kernels(entry.widths, pointwise=False) // 2, entry.widths[0], stride)


KIND = Architecture(
    name="resnet18",
    params=ResNet18Model,
    title="3D ResNet-18",
    words=words,
    stage="reeltrace.training.stage",
    net="reeltrace.models.resnet3d:build",
    describe=describe,
    fed="clips",
    backbone=None,
    further=None,
    in_runs=True,
    augmented=True,
    transformed=True,
    bfloat16=True,
    conforms=True,
    work=_work,
    least=_least,
)
