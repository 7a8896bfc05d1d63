"""Memory that does not suffice, said in one line: in this process, and before a task begins that no machine can do.

Torch-free: it is asked before torch is imported, which alone takes gigabytes of addresses.
"""

import contextlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from reeltrace.errors import UserError
from reeltrace.machine import control_groups

ROOM = 2**27  # bytes that a task needs at least beside its libraries
# What Python, numpy, torch, its allocators and the loader of shared libraries say, in lower case.
SAID = (
    "alloc",
    "out of memory",
    "failed to map segment",
    "could not create a memory",
    "cannot apply additional memory protection",
    "unable to mmap",
    "can't start new thread",
    "pthread_create failed",
    "returned null without setting an exception",  # so Python says it where it could not even make a MemoryError
    "error return without exception set",
)


def speaks_of_memory(error: BaseException) -> bool:
    """Whether an exception is about memory that could not be had, as far as its words tell."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, OSError | ImportError | RuntimeError | SystemError):
        return False
    said = str(error).lower()
    return any(words in said for words in SAID)


COMPUTING = (
    "raise that limit, run fewer jobs at once (snakemake --cores 1), or lower batch_size, sizes or device.loaders in "
    "params.yaml"
)
LOADING = (
    "raise that limit, or run fewer jobs at once (snakemake --cores 1); torch alone takes about 4 GiB of addresses"
)


class MemoryShort(UserError):
    """Memory did not suffice. What libraries would still do when the process ends may fail for the same reason."""


@contextlib.contextmanager
def explaining_memory(what: str, remedy: str = COMPUTING) -> Iterator[None]:
    """Raise a `MemoryShort` that names `what` where the block runs out of memory."""
    try:
        yield
    except BaseException as error:
        if not speaks_of_memory(error):
            raise
        error.__traceback__ = None  # its frames hold what was in memory
        raise MemoryShort(too_little_memory(what, remedy)) from None


def try_import(module: str, what: str) -> None:
    """Where addresses are limited, import a module in another process first. Raises `UserError` if it ends there.

    Within too little, the import of torch ends in an abort of the C++ library now and then, which nothing in this
    process could report.
    """
    import resource

    if all(
        resource.getrlimit(kind)[0] == resource.RLIM_INFINITY for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    ):
        return
    code = f"import reeltrace.pipeline.leaf; room = bytearray({ROOM}); import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode < 0 or (done.returncode and any(words in done.stderr.lower() for words in (*SAID, "memory"))):
        raise UserError(too_little_memory(what, LOADING))


def too_little_memory(what: str, remedy: str = COMPUTING) -> str:
    """One line: what ran out of memory, how much there is, and what to do."""
    found = limit()
    within = "" if found is None else f" within {shown(found[0])} ({found[1]})"
    return f"{what}: memory does not suffice{within}; {remedy}"


def limit(system: Path | None = None) -> tuple[int, str] | None:
    """The bytes that a process can have here, and what sets that bound; None where nothing says so.

    `system` is the root of the file system below which control groups are looked for.
    """
    found: list[tuple[int, str]] = []
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        for name, words in (("RLIMIT_AS", "ulimit -v"), ("RLIMIT_DATA", "ulimit -d")):
            soft, _ = resource.getrlimit(getattr(resource, name))
            if soft != resource.RLIM_INFINITY:
                found.append((soft, words))
    if (machine := _machine()) is not None:
        found.append((machine[0], "this machine's memory"))
    if (group := control_groups.memory(system)) is not None:
        found.append((group, "its control group"))
    return min(found, default=None)


def available_memory(system: Path | None = None) -> int | None:
    """Bytes that a process can still take here: what the machine has free, and what its control groups leave.

    None where nothing says so. `system` is as in `limit`.
    """
    machine = _machine()
    found = (None if machine is None else machine[1], control_groups.memory_left(system))
    return min((size for size in found if size is not None), default=None)


def _machine() -> tuple[int, int] | None:
    """What the machine has, swap included, and what is free, in bytes; None where the system does not say."""
    import psutil  # here, for most commands do not ask

    try:
        with warnings.catch_warnings(action="ignore"):  # of figures that are not asked for
            memory = psutil.virtual_memory()
            return memory.total + psutil.swap_memory().total, memory.available
    except (OSError, LookupError, ValueError):
        return None


def shown(size: float) -> str:
    """A number of bytes for people: 1.5 GiB, 320 PiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size < 1024 or unit == "EiB":
            break
        size /= 1024
    return f"{size:.4g} {unit}"
