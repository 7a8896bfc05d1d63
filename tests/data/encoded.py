"""Small videos of several kinds of container, encoded with PyAV."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

HEIGHT, WIDTH, RATE = 96, 128, 25
H264 = {"preset": "veryfast"}
# container, codec, options of the container, frames between two that are shown before they are decoded
KINDS: dict[str, tuple[str, str, dict[str, str], int]] = {
    "avi": ("avi", "mpeg4", {}, 0),
    "mp4": ("mp4", "libx264", {}, 2),
    "faststart": ("mp4", "libx264", {"movflags": "+faststart"}, 2),
    "fragments": ("mp4", "libx264", {"movflags": "+frag_keyframe+empty_moov"}, 2),
    "pieces": ("mp4", "libx264", {"movflags": "+frag_keyframe"}, 2),
    "mov": ("mov", "mpeg4", {}, 0),
    "mkv": ("matroska", "libx264", {}, 2),
    "webm": ("webm", "libvpx", {}, 0),
    "ts": ("mpegts", "libx264", {}, 2),
    "flv": ("flv", "libx264", {}, 0),
    "wmv": ("asf", "wmv2", {}, 0),
    "gif": ("gif", "gif", {}, 0),
    "live": ("matroska", "libx264", {"live": "1"}, 0),
}


def pictures(count: int, height: int = HEIGHT, width: int = WIDTH) -> Iterator[NDArray[np.uint8]]:
    """A texture that slides, with a bright square that moves the other way."""
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 160, (-(-height // 8), -(-width // 8), 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    for number in range(count):
        picture = np.roll(texture[:height, :width], 2 * number, 1).copy()
        side = min(24, height // 2, width // 2)
        top, left = 3 * number % (height - side), 7 * number % (width - side)
        picture[top : top + side, left : left + side] = (250, 200, 30)
        yield picture


def encode(
    path: Path,
    kind: str,
    frames: int = 60,
    *,
    first: int = 0,
    times: Sequence[int] | None = None,
    audio: float = 0.0,
    turned: int = 0,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """Write a video of `frames` frames, the first of which is number `first` in time, with `audio` seconds of silence.

    `times`: the number in time of each frame, where they do not follow one another.
    `turned`: degrees that a player turns it clockwise.
    """
    container_kind, codec, options, between = KINDS[kind]
    with av.open(str(path), "w", format=container_kind, container_options=options) as container:
        stream = container.add_stream(codec, rate=RATE, options=H264 if codec == "libx264" else {})
        stream.height, stream.width = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        if turned:
            stream.set_display_rotation(-turned)
        context = stream.codec_context
        context.gop_size, context.max_b_frames, context.thread_count = 12, between, 1
        context.time_base = Fraction(1, RATE)
        sound = container.add_stream("aac", rate=44_100) if audio else None
        if sound is not None:
            sound.layout = "mono"
        for number, picture in enumerate(pictures(frames, *size)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = times[number] if times else first + number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            mux_silence(container, sound, audio)
    return path


def mux_silence(container: Any, sound: Any, seconds: float) -> None:
    for number in range(int(seconds * 44_100 / 1024)):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44_100, number * 1024, Fraction(1, 44_100)
        container.mux(sound.encode(frame))
    container.mux(sound.encode(None))


def encode_song(path: Path, kind: str, codec: str) -> Path:
    """A second of silence with a cover."""
    with av.open(str(path), "w", format=kind) as container:
        sound = container.add_stream(codec, rate=44_100)
        sound.layout = "mono"
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = HEIGHT, WIDTH, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(next(pictures(1)), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1)
        container.mux(cover.encode(frame))
        container.mux(cover.encode(None))
        mux_silence(container, sound, 1.0)
    return path
