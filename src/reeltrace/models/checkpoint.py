"""Checkpoints: a network's parameters with the description of the network, in files of reproducible bytes.

A file that does not fit is refused with one line that says why. How weights are read and compared: see `weights`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.files import atomic_write
from reeltrace.errors import UserError
from reeltrace.models import weights

SCHEMA = 1


def save_checkpoint(path: Path, architecture: Mapping[str, Any], epoch: int, model: nn.Module) -> None:
    """Write {"schema", "architecture", "epoch" (1-based), "state"} to `path`, replacing it in one step.

    Equal content gives equal bytes whatever the file is called. `architecture` must be plain JSON data: the
    arguments of `build_model`.
    """
    save_state(path, architecture, epoch, model.state_dict())


def save_state(path: Path, architecture: Mapping[str, Any], epoch: int, state: Mapping[str, Tensor]) -> None:
    """`save_checkpoint` of weights that are in no model."""
    # The pickle inside notes when one string object occurs twice; fresh copies make that depend on content
    # alone.
    architecture, names = json.loads(json.dumps([dict(architecture), list(state)], sort_keys=True))
    payload = {
        "schema": SCHEMA,
        "architecture": architecture,
        "epoch": int(epoch),
        "state": {name: _own_copy(tensor) for name, tensor in zip(names, state.values(), strict=True)},
    }
    # Saved through memory, because torch.save writes the name of a file into it.
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def load_checkpoint(path: Path) -> tuple[dict[str, Any], int, dict[str, Tensor]]:
    """Read (architecture, epoch, state), tensors on the CPU. UserError if the file is missing or unusable."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} does not exist: train the run that makes it first")
    try:
        payload = weights.read_tensors(path)
    except ValueError as error:
        raise UserError(f"checkpoint {path} cannot be read ({error}); delete it and train again") from error
    if not _well_formed(payload):
        raise UserError(
            f"checkpoint {path} lacks the expected content (schema {SCHEMA}, architecture, epoch, state): "
            "it was written by something else; delete it and train again"
        )
    return payload["architecture"], payload["epoch"], payload["state"]


def restore(model: nn.Module, architecture: Mapping[str, Any], path: Path) -> int:
    """Load `path` into `model`, which was built from `architecture`; returns the epoch of the checkpoint.

    UserError names the first field in which the checkpoint describes another network. The model is untouched
    then.
    """
    stored, epoch, state = load_checkpoint(path)
    expected: dict[str, Any] = json.loads(json.dumps(dict(architecture)))
    for name in sorted(stored.keys() | expected.keys()):
        if name not in stored or name not in expected or stored[name] != expected[name]:
            raise UserError(
                f"checkpoint {path} is of another network: {name} is {_shown(stored, name)} in the file, "
                f"expected {_shown(expected, name)}; delete it or point to the matching run"
            )
    weights.load(model, state, f"checkpoint {path} does not fit the network", "delete it and train again")
    return epoch


def _own_copy(tensor: Tensor) -> Tensor:
    """A contiguous CPU copy: torch.save would write the whole storage under a view, and strides with it."""
    return tensor.detach().to("cpu").clone(memory_format=torch.contiguous_format)


def _well_formed(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and payload.get("schema") == SCHEMA
        and isinstance(payload.get("architecture"), dict)
        and isinstance(payload.get("epoch"), int)
        and weights.is_state(payload.get("state"))
    )


def _shown(description: Mapping[str, Any], name: str) -> str:
    return json.dumps(description[name]) if name in description else "absent"
