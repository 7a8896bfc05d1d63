"""Clips out of videos: which videos a run trains, validates and tests on, and which frames of them it sees.

The pixels come from a frame store, the sides from the official split. Nothing here decodes or writes.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.artifacts.cuts import last_start, middle, rising, uniform_starts
from reeltrace.artifacts.formats import VIDEO_INDEX
from reeltrace.artifacts.video_sets import SIDES
from reeltrace.data.frame_store import FrameStore
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.registry.datasets import Clip, VideoView
    from reeltrace.registry.specs import TrainSpec

K = TypeVar("K")


class Video(NamedTuple):
    """One row of a set's index: its path below `videos/`, its label, its side in one split, and its group.

    Videos of one group share actor and background; a group is never divided between training and validation.
    """

    path: str
    label: int
    side: str
    group: str


@dataclass(frozen=True)
class VideoClips:
    """Clips of some videos of a frame store: `chosen` are their numbers in it, `video_labels` their classes.

    For training one clip per video and epoch, at a time that is drawn anew. For testing `per_video` clips of each, the
    first at the video's beginning, the last at its end, the others evenly between; with one, in the middle. A video
    that is shorter than a clip begins again. `missing` is how many videos of this split nobody could decode.
    """

    store: FrameStore
    split: str
    classes: tuple[str, ...]
    chosen: NDArray[np.int64]
    video_labels: NDArray[np.int64]
    clip: "Clip"
    per_video: int
    normalise: tuple[Sequence[float], Sequence[float]] | None
    missing: int

    def __len__(self) -> int:
        return len(self.chosen) * self.per_video

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns of each clip."""
        return self.clip.frames, self.clip.size, self.clip.size

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,): the class of each clip."""
        return np.repeat(self.video_labels, self.per_video)

    @property
    def videos(self) -> NDArray[np.int64]:
        """(N,): the number of each clip's video within this split."""
        return np.repeat(np.arange(len(self.chosen)), self.per_video)

    @property
    def clip_bytes(self) -> int:
        """Bytes of one clip in a batch."""
        return 3 * math.prod(self.shape)

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """The clips with these indices for evaluation: uint8 (B, 3, T, H, W), always the same."""
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"{self.split}: clip indices must lie in 0..{len(self) - 1}")
        cuts = []
        for number, place in zip(*np.divmod(wanted, self.per_video), strict=True):
            video = int(self.chosen[number])
            start = uniform_starts(int(self.store.counts[video]), self.clip, self.per_video)[place]
            cuts.append(((video, start), *self.middle(video)))
        return self.cut(cuts, self._clip)

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The same for training, cut at a random time, and at a random place where the set says so.

        Each clip takes three numbers from the generator, whatever comes of them.
        """
        draws = torch.rand(len(indices), 3, generator=generator, dtype=torch.float64).tolist()
        cuts = []
        for index, (time, down, right) in zip(indices.tolist(), draws, strict=True):
            video = int(self.chosen[index // self.per_video])
            latest = last_start(int(self.store.counts[video]), self.clip)
            cuts.append(((video, int(time * (latest + 1))), *self.drawn(video, down, right)))
        return self.cut(cuts, self._clip)

    def middle(self, video: int) -> tuple[int, int]:
        """The first row and column of the square in the middle of a video's frames."""
        return middle(int(self.store.heights[video]), int(self.store.widths[video]), self.clip)

    def drawn(self, video: int, down: float, right: float) -> tuple[int, int]:
        """The first row and column of a training clip's square; `down` and `right`, in [0, 1), were drawn for it."""
        if self.clip.place == "center":
            return self.middle(video)
        height, width = int(self.store.heights[video]), int(self.store.widths[video])
        return int(down * (height - self.clip.crop + 1)), int(right * (width - self.clip.crop + 1))

    def cut(
        self, cuts: Sequence[tuple[K, int, int]], frames: Callable[[K], tuple[int, NDArray[np.int64] | range]]
    ) -> Tensor:
        """Squares out of videos: uint8 (B, 3, T, H, W).

        Each cut is a key, the first row and the first column; `frames` gives a key's video and frame numbers (T,), as
        many for each.
        """
        side, squares = self.clip.crop, np.empty(0, dtype=np.uint8)
        for at, (key, top, left) in enumerate(cuts):
            video, numbers = frames(key)
            if not at:
                squares = np.empty((len(cuts), len(numbers), side, side, 3), dtype=np.uint8)
            self.store.read(video, numbers, top, left, side, side, squares[at])
        pixels = torch.from_numpy(squares).permute(0, 4, 1, 2, 3)  # (B, T, H, W, 3) seen as (B, 3, T, H, W)
        if self.clip.size == side:
            return pixels
        flat = pixels.transpose(1, 2).flatten(0, 1)
        small = F.interpolate(flat, size=(self.clip.size, self.clip.size), mode="bilinear", antialias=True)
        return small.reshape(len(cuts), -1, *small.shape[1:]).transpose(1, 2)

    def _clip(self, key: tuple[int, int]) -> tuple[int, NDArray[np.int64] | range]:
        video, start = key
        return video, rising(int(self.store.counts[video]), start, self.clip)


def open_splits(spec: "TrainSpec", inputs: Mapping[str, Path]) -> tuple[VideoClips, VideoClips, VideoClips]:
    """Training, validation and test clips of a run's set, "data/<set>" and "frames/<set>" of its inputs."""
    assert spec.video is not None
    return open_videos(spec.video, inputs[f"data/{spec.dataset}"], inputs[f"frames/{spec.dataset}"])


def open_videos(view: "VideoView", data: Path, frames: Path) -> tuple[VideoClips, VideoClips, VideoClips]:
    """Training, validation and test clips of one set under one official split.

    `data` is the folder of the set, `frames` that of its frame store. Validation is held out from the training side by
    groups, see `hold_out`. Raises UserError when more videos of the split are unreadable than the run allows, and when
    a stored video is smaller than the crop.
    """
    store = FrameStore.open(frames)
    rows, classes = read_index(data, view.split)
    number = {name: position for position, name in enumerate(store.names)}
    used = [row for row in rows if row.side in ("train", "test")]
    broken = [row.path for row in used if row.path not in number]
    if len(broken) > view.broken_videos:
        raise UserError(
            f"{frames}/broken.json: {len(broken)} videos of split {view.split} cannot be decoded, {broken[0]} among "
            f"them; bring them again, or allow {len(broken)} as broken_videos of the dataset in params.yaml"
        )
    for row in used:
        at = number.get(row.path)
        if at is not None and min(store.heights[at], store.widths[at]) < view.clip.crop:
            raise UserError(
                f"{frames}: {row.path} is stored as {store.heights[at]} x {store.widths[at]} pixels, smaller than the "
                f"crop of {view.clip.crop}; lower clip.crop of the dataset in params.yaml"
            )

    def clips(name: str, chosen: list[Video], per_video: int) -> VideoClips:
        there = [row for row in chosen if row.path in number]
        return VideoClips(
            store,
            name,
            classes,
            np.asarray([number[row.path] for row in there], dtype=np.int64),
            np.asarray([row.label for row in there], dtype=np.int64),
            view.clip,
            per_video,
            (view.normalise.mean, view.normalise.std),
            len(chosen) - len(there),
        )

    # held out by names alone: a video that is broken on one machine must not move others to the other side
    train, validation = hold_out([row for row in rows if row.side == "train"], view.validation)
    test = [row for row in rows if row.side == "test"]
    return (
        clips("train", train, 1),
        clips("validation", validation, view.test_clips),
        clips("test", test, view.test_clips),
    )


def hold_out(rows: list[Video], fraction: float) -> tuple[list[Video], list[Video]]:
    """Divide training videos into those trained on and those validated on, the latter about `fraction` of the groups.

    Of each class's groups, sorted, every n-th is held out, n = round(1 / fraction), or else the last. A group that is
    held out in one class is held out in all: no group is on both sides.
    """
    every = max(2, round(1 / fraction))
    held: set[str] = set()
    for label in sorted({row.label for row in rows}):
        groups = sorted({row.group for row in rows if row.label == label})
        held |= set(groups[every - 1 :: every]) or set(groups[-1:])
    return [row for row in rows if row.group not in held], [row for row in rows if row.group in held]


def group_of(path: str) -> str:
    """What a video shares with others: the group number in UCF-101's names, in HMDB-51's the name without its count.

    `v_Archery_g08_c02.avi` is of group 08; `A_film_wave_u_cm_np1_fr_med_3.avi` of `A_film_wave_u_cm_np1_fr_med`.
    """
    stem = Path(path).stem
    ucf = re.search(r"_g(\d+)_c\d+$", stem)
    return ucf[1] if ucf else re.sub(r"_\d+$", "", stem)


def read_index(folder: Path, split: int) -> tuple[list[Video], tuple[str, ...]]:
    """The videos of a set with their side in one official split, and the class names in the order of labels.

    Raises UserError when the file is missing or is not an index of videos.
    """
    names: dict[int, str] = {}
    rows = []
    try:
        for row in VIDEO_INDEX.read(folder, "video", "class", "label", f"split{split}"):
            label, side = int(row["label"]), row[f"split{split}"]
            if names.setdefault(label, row["class"]) != row["class"] or side not in SIDES:
                raise ValueError(f"video {row['video']}")
            rows.append(Video(row["video"], label, side, group_of(row["video"])))
        classes = tuple(names[label] for label in range(len(names)))
    except (KeyError, ValueError) as error:
        raise VIDEO_INDEX.refuse(folder, error) from error
    return rows, classes
