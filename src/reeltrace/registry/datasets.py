"""What kinds of dataset share: the clips that are cut out of videos, and how their pixels are scaled."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from reeltrace.registry.fields import Fraction, Frames, Pixels, PositiveFloat, Strict


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


class VideoView(Strict):
    """How a run sees a set of videos; the fields are those of its entry."""

    split: Literal[1, 2, 3]
    validation: float
    clip: Clip
    test_clips: int
    normalise: Normalise
    broken_videos: int
