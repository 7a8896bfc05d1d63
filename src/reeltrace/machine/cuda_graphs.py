"""Whether a training on a GPU may capture its steps as CUDA graphs: a variable of the environment says no.

By itself, because the code of every training rests on this module.
"""

import os

NAME = "REELTRACE_CUDA_GRAPHS"  # 0: each kernel is launched by itself


def are_wanted() -> bool:
    """False where the variable is 0; anything else that is not empty is refused before any work, see `variables`."""
    return os.environ.get(NAME) != "0"
