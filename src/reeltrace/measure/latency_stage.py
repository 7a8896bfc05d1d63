"""The `measure` stage for whole networks that are timed, on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.kinds.network import build_video
from reeltrace.machine import processor
from reeltrace.measure.latency import choose_device, measure_latency
from reeltrace.measure.networks import building, config_of, input_shapes, load_weights, naming, zeros

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.latency import LatencyMeasurement
    from reeltrace.registry.measurements import Network
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: see `time`. Times and memory differ between two runs. Needs no inputs."""
    asked = cast("LatencyMeasurement", spec.measurement)
    write_json(work / METRICS, {"schema": SCHEMA, **time(asked, spec.networks)})
    return {}


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
        inputs = [zeros(shape) for shape in input_shapes(view, config)]
        found[name] = {
            "view": view_name,
            "input": [list(x.shape) for x in inputs],
            "checkpoint": asked.checkpoint.get(name),
        }
        for precision in asked.precisions:
            if precision == "bfloat16" and device.type == "cpu" and not processor.has_bfloat16_units():
                converts = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
                print(f"{asked.of} {name}: {processor.cost_of_emulation('cpu', converts)}", file=sys.stderr)
            with naming(name, view_name):
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
