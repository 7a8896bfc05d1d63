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
_TS_SYNC, _TS_STAMP = 0x47, 4


class End(Enum):
    """How a file ends, as far as its container tells: with an index of all frames, whole, cut off, or nobody knows."""

    INDEXED = auto()
    THERE = auto()
    MISSING = auto()
    UNKNOWN = auto()


def states_duration(kind: str) -> bool:
    """Whether a container of FFmpeg's format `kind` says how long it takes, where it does not count its frames."""
    return kind in ("matroska,webm", "flv")


def end_of(path: Path, kind: str) -> End:
    """How the file at `path`, of FFmpeg's format `kind`, ends."""
    look = {"avi": _avi, "mpegts": _transport_stream}.get(kind)
    if look is None and kind.startswith("mov,mp4"):
        look = _mp4
    if look is None:
        return End.UNKNOWN
    with path.open("rb") as file:
        return look(file, path.stat().st_size)


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
    """Packets of one length. Where they end says nothing more than that one of them was cut in two."""
    start = file.read(4 * max(_TS_PACKETS))
    for length in _TS_PACKETS:
        for first in range(length):
            marks = start[first::length][:3]
            if len(marks) == 3 and set(marks) == {_TS_SYNC}:
                before = first - _TS_STAMP if length == 192 else first
                return End.MISSING if (size - before) % length else End.UNKNOWN
    return End.UNKNOWN
