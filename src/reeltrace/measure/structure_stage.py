"""The `measure` stage for group networks: structural facts, at the document's own size on every scale."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.measure.structure import (
    count_parameters,
    feature_map_sizes,
    layer_settings,
    search_parameter_counts,
)
from reeltrace.models.cnn4 import build

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.structure import StructureMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: per net classes, parameters, widths and feature-map sizes, per layer filter and stride, and
    the search over open choices. Needs no inputs."""
    asked = cast("StructureMeasurement", spec.measurement)
    write_json(work / METRICS, {"schema": SCHEMA, **_structure(asked)})
    return {}


def _structure(asked: StructureMeasurement) -> dict[str, Any]:
    nets = {group: _build(asked, group, classes) for group, classes in asked.classes.items()}
    metrics: dict[str, Any] = {
        "layers": layer_settings(next(iter(nets.values()))),  # the same in every net of one architecture
        "nets": {group: _facts(model, asked, asked.classes[group]) for group, model in nets.items()},
    }
    if asked.search is not None:
        metrics["search"] = search_parameter_counts(
            asked.architecture,
            asked.widths,
            biases=asked.search.biases,
            batch_norms=asked.search.batch_norms,
            classes=dict(asked.search.classes.items()),
            printed=dict(asked.search.printed_thousands.items()),
        )
    return metrics


def _build(asked: StructureMeasurement, group: str, classes: int) -> nn.Module:
    with torch.device("meta"):
        return build(
            {"architecture": asked.architecture, "group": group, "classes": classes, "widths": asked.widths}
            | {"batch_norm": asked.batch_norm, "bias": asked.bias, "in_channels": asked.input[0]}
        )


def _facts(model: nn.Module, asked: StructureMeasurement, classes: int) -> dict[str, Any]:
    return {
        "classes": classes,
        "parameters": count_parameters(model),
        "widths": list(model.widths),  # type: ignore[arg-type]
        "feature_maps": feature_map_sizes(model, asked.input),
    }
