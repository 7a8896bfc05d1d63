"""Runs: a dataset, a model, a training protocol and an evaluation; and the device they compute on."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from reeltrace.registry.fields import (
    BatchSize,
    Epochs,
    Flag,
    Fraction,
    Frames,
    Name,
    PositiveFloat,
    StandIn,
    Strict,
    Transform,
    no_flag,
)


class Device(Strict):
    """Where a job computes: kind, threads of one job, precision of autocast in training, processes that read clips.

    `auto` is bfloat16 where the device multiplies such numbers itself, and float32 elsewhere.
    """

    kind: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    precision: Literal["auto", "float32", "bfloat16"]
    loaders: Annotated[int, Field(ge=0, le=64, strict=True)]


class Warmup(Strict):
    """The first `epochs`, in which the rate grows linearly from `start`, update by update."""

    epochs: Epochs
    start: PositiveFloat


class Protocol(Strict):
    """A training schedule: an optimiser, its rate multiplied by `gamma` after each epoch in `milestones`.

    With `cosine` the rate falls, update by update, along half a period of the cosine, to 0 at the end. `warmup` comes
    first, to where the schedule is by then. `momentum` is that of SGD and Adam's first decay rate; RPROP has neither
    momentum nor weight decay. The optimiser steps after the share `update_after` of the training clips, or after each
    batch where that is null. A batch may be computed as several of at most `micro_batch` clips, each normalised by
    itself, whose mean gradient is that of the batch.
    """

    optimizer: Literal["sgd", "adam", "rprop"]
    epochs: Epochs
    learning_rate: PositiveFloat
    milestones: tuple[Epochs, ...]
    gamma: PositiveFloat
    momentum: Fraction
    weight_decay: Annotated[float, BeforeValidator(no_flag), Field(ge=0, le=1e38, allow_inf_nan=False)]
    batch_size: BatchSize
    update_after: Fraction | None = None
    cosine: Flag = False
    warmup: Warmup | None = None
    micro_batch: BatchSize | None = None

    @model_validator(mode="after")
    def _schedule(self) -> Self:
        if self.cosine and self.milestones:
            raise ValueError("cosine takes the place of milestones; set those to []")
        if self.warmup is not None and self.warmup.epochs >= self.epochs:
            raise ValueError(f"warmup.epochs {self.warmup.epochs} is not before the last of {self.epochs} epochs")
        if self.warmup is not None and self.warmup.start > self.learning_rate:
            raise ValueError(f"warmup.start {self.warmup.start} is above learning_rate {self.learning_rate}")
        if self.micro_batch is not None and (self.micro_batch > self.batch_size or self.update_after is not None):
            raise ValueError("micro_batch is at most batch_size, and null where update_after divides the clips")
        return self

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.update_after == 0:
            raise ValueError("update_after must be above 0 and at most 1, or null for every batch")
        if self.optimizer == "rprop" and (self.momentum or self.weight_decay):
            raise ValueError("rprop has no momentum and no weight decay; set both to 0")
        if self.momentum == 1:
            raise ValueError("momentum must be below 1")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must increase, found {list(self.milestones)}")
        if self.milestones and self.milestones[-1] >= self.epochs:
            raise ValueError(f"milestone {self.milestones[-1]} is not before the last of {self.epochs} epochs")
        return self


class Augment(Strict):
    """Augmentation of the baselines: each clip, with this probability, reversed, or rotated by 90, 180 or 270."""

    kind: Literal["treverse", "rotate"]
    probability: Fraction


Part = Annotated[float, BeforeValidator(no_flag), Field(ge=0, le=1, allow_inf_nan=False)]
Angle = Annotated[float, BeforeValidator(no_flag), Field(ge=0, lt=90, allow_inf_nan=False)]


class AffineAugment(Strict):
    """Each clip mirrored left to right with the probability `flip`, and moved by a random affine map, all frames alike.

    The map turns by up to `degrees` to either side, shifts by up to the share `translate` of the sides, scales by a
    factor between the two of `scale`, and shears along both axes by up to `shear` degrees, each drawn evenly.
    """

    kind: Literal["affine"]
    flip: Part
    degrees: Angle
    translate: Part
    scale: tuple[PositiveFloat, PositiveFloat]
    shear: Angle

    @model_validator(mode="after")
    def _order(self) -> Self:
        low, high = self.scale
        if not 0.1 <= low <= high <= 10:
            raise ValueError(f"scale takes two factors from 0.1 to 10, the smaller one first, found {list(self.scale)}")
        return self


AnyAugment = Annotated[Augment | AffineAugment, Field(discriminator="kind")]


class Run(Strict):
    """A dataset, a model, a protocol and an evaluation; trained once per seed.

    `split` is the official split where it is not the dataset's own, `every` the sampling of frames that an ST-ResNet
    sees, `stand_in` says what the dataset stands in for where that is not what the dataset itself says.
    """

    dataset: Name
    model: Name
    protocol: Name
    augment: AnyAugment | None = None
    evaluation: Annotated[tuple[Transform, ...], Field(min_length=1)]
    split: Literal[1, 2, 3] | None = None
    every: Frames | None = None
    stand_in: StandIn | None = None

    @model_validator(mode="after")
    def _original(self) -> Self:
        if "original" not in self.evaluation or len(set(self.evaluation)) != len(self.evaluation):
            raise ValueError("evaluation names each transform once, and `original` among them")
        return self
