"""Whole networks at their published size: counted, searched for, and timed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reeltrace import processor
from reeltrace.artifacts.files import reason_of
from reeltrace.errors import UserError
from reeltrace.measure.latency import choose_device, measure_latency
from reeltrace.measure.multiply_adds import count_multiply_adds
from reeltrace.measure.search import search_configurations
from reeltrace.measure.shapes import stage_kernels, stage_shapes
from reeltrace.measure.structure import count_parameters
from reeltrace.memory import speaks_of_memory
from reeltrace.models.checkpoint import read_tensors
from reeltrace.models.video import VideoConfig, build_video, video_config

if TYPE_CHECKING:
    from reeltrace.registry.measurements import (
        LatencyMeasurement,
        Network,
        NetworksMeasurement,
        SearchMeasurement,
        View,
    )

CHANNELS = 3


def count(asked: NetworksMeasurement) -> dict[str, Any]:
    """Per network its whole configuration, parameters, the kernels of its stages, and what each view takes.

    Of a view: the shapes of its inputs, the sizes of the maps after each stage, and multiply-adds, with and without
    those of attention products (`attention`), and by part of the network as a share in percent.
    """
    found = {}
    for name, network in asked.networks.items():
        config = config_of(name, network.architecture, network.config)
        with torch.device("meta"), building(name):
            model = build_video(config)
        views = {}
        for label, view in network.views.items():
            shapes = input_shapes(view)
            with _naming(name, label):
                counted = count_multiply_adds(model, *shapes)
            views[label] = {
                "frames": view.frames,
                "crop": view.crop,
                "input": [list(shape) for shape in shapes],
                "multiply_adds": counted.total,
                "attention": counted.attention,
                "without_attention": counted.without_attention,
                "percent": {part: 100 * number / counted.total for part, number in counted.parts().items()},
                "stages": stage_shapes(model, *shapes),
            }
        found[name] = {
            "architecture": network.architecture,
            "configuration": asdict(config),
            "parameters": count_parameters(model),
            "kernels": stage_kernels(model),
            "views": views,
        }
    return {"networks": found}


def search(asked: SearchMeasurement) -> dict[str, Any]:
    """What `search_configurations` finds for the printed counts."""
    configs = {name: config_of(name, one.architecture, one.config) for name, one in asked.networks.items()}
    printed = {name: one.parameters for name, one in asked.networks.items()}
    with building(", ".join(configs)):
        return {"search": search_configurations(configs, printed, asked.choices)}


def time(asked: LatencyMeasurement, networks: Mapping[str, Network]) -> dict[str, Any]:
    """Latency, throughput and memory of one view of each network, in each precision, one network after the other."""
    device = choose_device(asked.device)
    found: dict[str, Any] = {}
    for name, view_name in asked.views.items():
        network = networks[name]
        config = config_of(name, network.architecture, network.config)
        torch.manual_seed(0)
        with building(name):
            model = build_video(config)
        if name in asked.checkpoint:
            load_weights(model, Path(asked.checkpoint[name]), name)
        view = network.views[view_name]
        inputs = [zeros(shape) for shape in input_shapes(view)]
        found[name] = {
            "view": view_name,
            "input": [list(x.shape) for x in inputs],
            "checkpoint": asked.checkpoint.get(name),
        }
        for precision in asked.precisions:
            if precision == "bfloat16" and device.type == "cpu" and not processor.has_bfloat16_units():
                converts = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
                print(f"{asked.of} {name}: {processor.cost_of_emulation('cpu', converts)}", file=sys.stderr)
            with _naming(name, view_name):
                found[name][precision] = measure_latency(
                    model,
                    inputs,
                    device=device,
                    precision=precision,
                    warm_up=asked.warm_up,
                    repeats=asked.repeats,
                    threads=asked.threads,
                )
        del model
    return {"networks": found}


@contextlib.contextmanager
def _naming(network: str, view: str) -> Iterator[None]:
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


def input_shapes(view: View) -> list[tuple[int, ...]]:
    """The shapes of a view's inputs: a clip (1, 3, T, H, W) and, for detection, boxes (K, 5)."""
    clip = (1, CHANNELS, view.frames, view.crop, view.crop)
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
        state = read_tensors(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct the checkpoint of {name} in params.yaml") from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({reason_of(error)}); correct that, or the checkpoint of {name}"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}: not a file of weights ({error}); give a state dict saved by torch.save") from error
    if isinstance(state, Mapping) and "state" in state:
        state = state["state"]
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise UserError(f"{path}: not a file of weights; give a state dict saved by torch.save")
    own = model.state_dict()
    for key in sorted(own.keys() | state.keys()):
        if key not in state or key not in own:
            where = "not in the file" if key not in state else "not in the net"
            raise UserError(f"{path}: weights of another architecture or head than {name}: {key} is {where}")
        if own[key].shape != state[key].shape:
            raise UserError(
                f"{path}: weights of another architecture or head than {name}: {key} is {tuple(state[key].shape)}, "
                f"expected {tuple(own[key].shape)}"
            )
    model.load_state_dict(dict(state))
