"""How much memory this process holds, and held at most, in bytes. Torch-free."""

import contextlib
import ctypes
import resource
import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
AS_MUCH_AS_MAY_BE = 2**30


def resident() -> int:
    """What it holds now."""
    return int(psutil.Process().memory_info().rss)


def peak() -> int:
    """The most that it held since it began, or since Linux was told to count anew.

    Linux says it in a file of /proc that psutil does not read for this. `getrusage`, which is asked elsewhere, counts
    what the process held that started this one, too: an upper bound.
    """
    with contextlib.suppress(OSError):
        for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def count_anew() -> None:
    """Let `peak` count from what is held now. Where this is no Linux, or is not allowed, it stays as it was."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5", encoding="ascii")


def keep_what_is_freed() -> bool:
    """Let this process keep the memory that it frees, for what it asks next. Whether it will, which glibc alone can.

    Else each tensor of a step that is larger than some 100 kB comes from the system anew, page by page, every page
    zeroed. The values computed are the same.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        return all(mallopt(option, AS_MUCH_AS_MAY_BE) == 1 for option in (MMAP_THRESHOLD, TRIM_THRESHOLD))
    return False
