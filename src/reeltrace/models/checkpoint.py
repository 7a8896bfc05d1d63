"""Checkpoints: a network's parameters with the description of the network, in files of reproducible bytes.

Reading never runs code from the file, and a file that does not fit is refused with one line that says why.
"""

from __future__ import annotations

import errno
import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.files import atomic_write
from reeltrace.errors import UserError

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


def read_tensors(path: Path, *, hashed: bool = False) -> Any:
    """What torch.save wrote to `path`: plain tensors and containers, tensors on the CPU, every byte of them checked.

    `hashed` says that the whole file was compared with a known hash before; else its own checksums are. (torch.load
    ignores them: a flipped bit would become another weight.) Raises ValueError with the reason in a few words, and
    OSError where the file cannot be read.
    """
    if not hashed:
        _check_sums(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a file's oddities before it refuses it
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # reading, unpickling and building tensors can fail anywhere, with pages of advice
        raise ValueError(f"{type(error).__name__}: it is damaged, or holds more than plain tensors") from error


def _check_sums(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise ValueError("empty")
    if start != b"PK\x03\x04":
        raise ValueError("damaged, or of torch before 1.6, whose files have no checksums: then save it again")
    try:
        with zipfile.ZipFile(path) as archive:
            odd = next((entry.filename for entry in archive.infolist() if not _is_plain(entry)), None)
            broken = odd or archive.testzip()
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # that one: a place before the file's beginning
            raise
        # a damaged header can name anything: an unknown method, a password, a wrong length
        raise ValueError("damaged or cut off: its list of records cannot be read") from error
    if broken is not None:
        raise ValueError(f"damaged: its record {broken.rpartition('/')[2]!a} does not match its checksum")


def _is_plain(entry: zipfile.ZipInfo) -> bool:
    """Whether a record is one that torch.save writes. What is marked as a folder torch takes for 0 bytes, unread."""
    return (
        entry.compress_type == zipfile.ZIP_STORED and entry.file_size == entry.compress_size and not entry.external_attr
    )


def load_checkpoint(path: Path) -> tuple[dict[str, Any], int, dict[str, Tensor]]:
    """Read (architecture, epoch, state), tensors on the CPU. UserError if the file is missing or unusable."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"checkpoint {path} does not exist: train the run that makes it first")
    try:
        payload = read_tensors(path)
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
    own = model.state_dict()
    for name in sorted(own.keys() | state.keys()):
        found = list(state[name].shape) if name in state else "absent"
        wanted = list(own[name].shape) if name in own else "absent"
        if found != wanted:
            raise UserError(
                f"checkpoint {path} does not fit the network: {name} is {found} in the file, "
                f"expected {wanted}; delete it and train again"
            )
    model.load_state_dict(state)
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
        and isinstance(payload.get("state"), dict)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in payload["state"].items())
    )


def _shown(description: Mapping[str, Any], name: str) -> str:
    return json.dumps(description[name]) if name in description else "absent"
