"""Which frames and squares of a video a network sees, and how they come from the file: one clip after the other.

A video is read once, from its first frame to its last. Held are the frames that a clip which is not complete yet needs,
however long the video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.data.decoding import DecodingError, Frame, Header, pyav_frames, read_header, scaled_size
from reeltrace.errors import UserError
from reeltrace.recognition.nets import View

USUAL_RATE = 30.0  # frames a second, of which `stride` speaks
Frames = NDArray[np.uint8]  # (T, H, W, 3)


@dataclass(frozen=True)
class Views:
    """How many views of a video are averaged: `clips` spread over its length, `crops` over the longer side of each."""

    clips: int
    crops: int

    @classmethod
    def read(cls, text: str) -> Views:
        """Of "10x3". Raises UserError."""
        clips, _, crops = text.partition("x")
        if not (clips.isdecimal() and crops.isdecimal()) or not (1 <= int(clips) <= 1000 and 1 <= int(crops) <= 100):
            raise UserError(f"--views {text}: expected clips times crops, as in 10x3, from 1x1 to 1000x100")
        return cls(int(clips), int(crops))

    def __str__(self) -> str:
        return f"{self.clips}x{self.crops}"


def open_video(path: Path) -> Header:
    """What a video file says of itself. Raises UserError for what is no video, or not to be read."""
    if not path.is_file():
        raise UserError(f"{path}: {'no file' if path.exists() else 'no such file'}; name a video")
    try:
        return read_header(path)
    except DecodingError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); name another video") from error


def places(total: int, rate: float, view: View, clips: int) -> NDArray[np.int64]:
    """The frames of each clip, (clips, T): spread from the first to the last that fit into `total` frames.

    A clip lasts as long as `frames` times `stride` frames at 30 a second, whatever the video's rate, and its frames are
    spread evenly over it, rounded down, as in the public code. Of a video that is shorter the last frame is repeated.
    """
    span = max(1.0, view.frames * view.stride * (rate or USUAL_RATE) / USUAL_RATE)
    spare = max(0.0, total - span)
    starts = np.linspace(0, spare, clips) if clips > 1 else np.array([spare / 2])
    within = np.linspace(0, span - 1, view.frames)
    found: NDArray[np.int64] = np.clip(starts[:, None] + within + 1e-6, 0, max(0, total - 1)).astype(np.int64)
    return found


def squares(height: int, width: int, crop: int, crops: int) -> list[tuple[int, int]]:
    """Top and left of each square: in the middle of the shorter side, spread over the longer one from end to end."""
    spare = (max(height, width) - crop) / 2
    steps = [round(spare * (1 + step)) for step in (np.linspace(-1, 1, crops) if crops > 1 else np.zeros(1))]
    middle = (min(height, width) - crop + 1) // 2
    return [(middle, step) if width >= height else (step, middle) for step in steps]


def read_clips(path: Path, header: Header, view: View, clips: int) -> Iterator[Frames]:
    """The clips of a video in their order, each (T, H, W, 3), with `view.side` pixels on the shorter side.

    Raises UserError where fewer frames come than any clip needs, which is none at all.
    """
    height, width = scaled_size(header.height, header.width, view.side)
    wanted = places(header.packets - header.empty, header.fps, view, clips)
    frames = pyav_frames(path, height, width)
    held: dict[int, Frame] = {}
    at, last = -1, None
    try:
        for number, clip in enumerate(wanted):
            for frame in frames if at < clip[-1] else ():
                at, last = at + 1, frame
                if at in wanted[number:]:
                    held[at] = frame
                if at >= clip[-1]:
                    break
            if last is None:
                raise DecodingError("none of its frames can be decoded")
            # a file may hold fewer frames than its packets promise: then the last one stands still
            yield np.stack([held.get(place, last) for place in clip.tolist()])
            rest = wanted[number + 1 :]
            needed = set(rest.ravel().tolist())
            held = {place: frame for place, frame in held.items() if place in needed}
    except DecodingError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); name another video") from error


def as_input(clip: Frames, view: View, corner: tuple[int, int]) -> Tensor:
    """One view (1, 3, T, crop, crop) of a clip (T, H, W, 3), as the network sees it."""
    top, left = corner
    cut = clip[:, top : top + view.crop, left : left + view.crop]
    pixels = torch.from_numpy(np.ascontiguousarray(cut)).permute(3, 0, 1, 2).float() / 255
    return normalised(pixels, view.mean, view.std)[None]


def normalised(values: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(C, T, H, W) less the mean of its channel, over its deviation."""
    shape = (-1, 1, 1, 1)
    return (values - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)
