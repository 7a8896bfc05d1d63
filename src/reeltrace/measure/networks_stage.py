"""The `measure` stage for whole networks: counted, searched for, or timed.

A module of its own, so that a change in these networks makes no other measurement stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.json_values import write_json
from reeltrace.measure import networks

if TYPE_CHECKING:
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json` of a measurement of kind "networks", "search" or "latency"; see `networks`.

    Times and memory differ between two runs; the others are the same each time. Needs no inputs.
    """
    asked = spec.measurement
    if asked.kind == "networks":
        metrics = networks.count(asked)
    elif asked.kind == "search":
        metrics = networks.search(asked)
    else:
        assert asked.kind == "latency"
        metrics = networks.time(asked, spec.networks)
    write_json(work / "metrics.json", {"schema": SCHEMA, **metrics})
    return {}
