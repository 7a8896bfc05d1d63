"""The 4-layer 3D CNN of basu2021, for any group."""

from typing import Any, Literal, Self

from pydantic import model_validator

from reeltrace.kinds.architecture import Architecture, Least
from reeltrace.kinds.group_nets import OPTIONS, ORIENTATIONS, GroupModel, describe, words
from reeltrace.registry.needs import kernels


class CNN4Model(GroupModel):
    """The net and its group; it has no options."""

    architecture: Literal["cnn4"]
    options: Any = None

    @model_validator(mode="after")
    def _no_options(self) -> Self:
        if self.options is not None:
            raise ValueError(OPTIONS)
        return self


def _work(entry: CNN4Model, videos: bool) -> int:
    return ORIENTATIONS[entry.group] * (2 if videos else 1)


def _least(entry: CNN4Model, backbone: None, classes: int) -> Least:
    """Half the weights of the convolutions: of widths that are divided by a root the fraction is dropped."""
    return Least(kernels(entry.widths, pointwise=True) // 2, entry.widths[0], (1, 1, 1))


KIND = Architecture(
    name="cnn4",
    params=CNN4Model,
    title="4-layer CNN",
    words=words,
    stage="reeltrace.training.stage",
    net="reeltrace.models.cnn4:build",
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
