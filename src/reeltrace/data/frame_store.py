"""Reading packed frames: memory-mapped shards and their index. See `frames` for how they are made."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.artifacts.formats import FRAMES
from reeltrace.errors import UserError

CHANNELS = 3
MOST_MAPS = 256  # shards mapped at a time: each holds a file open, of which a process may have some 1000


@dataclass(frozen=True)
class FrameStore:
    """The frames of a set of videos, uint8 RGB. Videos are numbered in the order of the index.

    `counts`, `heights` and `widths` are int64 (V,). The shards are mapped when they are first read; a copy in another
    process maps them itself. Of many shards those read last stay mapped.
    """

    folder: Path
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    shards: tuple[str, ...]
    offsets: NDArray[np.int64]
    _maps: dict[str, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)
    _videos: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> "FrameStore":
        """Open `frames.csv` and `shards/` of a finished `frames` artifact.

        Raises UserError when the index is missing or is none, and when a shard is missing or shorter than it says.
        """
        columns: dict[str, list[Any]] = {name: [] for name in ("video", "shard", "frames", "height", "width", "offset")}
        for row in FRAMES.read(folder, *columns):
            for name, values in columns.items():
                try:
                    values.append(row[name] if name in ("video", "shard") else int(row[name]))
                except ValueError as error:
                    raise FRAMES.refuse(folder, error) from error
        store = cls(
            folder,
            tuple(columns["video"]),
            np.asarray(columns["frames"], dtype=np.int64),
            np.asarray(columns["height"], dtype=np.int64),
            np.asarray(columns["width"], dtype=np.int64),
            tuple(columns["shard"]),
            np.asarray(columns["offset"], dtype=np.int64),
        )
        store._check()
        return store

    def __len__(self) -> int:
        return len(self.names)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}, "_videos": {}}

    def read(
        self,
        video: int,
        frames: NDArray[np.int64] | range,
        top: int,
        left: int,
        height: int,
        width: int,
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """A copy of some frames of a video, cut out: (T, height, width, 3), in `out` where that is given.

        `frames` (T,) are frame numbers; those of a range, which must rise, are read faster. Raises IndexError for a
        frame or a place that the video does not have.
        """
        pixels = self._pixels(video)
        count, rows, columns, _ = pixels.shape
        which: NDArray[np.int64] | slice
        if isinstance(frames, range):
            which = slice(frames.start, frames.stop, frames.step)
            ends = (frames[0], frames[-1]) if frames else ()
        else:
            which = frames
            ends = (frames.min(), frames.max()) if len(frames) else ()
        if ends and (ends[0] < 0 or ends[-1] >= count):
            raise IndexError(f"{self.names[video]}: frames must lie in 0..{count - 1}")
        if top < 0 or left < 0 or top + height > rows or left + width > columns:
            raise IndexError(
                f"{self.names[video]}: a cut of {height} x {width} at {top}, {left} leaves {rows} x {columns}"
            )
        if out is None:
            out = np.empty((len(frames), height, width, CHANNELS), dtype=np.uint8)
        out[...] = pixels[which, top : top + height, left : left + width]
        return out

    def _pixels(self, video: int) -> NDArray[np.uint8]:
        """All frames of a video, mapped: (T, H, W, 3)."""
        shard = self.shards[video]
        mapped = self._maps.pop(shard, None)
        if mapped is None:
            if len(self._maps) >= MOST_MAPS:
                del self._maps[next(iter(self._maps))]
                self._videos.clear()  # they hold maps, and with them files, open
            # as a plain array: a view of a memmap costs microseconds more, and a clip takes many
            mapped = np.memmap(self.folder / "shards" / shard, dtype=np.uint8, mode="r").view(np.ndarray)
        self._maps[shard] = mapped  # at the end: the first is the one that was not read for longest
        found = self._videos.get(video)
        if found is None:
            shape = int(self.counts[video]), int(self.heights[video]), int(self.widths[video]), CHANNELS
            start = int(self.offsets[video])
            found = self._videos[video] = mapped[start : start + math.prod(shape)].reshape(shape)
        return found

    def _check(self) -> None:
        sizes: dict[str, int] = {}
        for video, shard in enumerate(self.shards):
            path = self.folder / "shards" / shard
            if shard not in sizes:
                try:
                    sizes[shard] = path.stat().st_size
                except OSError:
                    raise UserError(f"{path}: no such file; extract the frames again") from None
            size = int(self.counts[video] * self.heights[video] * self.widths[video]) * CHANNELS
            if self.counts[video] < 1 or self.offsets[video] < 0 or self.offsets[video] + size > sizes[shard]:
                raise UserError(
                    f"{path}: {sizes[shard]} bytes do not hold {self.names[video]} as frames.csv says; extract the "
                    "frames again"
                )
