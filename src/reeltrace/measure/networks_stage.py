"""The `measure` stage for whole networks: counted, without memory for their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.kinds.network import build_video
from reeltrace.measure.multiply_adds import count_multiply_adds
from reeltrace.measure.networks import building, config_of, input_shapes, naming
from reeltrace.measure.shapes import stage_kernels, stage_shapes
from reeltrace.measure.structure import count_parameters

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.networks import NetworksMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: see `count`. Needs no inputs."""
    asked = cast("NetworksMeasurement", spec.measurement)
    write_json(work / METRICS, {"schema": SCHEMA, **count(asked)})
    return {}


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
            shapes = input_shapes(view, config)
            with naming(name, label):
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
