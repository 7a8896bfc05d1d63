"""Words and boxes on frames, and the video that they make. Whoever draws on frames draws here.

Frames are uint8 arrays (H, W, 3), RGB. Nothing is drawn into a frame that is given: each function returns another one.
Sizes of letters, bars and lines follow the frame's height.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from reeltrace.artifacts.files import explain_full_disk, reason_of
from reeltrace.errors import UserError

Frame = NDArray[np.uint8]
Colour = tuple[int, int, int]
Corners = tuple[int, int, int, int]  # left, top, right, bottom

# One per person or class, repeated: those of Okabe and Ito that stand out on dark and on light, told apart by readers
# who see fewer colours too.
COLOURS: tuple[Colour, ...] = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167))
_PAPER, _INK, _BAR = (12, 14, 20), (245, 245, 245), (86, 180, 233)
_VEIL = 0.62  # how much of the paper covers the picture behind words
_LETTERS = 1 / 22  # of the frame's height
_WORSE = 4  # how much worse it is to hide words than to hide another box
_SMALLEST = 11  # pixels of a letter's height that can be read
SUFFIXES = (".mp4", ".mkv", ".mov", ".avi")
CODECS = ("libx264", "mpeg4")  # the first that PyAV was built with


@dataclass(frozen=True)
class Said:
    """A line of words and, where it is about a share, that share between 0 and 1: it is drawn as a bar and printed."""

    words: str
    share: float | None = None


@dataclass(frozen=True)
class Box:
    """A box in pixels of the frame, left, top, right, bottom, with what is said of it, the surest first."""

    corners: tuple[float, float, float, float]
    said: Sequence[Said]
    colour: Colour = COLOURS[0]


def colour_of(number: int) -> Colour:
    """A colour for the `number`-th of several, counted from 0."""
    return COLOURS[number % len(COLOURS)]


def with_words(frame: Frame, said: Sequence[Said]) -> Frame:
    """The frame with lines in its upper left corner, each with its bar; words that are too long are cut."""
    if not said:
        return frame.copy()
    image = Image.fromarray(np.ascontiguousarray(frame))
    height, width = frame.shape[:2]
    font = _font(_letter(height))
    pad = max(3, _letter(height) // 3)
    row = _row(height)
    shares = any(line.share is not None for line in said)
    bar = min(width // 4, 6 * row) if shares else 0
    room = width - bar - 4 * pad
    lines = [_fitting(font, _written(line), room) for line in said]
    wide = min(width, bar + (2 if bar else 0) * pad + 2 * pad + max(round(font.getlength(line)) for line in lines))
    high = min(height, len(said) * row + 2 * pad)
    _veil(image, (0, 0, wide, high))
    draw = ImageDraw.Draw(image)
    for number, (line, words) in enumerate(zip(said, lines, strict=True)):
        top = pad + number * row
        if line.share is not None:
            draw.rectangle((pad, top + pad // 2, pad + bar, top + row - pad // 2), outline=_INK)
            filled = round(bar * min(1.0, max(0.0, line.share)))
            draw.rectangle((pad, top + pad // 2, pad + filled, top + row - pad // 2), fill=_BAR)
        draw.text(((bar + 2 * pad) if bar else pad, top), words, font=font, fill=_INK)
    return np.asarray(image, dtype=np.uint8).copy()


def with_boxes(frame: Frame, boxes: Sequence[Box]) -> Frame:
    """The frame with boxes and what is said of each: above it, or where it hides least of other boxes and their words.

    (mahler2020, 6.2.4: labels stand where they overlap no other box, if they can.)
    """
    image = Image.fromarray(np.ascontiguousarray(frame))
    height, width = frame.shape[:2]
    font, row, pad = _font(_letter(height)), _row(height), max(2, _letter(height) // 5)
    line = max(2, height // 160)
    placed = [_inside(box.corners, width, height) for box in boxes]
    for box, corners in zip(boxes, placed, strict=True):
        ImageDraw.Draw(image).rectangle(corners, outline=box.colour, width=line)
    words_of: list[Corners] = []
    for number, box in enumerate(boxes):
        if not box.said:
            continue
        lines = [_fitting(font, _written(said), width - 2 * pad) for said in box.said]
        wide = min(width, max(round(font.getlength(words)) for words in lines) + 2 * pad + line)
        high = min(height, len(lines) * row + pad)
        others = [*placed[:number], *placed[number + 1 :], *(words_of * _WORSE)]
        x, y = _least_hidden(placed[number], (wide, high), (width, height), line, others)
        words_of.append((x, y, x + wide, y + high))
        _veil(image, words_of[-1])
        draw = ImageDraw.Draw(image)
        draw.rectangle((x, y, x + line, y + high - 1), fill=box.colour)
        for count, words in enumerate(lines):
            draw.text((x + pad + line, y + count * row), words, font=font, fill=_INK)
    return np.asarray(image, dtype=np.uint8).copy()


def _least_hidden(
    box: Corners, size: tuple[int, int], frame: tuple[int, int], line: int, others: Sequence[Corners]
) -> tuple[int, int]:
    """Where words of `size` (width, height) stand at a box: above, inside, below, to the right or left of it.

    The first of these places in a `frame` (width, height) that hides least of `others`.
    """
    (left, top, right, bottom), (wide, high) = box, size
    places = [(left, top - high), (left, top + line), (left, bottom + 1), (right + 1, top), (left - wide, top)]
    most = (frame[0] - wide, frame[1] - high)
    fitting = [(max(0, min(x, most[0])), y) for x, y in places[:3] if 0 <= y <= most[1]]
    fitting += [(x, min(y, most[1])) for x, y in places[3:] if 0 <= x <= most[0]]
    fitting = fitting or [(max(0, min(left, most[0])), max(0, min(top + line, most[1])))]
    return min(fitting, key=lambda at: sum(_shared((*at, at[0] + wide, at[1] + high), other) for other in others))


def _shared(one: Corners, other: Corners) -> int:
    """How many pixels two rectangles share."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, wide) * max(0, high)


def contact_sheet(rows: Sequence[tuple[Sequence[Frame], Sequence[Said]]], gap: int = 6) -> Frame:
    """A row per video, its frames side by side with what is said of it on the first one; white between them.

    Frames of all rows are scaled to the height of the first one.
    """
    if not rows or not all(frames for frames, _ in rows):
        raise ValueError("a sheet needs rows, and each row a frame")
    height = rows[0][0][0].shape[0]
    strips = []
    for frames, said in rows:
        shown = [_scaled(frame, height) for frame in frames]
        shown[0] = with_words(shown[0], said)
        wide = sum(frame.shape[1] for frame in shown) + gap * (len(shown) - 1)
        strip, left = np.full((height, wide, 3), 255, np.uint8), 0
        for frame in shown:
            strip[:, left : left + frame.shape[1]] = frame
            left += frame.shape[1] + gap
        strips.append(strip)
    sheet = np.full((len(strips) * (height + gap) - gap, max(each.shape[1] for each in strips), 3), 255, np.uint8)
    for number, strip in enumerate(strips):
        top = number * (height + gap)
        sheet[top : top + height, : strip.shape[1]] = strip
    return sheet


def write_video(path: Path, frames: Iterable[Frame], rate: Fraction | float) -> int:
    """Encode frames of one size as they come, in H.264 where PyAV has it, else MPEG-4; says how many there were.

    An odd side loses its last row or column: both codecs store colours for squares of four pixels. The file comes into
    its place when it is whole. Raises UserError for a suffix that names no container, for no frames at all, and for
    what cannot be written; what `frames` itself raises goes on, and leaves no file behind.
    """
    import av

    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: found the suffix {path.suffix!r}; expected one of {', '.join(SUFFIXES)}")
    codec = next(name for name in CODECS if name in av.codecs_available)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix.lower()}")
    steps = Fraction(rate).limit_denominator(1001)
    count = 0
    try:
        with explain_full_disk(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(av.open(str(temporary), "w")) as container:
                stream: Any = None
                for frame in frames:
                    even = np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])
                    if stream is None:
                        stream = _stream(container, codec, steps, even)
                    picture = av.VideoFrame.from_ndarray(even, format="rgb24")
                    picture.pts, picture.time_base = count, 1 / steps
                    container.mux(stream.encode(picture))
                    count += 1
                if stream is None:
                    raise UserError(f"{path}: no frame to write; give a video that has some")
                container.mux(stream.encode(None))
            temporary.replace(path)
    except (av.FFmpegError, OSError) as error:
        why = reason_of(error) if isinstance(error, OSError) else str(error)
        raise UserError(f"{path}: cannot be written ({why}); correct that and run the same command again") from error
    finally:
        with contextlib.suppress(OSError):  # or it would hide why the writing failed
            temporary.unlink(missing_ok=True)
    return count


def _stream(container: Any, codec: str, rate: Fraction, frame: Frame) -> Any:
    options = {"preset": "veryfast", "crf": "20"} if codec == "libx264" else {"qmin": "2", "qmax": "5"}
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = 1 / rate
    return stream


def _letter(height: int) -> int:
    return max(_SMALLEST, round(height * _LETTERS))


def _row(height: int) -> int:
    return round(_letter(height) * 1.35)


@lru_cache(maxsize=16)
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _written(said: Said) -> str:
    """The words, printable, with the share in percent behind them."""
    words = "".join(c if c.isprintable() else " " for c in said.words)
    return words if said.share is None else f"{words}  {100 * said.share:.1f} %"


def _fitting(font: Any, words: str, room: int) -> str:
    """Words that are no longer than `room` pixels: what is too much is left out from the middle, not from the share."""
    if font.getlength(words) <= room:
        return words
    keep = len(words)
    while keep > 2:
        keep -= 1
        cut = f"{words[: (2 * keep) // 3]}\N{HORIZONTAL ELLIPSIS}{words[len(words) - keep // 3 :]}"
        if font.getlength(cut) <= room:
            return cut
    return ""


def _veil(image: Image.Image, corners: tuple[int, int, int, int]) -> None:
    part = image.crop(corners)
    image.paste(Image.blend(part, Image.new("RGB", part.size, _PAPER), _VEIL), corners[:2])


def _inside(corners: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    left, right = sorted(min(max(0, round(x)), width - 1) for x in (corners[0], corners[2]))
    top, bottom = sorted(min(max(0, round(y)), height - 1) for y in (corners[1], corners[3]))
    return left, top, right, bottom


def _scaled(frame: Frame, height: int) -> Frame:
    if frame.shape[0] == height:
        return frame
    size = (max(1, round(frame.shape[1] * height / frame.shape[0])), height)
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR), dtype=np.uint8)
