"""Stand-ins for UCF-101 and HMDB-51: small sets of real MPEG-4 AVI files in exactly the official layout.

Nothing here knows how the official files are read: the stand-ins go through the same path as they do. A video shows
an actor, one shape in the colours and texture of its group, that moves before a photograph. A group is one actor and
one background, shared by all classes, so that neither tells the class. All random numbers come from PCG64, seeded
with (seed, set, what is drawn); the same settings give the same bytes on one machine with one set of libraries.
"""

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import OFFICIAL_SPLITS
from reeltrace.errors import UserError

Kind = Literal["ucf101", "hmdb51"]
Shape = Literal["ball", "box", "ring", "cross", "star", "flag", "wheel"]
Track = NDArray[np.float64]
Floats = NDArray[np.floating]

SOURCE: dict[Kind, str] = {
    "ucf101": "stand-in clips in UCF-101's layout: shapes moving before two photographs that scikit-learn ships",
    "hmdb51": "stand-in clips in HMDB-51's layout: shapes moving before two photographs that scikit-learn ships",
}
LICENCE = "CC BY 2.0 (the photographs)"
CITATION = "china.jpg by danielbuechele and flower.jpg by vultilion, Flickr, as shipped by scikit-learn"

GROUPS = 25  # of UCF-101; a group's number decides in which split it is tested
HEIGHT = 240
RATE: dict[Kind, int] = {"ucf101": 25, "hmdb51": 30}
WIDTHS: dict[Kind, tuple[int, ...]] = {"ucf101": (320,), "hmdb51": (320, 352, 416, 424)}
UNUSED, TRAIN, TEST = 0, 1, 2  # as HMDB-51's split files write them

_GOP = 12
_QUANTISER = 3  # about 3 kilobytes a frame, as the official files have
_MARGIN = 8  # pixels of background around the frame, for the shaking camera
_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_STREAMS = {"actor": 0, "clip": 1, "split": 2}


# --- actions ---


@dataclass(frozen=True)
class Draws:
    """What differs between two clips of one class. Lengths in frame heights, angles in radians.

    `reach` is how far the motion goes, `cycles` how often it repeats, `side` (-1 or 1) its sense where the class does
    not fix it, `phase` where on its circle it begins, `tilt` the shape's angle.
    """

    reach: float
    cycles: int
    side: int
    phase: float
    tilt: float


class Action(NamedTuple):
    """A class: its official-style name, the shape that shows it, and the motion.

    `reversal` is the class that the motion shows when it is played backwards: its own name where it is symmetric in
    time. `rotations` tells whether every quarter turn of the motion is a motion of the same class.
    """

    name: str
    shape: Shape
    motion: Callable[[Track, Draws], Track]
    reversal: str
    rotations: bool = False


def _track(progress: Track, x: Track | float, y: Track | float, size: Track | float, angle: Track | float) -> Track:
    return np.stack(np.broadcast_arrays(progress, x, y, size, angle), axis=1)[:, 1:].astype(np.float64)


def _slide(dx: int, dy: int) -> Callable[[Track, Draws], Track]:
    def motion(p: Track, d: Draws) -> Track:
        along = d.reach * (2 * p - 1)
        return _track(p, dx * along, dy * along, 1.0, d.tilt)

    return motion


def _bounce(p: Track, d: Draws) -> Track:
    return _track(p, 0.0, d.reach / 2 - d.reach * np.abs(np.sin(math.pi * d.cycles * p)), 1.0, d.tilt)


def _hop_and_lean(hop_first: bool) -> Callable[[Track, Draws], Track]:
    def motion(p: Track, d: Draws) -> Track:
        swing = d.reach * np.sin(2 * math.pi * p) ** 2
        hops = (p < 0.5) if hop_first else (p > 0.5)
        return _track(p, d.side * np.where(hops, 0, swing), -np.where(hops, swing, 0), 1.0, d.tilt)

    return motion


def _orbit(p: Track, d: Draws) -> Track:
    turn = d.phase + d.side * 2 * math.pi * p
    return _track(p, d.reach * np.cos(turn), d.reach * np.sin(turn), 1.0, d.tilt)


def _spin(p: Track, d: Draws) -> Track:
    return _track(p, 0.0, 0.0, 1.0, d.tilt + d.side * math.pi * d.cycles * p)


def _swing(p: Track, d: Draws) -> Track:
    lean = np.cos(2 * math.pi * d.cycles * p)
    return _track(p, d.side * d.reach * lean, -d.reach / 2 * lean**2, 1.0, d.tilt + 0.6 * d.side * lean)


def _grow(sign: int) -> Callable[[Track, Draws], Track]:
    def motion(p: Track, d: Draws) -> Track:
        # reach is 0.2 to 0.4: the size doubles to quadruples
        return _track(p, 0.0, 0.0, np.exp2(sign * 2.5 * d.reach * (2 * p - 1)), d.tilt)

    return motion


# In each set the first classes are those that a set with fewer classes keeps: a pair first.
_ACTIONS: dict[Kind, tuple[Action, ...]] = {
    "ucf101": (
        Action("PushRight", "box", _slide(1, 0), "PushLeft"),
        Action("PushLeft", "box", _slide(-1, 0), "PushRight"),
        Action("BounceBall", "ball", _bounce, "BounceBall"),
        Action("OrbitStar", "star", _orbit, "OrbitStar", True),
        Action("BounceBox", "box", _bounce, "BounceBox"),
        Action("SpinWheel", "wheel", _spin, "SpinWheel", True),
        Action("HopThenLean", "ball", _hop_and_lean(True), "LeanThenHop"),
        Action("LeanThenHop", "ball", _hop_and_lean(False), "HopThenLean"),
        Action("RaiseFlag", "flag", _slide(0, -1), "LowerFlag"),
        Action("LowerFlag", "flag", _slide(0, 1), "RaiseFlag"),
    ),
    "hmdb51": (
        Action("approach", "ring", _grow(1), "leave", True),
        Action("leave", "ring", _grow(-1), "approach", True),
        Action("swing_cross", "cross", _swing, "swing_cross"),
        Action("circle", "ball", _orbit, "circle", True),
        Action("swing_ball", "ball", _swing, "swing_ball"),
        Action("turn_wheel", "wheel", _spin, "turn_wheel", True),
        Action("walk_left", "star", _slide(-1, 0), "walk_right"),
        Action("walk_right", "star", _slide(1, 0), "walk_left"),
        Action("jump_then_duck_aside", "box", _hop_and_lean(True), "duck_aside_then_jump"),
        Action("duck_aside_then_jump", "box", _hop_and_lean(False), "jump_then_duck_aside"),
    ),
}


def actions(kind: Kind, classes: int | None = None) -> tuple[Action, ...]:
    """The first `classes` actions of a stand-in set (all ten when None), sorted by name as labels are.

    Raises UserError for a number of classes that the set does not have.
    """
    every = _ACTIONS[kind]
    count = len(every) if classes is None else classes
    if not 1 <= count <= len(every):
        raise UserError(f"classes: the stand-in for {kind} has 1 to {len(every)} classes, found {count}")
    return tuple(sorted(every[:count], key=lambda action: action.name))


def class_names(kind: Kind, classes: int | None = None) -> tuple[str, ...]:
    """Names of the first `classes` classes (all ten when None) in label order, which is that of the alphabet.

    ========== ===================== ====== ============================================ ======================
    set        class                 shape  motion                                       played backwards it is
    ========== ===================== ====== ============================================ ======================
    ucf101     PushRight, PushLeft   box    slides one way                               the other of the two
    ucf101     RaiseFlag, LowerFlag  flag   slides up; down                              the other of the two
    ucf101     HopThenLean,          ball   hops, then leans to a side; the same two     the other of the two
               LeanThenHop                  the other way round (only the order differs)
    ucf101     BounceBall            ball   bounces on the spot                          itself
    ucf101     BounceBox             box    the same: told from BounceBall by its shape  itself
    ucf101     OrbitStar             star   goes round a circle, either way              itself
    ucf101     SpinWheel             wheel  turns on the spot, either way                itself
    hmdb51     approach, leave       ring   grows; shrinks                               the other of the two
    hmdb51     walk_left, walk_right star   slides one way                               the other of the two
    hmdb51     jump_then_duck_aside, box    hops, then leans; the same two the other     the other of the two
               duck_aside_then_jump         way round (only the order differs)
    hmdb51     swing_ball            ball   swings as a pendulum                         itself
    hmdb51     swing_cross           cross  the same: told from swing_ball by its shape  itself
    hmdb51     circle                ball   goes round a circle, either way              itself
    hmdb51     turn_wheel            wheel  turns on the spot, either way                itself
    ========== ===================== ====== ============================================ ======================

    Quarter turns keep OrbitStar, SpinWheel, approach, leave, circle and turn_wheel what they are. A half turn makes
    PushRight look as PushLeft, RaiseFlag as LowerFlag and walk_left as walk_right.
    """
    return tuple(action.name for action in actions(kind, classes))


def trajectory(action: Action, draws: Draws, frames: int) -> Track:
    """The motion of a clip: (T, 4) rows of x, y (frame heights, right and down of its middle), size factor, angle.

    Played backwards it is, with the same draws, the motion of class `action.reversal`; where a class may go either
    way (circles and turns) it is one of its motions with other draws.
    """
    if frames < 2:
        raise UserError(f"frames: {frames} frame(s) show no motion; expected 2 or more")
    return action.motion(np.arange(frames, dtype=np.float64) / (frames - 1), draws)


# --- which video is where ---


@dataclass(frozen=True)
class Video:
    """One video of a set: `path` is relative to the folder that holds `videos/`. Groups and clips count from 1."""

    path: Path
    action: Action
    label: int
    group: int
    clip: int


def group_numbers(groups: int) -> tuple[int, ...]:
    """The `groups` numbers out of 1 to 25 that a set with fewer groups uses: spread evenly, so that UCF-101's rule
    (1-7, 8-14, 15-21 are tested in split 1, 2, 3) leaves every split videos on both sides.

    Raises UserError for fewer than 3 groups or more than 25.
    """
    if not len(OFFICIAL_SPLITS) <= groups <= GROUPS:
        raise UserError(f"groups: expected {len(OFFICIAL_SPLITS)} to {GROUPS}, found {groups}")
    return tuple(1 + index * GROUPS // groups for index in range(groups))


def videos(kind: Kind, *, classes: int, groups: int, clips_per_group: int) -> tuple[Video, ...]:
    """Every video of a set, by class, group and clip. Raises UserError for counts that the set cannot have."""
    if clips_per_group < 1:
        raise UserError(f"clips_per_group: expected 1 or more, found {clips_per_group}")
    found = []
    for label, action in enumerate(actions(kind, classes)):
        for group in group_numbers(groups):
            for clip in range(1, clips_per_group + 1):
                if kind == "ucf101":
                    name = f"UCF-101/{action.name}/v_{action.name}_g{group:02d}_c{clip:02d}.avi"
                else:
                    # <source>_<class>_<body>_<camera>_<people>_<view>_<quality>_<clip>, as HMDB-51's names are made;
                    # the numbers of clips from one source begin at 0 there
                    name = f"{action.name}/Photo_Scene_{group:02d}_{action.name}_f_cm_np1_fr_med_{clip - 1}.avi"
                found.append(Video(Path("videos", name), action, label, group, clip))
    return tuple(found)


def sides(kind: Kind, groups: int, seed: int) -> dict[int, dict[int, int]]:
    """For each split, on which side (0 unused, 1 train, 2 test) each group is.

    UCF-101: the official rule. HMDB-51: one group in ten is unused, 30 % of the others are tested and 70 % trained on,
    to the nearest group and at least one; no group is tested in two splits.
    """
    numbers = group_numbers(groups)
    if kind == "ucf101":
        rule = {split: range(7 * split - 6, 7 * split + 1) for split in OFFICIAL_SPLITS}
        return {
            split: {group: TEST if group in rule[split] else TRAIN for group in numbers} for split in OFFICIAL_SPLITS
        }
    unused = round(groups / 10) if groups >= 5 else 0
    tested = max(1, round(0.3 * (groups - unused)))
    order = [numbers[place] for place in _generator(kind, seed, "split").permutation(groups)]
    result = {}
    for split in OFFICIAL_SPLITS:
        turned = order[(split - 1) * tested :] + order[: (split - 1) * tested]
        place = dict.fromkeys(turned[:tested], TEST) | dict.fromkeys(turned[groups - unused :], UNUSED)
        result[split] = {group: place.get(group, TRAIN) for group in numbers}
    return result


def split_files(kind: Kind, made: Sequence[Video], groups: int, seed: int) -> dict[Path, str]:
    """Text of every official split file, by its path relative to the folder that holds `splits/`."""
    names = sorted({(video.label, video.action.name) for video in made})
    side = sides(kind, groups, seed)
    files: dict[Path, list[str]] = {}
    if kind == "ucf101":
        folder = Path("splits", "ucfTrainTestlist")
        files[folder / "classInd.txt"] = [f"{label + 1} {name}" for label, name in names]
        for split in OFFICIAL_SPLITS:
            train, test = [], []
            for video in made:
                line = f"{video.action.name}/{video.path.name}"
                if side[split][video.group] == TEST:
                    test.append(line)
                else:
                    train.append(f"{line} {video.label + 1}")
            files[folder / f"trainlist{split:02d}.txt"] = train
            files[folder / f"testlist{split:02d}.txt"] = test
    else:
        folder = Path("splits", "testTrainMulti_7030_splits")
        for split in OFFICIAL_SPLITS:
            for _, name in names:
                # the official lines end in a blank
                files[folder / f"{name}_test_split{split}.txt"] = [
                    f"{video.path.name} {side[split][video.group]} " for video in made if video.action.name == name
                ]
    return {path: "".join(f"{line}\n" for line in lines) for path, lines in files.items()}


def generate(
    kind: Kind,
    work: Path,
    *,
    classes: int,
    groups: int,
    clips_per_group: int,
    frames: tuple[int, int],
    seed: int,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a stand-in set into `work`: `videos/` and `splits/`, laid out as the official archives are.

    `frames` (fewest, most) bounds the length of a video. `threads` videos are drawn at a time, each on its own: how
    many changes no byte. `progress` is called with (finished, all) after each video.
    Every file lands by a rename; files that a killed run finished are kept, and the rest comes out the same.
    Raises UserError for impossible settings and a full disk.
    """
    fewest, most = frames
    if not 2 <= fewest <= most:
        raise UserError(f"frames: expected 2 <= fewest <= most, found [{fewest}, {most}]")
    made = videos(kind, classes=classes, groups=groups, clips_per_group=clips_per_group)
    for stray in sorted((work / "videos").rglob(".*.tmp")):
        stray.unlink()  # what a killed run was writing

    def make(video: Video) -> None:
        path = work / video.path
        if not path.is_file():
            with atomic_write(path) as file:
                file.write(encode(render(kind, video, frames, seed), RATE[kind]))

    # By group, so that few actors are in memory at a time.
    order = sorted(made, key=lambda video: (video.group, video.label, video.clip))
    pool = ThreadPoolExecutor(threads)
    try:
        for done, _ in enumerate(map(make, order) if threads == 1 else pool.map(make, order), 1):
            if progress is not None:
                progress(done, len(made))
    finally:
        pool.shutdown(cancel_futures=True)
    for name, text in split_files(kind, made, groups, seed).items():
        with atomic_write(work / name) as file:
            file.write(text.encode())


# --- pictures ---


class _Scenery(NamedTuple):
    """How hard the actor is to see: ranges of the background's contrast and blur (pixels) and of the actor's size
    (frame heights), and how often there is a passer-by, or a pillar in front.
    """

    contrast: tuple[float, float]
    blur: tuple[float, float]
    size: tuple[float, float]
    company: float


# Chosen so that a small net, trained from scratch for half a minute on frames of 17 pixels, is well above chance and
# well below 100 %.
_SCENERY: dict[Kind, _Scenery] = {
    "ucf101": _Scenery(contrast=(0.1, 0.3), blur=(4, 10), size=(0.42, 0.55), company=0.05),
    "hmdb51": _Scenery(contrast=(0.1, 0.3), blur=(4, 10), size=(0.4, 0.5), company=0.05),
}


class Actor(NamedTuple):
    """What a group shares: `background` uint8 (H + 16, W + 16, 3), two colours (3,), stripes per sprite, base size."""

    background: NDArray[np.uint8]
    colours: Floats
    stripes: float
    size: float


@lru_cache(maxsize=1)
def _photographs() -> tuple[Image.Image, ...]:
    from sklearn.datasets import load_sample_image

    return tuple(Image.fromarray(np.asarray(load_sample_image(name))) for name in _PHOTOGRAPHS)


@lru_cache(maxsize=2)
def actor(kind: Kind, group: int, seed: int) -> Actor:
    """Look and background of one group: the same for all its clips, in all classes."""
    rng = _generator(kind, seed, "actor", group)
    scenery = _SCENERY[kind]
    width = WIDTHS[kind][int(rng.integers(len(WIDTHS[kind])))]
    size = (width + 2 * _MARGIN, HEIGHT + 2 * _MARGIN)
    photograph = _photographs()[int(rng.integers(len(_PHOTOGRAPHS)))]
    zoom = rng.uniform(0.35, 0.95) * min(photograph.width / size[0], photograph.height / size[1])
    crop = (zoom * size[0], zoom * size[1])
    left, top = rng.uniform(0, photograph.width - crop[0]), rng.uniform(0, photograph.height - crop[1])
    picture = photograph.resize(size, Image.Resampling.BILINEAR, (left, top, left + crop[0], top + crop[1]))
    picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(*scenery.blur))))
    pixels = np.asarray(picture, dtype=np.float32)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    pixels = 128 + (pixels - 128) * np.float32(rng.uniform(*scenery.contrast))
    pixels = pixels * rng.uniform(0.75, 1.15, 3).astype(np.float32)
    colours = rng.uniform(0, 255, 3)
    # The second colour is far from the first: the actor has texture wherever it stands.
    colours = np.stack([colours, (colours + rng.uniform(90, 160, 3)) % 256]).astype(np.float32)
    background = np.ascontiguousarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return Actor(background, colours, float(rng.uniform(1, 2.5)), float(rng.uniform(*scenery.size)))


def coverage(shape: Shape, u: Floats, v: Floats, soft: float) -> Floats:
    """How much of each point (u, v) the shape covers, 0 to 1; it fills the disc of radius 1, edges `soft` wide."""
    inside: Floats  # distance to the edge, positive inside; close enough to soften an edge
    if shape == "box":
        inside = 0.75 - np.maximum(np.abs(u), np.abs(v))
    elif shape == "cross":
        inside = np.minimum(0.32 - np.minimum(np.abs(u), np.abs(v)), 0.95 - np.maximum(np.abs(u), np.abs(v)))
    elif shape == "flag":
        inside = np.minimum(np.minimum(u + 0.6, 0.5 - v), (0.24 + 1.12 * v - u) / 1.5)
    else:
        radius = np.sqrt(u * u + v * v)
        if shape == "ball":
            inside = 0.85 - radius
        elif shape == "ring":
            inside = 0.2 - np.abs(radius - 0.7)
        elif shape == "wheel":
            rim = 0.14 - np.abs(radius - 0.8)
            inside = np.maximum(rim, np.minimum(0.15 - np.abs(u), 0.8 - np.abs(v)))
        else:
            inside = (0.68 + 0.27 * np.cos(5 * np.arctan2(v, u)) - radius) * 0.7
    covered: Floats = np.clip(inside / soft + 0.5, 0, 1)
    return covered


class _Sprite(NamedTuple):
    shape: Shape
    colours: Floats
    stripes: float
    radius: float  # pixels


def _blit(frame: NDArray[np.uint8], sprite: _Sprite, middle: Track, size: float, angle: float) -> None:
    """Blend a sprite into `frame` with its middle at `middle`, x and y in pixels."""
    x, y = middle.tolist()
    radius = sprite.radius * size
    left, top = max(0, math.floor(x - radius)), max(0, math.floor(y - radius))
    right, bottom = min(frame.shape[1], math.ceil(x + radius)), min(frame.shape[0], math.ceil(y + radius))
    if left >= right or top >= bottom:
        return
    across = ((np.arange(left, right) + 0.5 - x) / radius).astype(np.float32)
    down = ((np.arange(top, bottom) + 0.5 - y) / radius).astype(np.float32)[:, None]
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    u, v = cosine * across + sine * down, cosine * down - sine * across
    alpha = coverage(sprite.shape, u, v, 1.5 / radius)
    stripe = u * np.float32(sprite.stripes)
    first = stripe - np.floor(stripe) < 0.6
    patch = frame[top:bottom, left:right]
    for channel in range(3):  # in single planes, where it can be in place: half the time of all three at once
        before = patch[..., channel].astype(np.float32)
        away = np.where(first, sprite.colours[0, channel], sprite.colours[1, channel])
        away -= before
        blend = alpha * away
        blend += before
        patch[..., channel] = blend


def draw(action: Action, rng: np.random.Generator) -> Draws:
    """Draw what differs between the clips of a class."""
    # a flag is told from below, a pendulum's middle is down: only shapes without an upright may lie any way
    upright = action.shape in ("flag", "box")
    return Draws(
        reach=float(rng.uniform(0.2, 0.36)),
        cycles=int(rng.integers(1, 4)),
        side=int(rng.choice((-1, 1))),
        phase=float(rng.uniform(0, 2 * math.pi)),
        tilt=float(rng.uniform(-0.2, 0.2) if upright else rng.uniform(0, 2 * math.pi)),
    )


def render(kind: Kind, video: Video, frames: tuple[int, int], seed: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of one video, uint8 (H, W, 3), before they are encoded."""
    rng = _generator(kind, seed, "clip", _number(kind, video.action), video.group, video.clip)
    look = actor(kind, video.group, seed)
    height, width = (side - 2 * _MARGIN for side in look.background.shape[:2])
    count = int(rng.integers(frames[0], frames[1] + 1))
    path = trajectory(video.action, draw(video.action, rng), count)
    sprite = _Sprite(
        video.action.shape, look.colours, look.stripes, HEIGHT * look.size * float(rng.uniform(0.75, 1.15)) / 2
    )
    # The motion's middle is anywhere that leaves the actor in the picture, more or less.
    middle = np.array([width / 2 + rng.uniform(-0.16, 0.16) * width, height / 2 + rng.uniform(-0.12, 0.12) * height])
    places = middle + HEIGHT * path[:, :2] + _wander(rng, count, 1.2)
    camera = np.clip(np.rint(_MARGIN + _wander(rng, count, 1.5)), 0, 2 * _MARGIN).astype(np.int64)
    light = rng.uniform(0.75, 1.2) * (1 + rng.uniform(-0.2, 0.2) * np.linspace(-1, 1, count))
    light = light * (1 + 0.02 * rng.standard_normal(count))
    passer = _passer(rng, look, width, height, count) if rng.random() < _SCENERY[kind].company else None
    pillar = _pillar(rng, look, width) if rng.random() < _SCENERY[kind].company else None
    levels = np.arange(256)
    for step in range(count):
        cx, cy = camera[step]
        frame = look.background[cy : cy + height, cx : cx + width].copy()
        shift = _MARGIN - camera[step]
        if passer is not None:
            other, track = passer
            _blit(frame, other, track[step] + shift, 1.0, 0.0)
        _blit(frame, sprite, places[step] + shift, path[step, 2], path[step, 3])
        if pillar is not None:
            left, cover = pillar
            start = max(0, left + int(shift[0]))
            end = min(width, left + cover.shape[1] + int(shift[0]))
            frame[:, start:end] = cover[:height, : end - start]
        yield _looked_up(np.clip(levels * light[step], 0, 255).astype(np.uint8), frame)


def _looked_up(table: NDArray[np.uint8], frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`table[frame]`, two bytes at a time: half the look-ups. The number of bytes must be even."""
    low, high = table.astype(np.uint16), table.astype(np.uint16) << 8
    pairs = (high[:, None] | low[None]).reshape(-1)  # at 256 * second + first byte, as a little-endian pair reads
    return np.take(pairs, frame.reshape(-1).view("<u2")).astype("<u2", copy=False).view(np.uint8).reshape(frame.shape)


def _wander(rng: np.random.Generator, count: int, pixels: float) -> Track:
    """A shaky hand: (T, 2) offsets that drift back to 0."""
    steps = rng.standard_normal((count, 2)) * pixels
    for step in range(1, count):
        steps[step] += 0.7 * steps[step - 1]
    return steps


def _passer(rng: np.random.Generator, look: Actor, width: int, height: int, count: int) -> tuple[_Sprite, Track]:
    """Someone else, smaller and slower, who walks behind the actor in any direction, and (T, 2) where."""
    shapes: tuple[Shape, ...] = ("ball", "box", "ring", "cross", "star")
    shape = shapes[int(rng.integers(len(shapes)))]
    colours = rng.uniform(0, 255, (2, 3)).astype(np.float32)
    sprite = _Sprite(shape, colours, look.stripes, HEIGHT * float(rng.uniform(0.06, 0.1)))
    start = rng.uniform(0.1, 0.9, 2) * (width, height)
    return sprite, start + np.linspace(0, 1, count)[:, None] * rng.uniform(-0.2, 0.2, 2) * height


def _pillar(rng: np.random.Generator, look: Actor, width: int) -> tuple[int, NDArray[np.uint8]]:
    """Something upright that stands before the actor: its left edge in pixels, and its picture."""
    thick = int(rng.integers(16, 44))
    left = int(rng.uniform(0.15, 0.85) * width)
    source = int(rng.integers(0, look.background.shape[1] - thick))
    return left, (look.background[:, source : source + thick] * rng.uniform(0.4, 0.8)).astype(np.uint8)


# --- encoding ---


def encode(pictures: Iterator[NDArray[np.uint8]], rate: int) -> bytes:
    """An AVI file of MPEG-4 part 2 video (tagged XVID, as the official files are) of pictures (H, W, 3), RGB.

    One thread, a fixed distance between key frames, a fixed quantiser and nothing of the library's version in the
    file: equal pictures give equal bytes.
    """
    import av

    target = io.BytesIO()
    with contextlib.closing(av.open(target, "w", format="avi", container_options={"fflags": "+bitexact"})) as container:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                options = {"flags": "+bitexact", "qmin": str(_QUANTISER), "qmax": str(_QUANTISER)}
                stream = container.add_stream("mpeg4", rate=rate, options=options)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                context = stream.codec_context
                context.thread_count, context.gop_size, context.max_b_frames = 1, _GOP, 0
                context.codec_tag = "XVID"
                context.time_base = Fraction(1, rate)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        if stream is None:
            raise ValueError("a video needs at least one picture")
        container.mux(stream.encode(None))
    return target.getvalue()


# --- random numbers ---


def _number(kind: Kind, action: Action) -> int:
    """An action's place in its set, whatever the number of classes: a clip is the same in a smaller set."""
    return [other.name for other in _ACTIONS[kind]].index(action.name)


def _generator(kind: Kind, seed: int, stream: str, *keys: int) -> np.random.Generator:
    entropy = [seed, 0 if kind == "ucf101" else 1, _STREAMS[stream], *keys]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
