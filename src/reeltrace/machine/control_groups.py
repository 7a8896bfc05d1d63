"""What the control groups of this process allow, versions 1 and 2 of them: processors and memory.

A container or a batch system gives less than the machine has. `system` is the root of the file system below which /proc
and /sys are read; nothing there, as elsewhere than on Linux, means no limit.
"""

from collections.abc import Iterator
from pathlib import Path

SYSTEM = Path("/")


def processors(system: Path | None = None) -> int | None:
    """How many processors may be used, at least one; None where nothing limits them."""
    granted = []
    for group in _groups(system or SYSTEM):
        quota = _numbers(group / "cpu.max") or [
            *_numbers(group / "cpu.cfs_quota_us"),
            *_numbers(group / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and min(quota) > 0:
            granted.append(max(1, quota[0] // quota[1]))
    return min(granted, default=None)


def memory(system: Path | None = None) -> int | None:
    """The bytes of memory that may be used; None where nothing limits them."""
    return min((limit for _, limit in _limited(system or SYSTEM)), default=None)


def memory_left(system: Path | None = None) -> int | None:
    """The bytes of memory that can still be had: cached files are given back when it is needed."""
    left = []
    for group, limit in _limited(system or SYSTEM):
        if used := _numbers(group / "memory.current") or _numbers(group / "memory.usage_in_bytes"):
            left.append(max(0, limit - used[0] + _cached(group)))
    return min(left, default=None)


def _limited(system: Path) -> Iterator[tuple[Path, int]]:
    """The groups that limit memory, each with its limit in bytes."""
    for group in _groups(system):
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (limit := _numbers(group / name)) and limit[0] > 0:
                yield group, limit[0]


def _cached(group: Path) -> int:
    try:
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        sizes = {name: int(size) for name, size in (line.split() for line in lines)}
    except (OSError, ValueError):
        return 0
    return sizes.get("file", sizes.get("total_cache", 0))


def _groups(system: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of those around them, in each hierarchy."""
    mounted = system / "sys/fs/cgroup"
    try:
        lines = (system / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        names = ("", "unified") if not controllers else (controllers, *controllers.split(","))
        for name in dict.fromkeys(names):
            # In a container the path may be the host's, of which only the end, or nothing, is to be seen.
            folder = mounted / name / path.strip("/")
            while folder != mounted.parent:
                yield folder
                if folder == mounted / name:
                    break
                folder = folder.parent


def _numbers(path: Path) -> list[int]:
    """The numbers in a file; none where it has another word (`max`), or is not there."""
    try:
        return [int(word) for word in path.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
