"""The `measure` stage for architecture facts of image networks. Nothing is trained, no weights are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.json_values import write_json
from reeltrace.measure import facts

if TYPE_CHECKING:
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: the facts of one document, by part; see `facts`. Needs no inputs."""
    asked = spec.measurement
    assert asked.kind == "facts"
    write_json(work / "metrics.json", {"schema": SCHEMA, **facts.measure(asked)})
    return {}
