"""Datasets: pools of images, moving digits, sets of videos."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from reeltrace.registry.fields import (
    Count,
    Fraction,
    Frames,
    Name,
    Pixels,
    PositiveFloat,
    PositiveInt,
    Seed,
    StandIn,
    Strict,
    no_flag,
)


class Videos(Strict):
    """Number of videos per split."""

    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt


class ImageSplit(Strict):
    """Fractions of the digit images that each split may draw from; together at most 1."""

    train: Fraction
    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if min(self.train, self.validation, self.test) == 0 or self.train + self.validation + self.test > 1 + 1e-9:
            raise ValueError("the three fractions must be positive and add up to at most 1")
        return self


class ImagesDataset(Strict):
    """A pool of digit images."""

    kind: Literal["images"]
    source: Literal["mnist", "sklearn-digits"]


class MovingDigitsDataset(Strict):
    """Moving MNIST and Moving MNIST-Dir (basu2021, section 4.2). Sizes in pixels, speed in pixels per frame."""

    kind: Literal["moving-digits"]
    task: Literal["digit", "direction"]
    images: Name
    stand_in: StandIn | None
    frames: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    size: Pixels
    digit_size: Pixels
    speed: tuple[PositiveFloat, PositiveFloat]
    videos: Videos
    image_split: ImageSplit
    seed: Seed

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.digit_size >= self.size:
            raise ValueError(f"digit_size {self.digit_size} must be smaller than size {self.size}")
        if self.speed[0] > self.speed[1]:
            raise ValueError(f"speed must be [slowest, fastest], found {list(self.speed)}")
        room = self.size - self.digit_size
        if self.task == "direction" and self.speed[1] * (self.frames - 1) > room:
            raise ValueError(
                f"speed {self.speed[1]} x {self.frames - 1} steps leaves the frame: at most {room} pixels are free"
            )
        return self


class Generated(Strict):
    """A stand-in set that is drawn and encoded here: groups (actor and background), and clips per class and group."""

    groups: PositiveInt
    clips_per_group: PositiveInt
    frames: tuple[Frames, Frames]
    seed: Seed

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.frames[0] > self.frames[1]:
            raise ValueError(f"frames must be [fewest, most], found {list(self.frames)}")
        return self


class Clip(Strict):
    """What a net sees of a video: `frames` frames, every `stride`-th, of which a square is cut out and resized.

    `crop` and `size` are the sides of that square in pixels, in the stored frame and in the clip. `place` is where a
    training clip is cut: in the middle of the frame, or anywhere. Test clips are cut from the middle.
    """

    frames: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    stride: Frames
    crop: Pixels
    size: Pixels
    place: Literal["center", "random"]

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.size > self.crop:
            raise ValueError(f"size {self.size} is larger than crop {self.crop}; pixels would be made up")
        return self


Colour = tuple[Fraction, Fraction, Fraction]
Spread = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


class Normalise(Strict):
    """Mean and standard deviation of red, green and blue, which range from 0 to 1: a net sees (x - mean) / std."""

    mean: Colour
    std: Spread


class VideoDataset(Strict):
    """UCF-101 or HMDB-51 (basu2021, section 4.8), a stand-in set in the same layout, or a folder that the user names.

    `folder` belongs to the layout `listed`: it holds the videos and the lists of them, see docs/videos.md. `classes` is
    how many the set must have. `generated` is null for the official files. Frames are stored with their short side at
    `short_side` pixels. `split` is one of the three official ones; of its training groups the fraction `validation` is
    held out. A test video is judged by the mean probability over `test_clips` clips. `broken_videos` says how many
    unreadable videos a training may do without.
    """

    kind: Literal["videos"]
    layout: Literal["ucf101", "hmdb51", "listed"]
    folder: Annotated[str, Field(min_length=1)] | None = None
    classes: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    stand_in: StandIn | None
    generated: Generated | None
    short_side: Pixels
    split: Literal[1, 2, 3]
    validation: Annotated[float, BeforeValidator(no_flag), Field(gt=0, lt=1, allow_inf_nan=False)]
    clip: Clip
    test_clips: Annotated[int, Field(ge=1, le=1000, strict=True)]
    normalise: Normalise
    broken_videos: Count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.clip.crop > self.short_side:
            raise ValueError(f"clip.crop {self.clip.crop} is larger than short_side {self.short_side}")
        if (self.generated is None) != (self.stand_in is None):
            raise ValueError("stand_in says what `generated` stands in for; give both or neither")
        if (self.layout == "listed") != (self.folder is not None):
            raise ValueError("folder names where a listed set lies; give it with the layout `listed`, and only there")
        if self.layout == "listed" and (self.generated is not None or self.split != 1):
            raise ValueError("a listed set is not generated and has one split; set generated to null and split to 1")
        return self


Dataset = Annotated[ImagesDataset | MovingDigitsDataset | VideoDataset, Field(discriminator="kind")]
