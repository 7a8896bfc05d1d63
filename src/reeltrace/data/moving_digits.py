"""Moving MNIST and Moving MNIST-Dir (basu2021, section 4.2): seeded generators of clips in which one digit
moves.

Positions and velocities are whole thousandths of a pixel and all arithmetic on them is in integers, so that a
row of the index re-renders exactly the stored clip on every machine. basu2021 leaves digit size, speed, path
and start open: they are parameters here. Random numbers come from PCG64 seeded with (seed, split); numpy may
change how a Generator turns bits into draws between versions, which is why the lock pins numpy.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reeltrace.artifacts.formats import CLIPS, clips_of
from reeltrace.data.disk import save_blocks
from reeltrace.data.pool import DIGIT_CLASSES
from reeltrace.errors import UserError

Task = Literal["digit", "direction"]
MotionPath = Literal["bounce", "straight", "wrap"]
Start = Literal["anywhere", "border"]
Point = tuple[float, float]

SPLITS = ("train", "validation", "test")
# What each class of Moving MNIST-Dir does, as signs of (vy, vx); y grows downwards. One way only: a clip
# played backwards shows a motion that no class has.
DIRECTIONS: dict[str, tuple[int, int]] = {
    "Horizontal": (0, 1),
    "Vertical": (1, 0),
    "Diagonal Left": (1, -1),
    "Diagonal Right": (1, 1),
}
PATHS: dict[Task, MotionPath] = {"digit": "bounce", "direction": "straight"}

# A digit must travel so far (pixels, along its path) over a clip, and be seen at least so far from where it
# began.
TRAVEL = 3
VISIBLE = 2
UNIT = 1000  # thousandths of a pixel
_DRAWS = 10_000
_BLOCK = 256  # clips in memory at a time


@dataclass(frozen=True)
class Settings:
    """How clips are made. Lengths in pixels, `speed` (slowest, fastest) in pixels per frame.

    For "direction" the speed is that of each axis along which the digit moves, so that all classes have the
    same free path; for "digit" it is the speed along the path. `videos` and `image_split` (fractions of each
    digit class's images) have the keys train, validation and test.

    `course` is the path where it is not the task's own. The last three are of "direction" alone: a digit that starts at
    the "border" starts at the side that it comes from; in the splits of `both_ways` half the clips of a class move the
    other way along its line; digits of several `digit_sizes`, the largest of them `digit_size`, take turns from clip to
    clip. A test clip has `file_frames` frames where that is given, the first `frames` of which are seen.
    """

    task: Task
    frames: int
    size: int
    digit_size: int
    speed: tuple[float, float]
    videos: Mapping[str, int]
    image_split: Mapping[str, float]
    seed: int
    course: MotionPath | None = None
    start: Start = "anywhere"
    both_ways: tuple[str, ...] = ()
    digit_sizes: tuple[int, ...] = ()
    file_frames: int | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return DIGIT_CLASSES if self.task == "digit" else tuple(DIRECTIONS)

    @property
    def path(self) -> MotionPath:
        """ "bounce" off the frame's edges, one "straight" line inside the frame, or out of it and in again: "wrap"."""
        return self.course or PATHS[self.task]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sides of the digits, in the order in which clips have them."""
        return self.digit_sizes or (self.digit_size,)

    def size_of(self, clip: int) -> int:
        """The side of the digit in a clip of that number."""
        return self.sizes[clip % len(self.sizes)]

    def frames_of(self, split: str) -> int:
        """The frames of each clip that is stored of a split."""
        return (self.file_frames or self.frames) if split == "test" else self.frames

    @property
    def free(self) -> int:
        """Pixels that a digit can move along one axis."""
        return self.size - self.digit_size

    def check(self) -> None:
        """Raise UserError, naming the setting, for what cannot be made."""
        slow, fast = self.speed
        steps = self.frames - 1
        if self.frames < 2:
            raise UserError(f"frames: {self.frames} frame(s) show no motion; expected 2 or more")
        if self.digit_size < 1 or self.digit_size > self.size:
            raise UserError(f"digit_size: {self.digit_size} does not fit a frame of side {self.size}")
        if not 0 < slow <= fast:
            raise UserError(f"speed: expected 0 < slowest <= fastest, found [{slow:g}, {fast:g}]")
        if _milli(slow) * steps < TRAVEL * UNIT:
            raise UserError(
                f"speed: {slow:g} pixels per frame over {steps} steps is {slow * steps:g} pixels, less than "
                "the "
                f"{TRAVEL} that make a motion visible; raise the slowest speed to {TRAVEL / steps:.3g} or "
                "add frames"
            )
        steps = (self.file_frames or self.frames) - 1
        if steps < self.frames - 1:
            raise UserError(f"file_frames: {self.file_frames} are fewer than the {self.frames} frames that are seen")
        if self.path == "straight" and _milli(fast) * steps > self.free * UNIT:
            raise UserError(
                f"speed: {fast:g} pixels per frame over {steps} steps is {fast * steps:g} pixels, but a "
                "digit of side "
                f"{self.digit_size} in a frame of side {self.size} has a free path of {self.free}; lower the "
                "fastest "
                f"speed to {self.free / steps:.3g} or use fewer frames"
            )
        if min(self.sizes) < 1 or max(self.sizes) != self.digit_size:
            raise UserError(f"digit_sizes: expected sides up to digit_size {self.digit_size}, found {[*self.sizes]}")
        if self.path == "bounce" and self.free < 2 * VISIBLE:
            raise UserError(
                f"digit_size: a digit of side {self.digit_size} in a frame of side {self.size} can move "
                f"{self.free} pixels; expected at least {2 * VISIBLE}"
            )
        if min(self.videos[split] for split in SPLITS) < 0:
            raise UserError(f"videos: negative count in {dict(self.videos)}")
        fractions = [self.image_split[split] for split in SPLITS]
        if min(fractions) < 0 or sum(fractions) > 1 + 1e-9:
            raise UserError(f"image_split: fractions {fractions} must not be negative nor add up to more than 1")


@dataclass(frozen=True)
class Clip:
    """One row of the index: all it takes to render the clip again. Lengths in thousandths of a pixel."""

    split: str
    clip: int
    label: int
    image: int
    start: tuple[int, int]
    velocity: tuple[int, int]


def split_images(
    labels: NDArray[np.integer], fractions: Mapping[str, float], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Deal the images (indices into the pool) to the splits, class by class, so that no image is in two.

    Each split gets its fraction of each digit class, to the nearest image. The result is sorted.
    """
    rng = _generator(seed, 0)
    dealt: dict[str, list[NDArray[np.int64]]] = {split: [] for split in SPLITS}
    cuts = np.cumsum([fractions[split] for split in SPLITS])
    for digit in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == digit))
        ends = np.floor(cuts * len(members) + 0.5 + 1e-9).astype(np.int64)
        for split, begin, end in zip(SPLITS, [0, *ends[:-1]], ends, strict=True):
            dealt[split].append(members[begin:end])
    return {split: np.sort(np.concatenate(parts)) for split, parts in dealt.items()}


def plan(labels: NDArray[np.integer], settings: Settings) -> dict[str, list[Clip]]:
    """Decide every clip of every split. `labels` (N,) are the digit classes of the image pool.

    Classes are as even as the counts allow, and shuffled. Each split goes through its own images in random
    order, again and again if it has more videos than images. Raises UserError for impossible settings and too
    few images.
    """
    settings.check()
    images = split_images(labels, settings.image_split, settings.seed)
    return {
        split: list(_plan_split(split, labels, images[split], settings, _generator(settings.seed, 1 + place)))
        for place, split in enumerate(SPLITS)
    }


def _plan_split(
    split: str,
    labels: NDArray[np.integer],
    images: NDArray[np.int64],
    settings: Settings,
    rng: np.random.Generator,
) -> Iterator[Clip]:
    count, classes = settings.videos[split], len(settings.classes)
    drawn = rng.permutation(np.arange(count) % classes)
    if settings.task == "digit":
        queues = {label: images[labels[images] == label] for label in range(classes)}
    else:
        queues = dict.fromkeys(range(classes), images)
    for label in np.unique(drawn):
        if not len(queues[int(label)]):
            what = f"digit {label}" if settings.task == "digit" else "any digit"
            raise UserError(
                f"image_split: split {split} has no image of {what} for its {count} videos "
                f"({len(labels)} images in the pool); raise its fraction or use a larger pool"
            )
    chosen = _choose(drawn, queues, settings.task, rng)
    for clip, (label, image) in enumerate(zip(drawn.tolist(), chosen.tolist(), strict=True)):
        back = split in settings.both_ways and bool(rng.integers(2))
        start, velocity = _motion(label, settings, rng, back)
        yield Clip(split, clip, label, image, start, velocity)


def _choose(
    drawn: NDArray[np.int64], queues: Mapping[int, NDArray[np.int64]], task: Task, rng: np.random.Generator
) -> NDArray[np.int64]:
    """An image for every clip: no image of a queue is used again before all of it were used."""
    chosen = np.empty(len(drawn), dtype=np.int64)
    # In "direction" all classes share one queue, so that the digit says nothing about the direction.
    groups = [drawn == label for label in queues] if task == "digit" else [np.ones(len(drawn), dtype=bool)]
    for group, queue in zip(groups, queues.values(), strict=False):
        need = int(group.sum())
        if need:
            rounds = [rng.permutation(queue) for _ in range(-(-need // len(queue)))]
            chosen[group] = np.concatenate(rounds)[:need]
    return chosen


def _motion(
    label: int, settings: Settings, rng: np.random.Generator, back: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Start and velocity (y, x) of one clip, in thousandths of a pixel; `back` is the other way along its line."""
    slow, fast = (_milli(value) for value in settings.speed)
    free = settings.free * UNIT
    if settings.task == "direction":
        signs = [-sign if back else sign for sign in DIRECTIONS[settings.classes[label]]]
        return _along(signs, settings, rng)
    for _ in range(_DRAWS):
        y, x = (int(value) for value in rng.integers(0, free + 1, size=2))
        # A direction by rejection from the square to the disc, scaled by the speed: square root and division
        # round the same way on every machine, sine and cosine do not.
        a, b = (int(value) for value in rng.integers(-UNIT, UNIT + 1, size=2))
        length = math.sqrt(a * a + b * b)
        if not 0 < length <= UNIT:
            continue
        speed = int(rng.integers(slow, fast + 1))
        vy, vx = round(speed * a / length), round(speed * b / length)
        corners = positions((y, x), (vy, vx), settings.frames, settings.free, "bounce")
        if np.abs(corners - corners[0]).max() >= VISIBLE:
            return (y, x), (vy, vx)
    raise UserError(
        f"speed: no motion between {settings.speed[0]:g} and {settings.speed[1]:g} pixels per frame was "
        "found that "
        f"moves {VISIBLE} pixels away from its start in {settings.frames} frames; widen the range"
    )


def _along(
    signs: Sequence[int], settings: Settings, rng: np.random.Generator
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Start and velocity of a digit that begins to move in the direction of `signs` (y, x)."""
    slow, fast = (_milli(value) for value in settings.speed)
    free, steps = settings.free * UNIT, (settings.file_frames or settings.frames) - 1
    for _ in range(_DRAWS):
        speed = int(rng.integers(slow, fast + 1))
        start, velocity = [], []
        for sign in signs:
            travel = sign * speed * steps if settings.path == "straight" else 0
            first, last = max(0, -travel), free - max(0, travel)
            if settings.path == "wrap":
                last = settings.size * UNIT - 1
            if settings.start == "border" and sign:
                first = last = 0 if sign > 0 else free
            start.append(int(rng.integers(first, last + 1)))
            velocity.append(sign * speed)
        place, step = (start[0], start[1]), (velocity[0], velocity[1])
        if settings.path != "bounce":
            return place, step
        corners = positions(place, step, settings.frames, settings.free, "bounce")
        if np.abs(corners - corners[0]).max() >= VISIBLE:
            return place, step
    raise UserError(
        f"speed: no digit that bounces was found to move {VISIBLE} pixels away from its start in {settings.frames} "
        "frames; widen the range"
    )


def positions(
    start: tuple[int, int], velocity: tuple[int, int], frames: int, free: int, path: MotionPath, size: int = 0
) -> NDArray[np.int64]:
    """Upper left corner (y, x) of the digit in whole pixels, (T, 2), for start and velocity in thousandths.

    The exact position start + t * velocity, mirrored at 0 and at `free` for "bounce", is rounded half up. For "wrap" it
    begins again at 0 after `size`, the side of the frame.
    """
    exact = np.asarray(start, dtype=np.int64) + np.arange(frames, dtype=np.int64)[:, None] * np.asarray(
        velocity, dtype=np.int64
    )
    if path == "bounce":
        period = 2 * free * UNIT
        folded = np.mod(exact, period) if period else np.zeros_like(exact)
        exact = np.minimum(folded, period - folded)
    corners = (exact + UNIT // 2) // UNIT
    return np.mod(corners, size) if path == "wrap" else corners


def resize_images(images: NDArray[np.uint8], digit_size: int) -> NDArray[np.uint8]:
    """Digit images (N, H, W) resized to (N, digit_size, digit_size) by Pillow's bilinear filter; unchanged if
    equal.
    """
    if images.shape[1:] == (digit_size, digit_size):
        return images
    resized = np.empty((len(images), digit_size, digit_size), dtype=np.uint8)
    for target, image in zip(resized, images, strict=True):
        target[:] = np.asarray(
            Image.fromarray(np.asarray(image)).resize((digit_size, digit_size), Image.Resampling.BILINEAR)
        )
    return resized


def render_clip(
    images: NDArray[np.uint8],
    image: int,
    start: Point,
    velocity: Point,
    frames: int,
    size: int,
    path: MotionPath,
) -> NDArray[np.uint8]:
    """One clip (T, size, size) uint8: image number `image` of `images` (N, d, d), moving over a black
    background.

    `start` and `velocity` are (y, x) in pixels and pixels per frame, as the index has them.
    Raises UserError when the digit would leave the frame.
    """
    digit = images[image]
    free = size - digit.shape[0]
    exact_start, exact_velocity = (
        (_milli(start[0]), _milli(start[1])),
        (_milli(velocity[0]), _milli(velocity[1])),
    )
    corners = positions(exact_start, exact_velocity, frames, free, path, size)
    if free < 0 or (path != "wrap" and (corners.min() < 0 or corners.max() > free)):
        raise UserError(
            f"image {image}: a digit of side {digit.shape[0]} from {start} with velocity {velocity} leaves a "
            "frame of "
            f"side {size} within {frames} frames"
        )
    clip = np.zeros((frames, size, size), dtype=np.uint8)
    for frame, (y, x) in zip(clip, corners.tolist(), strict=True):
        inside = frame[y : y + digit.shape[0], x : x + digit.shape[1]]
        if inside.shape == digit.shape:
            inside[:] = digit
        else:  # out at one side and in at the other
            frame[: digit.shape[0], : digit.shape[1]] = digit
            frame[:] = np.roll(frame, (y, x), axis=(0, 1))
    return clip


def write(
    images: NDArray[np.uint8], labels: NDArray[np.integer], settings: Settings, folder: Path
) -> dict[str, list[Clip]]:
    """Write `clips-<split>.npy` (N, T, size, size) uint8 for each split, and `index.csv`, into `folder`.

    `images` (M, H, W) and `labels` (M,) are the pool. Memory does not grow with the number of videos.
    Raises UserError for impossible settings, too few images and a full disk.
    """
    clips = plan(labels, settings)
    digits = {side: resize_images(images, side) for side in dict.fromkeys(settings.sizes)}
    for split, rows in clips.items():
        shape = (len(rows), settings.frames_of(split), settings.size, settings.size)
        save_blocks(folder / clips_of(split), shape, np.dtype(np.uint8), _render(digits, rows, settings))
    write_index(folder, clips, settings.classes)
    return clips


def _render(
    digits: Mapping[int, NDArray[np.uint8]], rows: Sequence[Clip], settings: Settings
) -> Iterator[NDArray[np.uint8]]:
    for begin in range(0, len(rows), _BLOCK):
        yield np.stack(
            [
                render_clip(
                    digits[settings.size_of(row.clip)],
                    row.image,
                    (row.start[0] / UNIT, row.start[1] / UNIT),
                    (row.velocity[0] / UNIT, row.velocity[1] / UNIT),
                    settings.frames_of(row.split),
                    settings.size,
                    settings.path,
                )
                for row in rows[begin : begin + _BLOCK]
            ]
        )


def write_index(folder: Path, clips: Mapping[str, Sequence[Clip]], classes: Sequence[str]) -> None:
    """Write the index: one line per clip, positions in pixels and velocities in pixels per frame, three
    decimals.
    """
    rows = []
    for split in SPLITS:
        for row in clips[split]:
            motion = [f"{value / UNIT:.3f}" for value in (*row.start, *row.velocity)]
            rows.append([split, row.clip, row.label, classes[row.label], row.image, *motion])
    CLIPS.write(folder, rows)


def _milli(pixels: float) -> int:
    """Pixels as whole thousandths."""
    return round(pixels * UNIT)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, stream])))
