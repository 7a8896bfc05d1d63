"""The `measure` stage for facts that a document's own module counts. Nothing is trained, no weights are made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.errors import UserError
from reeltrace.kinds.document_code import load_module, module_path

if TYPE_CHECKING:
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json`: what the function `facts` of the document's module gives, by part. Needs no inputs.

    Raises `UserError` where the document has no such module, or the module no such function.
    """
    document = spec.measurement.document
    module = load_module(document)
    if not callable(getattr(module, "facts", None)):
        raise UserError(f"{module_path(document)}: no function facts(); measure/{spec.key} calls it")
    with torch.device("meta"):
        found = module.facts()
    write_json(work / METRICS, {"schema": SCHEMA, **found})
    return {}
