"""The resume checkpoint: everything that a killed run needs to go on as if nothing had happened.

It holds no state of random number generators, because the loop draws all it needs from (seed, epoch).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from reeltrace.artifacts import SCRATCH, atomic_write
from reeltrace.errors import UserError
from reeltrace.models.checkpoint import read_tensors
from reeltrace.training.evaluation import Score
from reeltrace.training.optimizers import State

SCHEMA = 2
REMEDY = "delete it and run the same command again; training then starts at epoch 1"


class Epoch(TypedDict):
    """One line of history.jsonl. Losses are mean cross entropies, top-1 in percent, `epoch` counts from 1."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_top1: float
    validation_loss: float
    validation_top1: float


class Best(TypedDict):
    """The best epoch so far, its validation score, and the model's state then."""

    epoch: int
    validation: Score
    state: dict[str, Tensor]


class Progressed(TypedDict):
    """Where a run stands after an epoch. `optimizer` is the state of `Optimizer`."""

    epoch: int
    model: dict[str, Tensor]
    optimizer: State
    history: list[Epoch]
    validation: Score
    best: Best


def resume_path(work: Path) -> Path:
    """Where the resume checkpoint of a work folder lies."""
    return work / SCRATCH / "resume.pt"


def save(path: Path, spec_sha256: str, data_sha256: str, architecture: Mapping[str, Any], now: Progressed) -> None:
    """Write the checkpoint in one step: a kill or a full disk (UserError) leaves the one of the epoch before."""
    buffer = io.BytesIO()
    identity = {"schema": SCHEMA, "spec": spec_sha256, "data": data_sha256, "architecture": dict(architecture)}
    torch.save({**identity, "progress": dict(now)}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def load(path: Path, spec_sha256: str, data_sha256: str, architecture: Mapping[str, Any]) -> Progressed | None:
    """Where the run stood, tensors on the CPU; None when there is no checkpoint.

    Raises UserError, with the file and the remedy, for a damaged checkpoint and for one that another architecture, spec
    or dataset made.
    """
    if not path.is_file():
        return None
    try:
        stored = read_tensors(path)
        found = {name: stored[name] for name in ("schema", "architecture", "spec", "data")}
        progress: Progressed = stored["progress"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: the resume checkpoint is damaged ({type(error).__name__}); {REMEDY}") from error
    expected = {"schema": SCHEMA, "architecture": dict(architecture), "spec": spec_sha256, "data": data_sha256}
    for what, wanted in expected.items():
        if found[what] != wanted:
            raise UserError(
                f"{path}: the resume checkpoint is of another {what}: {_differ(found[what], wanted)}; {REMEDY}"
            )
    return progress


def _differ(found: Any, wanted: Any) -> str:
    """The first difference between two values, in a few words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                return f"{name} is {found.get(name)!r}, expected {wanted.get(name)!r}"
    return f"found {str(found)[:12]}, expected {str(wanted)[:12]}"
