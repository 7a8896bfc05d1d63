"""The `measure` stage for pictures: weights and feature maps of a net with weights that the user has.

A module of its own, so that a change in what is drawn makes no count and no time stale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.measure import pictures

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.pictures import PicturesMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json` and the folder `pictures/` of a measurement of kind "pictures"; see `pictures`.

    Needs no inputs: the checkpoint and the videos are files that params.yaml names.
    """
    asked = cast("PicturesMeasurement", spec.measurement)
    metrics = pictures.draw(asked, spec.networks[asked.network], f"measurements.{spec.key}", work)
    write_json(work / METRICS, {"schema": SCHEMA, **metrics})
    return {}
