"""Cached features of frames: what the stage `features` writes, and how classifiers on whole videos read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.data.clips import VideoClips, open_videos
from reeltrace.data.frame_store import FrameStore
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.registry.datasets import VideoView

BLOCKS = ("block2", "block3", "block4")
Features = NDArray[np.float16]


def offsets(store: FrameStore) -> NDArray[np.int64]:
    """(V + 1,): at which row of a features array each video of the store begins, and how many rows there are."""
    return np.concatenate([[0], np.cumsum(store.counts)]).astype(np.int64)


def open_features(folder: Path, block: str, store: FrameStore) -> Features:
    """The features (frames of all videos, C) of one block, mapped. Raises UserError when they are not of this store."""
    path = folder / f"{block}.npy"
    try:
        array: Features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not a readable array ({type(error).__name__}); extract the features again") from None
    if array.ndim != 2 or len(array) != int(store.counts.sum()):
        raise UserError(
            f"{path}: {array.shape} does not hold the {int(store.counts.sum())} frames of {store.folder}; extract the "
            "features again"
        )
    return array.view(np.ndarray)


@dataclass(frozen=True)
class VideoFeatures:
    """The videos of one split as sequences of features, one video per item.

    With `pooled` a video is one step, the mean of its frames: averages and z-normalisation commute. A batch is float32
    (B, T, C + 1); its last channel is 1 where there is a frame and 0 where a shorter video is filled up.
    """

    of: VideoClips
    features: Features
    starts: NDArray[np.int64]
    pooled: NDArray[np.float32] | None

    @classmethod
    def over(cls, of: VideoClips, features: Features, pool: bool) -> "VideoFeatures":
        """The features of the videos of `of`; with `pool`, averaged over each of them."""
        starts = offsets(of.store)
        plain = cls(of, features, starts, None)
        if not pool:
            return plain
        means = [plain.rows(place).mean(0, dtype=np.float64) for place in range(len(of.chosen))]
        return cls(of, features, starts, np.asarray(means, dtype=np.float32).reshape(len(means), features.shape[1]))

    def __len__(self) -> int:
        return len(self.of.chosen)

    @property
    def split(self) -> str:
        return self.of.split

    @property
    def classes(self) -> tuple[str, ...]:
        return self.of.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps (0: as many as the longest video of a batch has), one row, and channels."""
        return (0 if self.pooled is None else 1), 1, self.features.shape[1] + 1

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.of.video_labels

    @property
    def videos(self) -> NDArray[np.int64]:
        return np.arange(len(self))

    @property
    def missing(self) -> int:
        return self.of.missing

    @property
    def normalise(self) -> tuple[Sequence[float], Sequence[float]] | None:
        return None

    @property
    def clip_bytes(self) -> int:
        """Bytes of one video in a batch, at most: that of the longest one, to which the others are filled up."""
        steps, rows, channels = self.shape
        longest = int(self.of.store.counts[self.of.chosen].max(initial=0))
        return 4 * (steps or longest) * rows * channels

    def rows(self, place: int) -> Features:
        """The features (T, C) of the frames of one video of this split."""
        video = int(self.of.chosen[place])
        return self.features[self.starts[video] : self.starts[video + 1]]

    def statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation (C,) over all frames of this split; 1 where a feature never changes."""
        count, total, squares = 0, np.zeros(self.features.shape[1]), np.zeros(self.features.shape[1])
        for place in range(len(self)):
            rows = self.rows(place).astype(np.float64)
            count, total, squares = count + len(rows), total + rows.sum(0), squares + (rows**2).sum(0)
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
        return mean, np.where(deviation > 1e-6, deviation, 1.0)

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """The videos with these indices: float32 (B, T, C + 1)."""
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"{self.split}: video indices must lie in 0..{len(self) - 1}")
        if self.pooled is not None:
            some = self.pooled[wanted]
            return torch.from_numpy(np.concatenate([some, np.ones((len(some), 1), np.float32)], axis=1)).unsqueeze(1)
        rows = [self.rows(int(place)) for place in wanted]
        out = np.zeros((len(rows), max(map(len, rows)), self.features.shape[1] + 1), dtype=np.float32)
        for place, some_rows in enumerate(rows):
            out[place, : len(some_rows), :-1] = some_rows
            out[place, : len(some_rows), -1] = 1
        return torch.from_numpy(out)

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The same: nothing is drawn."""
        return self.batch(indices.numpy())


def open_video_features(
    view: "VideoView", block: str, pool: bool, data: Path, frames: Path, features: Path
) -> tuple[VideoFeatures, VideoFeatures, VideoFeatures]:
    """Training, validation and test videos of one set under one official split, as features of their frames."""
    splits = open_videos(view, data, frames)
    array = open_features(features, block, splits[0].store)
    train, validation, test = (VideoFeatures.over(videos, array, pool) for videos in splits)
    return train, validation, test
