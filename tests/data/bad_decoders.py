"""Decoders that misbehave, on files named `*bad*` only; extraction imports them by name."""

import ctypes
import errno
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from reeltrace.data.decoding import DecodingError, Frame, pyav_frames


def hang(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Give a few frames, then wait in native code for ever."""
    for number, frame in enumerate(pyav_frames(path, height, width)):
        if "bad" in path.name and number == 3:
            ctypes.CDLL(None).pause()
        yield frame


def crash(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Give a few frames, then a segmentation fault."""
    for number, frame in enumerate(pyav_frames(path, height, width)):
        if "bad" in path.name and number == 3:
            os.kill(os.getpid(), signal.SIGSEGV)
        yield frame


def leave(path: Path, height: int, width: int) -> Iterator[Frame]:
    """End the process without a word."""
    for number, frame in enumerate(pyav_frames(path, height, width)):
        if "bad" in path.name and number == 3:
            os._exit(3)
        yield frame


def slow(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Take longer in all than anybody would wait for a single answer."""
    for number, frame in enumerate(pyav_frames(path, height, width)):
        if number % 60 == 0:
            time.sleep(1.2)
        yield frame


def one_too_many(path: Path, height: int, width: int) -> Iterator[Frame]:
    """Repeat the last frame, as a decoder does that believes the header."""
    for frame in pyav_frames(path, height, width):
        last = frame
        yield frame
    yield last


def not_installed(path: Path, height: int, width: int) -> Iterator[Frame]:
    raise DecodingError("decord is not installed")
    yield  # a generator, as the others are


def disk_full(path: Path, height: int, width: int) -> Iterator[Frame]:
    """The disk fills up while frames of this file are written."""
    for number, frame in enumerate(pyav_frames(path, height, width)):
        if "bad" in path.name and number == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        yield frame
