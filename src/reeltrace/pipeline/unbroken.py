"""Code of others that nothing may be raised out of while it runs: a signal's handler waits with that until it ends.

An exception that is raised in Python which Rust has called may become a panic there, and another exception behind it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

_within = 0
_waiting: Callable[[], None] | None = None


@contextlib.contextmanager
def unbroken() -> Iterator[None]:
    """What handlers hand to `when_it_may` within, is called at the end. Only the main thread has handlers."""
    global _within, _waiting
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _within += 1
    try:
        yield
    finally:
        _within -= 1
        if not _within and _waiting is not None:
            then, _waiting = _waiting, None
            then()


def when_it_may(raising: Callable[[], None]) -> None:
    """Call it now, or once the code that it may not break has ended; of several the last."""
    global _waiting
    if _within:
        _waiting = raising
    else:
        raising()
