"""What a signal does to `reeltrace reproduce` before it is ready to break off: it ends, and says so in one line.

Importing this installs it, where that is the command. The command line imports it before all that takes long.
"""

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

OUT_OF_TIME = 75  # the exit code where the same command goes on; as EX_TEMPFAIL of sysexits.h
FORMER: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}  # by signal, what was there before


def _end(number: int, frame: FrameType | None) -> None:
    name = signal.Signals(number).name
    os.write(2, f"reeltrace: ended by {name} before anything was made; the same command goes on\n".encode())
    os._exit(OUT_OF_TIME)  # whatever is being imported: nothing is to be cleaned up


if sys.argv[1:2] == ["reproduce"]:
    for each in (signal.SIGINT, signal.SIGTERM):
        FORMER[each] = signal.signal(each, _end)
