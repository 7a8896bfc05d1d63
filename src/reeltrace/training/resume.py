"""The resume checkpoint: everything that a killed run needs to go on as if nothing had happened.

It holds no state of random number generators, because the loop draws all it needs from (seed, epoch). It says in which
arithmetic its epochs were computed: in another one they would have come out otherwise, so nothing goes on from them.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import torch
from torch import Tensor

from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.names import SCRATCH
from reeltrace.errors import UserError
from reeltrace.models.weights import read_tensors
from reeltrace.training.evaluation import Score
from reeltrace.training.optimizers import State

SCHEMA = 3
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


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to: sha256 of the spec and of the data, the architecture, and the arithmetic.

    The arithmetic is that of `precision.arithmetic`; the version of torch is part of it here.
    """

    spec: str
    data: str
    architecture: Mapping[str, Any]
    arithmetic: Mapping[str, Any]

    def stored(self) -> dict[str, Any]:
        """As plain data, in the order in which differences are looked for."""
        return {
            "schema": SCHEMA,
            "architecture": dict(self.architecture),
            "spec": self.spec,
            "data": self.data,
            "arithmetic": {"torch": str(torch.__version__), **self.arithmetic},
        }


def save(path: Path, identity: Identity, now: Progressed) -> None:
    """Write the checkpoint in one step: a kill or a full disk (UserError) leaves the one of the epoch before."""
    buffer = io.BytesIO()
    torch.save({**identity.stored(), "progress": dict(now)}, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def load(path: Path, identity: Identity, who: str) -> Progressed | None:
    """Where the run stood, tensors on the CPU; None when there is no checkpoint.

    None too where its epochs were computed in another arithmetic: then training starts at epoch 1, and one line on
    standard error says why, about `who`.

    Raises UserError, with the file and the remedy, for a damaged checkpoint and for one that another architecture, spec
    or dataset made.
    """
    if not path.is_file():
        return None
    expected = identity.stored()
    try:
        stored = read_tensors(path)
        schema, progress = stored["schema"], stored["progress"]
        found = {name: stored[name] for name in expected} if schema == SCHEMA else {"schema": schema}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path}: the resume checkpoint is damaged ({type(error).__name__}); {REMEDY}") from error
    different = next((what for what, wanted in expected.items() if found[what] != wanted), None)
    if different is None:
        return cast(Progressed, progress)
    how = _differ(found[different], expected[different])
    if different == "arithmetic":
        epochs = f"the {progress['epoch']} epochs in {path}"
        print(f"{who}: starts again at epoch 1; {epochs} were computed otherwise: {how}", file=sys.stderr)
        return None
    raise UserError(f"{path}: the resume checkpoint is of another {different}: {how}; {REMEDY}")


def _differ(found: Any, wanted: Any) -> str:
    """The first difference between two values, in a few words."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for name in sorted(found.keys() | wanted.keys()):
            if isinstance(found.get(name), dict) and found[name] != wanted.get(name):
                return f"{name}: {_differ(found[name], wanted.get(name, {}))}"
            if found.get(name) != wanted.get(name):
                return f"{name} is {found.get(name)!r}, expected {wanted.get(name)!r}"
    return f"found {str(found)[:12]}, expected {str(wanted)[:12]}"
