"""Stage `timing`: how long the runs of a table took to train, taken once from their receipts and kept as an artifact.

No hash covers a receipt, because it may differ between two equal runs; a number that a table shows must have one. This
stage stands between: what it reads may differ from day to day, what it wrote is hashed like any result, with the hash
of the receipt that it was read from. Nothing else of an artifact depends on a receipt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import TIMING
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.errors import CheckFailed

if TYPE_CHECKING:
    from reeltrace.registry.specs import TimingSpec

SCHEMA = 1


def run(spec: TimingSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `timing.json`: per run and seed the seconds of training. Raises `CheckFailed` where a receipt has none."""
    write_json(
        work / TIMING,
        {
            "schema": SCHEMA,
            "runs": {
                f"{run}-s{seed}": measured(inputs[f"train/{run}-s{seed}"]) for run in spec.runs for seed in spec.seeds
            },
        },
    )
    return {}


def measured(folder: Path) -> dict[str, Any]:
    """What one receipt says: the seconds that all epochs of training took, without evaluation.

    A run that was continued after a kill timed its later epochs only; their mean stands for the others.
    """
    path = folder / RECEIPT
    receipt = read_json(path)
    try:
        seconds = [float(value) for value in receipt["facts"]["seconds_per_epoch"]]
        before = int(receipt["facts"]["resumed_after_epoch"] or 0)
        device = str(receipt["facts"]["device"])
    except (KeyError, TypeError, ValueError):
        raise CheckFailed(f"{path}: it does not say how long training took; run {folder.name} again") from None
    if not seconds:
        raise CheckFailed(f"{path}: training was over before it was continued, and not timed; run {folder.name} again")
    epochs = before + len(seconds)
    return {
        "seconds": round(sum(seconds) * epochs / len(seconds), 3),
        "epochs": epochs,
        "timed_epochs": len(seconds),
        "device": device,
        "receipt_sha256": sha256_file(path),
    }
