"""What a recurrent convolutional net carries through time, written beside its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import HIDDEN
from reeltrace.models.rcn import RCN, hidden_statistics


def write(net: RCN, work: Path) -> dict[str, Any]:
    """The matrices w_hh, float32 (C_out, C_in), of units 01, 02, ... from input to output. No dates: equal bytes.

    Returned are the statistics of each unit.
    """
    matrices = {f"{n:02}": unit.hidden.weight.detach().cpu().flatten(1).numpy() for n, unit in enumerate(net.units, 1)}
    with atomic_write(work / HIDDEN) as file:
        np.savez(file, **matrices)  # type: ignore[arg-type]  # numpy's stub takes a name for its last flag
    return {"hidden": hidden_statistics(net)}
