"""What the Snakefile settles before any job: the environment of jobs, and what they may use of this machine.

A container or a batch system gives less than the machine has: the control groups say how much. `snakemake --cores all`
counts the processors of the machine, and knows nothing of memory.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from reeltrace.errors import UserError
from reeltrace.machine import control_groups, variables

KEPT_FREE = 0.1  # of the memory: for Snakemake, the file cache and whatever else runs
# The largest amount of memory that a process of a stage held, in MB: at the small scales as its receipts say
# (peak_memory_bytes), with a third on top; at the published scale as a cluster is asked for it.
MEMORY_MB: dict[str, dict[str, int]] = {
    "small": {
        "data": 300,
        "frames": 300,
        "pretrain": 1300,
        "features": 1300,
        "measure": 2300,
        "train": 1500,
        "timing": 150,
        "aggregate": 150,
        "reading": 150,
        "report": 300,
    },
    "paper": {
        "data": 8000,
        "frames": 2000,
        "pretrain": 24000,
        "features": 16000,
        "measure": 8000,
        "train": 24000,
        "timing": 1000,
        "aggregate": 2000,
        "reading": 2000,
        "report": 4000,
    },
}
DECODER_MB = {"small": 200, "paper": 1000}  # of each process that decodes videos


def refuse_place(project: Path) -> None:
    """Raises `UserError` for a folder below which jobs would not run this project's code, or could not be recorded."""
    text = os.fsencode(project.resolve())
    for byte, why in ((b":", "PYTHONPATH ends a folder there"), (b"{", "Snakemake reads a name in it")):
        if byte in text:
            raise UserError(f"{project}: its path holds {byte.decode()!r}, and {why}; move the folder or rename it")
    try:
        text.decode()
    except UnicodeDecodeError:
        raise UserError(f"{project}: its path is not UTF-8, which DVC needs; move the folder or rename it") from None


def job_environment(project: Path, deployed: bool) -> dict[str, str]:
    """The variables under which jobs use the code in `project`, and this interpreter unless one is `deployed` for them.

    `workflow/reeltrace`, which DVC starts without them, sets the same.
    """
    code = str(project / "src")
    paths = [code, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    found = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUTF8": "1"}
    if not deployed:
        found[variables.PYTHON] = os.environ.get(variables.PYTHON) or sys.executable
    return found


@dataclass(frozen=True)
class Limits:
    """How many processors and how many MB of memory a run may use; None where nothing could be read."""

    cores: int | None
    memory_mb: int | None


def memory_mb(stage: str, scale: str, threads: int = 1) -> int:
    """The memory that a job of `stage` is given, in MB."""
    size = "paper" if scale == "paper" else "small"
    return MEMORY_MB[size][stage] + (threads * DECODER_MB[size] if stage == "frames" else 0)


def allowed(system: Path | None = None) -> Limits:
    """What the machine has, and of that what the control groups of this process allow (versions 1 and 2 of them).

    `system` is the root of the file system below which /proc and /sys are read.
    """
    memory = _least(_machine_memory(), control_groups.memory(system))
    cores = _least(os.cpu_count(), control_groups.processors(system))
    return Limits(cores, None if memory is None else max(1, int(memory * (1 - KEPT_FREE) / 1e6)))


def _least(*found: int | None) -> int | None:
    return min((number for number in found if number is not None), default=None)


def _machine_memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
