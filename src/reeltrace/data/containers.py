"""What the kinds of video files say of themselves: read from their outermost structure, without a library.

FFmpeg reads what there is of a file: it does not tell a file that ends from one that was cut off, nor a pause from a
hole. The outermost structure does: chunks, boxes, elements, tags and blocks say how long they are, and what follows one
of them must be another.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

_SLACK = 8  # bytes that an AVI file may lack: some writers count the padding of the last chunk, and do not write it
_TS_PACKETS = (188, 192, 204)  # plain, with a time stamp of 4 bytes before each, with an error correction behind each
_TS_SYNC, _TS_STAMP, _TS_SIZE = 0x47, 4, 188
_TS_TAIL = 20_000  # packets at the end in which the last picture is looked for: almost four megabytes

# Matroska: what stands in a segment, and what stands in a cluster of it
_EBML, _SEGMENT, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
_IN_SEGMENT = {_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, 0x1B538667}
_BLOCKS = {0xA3, 0xA0, 0xAF}
_IN_CLUSTER = {0xE7, 0x5854, 0xA7, 0xAB, *_BLOCKS}
_ANYWHERE = {0xEC, 0xBF}  # nothing, and a checksum
_NOT_KNOWN = (2**32 - 1, 2**64 - 1)  # the length of an MP4 file that was not known when its header was written
_FLV_TAGS = {8, 9, 18}  # sound, pictures, facts
_GIF_TRAILER, _GIF_IMAGE, _GIF_EXTENSION = 0x3B, 0x2C, 0x21
_GIF_BEHIND = 0.1  # share of a file
_ASF_MOST = 2**20  # bytes of a header that are looked at
_ASF_BEFORE, _ASF_MARK = 50, 3  # bytes between header and packets, and those with which each packet begins
_ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


class End(Enum):
    """How a file ends, as far as its container tells: with an index of all frames, whole, cut off, or nobody knows.

    DOUBTFUL: nobody knows, and the last picture seems to go on where the file ends; whoever decodes it can tell.
    """

    INDEXED = auto()
    THERE = auto()
    MISSING = auto()
    DOUBTFUL = auto()
    UNKNOWN = auto()


@dataclass(frozen=True)
class Outline:
    """The outermost structure of a file.

    `damaged`: something stands inside where nothing of its kind may. `seconds`: how long its header says that it takes
    (0: it says nothing, or FFmpeg passes it on). `fragments`: it is an MP4 file whose frames are listed piece by piece,
    with `media` bytes of them. `blocks`: packets of all streams that a whole Matroska or GIF file holds at the least.
    """

    end: End
    damaged: bool = False
    seconds: float = 0.0
    fragments: bool = False
    media: int = 0
    blocks: int = 0


def states_duration(kind: str) -> bool:
    """Whether a container of FFmpeg's format `kind` says how long it takes, where it does not count its frames."""
    return kind in ("matroska,webm", "flv", "asf", "mxf", "rm")


def outline_of(path: Path, kind: str) -> Outline:
    """The structure of the file at `path`, of FFmpeg's format `kind`."""
    look = _mp4 if kind.startswith("mov,mp4") else _KINDS.get(kind, _other)
    with path.open("rb") as file:
        return look(file, path.stat().st_size)


def _other(file: BinaryIO, size: int) -> Outline:
    """The first packets of a transport stream alone FFmpeg may take for the bare pictures in them."""
    start = file.read(3 * max(_TS_PACKETS))
    for length in _TS_PACKETS:
        marks = start[_TS_STAMP if length == 192 else 0 :: length][:3]
        if len(marks) == 3 and set(marks) == {_TS_SYNC}:
            return Outline(End.MISSING)
    return Outline(End.UNKNOWN)


def _avi(file: BinaryIO, size: int) -> Outline:
    """RIFF chunks, one after the other; the first holds the frames, up to a gigabyte of them, and then an index."""
    place, indexed = 0, False
    while place + 12 <= size:
        file.seek(place)
        name, length, form = struct.unpack("<4sI4s", file.read(12))
        if name != b"RIFF" or form not in (b"AVI ", b"AVIX"):
            break  # whatever stands behind the video
        if not length:
            return Outline(End.UNKNOWN)  # a recording that was never finished
        if place + 8 + length > size + _SLACK:
            return Outline(End.MISSING)
        if form == b"AVI ":
            indexed = _has_index(file, place + 12, min(size, place + 8 + length))
        place += 8 + length + length % 2
    if not place:
        return Outline(End.UNKNOWN)
    return Outline(End.INDEXED if indexed else End.THERE)


def _has_index(file: BinaryIO, place: int, end: int) -> bool:
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"idx1":
            return bool(place + 8 + length <= end + _SLACK)
        place += 8 + length + length % 2
    return False


def _mp4(file: BinaryIO, size: int) -> Outline:
    """Boxes, one after the other, each of which says how long it is. Fragments are pairs: a list, and its frames."""
    place, media, seconds = 0, 0, 0.0
    fragments = damaged = listed = False
    end = End.THERE
    while place < size:
        file.seek(place)
        start = file.read(16)
        if len(start) < 8 or not _is_name(start[4:8]):
            # behind a table of all frames it is of no matter; of fragments, some are not to be found
            end, damaged = (End.MISSING, len(start) >= 8) if fragments or not seconds else (End.UNKNOWN, False)
            break
        (length, name), before = struct.unpack_from(">I4s", start), 8
        if length == 1:
            (length,), before = struct.unpack(">Q", start[8:].ljust(8, b"\xff")), 16
        if not length:
            end = End.UNKNOWN  # up to the end, wherever that is
            break
        if length < before or place + length > size:
            end = End.MISSING
            break
        if name == b"moov":
            seconds, fragments = _movie(file, place + before, place + length)
        elif name == b"moof":
            fragments = listed = True
        elif name == b"mdat":
            damaged |= fragments and media > 0 and not listed
            listed, media = False, media + length - before
        place += length
    return Outline(end, damaged, seconds, fragments, media if fragments and end is End.THERE else 0)


def _is_name(name: bytes) -> bool:
    return all(0x20 <= letter < 0x7F or letter == 0xA9 for letter in name)


def _movie(file: BinaryIO, place: int, end: int) -> tuple[float, bool]:
    """How many seconds the header of an MP4 file says (0: it does not), and whether fragments follow it."""
    scale, length, fragments = 0, 0, False
    for name, start, stop in _boxes(file, place, end):
        if name == b"mvhd":
            scale, length = _version(file, start, ">8xII", ">16xIQ")
        elif name == b"mvex":
            fragments, length = True, 0  # what stood there is how long the frames in front of the fragments take
            for inner, begin, _ in _boxes(file, start, stop):
                if inner == b"mehd":
                    (length,) = _version(file, begin, ">I", ">Q")
    return (length / scale if scale and length not in _NOT_KNOWN else 0.0), fragments


def _boxes(file: BinaryIO, place: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of the contents of each box in a box."""
    while place + 8 <= end:
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        if length < 8 or place + length > end:
            return
        yield name, place + 8, place + length
        place += length


def _version(file: BinaryIO, place: int, short: str, long: str) -> tuple[int, ...]:
    """The numbers in a box: of four bytes, or of eight in its version 1; zeros where the file ends first."""
    file.seek(place)
    data = file.read(4 + struct.calcsize(long)).ljust(4 + struct.calcsize(long), b"\0")
    return struct.unpack_from(long if data[0] == 1 else short, data, 4)


def _matroska(file: BinaryIO, size: int) -> Outline:
    """A segment that says how long it is, unless it was recorded live; in it clusters, in these a block per frame."""
    head = _element(file, 0)
    segment = _element(file, head[2]) if head and head[0] == _EBML and head[2] else None
    if segment is None or segment[0] != _SEGMENT:
        return Outline(End.UNKNOWN)
    _, place, stated = segment
    if stated in (None, place):
        stated, end = size, End.UNKNOWN
    else:
        end = End.THERE if stated <= size else End.MISSING
    last = min(size, stated)
    inside, until, blocks = False, None, 0  # whether the place is in a cluster, and where that ends, if it says so
    while place < last:
        inside = inside and place != until
        found = _element(file, place)
        if found is None:
            break
        name, start, stop = found
        if name in _IN_SEGMENT and not (inside and until):
            inside, until = name == _CLUSTER, stop
            place = start if inside else stop or last
        elif (
            stop and (name in _ANYWHERE or (inside and name in _IN_CLUSTER)) and not (inside and until and stop > until)
        ):
            place, blocks = stop, blocks + (name in _BLOCKS)
        else:
            return Outline(end, damaged=True)
    return Outline(end, damaged=end is End.THERE and place != last, blocks=blocks if end is End.THERE else 0)


def _element(file: BinaryIO, place: int) -> tuple[int, int, int | None] | None:
    """The name of a Matroska element, and where its contents begin and end; None for an end that it does not know.

    Nothing where there is no element: a number of these begins with as many zero bits as it has further bytes.
    """
    file.seek(place)
    data = file.read(12)
    named = 9 - data[0].bit_length() if data else 9
    if named > 4 or len(data) <= named:
        return None if len(data) <= 1 else (0, place, None)
    sized = 9 - data[named].bit_length()
    if sized > 8:
        return 0, place, None
    if len(data) < named + sized:
        return None
    length = int.from_bytes(data[named : named + sized]) - (1 << 7 * sized)
    start = place + named + sized
    return int.from_bytes(data[:named]), start, None if length == (1 << 7 * sized) - 1 else start + length


def _flv(file: BinaryIO, size: int) -> Outline:
    """Tags, each followed by its length."""
    start = file.read(9)
    place = int.from_bytes(start[5:9]) + 4
    while place < size:
        file.seek(place)
        tag = file.read(11)
        if tag and tag[0] & 0x1F not in _FLV_TAGS:
            return Outline(End.UNKNOWN, damaged=True)
        if len(tag) < 11 or place + 11 + int.from_bytes(tag[1:4]) > size:
            return Outline(End.MISSING)
        place += 15 + int.from_bytes(tag[1:4])
    return Outline(End.UNKNOWN)


def _gif(file: BinaryIO, size: int) -> Outline:
    """Blocks up to a trailer of one byte. Little may stand behind it: where much does, damage looked like a trailer."""
    data = file.read()
    pictures = 0

    def past_colours(place: int) -> int:
        return place + 1 + (6 << (data[place] & 7) if data[place] & 0x80 else 0)

    try:
        place = past_colours(10) + 2
        while data[place] != _GIF_TRAILER:
            if data[place] == _GIF_IMAGE:
                place, pictures = past_colours(place + 9) + 1, pictures + 1
            elif data[place] == _GIF_EXTENSION:
                place += 2
            else:
                return Outline(End.MISSING, damaged=True)  # FFmpeg looks no further
            while data[place]:
                place += 1 + data[place]
            place += 1
    except IndexError:
        return Outline(End.MISSING)
    if size - place > _GIF_BEHIND * size:
        return Outline(End.MISSING, damaged=True)
    return Outline(End.THERE, blocks=pictures)


def _asf(file: BinaryIO, size: int) -> Outline:
    """Objects. One in the first says how long the file is and how long it takes, unless it was recorded live; the
    second holds packets of one length, each of which begins as the first one does."""
    start = file.read(30)
    if len(start) < 30 or start[:16] != _ASF_HEADER:
        return Outline(End.UNKNOWN)
    (length,) = struct.unpack_from("<Q", start, 16)
    header = file.read(min(length, _ASF_MOST))
    at = header.find(_ASF_FILE)
    if at < 0 or len(header) < at + 104:
        return Outline(End.UNKNOWN)
    stated, packets, ticks, preroll, flags, packet = struct.unpack_from("<Q8xQQ8xQI4xI", header, at + 40)
    if flags & 1 or not stated:
        return Outline(End.UNKNOWN)
    first = length + _ASF_BEFORE
    places = range(first, min(size, first + packets * packet), max(1, packet))
    marks = set()
    for place in places:
        file.seek(place)
        marks.add(file.read(_ASF_MARK))
    end = End.THERE if size >= stated else End.MISSING
    return Outline(end, len(marks) > 1, max(0.0, ticks / 1e7 - preroll / 1e3))


def _transport_stream(file: BinaryIO, size: int) -> Outline:
    """Packets of one length, each of which begins with the same byte. One without it, or half a one, tells of a cut.

    A file that ends between two packets tells nothing, unless the last picture goes on.
    """
    start = file.read(4 * max(_TS_PACKETS))
    for length in _TS_PACKETS:
        for first in range(length):
            marks = start[first::length][:3]
            if len(marks) == 3 and set(marks) == {_TS_SYNC}:
                before = first - _TS_STAMP if length == 192 else first
                if (size - before) % length or not _in_step(file, first, length):
                    return Outline(End.MISSING)
                return Outline(End.DOUBTFUL if _goes_on(file, first, length, size) else End.UNKNOWN)
    return Outline(End.MISSING)  # fewer packets than the shortest video has, or another length before the first cut


def _in_step(file: BinaryIO, first: int, length: int) -> bool:
    file.seek(first)
    while chunk := file.read(length * 10_000):
        marks = chunk[::length]
        if marks.count(_TS_SYNC) != len(marks):
            return False
    return True


def _goes_on(file: BinaryIO, first: int, length: int, size: int) -> bool:
    """Whether the last packet of pictures is full of them. Where a picture ends, a packet is padded, but for a chance
    of one in 184.
    """
    count = -(-(size - first) // length)
    file.seek(first + length * max(0, count - _TS_TAIL))
    tail = file.read()
    last: dict[int, bool] = {}  # whether the last packet of each stream is padded
    for place in reversed(range(0, len(tail), length)):
        packet = tail[place : place + _TS_SIZE]
        stream = (packet[1] & 0x1F) << 8 | packet[2]
        extended, filled = packet[3] & 0x20, packet[3] & 0x10
        if not filled:
            continue  # a clock alone
        last.setdefault(stream, bool(extended) and _padded(packet))
        payload = packet[5 + packet[4] if extended else 4 :]
        if packet[1] & 0x40 and payload[:3] == b"\0\0\1" and 0xE0 <= payload[3] <= 0xEF:  # a picture begins here
            return not last[stream]
    return False


def _padded(packet: bytes) -> bool:
    """Whether the field before the contents of a packet is longer than what it tells."""
    if not packet[4]:
        return True  # a byte that only fills
    told = 1 + (6 if packet[5] & 0x10 else 0) + (6 if packet[5] & 0x08 else 0) + (1 if packet[5] & 0x04 else 0)
    return packet[4] > told


_KINDS: dict[str, Callable[[BinaryIO, int], Outline]] = {
    "avi": _avi,
    "mpegts": _transport_stream,
    "matroska,webm": _matroska,
    "flv": _flv,
    "gif": _gif,
    "asf": _asf,
}
