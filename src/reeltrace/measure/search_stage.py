"""The `measure` stage for the search of the open choices that give the printed parameter counts of whole networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.measure.networks import building, config_of
from reeltrace.measure.search import search_configurations

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.search import SearchMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: see `search`. Needs no inputs."""
    asked = cast("SearchMeasurement", spec.measurement)
    write_json(work / METRICS, {"schema": SCHEMA, **search(asked)})
    return {}


def search(asked: SearchMeasurement) -> dict[str, Any]:
    """What `search_configurations` finds for the printed counts."""
    configs = {name: config_of(name, one.architecture, one.config) for name, one in asked.networks.items()}
    printed = {name: one.parameters for name, one in asked.networks.items()}
    with building(", ".join(configs)):
        return {"search": search_configurations(configs, printed, asked.choices)}
