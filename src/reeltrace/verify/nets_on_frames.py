"""What `verify` recomputes of nets on frames: statistics of w_hh from its matrices, times from receipts."""

from pathlib import Path
from typing import Any

import numpy as np

from reeltrace.analysis.hidden import QUANTITIES
from reeltrace.analysis.timing import measured
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import HIDDEN, METRICS, TIMING
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.errors import Problem
from reeltrace.verify.problems import STALE, TAMPERED

TOLERANCE = 1e-6


def hidden_states(folder: Path) -> list[Problem]:
    """The statistics in metrics.json are those of the stored matrices."""
    units, path = read_json(folder / METRICS)["hidden"], folder / HIDDEN
    with np.load(path, allow_pickle=False) as stored:
        matrices = [stored[name].astype(np.float64) for name in sorted(stored.files)]
    if len(units) != len(matrices):
        return [Problem(TAMPERED, str(folder / METRICS), f"/hidden has {len(units)} units, {HIDDEN} {len(matrices)}")]
    problems = []
    for number, (unit, matrix) in enumerate(zip(units, matrices, strict=True)):
        diagonal = matrix.diagonal()
        found = dict(zip(QUANTITIES, (matrix.mean(), matrix.std(), diagonal.mean(), diagonal.std()), strict=True))
        problems += [
            Problem(
                TAMPERED, str(folder / METRICS), f"/hidden/{number}/{name} is {unit[name]}, {HIDDEN} gives {value:.6g}"
            )
            for name, value in found.items()
            if abs(unit[name] - value) > TOLERANCE
        ]
    return problems


def times(folder: Path, results: Path) -> list[Problem]:
    """A recorded time is what the receipt said that it was read from.

    Where a run has another receipt now, nothing here backs its time any more: it was made again, or edited.
    """
    problems = []
    runs: dict[str, Any] = read_json(folder / TIMING)["runs"]
    for key, entry in runs.items():
        run = results / "train" / key
        if not (run / RECEIPT).is_file():
            continue  # which is said where it is missing
        if sha256_file(run / RECEIPT) != entry["receipt_sha256"]:
            again = f"`reeltrace run timing {folder.name}` reads the times again"
            found = f"/runs/{key} was read from another receipt than train/{key} has now; {again}"
            problems.append(Problem(STALE, str(folder / TIMING), found))
            continue
        for name, value in measured(run).items():
            if entry[name] != value:
                found = f"/runs/{key}/{name} is {entry[name]}, its receipt says {value}"
                problems.append(Problem(TAMPERED, str(folder / TIMING), found))
    return problems
