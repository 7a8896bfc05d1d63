"""Which frames of a stored video a clip takes, and which square of them: the same for a net and for the report."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Cut(Protocol):
    """`frames` frames, every `stride`-th, of which a square of `crop` pixels is cut out."""

    @property
    def frames(self) -> int: ...

    @property
    def stride(self) -> int: ...

    @property
    def crop(self) -> int: ...


def span(clip: Cut) -> int:
    """Frames of a video from the first to the last frame of a clip."""
    return (clip.frames - 1) * clip.stride + 1


def last_start(count: int, clip: Cut) -> int:
    """The latest frame at which a clip of a video with `count` frames may begin; 0 where the video is too short."""
    return max(0, count - span(clip))


def uniform_starts(count: int, clip: Cut, number: int) -> list[int]:
    """The first frames of `number` clips that are spread evenly over a video with `count` frames."""
    latest = last_start(count, clip)
    return [latest // 2] if number == 1 else [round(latest * place / (number - 1)) for place in range(number)]


def clip_frames(count: int, start: int, clip: Cut) -> NDArray[np.int64]:
    """The frame numbers (T,) of a clip that begins at `start`; after the last frame a video begins again."""
    return (start + np.arange(clip.frames, dtype=np.int64) * clip.stride) % count


def rising(count: int, start: int, clip: Cut) -> NDArray[np.int64] | range:
    """The same numbers, as a range where the video does not begin again: that is read faster."""
    end = start + span(clip)
    return range(start, end, clip.stride) if end <= count else clip_frames(count, start, clip)


def middle(height: int, width: int, clip: Cut) -> tuple[int, int]:
    """The first row and column of the square in the middle of a video's frames."""
    return (height - clip.crop) // 2, (width - clip.crop) // 2
