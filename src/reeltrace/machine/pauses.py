"""Where a long work may end before it is done: between two parts of it, of which each is kept. Torch-free.

A training says after each epoch how far it is. Who runs it may have asked to be told, and may let it end there; the
next run of the same work then goes on from that part. Where nobody asked, nothing is done.
"""

import contextlib
from collections.abc import Callable, Iterator

Told = Callable[[int, int], None]

_told: Told | None = None
_finishing = False


class Stopped(BaseException):
    """A work was to end here. As of a keyboard interrupt, nobody takes it for an error but who asked."""


def between(done: int, total: int) -> None:
    """`done` of `total` parts are done and kept, and what follows begins; may raise `Stopped`."""
    if _told is not None:
        _told(done, total)


@contextlib.contextmanager
def finishing() -> Iterator[None]:
    """The work is done and takes its place within: there is no part of it to go on from, so nothing is to end it."""
    global _finishing
    _finishing = True
    try:
        yield
    finally:
        _finishing = False


def is_finishing() -> bool:
    """Whether a work takes its place just now."""
    return _finishing


@contextlib.contextmanager
def telling(told: Told) -> Iterator[None]:
    """Let `told` be called with `done` and `total` within; it may raise `Stopped`."""
    global _told
    before, _told = _told, told
    try:
        yield
    finally:
        _told = before
