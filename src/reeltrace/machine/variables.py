"""The variables of the environment that a user may set, checked before anything is done.

A wrong one would otherwise be met when the work is done that it is about, or never. An empty one counts as not set.
"""

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from reeltrace.errors import UserError
from reeltrace.machine import cuda_graphs

WAIT = "REELTRACE_WAIT"  # seconds to wait while another process works with DVC
WORKERS = "REELTRACE_WORKERS"  # processes that decode videos
DOWNLOADS = "REELTRACE_DOWNLOADS"  # the folder of downloads
PYTHON = "REELTRACE_PYTHON"  # the interpreter of the stages


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Raises `UserError` for the first variable that cannot be used, with what was found and what is expected."""
    if found := environment.get(WAIT):
        seconds(found)
    if found := environment.get(WORKERS):
        workers(found)
    if (found := environment.get(DOWNLOADS)) and Path(found).exists() and not Path(found).is_dir():
        raise UserError(f"{DOWNLOADS}: found {found!r}, which is no folder; expected one, or a place for a new one")
    if (found := environment.get(cuda_graphs.NAME)) and found not in ("0", "1"):
        raise UserError(f"{cuda_graphs.NAME}: found {found!r}; expected 0 or 1")
    if (found := environment.get(PYTHON)) and shutil.which(found) is None:
        raise UserError(f"{PYTHON}: found {found!r}, which is no program; expected the path of a Python interpreter")


def seconds(text: str) -> float:
    """The seconds that REELTRACE_WAIT names."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0):
        raise UserError(f"{WAIT}: found {text!r}; expected a number of seconds, 0 or more")
    return found


def workers(text: str) -> int:
    """The number of processes that REELTRACE_WORKERS names."""
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) < 1:
        raise UserError(f"{WORKERS}: found {text!r}; expected a number of processes, 1 or more")
    return int(text)
