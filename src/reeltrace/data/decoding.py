"""Decoding a video file, from its first frame to its last, at the size that is stored.

Two decoders do the same: decord, and PyAV for the files that decord has no wheel for, cannot read or miscounts. Both
scale with the same filter of FFmpeg, inside the decoder, so that no frame is converted at full size. Reading is
strictly sequential: on random access decord gives wrong frames for some AVI files.

Whether a file is whole is told by its container, before anything is decoded, so that the verdict does not depend on
who decodes: see `containers` for what each kind of container says of itself. A file of which something is missing is
PyAV's in any case: on what is damaged the two decoders may differ by a frame.
"""

import ctypes
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.data import containers

Frame = NDArray[np.uint8]
Filters = tuple[tuple[str, str], ...]
"""Filters of FFmpeg, each with its arguments."""

# Which share of its frames a video may lack, rounded up to whole frames, and still be used. What it lacks is recorded;
# beyond this it is broken. A clip is cut from anywhere in a video: one that lacks more is another video.
TOLERANCE = 0.1

# The longer side may be so many times the shorter one. The widest films have 2.8; at 128 pixels a strip of 16 x 20,000
# would become one of 160,000.
MOST_ASPECT = 8

# How far the two decoders may differ on a pixel, in levels of 255. On stand-in videos they give equal bytes at every
# size tried, but they are built on versions of FFmpeg that are years apart, and another processor takes other paths
# through its scaler: a rounding apart is allowed.
MOST_DIFFERENCE, MEAN_DIFFERENCE = 1, 0.01

# Bytes of a file and of all its frames together up to which decord is used: it may decode ahead of its reader without
# bound and keeps what it has read of the file, so its memory grows with the video. PyAV holds one frame at a time,
# however long the video. At 128 x 170 pixels the limit is at about 1000 frames; few videos of either set have more.
DECORD_BYTES = 64 * 2**20
_LAST = 17  # pictures that a decoder may still hold when a file ends, and the one that it is at
# From which number of steps in time on, and of which share of equal ones, a video counts as steady. Times may be whole
# milliseconds.
_FEWEST, _STEADY, _JITTER = 10, 0.9, 0.0015
_EVERY = 8  # rows and columns from one pixel to the next of those that tell frames apart
_BATCH = 64  # frames asked of decord at once: asking costs 0.1 ms

# How a frame is shown, by the signs of a, b, c, d of its display matrix, as filters of FFmpeg. decord turns frames too,
# takes mirrored ones for turned ones, and gives four channels for some: these are not for it.
_SHOWN: dict[tuple[int, ...], tuple[str, Filters]] = {
    (1, 0, 0, 1): ("", ()),
    (0, 1, -1, 0): ("turned by 90 degrees", (("transpose", "clock"),)),
    (-1, 0, 0, -1): ("turned by 180 degrees", (("hflip", ""), ("vflip", ""))),
    (0, -1, 1, 0): ("turned by 270 degrees", (("transpose", "cclock"),)),
    (-1, 0, 0, 1): ("mirrored", (("hflip", ""),)),
    (1, 0, 0, -1): ("mirrored", (("vflip", ""),)),
    (0, 1, 1, 0): ("mirrored and turned", (("transpose", "cclock_flip"),)),
    (0, -1, -1, 0): ("mirrored and turned", (("transpose", "clock_flip"),)),
}
_HOW_MUCH = ", and nothing in it tells how much is missing"
_NOT_SHOWN = "its rotation is no quarter turn and was not applied"


class DecodingError(Exception):
    """This decoder cannot read this file; the message says why, without the file's place."""


@dataclass(frozen=True)
class Header:
    """What a container says of its video stream, and what is there of it.

    `height` and `width` are those of a frame as it is shown, turned where the file says so. `announced` frames are what
    the header says (0: it says nothing) and may be wrong. `packets` were counted: whole ones, of which `empty` hold no
    picture. `expected` frames should be there: as many as were announced or the duration implies, and no fewer than
    there are packets. `turned` tells how frames are turned or mirrored to be shown. `careful` is the reason, if there
    is one, why only the last decoder, which looks at every packet, may read this file. `told` is False where nothing
    in it tells whether it is whole. `damage` is what its structure shows, whatever the frames.
    """

    height: int
    width: int
    fps: float
    announced: int
    packets: int
    empty: int
    expected: int
    turned: str
    careful: str
    told: bool
    damage: str = ""

    def check(self, frames: int) -> None:
        """Raise DecodingError where `frames` frames are fewer than may be missing (see TOLERANCE)."""
        lost = max(0, self.packets - self.empty - frames)
        if self.expected - self.packets + lost > ceil(TOLERANCE * self.expected):
            raise DecodingError(f"only {frames} of {self.expected} frames are there")

    def note(self, frames: int, others: Iterable[str] = ()) -> str:
        """What is worth knowing of a video of which `frames` frames were decoded, and what `others` say of it."""
        notes = []
        if self.announced not in (0, frames):
            notes.append(f"{self.announced} frames were announced")
        elif frames < self.expected:
            notes.append(f"{self.expected} frames were expected")
        if self.damage:
            notes.append(self.damage)
        if not self.told:
            notes.append("nothing in it tells whether it is whole")
        if self.turned:
            notes.append(self.turned)
        notes += others
        return "; ".join(notes)


Decoder = Callable[[Path, int, int], Iterator[Frame]]
"""`decoder(path, height, width)`: the frames (height, width, 3), RGB. Raises DecodingError."""


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """Height and width with `short_side` pixels on the shorter one, the other rounded to the nearest even number."""
    long_side = max(short_side, 2 * round(max(height, width) * short_side / min(height, width) / 2))
    return (short_side, long_side) if height <= width else (long_side, short_side)


def read_header(path: Path) -> Header:
    """What a video file says of itself and how many packets it holds; of its frames no more than one is decoded,
    unless only a decoder can tell whether the last one is whole.

    Raises DecodingError when this is no video file, or one of which more is missing than TOLERANCE allows.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream, streams = _video_stream(container)
            codec, rate, kind, duration = stream.codec_context, stream.average_rate, container.format.name, 0.0
            outline = containers.outline_of(path, kind)
            announced = _announced(path, stream, kind, outline)
            found = _Packets(container, stream, outline)
            height, width, turned = codec.height, codec.width, found.turned or ("", ())
            if containers.states_duration(kind) and container.duration:
                duration = container.duration / av.time_base
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DecodingError(_reason(error)) from error
    if height < 1 or width < 1:
        raise DecodingError("states no frame size")
    if max(height, width) > MOST_ASPECT * min(height, width):
        raise DecodingError(f"{width} x {height} pixels: one side is more than {MOST_ASPECT} times the other")
    if not found.whole:
        raise DecodingError("none of its frames is there")
    if any(name == "transpose" for name, _ in turned[1]):
        height, width = width, height
    if outline.end is containers.End.DOUBTFUL and _breaks_off(path):
        outline = replace(outline, end=containers.End.MISSING)
    announced = max(0, announced - found.discarded)
    damage = _damage(found, outline, kind)
    expected, told = _expected(found, outline, damage, announced, outline.seconds or duration)
    careful = [
        reason
        for reason, there in (
            (f"{found.cut} of its packets are cut off", found.cut),
            ("some of its packets are not to be shown", found.discarded),
            (f"{found.whole} of its {expected} frames are there", expected > found.whole),
            (damage, damage),
            (f"it holds {streams} video streams", streams > 1),
            (f"it is {turned[0]}", turned[1]),
        )
        if there
    ]
    header = Header(
        height,
        width,
        round(float(rate), 6) if rate else 0.0,
        announced,
        found.whole,
        found.empty,
        expected,
        turned[0],
        "; ".join(careful),
        told,
        damage or _doubt(found, outline, kind),
    )
    header.check(found.whole)
    return header


def _announced(path: Path, stream: Any, kind: str, outline: containers.Outline) -> int:
    """How many frames the header counts, without those that an edit list leaves out (0: it does not count)."""
    import av

    if kind == "gif" or outline.fragments:
        return 0  # FFmpeg has counted those that are there, or knows of those in front of the fragments
    announced, shown = int(stream.frames), len(stream.index_entries)
    if not kind.startswith("mov,mp4") or shown >= announced:
        return announced
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        listed = len(_video_stream(container)[0].index_entries)
    return announced - max(0, listed - shown)


def _damage(found: "_Packets", outline: containers.Outline, kind: str) -> str:
    """What the structure of a file and the bytes of its frames show to be missing inside, in words."""
    if outline.damaged or (found.lost and outline.end is not containers.End.MISSING):
        return "it is damaged inside"
    if found.cut and kind == "mpegts":
        return "its packets do not follow one another"
    return ""


def _doubt(found: "_Packets", outline: containers.Outline, kind: str) -> str:
    """What else a user should know of a file whose structure is that of a whole one, or of one that was cut off."""
    if outline.end is containers.End.MISSING:
        return "its end is cut off"
    if not containers.states_duration(kind):
        return ""
    if np.any(np.diff(found.decoded) < 0):
        return "its times go back"
    # a damaged tag of FLV or packet of ASF is skipped in silence; Matroska counts its blocks
    gaps = 0 if outline.blocks else _left_out(found.decoded)
    return f"it pauses, or lacks {gaps} frame{'s' if gaps > 1 else ''}" if gaps else ""


def _expected(
    found: "_Packets", outline: containers.Outline, damage: str, announced: int, seconds: float
) -> tuple[int, bool]:
    """How many frames should be there, and whether anything in the file tells that these are all."""
    whole = found.whole + found.cut
    if outline.end is containers.End.INDEXED:
        # its index lists every frame: where the header says another number, the header is wrong
        return max(whole, found.listed), True
    implied = _implied(whole, found, seconds, damaged=bool(damage)) if seconds else 0
    if announced:
        # a table may be damaged too, but is not for a frame more or less
        short = implied - announced > ceil(TOLERANCE * implied)
        return max(whole, implied if short else announced), True
    missing = outline.end is containers.End.MISSING or (outline.damaged and outline.end is containers.End.UNKNOWN)
    if not implied and (missing or (found.cut and not damage)):
        raise DecodingError(f"{damage.removeprefix('it is ') or 'cut off'}{_HOW_MUCH}")
    lost = 0
    if damage:
        gaps = _left_out(found.decoded)
        if gaps is None and implied - whole <= ceil(TOLERANCE * implied):
            raise DecodingError(f"{damage.removeprefix('it is ')}{_HOW_MUCH}")
        lost = max(gaps or 0, found.lost)
    return max(whole, implied) + lost, bool(implied) or outline.end is containers.End.THERE


def _breaks_off(path: Path) -> bool:
    """Whether a decoder finds one of the last pictures damaged, or none at all. Decodes the whole file."""
    import av

    damaged: deque[bool] = deque(maxlen=_LAST)
    try:
        with av.open(str(path)) as container:
            stream, _ = _video_stream(container)
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                try:
                    damaged.extend(frame.is_corrupt for frame in packet.decode())
                except av.FFmpegError:
                    damaged.append(True)
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DecodingError(_reason(error)) from error
    return not damaged or any(damaged)


def _video_stream(container: Any) -> tuple[Any, int]:
    """The first stream of moving pictures, and how many there are. Raises DecodingError when there is none."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.still_image
    moving = [stream for stream in container.streams.video if not stream.disposition & still]
    kind = container.format.name
    if container.streams.video and (not moving or kind == "image2" or kind.endswith("_pipe")):
        raise DecodingError("holds a still picture, no video")
    if not moving:
        raise DecodingError("holds no video stream")
    if moving[0].codec_context is None:
        raise DecodingError("does not tell the codec of its video")
    return moving[0], len(moving)


class _Packets:
    """The packets of a file, counted: `whole` ones of the video stream, of which `empty` hold no picture; those that
    are `cut` off, and those that are `discarded` when it is shown.

    In seconds: `first` is when the video begins, `end` when the last packet ends, of any stream where the container
    states how long it takes; `decoded` when packets of the video are decoded, as far as they tell.
    `listed` are those in the index that was there from the start. `lost` are those that the structure holds and FFmpeg
    does not find; by the length of an average one, where they are bytes of fragments that no list speaks of.
    `turned` is an entry of _SHOWN.
    """

    def __init__(self, container: Any, stream: Any, outline: containers.Outline) -> None:
        import av

        self.listed = sum(entry.size > 0 for entry in stream.index_entries)
        self.whole = self.empty = self.cut = self.discarded = 0
        self.first, self.end = float("inf"), 0.0
        self.decoded: list[float] = []
        # an AVI file cannot say that it is turned: nothing needs to be decoded
        self.turned: tuple[str, Filters] | None = ("", ()) if container.format.name == "avi" else None
        codec = stream.codec_context
        codec.thread_count = 1
        # An MPEG-4 picture takes a bit for each block of 16 x 16 pixels; what is shorter says "not coded": show the
        # picture before it for longer. Of those a video may have any number.
        least = 6 + ceil(codec.height / 16) * ceil(codec.width / 16) / 8 if codec.name == "mpeg4" else 0
        timed = containers.states_duration(container.format.name)
        unit = {each.index: float(each.time_base or 0) for each in container.streams}
        if outline.seconds and not timed:  # the tables of the other streams tell as much as their packets
            for other in container.streams:
                if other.index != stream.index and other.duration:
                    self.end = max(self.end, ((other.start_time or 0) + other.duration) * unit[other.index])
        every = 0
        for packet in container.demux() if timed else container.demux(stream):
            size, index = packet.size, packet.stream_index
            if not size:
                continue
            every += 1
            self._time(packet, unit[index], ours=index == stream.index)
            if index != stream.index:
                continue
            if packet.is_corrupt:
                self.cut += 1
                continue
            if packet.is_discard:
                self.discarded += 1
            else:
                self.whole += 1
                self.empty += size < least
            if self.turned is None:
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue
                if frames:
                    self.turned = _how_shown(frames[0])
        self.lost = max(0, outline.blocks - every)
        if outline.fragments:
            self.lost = max(0, len(stream.index_entries) - self.whole - self.cut - self.discarded)
        if outline.media:
            known = sum(entry.size for each in container.streams for entry in each.index_entries)
            self.lost += round(self.whole * max(0, outline.media - known) / max(1, known))

    def _time(self, packet: Any, unit: float, *, ours: bool) -> None:
        shown, decoded = packet.pts, packet.dts
        if shown is None:
            shown = decoded
        if shown is not None and not packet.is_discard:
            self.end = max(self.end, (shown + (packet.duration or 0)) * unit)
            if ours:
                self.first = min(self.first, shown * unit)
        if ours and decoded is not None:
            self.decoded.append(decoded * unit)


def _how_shown(frame: Any) -> tuple[str, Filters]:
    """How a frame is turned or mirrored to be shown: an entry of _SHOWN."""
    from av.sidedata.sidedata import Type

    matrix = next((bytes(data) for data in frame.side_data if data.type == Type.DISPLAYMATRIX), None)
    if matrix is None:
        return _SHOWN[1, 0, 0, 1]
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, dtype=np.int32)[:5])
    small = max(abs(a), abs(b), abs(c), abs(d)) // 100
    signs = tuple(0 if abs(value) <= small else value // abs(value) for value in (a, b, c, d))
    return _SHOWN.get(signs, (_NOT_SHOWN, ()))


def _implied(there: int, found: _Packets, stated: float, *, damaged: bool) -> int:
    """Frames that a video should hold which takes `stated` seconds, when `there` packets of it are there.

    0 where they do not tell. What a damaged one lacks between its first and its last is counted by _left_out.
    """
    known = len(found.decoded)
    # in the order of decoding: where a file ends, a picture may be there that is shown after others that are not
    each = (found.decoded[-1] - found.decoded[0]) / (known - 1) if known > 1 else (found.end - found.first) / there
    if damaged:
        each = float(np.median(np.diff(found.decoded))) if known > 1 else each
        around = sum(time for time in (found.first, stated - found.end) if time >= 1.5 * each > 0)
        return there + (round(around / each) if around else 0)
    if each <= 0:
        return 0 if stated > found.end else there  # one frame, of which nothing tells how long it is shown
    if stated - found.end < 1.5 * each:
        return there  # a frame more or less is within what times are rounded to
    return round((stated - found.first) / each)


def _left_out(times: list[float]) -> int | None:
    """Frames that the gaps between decoding times (seconds) leave out of a video that is steady everywhere else.

    None for a video whose frames come as they like: there gaps tell nothing. Nor do they in a file that is not damaged:
    there a gap is a pause.
    """
    steps = np.diff(times)
    if len(steps) < _FEWEST or (usual := float(np.median(steps))) <= 0:
        return None
    steady = np.abs(steps - usual) <= max(_JITTER, 0.1 * usual)
    if steady.mean() < _STEADY:
        return None
    return int(sum(round(step / usual) - 1 for step in steps[~steady] if step > usual))


def decord_frames(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Decode with decord, one thread. Refuses long videos (see DECORD_BYTES) and what decord would get wrong.

    Frames are asked for in batches, each of which begins where the one before ended: decord then seeks nothing.

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
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=width, height=height, num_threads=1)
        if len(reader) * size + path.stat().st_size > DECORD_BYTES:
            raise DecodingError(f"its {len(reader)} frames would take decord too much memory")
        for first in range(0, len(reader), _BATCH):
            wanted = range(first, min(first + _BATCH, len(reader)))
            given = reader.get_batch(wanted)  # fails where a frame is not of this size
            # not its asnumpy(), which copies
            memory: Any = (ctypes.c_uint8 * (len(wanted) * size)).from_address(given.handle.contents.data)
            memory.owner = given  # as long as somebody holds a frame
            frames = np.frombuffer(memory, dtype=np.uint8).reshape(len(wanted), height, width, 3)
            for frame, few in zip(frames, frames[:, ::_EVERY, ::_EVERY].copy(), strict=True):
                mark = zlib.crc32(few)
                repeated = mark in seen
                seen.add(mark)
                yield frame
    except (decord.DECORDError, RuntimeError, AssertionError) as error:
        # Its messages hold times and addresses; two equal failures must give equal words.
        raise DecodingError("decord cannot read it") from error
    if repeated:
        raise DecodingError("its last frame equals an earlier one, as when decord repeats frames")


def pyav_frames(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Decode with PyAV, one thread. What a damaged file has before and after the damage is kept.

    A packet that is cut off is left out: it would give a picture that is grey or smeared from where it ends.
    """
    import av

    scale: Callable[[Any], Frame] | None = None
    scaled_from: tuple[object, ...] = ()
    try:
        with av.open(str(path)) as container:
            stream, _ = _video_stream(container)
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                if packet.is_corrupt:
                    continue
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    continue  # this packet is damaged; the next may not be
                for frame in frames:
                    found = (frame.width, frame.height, frame.format.name)
                    if scale is None or scaled_from != found:
                        filters = _how_shown(frame)[1]
                        scale, scaled_from = _pyav_scaler(*found, height, width, filters), found
                    yield scale(frame)
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        raise DecodingError(_reason(error)) from error


def _pyav_scaler(
    from_width: int, from_height: int, pixels: str, height: int, width: int, first: Filters
) -> Callable[[Any], Frame]:
    """Scale frames as decord does: by FFmpeg's scale filter, after the filters `first` that turn them.

    PyAV's own `reformat` calls the same scaler without telling it where the chroma samples lie: up to 30 levels apart.
    """
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=from_width, height=from_height, format=VideoFormat(pixels), time_base=Fraction(1, 1000)
    )
    wanted = (*first, ("scale", f"w={width}:h={height}:flags=bilinear"), ("format", "pix_fmts=rgb24"))
    last = source
    for name, how in (*wanted, ("buffersink", "")):
        context = graph.add(name, how) if how else graph.add(name)
        last.link_to(context)
        last = context
    sink = last
    graph.configure()

    def scaled(frame: Any) -> Frame:
        graph.push(frame)  # not source.push: the filters do not keep their graph alive, this closure must
        given: Any = sink.pull()
        return np.asarray(given.to_ndarray(), dtype=np.uint8)

    return scaled


def _reason(error: BaseException) -> str:
    """Why, on one line and without the path: equal failures give equal words."""
    if isinstance(error, IndexError):  # of PyAV, which knows the streams that there were when it opened the file
        return "holds packets of a stream that its beginning does not announce"
    text = getattr(error, "strerror", None) or (str(error).splitlines() or [""])[0] or type(error).__name__
    return " ".join(str(text).split())[:200]
