"""Key frames and the clips around them, from a video file or a folder of images, read once and in order.

A clip is what a `View` says, around its key frame and without a crop; before the first and after the last frame of the
video these are repeated. Memory holds the frames of one clip, however long the video is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from reeltrace.data.decoding import DecodingError, pyav_frames, read_header, scaled_size
from reeltrace.errors import UserError
from reeltrace.recognition.nets import View

Pixels = NDArray[np.uint8]
RATE = 30  # frames per second, of AVA's videos
IMAGES = (".jpg", ".jpeg", ".png")


def around(key: int, rate: float, view: View) -> list[int]:
    """The frames of the clip around frame `key` of a video of this rate; some may lie outside of the video.

    `view.stride` counts frames at 30 a second, as AVA's videos are read: at another rate the same times are taken.
    """
    half = view.frames * view.stride // 2
    return [key + round((number * view.stride - half) * rate / RATE) for number in range(view.frames)]


def seen(frames: Sequence[Pixels], view: View) -> Tensor:
    """Frames (H, W, 3) as the net takes them: (1, 3, T, H, W)."""
    pixels = torch.from_numpy(np.stack(frames)).permute(3, 0, 1, 2).float() / 255
    return ((pixels - torch.tensor(view.mean).view(3, 1, 1, 1)) / torch.tensor(view.std).view(3, 1, 1, 1))[None]


@dataclass(frozen=True)
class Source:
    """A video: a file, or a folder of images in the order of their names. `rate` is in frames per second.

    `note` is what is odd about the file; "" for nothing.
    """

    path: Path
    height: int
    width: int
    rate: float
    frames: int
    note: str = ""

    def read(self, height: int, width: int) -> Iterator[Pixels]:
        """Its frames in order, scaled to this size. Raises UserError where it cannot be decoded."""
        if self.path.is_dir():
            for image in _images(self.path):
                yield _opened(image, height, width)
            return
        with _decoding(self.path):
            yield from pyav_frames(self.path, height, width)

    def native(self) -> Iterator[Pixels]:
        """Its frames in order, in their own size."""
        return self.read(self.height, self.width)

    def at(self, seconds: float) -> int:
        """The number of the frame that is shown then; the last one from its end on."""
        return min(max(0, round(seconds * self.rate)), self.frames - 1)


def open_source(path: Path, rate: float | None = None) -> Source:
    """The video in a file or a folder. `rate` is that of a folder, and goes before what a file says.

    Raises UserError, one line, for what is none.
    """
    if path.is_dir():
        images = _images(path)
        if not images:
            raise UserError(f"{path}: no images in it; expected {', '.join(IMAGES)}, a frame each")
        if rate is None:
            raise UserError(f"{path}: images do not tell how many of them make a second; give the rate")
        height, width = _opened(images[0]).shape[:2]
        return Source(path, height, width, rate, len(images))
    if not path.exists():
        raise UserError(f"{path}: no such file; correct its name")
    with _decoding(path):
        header = read_header(path)
    found = rate or header.fps
    if not found:
        raise UserError(f"{path}: does not tell how many frames make a second; give the rate")
    frames = header.packets - header.empty
    return Source(path, header.height, header.width, found, frames, header.note(frames))


def key_seconds(source: Source, every: float = 1.0) -> list[float]:
    """The times of key frames, one for each `every` seconds; of a shorter video its middle."""
    length = source.frames / source.rate
    count = int(length / every)
    times = [every * number for number in range(1, count + 1) if round(every * number * source.rate) < source.frames]
    return times or [length / 2]


def key_frames(source: Source, keys: Sequence[int]) -> Iterator[tuple[int, Pixels]]:
    """The frames of these numbers, in ascending order, in their own size."""
    wanted = set(keys)
    for number, frame in enumerate(source.native()):
        if number in wanted:
            yield number, frame
        if number >= max(wanted, default=-1):
            return


def clips_around(source: Source, keys: Sequence[int], view: View) -> Iterator[tuple[int, Tensor]]:
    """For each key frame, in ascending order, its number and the clip around it, (1, 3, T, H, W), nothing cut off."""
    waiting = [(key, around(key, source.rate, view)) for key in sorted(set(keys))]
    needed = {max(0, number) for _, numbers in waiting for number in numbers}
    kept: dict[int, Pixels] = {}
    last = -1
    for number, frame in enumerate(source.read(*scaled_size(source.height, source.width, view.side))):
        if not waiting:
            return
        if last not in needed:
            kept.pop(last, None)
        last = number
        kept[number] = frame  # needed or not: it is repeated should the video end here
        while waiting and number >= waiting[0][1][-1]:
            key, numbers = waiting.pop(0)
            yield key, seen([kept[max(0, each)] for each in numbers], view)
            first = max(0, waiting[0][1][0]) if waiting else number
            kept = {each: pixels for each, pixels in kept.items() if each >= first or each == number}
    if last < 0:
        raise UserError(f"{source.path}: no frame can be decoded; name another video")
    for key, numbers in waiting:
        yield key, seen([kept[min(max(0, each), last)] for each in numbers], view)


def _images(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in IMAGES)


def _opened(path: Path, height: int | None = None, width: int | None = None) -> Pixels:
    try:
        with Image.open(path) as image:
            shown = image.convert("RGB")
            if height is not None and width is not None and shown.size != (width, height):
                shown = shown.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(shown, dtype=np.uint8)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not an image ({type(error).__name__}); remove it or replace it") from error


@contextlib.contextmanager
def _decoding(path: Path) -> Iterator[None]:
    try:
        yield
    except DecodingError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); name another video") from error
