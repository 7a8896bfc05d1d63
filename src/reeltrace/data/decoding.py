"""Decoding a video file, from its first frame to its last, at the size that is stored.

Two decoders do the same: decord, and PyAV for the files that decord has no wheel for, cannot read or miscounts. Both
scale with the bilinear filter of FFmpeg's swscale, inside the decoder, so that no frame is converted at full size.
Reading is strictly sequential: on random access decord gives wrong frames for some AVI files.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]

# How far the two decoders may differ on a pixel, in levels of 255: they are built on different versions of FFmpeg,
# whose scalers round differently. Seen on stand-in videos: 6 at most, 0.2 on average, at a short side of 128 pixels.
MOST_DIFFERENCE, MEAN_DIFFERENCE = 12, 0.5


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
    """Decode with decord, one thread."""
    try:
        import decord
    except (ImportError, OSError) as error:
        raise DecodingError("decord is not installed") from error
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=width, height=height, num_threads=1)
        while True:
            try:
                frame = reader.next()
            except StopIteration:
                return
            yield frame.asnumpy()
    except (RuntimeError, ValueError) as error:  # DECORDError is a RuntimeError
        raise DecodingError(_reason(error)) from error


def pyav_frames(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Decode with PyAV, one thread. What a damaged file has before and after the damage is kept."""
    import av
    from av.video.reformatter import VideoReformatter

    scaler = VideoReformatter()
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
                    scaled = scaler.reformat(
                        frame, width=width, height=height, format="rgb24", interpolation="BILINEAR"
                    )
                    yield np.asarray(scaled.to_ndarray(), dtype=np.uint8)
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DecodingError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """Why, on one line, without paths and numbers of bytes in memory: equal failures give equal words."""
    text = getattr(error, "strerror", None) or str(error).splitlines()[0] if str(error) else type(error).__name__
    return "cannot be read as a video" if "Error reading" in text else " ".join(text.split())[:200]
