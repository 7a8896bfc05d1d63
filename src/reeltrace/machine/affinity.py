"""How many processors this process may use."""

import os


def processors() -> int:
    """Those that it is bound to where the system says so, else all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
