"""What the kinds of video files say of their own end: read from their outermost structure, without a library.

FFmpeg reads what there is of a file and does not tell a file that ends from one that was cut off. AVI, MP4 and
transport streams show it in their outermost structure. Matroska and FLV state how long they take instead.
"""

import struct
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO

_SLACK = 8  # bytes that an AVI file may lack: some writers count the padding of the last chunk, and do not write it
_TS_PACKETS = (188, 192, 204)  # plain, with a time stamp of 4 bytes before each, with an error correction behind each
_TS_SYNC, _TS_STAMP, _TS_SIZE = 0x47, 4, 188
_TS_TAIL = 20_000  # packets at the end in which the last picture is looked for: almost four megabytes


class End(Enum):
    """How a file ends, as far as its container tells: with an index of all frames, whole, cut off, or nobody knows.

    DOUBTFUL: nobody knows, and the last picture seems to go on where the file ends; whoever decodes it can tell.
    """

    INDEXED = auto()
    THERE = auto()
    MISSING = auto()
    DOUBTFUL = auto()
    UNKNOWN = auto()


def states_duration(kind: str) -> bool:
    """Whether a container of FFmpeg's format `kind` says how long it takes, where it does not count its frames."""
    return kind in ("matroska,webm", "flv")


def end_of(path: Path, kind: str) -> End:
    """How the file at `path`, of FFmpeg's format `kind`, ends."""
    look = {"avi": _avi, "mpegts": _transport_stream}.get(kind)
    if look is None and kind.startswith("mov,mp4"):
        look = _mp4
    with path.open("rb") as file:
        return _other(file) if look is None else look(file, path.stat().st_size)


def _other(file: BinaryIO) -> End:
    """The first packets of a transport stream alone FFmpeg may take for the bare pictures in them."""
    start = file.read(3 * max(_TS_PACKETS))
    for length in _TS_PACKETS:
        marks = start[_TS_STAMP if length == 192 else 0 :: length][:3]
        if len(marks) == 3 and set(marks) == {_TS_SYNC}:
            return End.MISSING
    return End.UNKNOWN


def _avi(file: BinaryIO, size: int) -> End:
    """RIFF chunks, one after the other; the first holds the frames, up to a gigabyte of them, and then an index."""
    place, indexed = 0, False
    while place + 12 <= size:
        file.seek(place)
        name, length, form = struct.unpack("<4sI4s", file.read(12))
        if name != b"RIFF" or form not in (b"AVI ", b"AVIX"):
            break  # whatever stands behind the video
        if not length:
            return End.UNKNOWN  # a recording that was never finished
        if place + 8 + length > size + _SLACK:
            return End.MISSING
        if form == b"AVI ":
            indexed = _has_index(file, place + 12, min(size, place + 8 + length))
        place += 8 + length + length % 2
    if not place:
        return End.UNKNOWN
    return End.INDEXED if indexed else End.THERE


def _has_index(file: BinaryIO, place: int, end: int) -> bool:
    while place + 8 <= end:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        if name == b"idx1":
            return bool(place + 8 + length <= end + _SLACK)
        place += 8 + length + length % 2
    return False


def _mp4(file: BinaryIO, size: int) -> End:
    """Boxes, one after the other, each of which says how long it is."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        (length,) = struct.unpack(">I4x", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\xff"))
        if not length:
            return End.UNKNOWN  # up to the end, wherever that is
        if length < 8 or place + length > size:
            return End.MISSING
        place += length
    return End.THERE if place == size else End.MISSING


def _transport_stream(file: BinaryIO, size: int) -> End:
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
                    return End.MISSING
                return End.DOUBTFUL if _goes_on(file, first, length, size) else End.UNKNOWN
    return End.MISSING  # fewer packets than the shortest video has, or another length before the first cut


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
