"""Decoding a video file, from its first frame to its last, at the size that is stored.

Two decoders do the same: decord, and PyAV for the files that decord has no wheel for, cannot read or miscounts. Both
scale with the same filter of FFmpeg, inside the decoder, so that no frame is converted at full size. Reading is
strictly sequential: on random access decord gives wrong frames for some AVI files.
"""

import ctypes
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

# How far the two decoders may differ on a pixel, in levels of 255. On stand-in videos they give equal bytes at every
# size tried, but they are built on versions of FFmpeg that are years apart, and another processor takes other paths
# through its scaler: a rounding apart is allowed.
MOST_DIFFERENCE, MEAN_DIFFERENCE = 1, 0.01

# Bytes of a file and of all its frames together up to which decord is used: it may decode ahead of its reader without
# bound and keeps what it has read of the file, so its memory grows with the video. PyAV holds one frame at a time,
# however long the video. At 128 x 170 pixels the limit is at about 1000 frames; few videos of either set have more.
DECORD_BYTES = 64 * 2**20
_EVERY = 8  # rows and columns from one pixel to the next of those that tell frames apart


class DecodingError(Exception):
    """This decoder cannot read this file; the message says why, without the file's place."""


@dataclass(frozen=True)
class Header:
    """What a container says of its first video stream. `announced` frames may be wrong; `packets` were counted."""

    height: int
    width: int
    fps: float
    announced: int
    packets: int


Decoder = Callable[[Path, int, int], Iterator[Frame]]
"""`decoder(path, height, width)`: the frames (height, width, 3), RGB. Raises DecodingError."""


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width with `short_side` pixels on the shorter one, the other rounded to the nearest even number."""
    long_side = max(short_side, 2 * round(max(height, width) * short_side / min(height, width) / 2))
    return (short_side, long_side) if height <= width else (long_side, short_side)


def read_header(path: Path) -> Header:
    """Size, rate and number of frames, without decoding. Raises DecodingError when this is no video file."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DecodingError("holds no video stream")
            stream = container.streams.video[0]
            height, width, rate = stream.codec_context.height, stream.codec_context.width, stream.average_rate
            packets = sum(1 for packet in container.demux(stream) if packet.size)
            announced = stream.frames
    except (av.FFmpegError, OSError, ValueError) as error:
        raise DecodingError(_reason(error)) from error
    if height < 1 or width < 1:
        raise DecodingError("states no frame size")
    return Header(height, width, round(float(rate), 6) if rate else 0.0, announced, packets)


def decord_frames(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Decode with decord, one thread. Refuses long videos (see DECORD_BYTES) and what decord would get wrong.

    Where a packet holds no frame, decord fills its count up by repeating frames at the end, and says nothing. So a
    video whose last frame equals an earlier one is refused: whether it really does, another decoder can tell.
    """
    try:
        import decord
    except (ImportError, OSError) as error:
        raise DecodingError("decord is not installed") from error
    decord.logging.set_level(decord.logging.QUIET)
    seen: set[int] = set()
    repeated = False
    size = height * width * 3
    pixels = ctypes.c_uint8 * size
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=width, height=height, num_threads=1)
        if len(reader) * size + path.stat().st_size > DECORD_BYTES:
            raise DecodingError(f"its {len(reader)} frames would take decord too much memory")
        for _ in range(len(reader)):
            given = reader.next()
            if tuple(given.shape) != (height, width, 3):
                raise DecodingError(f"a frame of {tuple(given.shape)}, expected {(height, width, 3)}")
            # not its asnumpy(), which copies, with detours that cost a tenth of the time at small sizes
            memory: Any = pixels.from_address(given.handle.contents.data)
            memory.owner = given  # as long as somebody holds the frame
            frame = np.frombuffer(memory, dtype=np.uint8).reshape(height, width, 3)
            mark = zlib.crc32(frame[::_EVERY, ::_EVERY].tobytes())
            repeated = mark in seen
            seen.add(mark)
            yield frame
    except (decord.DECORDError, RuntimeError, AssertionError, StopIteration) as error:
        # Its messages hold times and addresses; two equal failures must give equal words.
        raise DecodingError("decord cannot read it") from error
    if repeated:
        raise DecodingError("its last frame equals an earlier one, as when decord repeats frames")


def pyav_frames(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Decode with PyAV, one thread. What a damaged file has before and after the damage is kept."""
    import av

    scale: Callable[[Any], Frame] | None = None
    scaled_from: tuple[object, ...] = ()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue  # this packet is damaged; the next may not be
                for frame in frames:
                    found = (frame.width, frame.height, frame.format.name)
                    if scale is None or scaled_from != found:
                        scale, scaled_from = _pyav_scaler(*found, height, width), found
                    yield scale(frame)
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DecodingError(_reason(error)) from error


def _pyav_scaler(from_width: int, from_height: int, pixels: str, height: int, width: int) -> Callable[[Any], Frame]:
    """Scale frames as decord does: by FFmpeg's scale filter.

    PyAV's own `reformat` calls the same scaler without telling it where the chroma samples lie: up to 30 levels apart.
    """
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=from_width, height=from_height, format=VideoFormat(pixels), time_base=Fraction(1, 1000)
    )
    scale = graph.add("scale", f"w={width}:h={height}:flags=bilinear")
    rgb = graph.add("format", "pix_fmts=rgb24")
    sink = graph.add("buffersink")
    source.link_to(scale)
    scale.link_to(rgb)
    rgb.link_to(sink)
    graph.configure()

    def scaled(frame: Any) -> Frame:
        graph.push(frame)  # not source.push: the filters do not keep their graph alive, this closure must
        given: Any = sink.pull()
        return np.asarray(given.to_ndarray(), dtype=np.uint8)

    return scaled


def _reason(error: BaseException) -> str:
    """Why, on one line and without the path: equal failures give equal words."""
    text = getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0] or type(error).__name__
    return " ".join(str(text).split())[:200]
