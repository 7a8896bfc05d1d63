"""How much memory a process can still take."""

import contextlib
from pathlib import Path


def available_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that a process can still take here: what the machine has free, and what its control group leaves.

    None where nothing says so, as elsewhere than on Linux.
    """
    found = []
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        lines = (proc / "meminfo").read_text(encoding="utf-8").splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
        limit, used = (int((groups / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        statistics_ = (groups / "memory.stat").read_text(encoding="ascii").split()
        cached = int(statistics_[statistics_.index("file") + 1])  # given back when it is needed
        found.append(max(0, limit - used + cached))
    return min(found, default=None)
