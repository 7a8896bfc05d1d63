"""Sequences of frames out of videos: every n-th frame of a video, cut into sequences of T (iqbal2017, section 4.2).

The sequences of a video do not overlap, so each sampled frame is read once per pass. Nothing here decodes or writes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.data.clips import VideoClips, open_videos

if TYPE_CHECKING:
    from reeltrace.registry.datasets import VideoView
    from reeltrace.registry.specs import FrameView


@dataclass(frozen=True)
class FrameSequences:
    """All sequences of the videos of one split, in the order of the videos and of time.

    `of` holds the videos, `place` (N,) the number of each sequence's video in it, `first` (N,) its first frame. A video
    with fewer than `frames` sampled frames has one sequence, which begins again after its last frame.
    """

    of: VideoClips
    frames: int
    every: int
    place: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def cut(cls, of: VideoClips, frames: int, every: int) -> "FrameSequences":
        """The sequences of the videos of `of`."""
        starts = [sequence_starts(int(of.store.counts[video]), frames, every) for video in of.chosen]
        place = np.repeat(np.arange(len(starts)), [len(some) for some in starts])
        return cls(of, frames, every, place, np.asarray([s for some in starts for s in some], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.first)

    @property
    def split(self) -> str:
        return self.of.split

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns of each sequence."""
        return self.frames, self.of.clip.size, self.of.clip.size

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.of.video_labels[self.place]

    @property
    def videos(self) -> NDArray[np.int64]:
        return self.place

    @property
    def missing(self) -> int:
        return self.of.missing

    @property
    def normalise(self) -> tuple[Sequence[float], Sequence[float]] | None:
        return self.of.normalise

    @property
    def clip_bytes(self) -> int:
        """Bytes of one sequence in a batch."""
        return 3 * math.prod(self.shape)

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """The sequences with these indices, cut from the middle: uint8 (B, 3, T, H, W)."""
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"{self.split}: sequence indices must lie in 0..{len(self) - 1}")
        return self.of.cut([(index, *self.of.middle(self._video(index))) for index in wanted.tolist()], self._frames)

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The same for training; the square is cut from a random place where the set says so.

        Each sequence takes three numbers from the generator, as clips do.
        """
        draws = torch.rand(len(indices), 3, generator=generator, dtype=torch.float64).tolist()
        cuts = [
            (index, *self.of.drawn(self._video(index), down, right))
            for index, (_, down, right) in zip(indices.tolist(), draws, strict=True)
        ]
        return self.of.cut(cuts, self._frames)

    def _video(self, index: int) -> int:
        return int(self.of.chosen[self.place[index]])

    def _frames(self, index: int) -> tuple[int, NDArray[np.int64]]:
        video = self._video(index)
        count = int(self.of.store.counts[video])
        sampled = -(-count // self.every)  # frames 0, n, 2n, ...
        steps = self.first[index] // self.every + np.arange(self.frames, dtype=np.int64)
        return video, (steps % sampled) * self.every


def sequence_starts(count: int, frames: int, every: int) -> list[int]:
    """The first frames of the sequences of a video with `count` frames; sampled frames that fill none are left out."""
    sampled = -(-count // every)
    return [number * frames * every for number in range(max(1, sampled // frames))]


def open_sequences(
    view: "VideoView", sampling: "FrameView", data: Path, frames: Path
) -> tuple[FrameSequences, FrameSequences, FrameSequences]:
    """Training, validation and test sequences of one set under one official split; see `open_videos`."""
    train, validation, test = (
        FrameSequences.cut(videos, sampling.frames, sampling.every) for videos in open_videos(view, data, frames)
    )
    return train, validation, test
