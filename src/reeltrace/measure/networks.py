"""Whole networks at their published size: configurations, inputs and weights, for all that is measured of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.files import reason_of
from reeltrace.errors import UserError
from reeltrace.kinds.network import VideoConfig, video_config
from reeltrace.machine.memory import speaks_of_memory
from reeltrace.models import weights

if TYPE_CHECKING:
    from reeltrace.registry.measurements import View

CHANNELS = 3


@contextlib.contextmanager
def naming(network: str, view: str) -> Iterator[None]:
    """Put the place in params.yaml before what is wrong with a view."""
    try:
        yield
    except UserError as error:
        raise UserError(f"params.yaml: network {network}, view {view}: {error}") from error


@contextlib.contextmanager
def building(network: str) -> Iterator[None]:
    """Say in one line, naming the network, that its configuration makes none."""
    try:
        yield
    except UserError as error:
        raise UserError(f"params.yaml: network {network}: {error}") from error
    except (TypeError, ValueError, KeyError, IndexError, OverflowError, ZeroDivisionError, RuntimeError) as error:
        if speaks_of_memory(error):
            raise
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UserError(
            f"params.yaml: network {network}: no network can be built so ({why}); correct its config"
        ) from None


def config_of(name: str, architecture: str, values: Mapping[str, Any]) -> VideoConfig:
    """A network's configuration. Raises UserError naming the network."""
    try:
        return video_config(architecture, values)
    except (UserError, TypeError, ValueError) as error:
        raise UserError(f"params.yaml: network {name}: {error}") from error


def input_shapes(view: View, config: VideoConfig) -> list[tuple[int, ...]]:
    """The shapes of a view's inputs: a clip (1, C, T, H, W), C the channels that the network asks for, 3 where it asks
    for none, and, for detection, boxes (K, 5)."""
    clip = (1, getattr(config, "channels", CHANNELS), view.frames, view.crop, view.crop)
    return [clip, (view.boxes, 5)] if view.boxes else [clip]


def zeros(shape: Sequence[int]) -> Tensor:
    """An input of zeros, as mahler2020, section 7.1.1 uses; a box is the whole of the first clip's upper left part."""
    x = torch.zeros(*shape)
    if len(shape) == 2:
        x[:, 3:] = 64.0
    return x


def load_weights(model: nn.Module, path: Path, name: str) -> None:
    """Load a state dict for `model`. Raises UserError, naming the first difference, when it is another net's."""
    try:
        state = weights.read_state(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the checkpoint of {name} in params.yaml") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({reason_of(error)}); correct that, or the checkpoint of {name}"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: not a file of weights ({error}); give a state dict saved by torch.save") from error
    weights.load(model, state, f"{path}: weights of another architecture or head than {name}")
