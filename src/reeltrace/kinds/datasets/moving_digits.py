"""Moving MNIST and Moving MNIST-Dir (basu2021, section 4.2): clips of digits that move, drawn from a pool."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from reeltrace.artifacts.formats import ABOUT, CLIPS, clips_of
from reeltrace.kinds.dataset import Clips, DatasetEntry, DatasetKind, DataSpec, Making, Pool, Shown, Trained
from reeltrace.kinds.words import span
from reeltrace.registry.fields import Fraction, Name, Pixels, PositiveFloat, PositiveInt, Seed, StandIn, Strict
from reeltrace.registry.needs import Need

Split = Literal["train", "validation", "test"]
CLASSES = {"digit": 10, "direction": 4}


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


class MovingDigitsDataset(DatasetEntry):
    """Moving MNIST and Moving MNIST-Dir (basu2021, section 4.2). Sizes in pixels, speed in pixels per frame.

    The last five are what else the text may mean, see `moving_digits.Settings`.
    """

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
    course: Literal["bounce", "straight", "wrap"] | None = None
    start: Literal["anywhere", "border"] = "anywhere"
    both_ways: tuple[Split, ...] = ()
    digit_sizes: tuple[Pixels, ...] = ()
    file_frames: Annotated[int, Field(ge=2, le=10**4, strict=True)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.digit_size >= self.size:
            raise ValueError(f"digit_size {self.digit_size} must be smaller than size {self.size}")
        if self.speed[0] > self.speed[1]:
            raise ValueError(f"speed must be [slowest, fastest], found {list(self.speed)}")
        room = self.size - self.digit_size
        usual = self.course is None and self.start == "anywhere" and not self.both_ways and not self.digit_sizes
        if self.task == "digit" and not (usual and self.file_frames is None):
            raise ValueError("course, start, both_ways, digit_sizes and file_frames belong to the task direction")
        longest = self.frames if self.file_frames is None else self.file_frames
        if longest < self.frames:
            raise ValueError(f"file_frames {longest} must be at least frames {self.frames}")
        if self.digit_sizes and max(self.digit_sizes) != self.digit_size:
            raise ValueError(
                f"the largest of digit_sizes {list(self.digit_sizes)} must be digit_size {self.digit_size}"
            )
        straight = self.task == "direction" and self.course in (None, "straight")
        if straight and self.speed[1] * (longest - 1) > room:
            raise ValueError(
                f"speed {self.speed[1]} x {longest - 1} steps leaves the frame: at most {room} pixels are free"
            )
        return self


class MovingDigitsSpec(DataSpec):
    """Stage `data`: a moving-digits dataset drawn from the pool `images`."""

    kind: Literal["moving-digits"]
    images: str
    task: Literal["digit", "direction"]
    stand_in: str | None
    frames: int
    size: int
    digit_size: int
    speed: tuple[float, float]
    videos: Videos
    image_split: ImageSplit
    seed: int
    course: Literal["bounce", "straight", "wrap"] | None = None
    start: Literal["anywhere", "border"] = "anywhere"
    both_ways: tuple[Split, ...] = ()
    digit_sizes: tuple[int, ...] = ()
    file_frames: int | None = None


def _pools(entry: MovingDigitsDataset) -> tuple[Pool, ...]:
    return (Pool(entry.images, where="images", what="image pool", kind="images", same=()),)


def _classes(entry: MovingDigitsDataset) -> int:
    return CLASSES[entry.task]


def _clips(entry: MovingDigitsDataset) -> Clips:
    return Clips(entry.frames, entry.size, entry.videos.train)


def _stored(entry: MovingDigitsDataset) -> Need:
    videos = entry.videos.train + entry.videos.validation + entry.videos.test
    what = f"{videos} videos of {entry.frames} frames of {entry.size} x {entry.size} pixels"
    return Need(videos * entry.frames * entry.size * entry.size, what, "videos, frames or size")


def _words(spec: Mapping[str, Any]) -> dict[str, str]:
    videos = spec["videos"]
    return {
        "task": spec["task"],
        "images": spec["images"],
        "clips": f"{videos['train']} training, {videos['validation']} validation, {videos['test']} test",
        "frames": f"{spec['frames']} of {spec['size']} x {spec['size']} pixels, digits of {spec['digit_size']}",
        "speed": f"{span(*spec['speed'])} pixels per frame",
        **_other_readings(spec),
        "seed": str(spec["seed"]),
    }


def _other_readings(spec: Mapping[str, Any]) -> dict[str, str]:
    """What differs from the usual motion; nothing where nothing does."""
    said = {
        "path": spec.get("course"),
        "start": "at the border" if spec.get("start") == "border" else "",
        "both ways in": ", ".join(spec.get("both_ways", ())),
        "file": f"{spec['file_frames']} frames in the test, of which the first are seen"
        if spec.get("file_frames")
        else "",
        "sizes of digits": ", ".join(map(str, spec.get("digit_sizes", ()))),
    }
    return {label: words for label, words in said.items() if words}


MAKING = Making(
    "reeltrace.data.moving_digits_stage",
    (ABOUT, *map(clips_of, ("test", "train", "validation")), CLIPS.name),
)

KIND = DatasetKind(
    name="moving-digits",
    params=MovingDigitsDataset,
    spec=MovingDigitsSpec,
    makings=(MAKING,),
    making=lambda spec: MAKING,
    weight=1,
    words=_words,
    check=None,
    trained=Trained(
        drawn_from=_pools,
        classes=_classes,
        stand_in=lambda entry: entry.stand_in,
        clips=_clips,
        stored=_stored,
        decoded=None,
        splits="reeltrace.data.store:open_splits",
        shown=Shown("reeltrace.report.clips:describe_set", "macros.html.j2:stored_clip"),
        check="reeltrace.verify.clips:labels",
    ),
)
