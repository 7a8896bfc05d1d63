"""Public checkpoints, brought into files of ours: read without running code, renamed, checked, and described.

`public` knows names and networks; here are files. What a network of ours has as an option and the public one by
default comes with it: see `public.configuration`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reeltrace.artifacts.files import read_whole, reason_of
from reeltrace.errors import UserError, known_names
from reeltrace.kinds.network import build_video, video_config
from reeltrace.models import weights
from reeltrace.models.checkpoint import save_state
from reeltrace.recognition import public
from reeltrace.recognition.nets import describe, usual_view

LARGEST_PICKLE = 4 * 2**30  # bytes; the largest network here has 240 MB
FEW = 3  # names that a message shows
_INSIDE = ("model_state", "state_dict", "model", "state")  # where a file keeps its weights, if not at its top
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Preset:
    """What `--architecture` names: a network, and values that shapes do not tell."""

    network: str
    values: Mapping[str, Any]


PRESETS: Mapping[str, Preset] = {
    "slowfast": Preset("slowfast", {}),
    # Of the public configuration for AVA, SLOWFAST_64x2_R101_50_50.
    "slowfast-detection": Preset(
        "slowfast",
        {
            "head": "detect",
            "strides": [1, 2, 2, 1],
            "dilations": [1, 1, 1, 2],
            "nonlocal_pool": [2, 2, 2],
            "roi_sampling": 0,
        },
    ),
    "nonlocal_i3d": Preset("nonlocal_i3d", {}),
    "r2plus1d": Preset("r2plus1d", {}),
}


def convert(
    path: Path,
    architecture: str,
    output: Path,
    changes: Mapping[str, Any] | None = None,
    view: Mapping[str, int | None] | None = None,
) -> dict[str, Any]:
    """Write the weights in a public file to a checkpoint of ours; returned is what it says of the network.

    `changes` are values of the network that shapes do not tell, such as `alpha`, over those of the public
    configurations; `view` values of the view. Raises UserError, naming the file and the first weights, for what cannot
    be read, and for names that are unknown, missing or of another shape. Nothing is written then.
    """
    if architecture not in PRESETS:
        raise UserError(f"no architecture is named {architecture!r}; {known_names(architecture, PRESETS)}")
    preset = PRESETS[architecture]
    try:
        public_state = read(path)
        taken = public.ours(public_state)
        _refuse(path, "that no rule for", taken.unknown, f"{taken.implementation} knows", public_state)
        state = {new: public_state[old] for old, new in taken.names.items()}
        shapes = {name: tuple(value.shape) for name, value in state.items()}
        if (found := public.kind_of(shapes)) != preset.network:
            raise UserError(f"holds a network of kind {found}; give --architecture {found}")
        values = {**public.configuration(shapes, taken.implementation), **preset.values}
        if values.get("head") == "detect":
            values = {name: value for name, value in values.items() if name not in ("head_window", "head_mean")}
        config = video_config(preset.network, {**values, **(changes or {})})
        with torch.device("meta"):
            wanted = build_video(config).state_dict()
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    state = {name: _fitted(value, wanted[name].shape) if name in wanted else value for name, value in state.items()}
    _check(path, state, wanted, {new: old for old, new in taken.names.items()})
    seen = usual_view(config, preset.network).changed(**dict(view or {}))
    description = describe(preset.network, config, seen)
    kept = {name: value.to(wanted[name].dtype) for name, value in state.items()}
    save_state(output, description, 0, {name: kept[name] for name in wanted if name in kept})
    return {"implementation": taken.implementation, "weights": len(kept), **description}


# --- reading ---


def read(path: Path) -> dict[str, Tensor]:
    """The weights in a public file, by their public names without what a wrapper for several GPUs puts before them.

    Raises UserError, without the file's name, where there are none.
    """
    try:
        found = _caffe2(path) if path.suffix == ".pkl" else _torch(path)
    except FileNotFoundError:
        raise UserError("no such file; give the file that you downloaded") from None
    except OSError as error:
        raise UserError(f"cannot be read ({reason_of(error)}); correct that") from None
    except ValueError as error:
        raise UserError(f"holds no weights that can be read ({error}); download it again") from None
    return {name.removeprefix("module."): value for name, value in found.items()}


def _torch(path: Path) -> Mapping[str, Tensor]:
    """A state dict that torch.save wrote, by itself or in a dictionary. Files of before torch 1.6 have no checksums."""
    with path.open("rb") as file:
        zipped = file.read(4) == _ZIP
    found = weights.read_tensors(path, hashed=not zipped)
    if isinstance(found, Mapping):
        found = next((found[name] for name in _INSIDE if isinstance(found.get(name), Mapping)), found)
    if not weights.is_state(found):
        raise ValueError("no state dict")
    return found


class _OnlyNumpy(pickle.Unpickler):
    """Of all that a pickle may call, what builds arrays of numbers."""

    ALLOWED = frozenset(
        (module, name)
        for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("ndarray", "dtype", "_reconstruct", "scalar")
    ) | {("_codecs", "encode")}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise ValueError(f"it would call {module}.{name}")
        return super().find_class(module.replace("numpy.core.", "numpy._core."), name)


def _caffe2(path: Path) -> Mapping[str, Tensor]:
    """The blobs of a Caffe2 file of PySlowFast's list, by PySlowFast's names; what belongs to training is left out."""
    data = read_whole(path, LARGEST_PICKLE)
    try:
        found = _OnlyNumpy(io.BytesIO(data), encoding="latin1").load()
    except ValueError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can fail anywhere
        raise ValueError(f"{type(error).__name__}: it is damaged, or no pickle") from error
    blobs = found.get("blobs") if isinstance(found, dict) else None
    if not isinstance(blobs, dict):
        raise ValueError("no blobs")
    state = {}
    for blob, value in blobs.items():
        name = public.from_caffe2(str(blob))
        if name is not None:
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                raise ValueError(f"blob {str(blob)[:60]!a} is no array of numbers")
            state[name] = torch.from_numpy(np.array(value, dtype=np.float32))
    return state


# --- checking ---


def _fitted(value: Tensor, wanted: torch.Size) -> Tensor:
    """A weight of Caffe2 without trailing axes of one element that ours does not have, or with those that it has."""
    if value.shape == wanted or value.numel() != wanted.numel():
        return value
    longer, shorter = sorted((value.shape, wanted), key=len, reverse=True)
    same = longer[: len(shorter)] == shorter and set(longer[len(shorter) :]) == {1}
    return value.reshape(wanted) if same else value


def _check(path: Path, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], old: Mapping[str, str]) -> None:
    missing = [name for name in wanted if name not in state and not name.endswith(weights.COUNTER)]
    extra = [old[name] for name in state if name not in wanted]
    misshapen = [
        f"{old[name]} {tuple(value.shape)} for {tuple(wanted[name].shape)}"
        for name, value in state.items()
        if name in wanted and value.shape != wanted[name].shape
    ]
    _refuse(path, "that the network does not have,", extra, "by these values of its shapes", state)
    _refuse(path, "of another shape than the network's:", misshapen, "", state)
    if missing:
        raise UserError(
            f"{path}: lacks {len(missing)} of {len(wanted)} weights, by our names {_few(missing)}; the file is not "
            "whole, or of another network"
        )


def _refuse(path: Path, what: str, names: list[str], ending: str, of: Mapping[str, Any]) -> None:
    if names:
        raise UserError(
            f"{path}: {len(names)} of {len(of)} weights {what} {_few(names)}{f' {ending}' if ending else ''}; name the "
            "architecture that it is of, and values that shapes do not tell with --set"
        )


def _few(names: list[str]) -> str:
    return ", ".join(names[:FEW]) + (", ..." if len(names) > FEW else "")
