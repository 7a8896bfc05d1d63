"""How much memory this process holds, and held at most, in bytes. Torch-free."""

import contextlib
import resource
import sys
from pathlib import Path

import psutil

STATUS = Path("/proc/self/status")


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
