"""Tables of quantities: their cells, what is shown below them, and what is drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.beside import block
from reeltrace.analysis.quantities import quantity_cells
from reeltrace.analysis.sources import Source, source_of
from reeltrace.analysis.verdicts import Circumstances
from reeltrace.kinds.table import measurements_of

if TYPE_CHECKING:
    from reeltrace.kinds.tables.measured import MeasuredTable
    from reeltrace.registry.specs import AggregateSpec


def content(
    table: MeasuredTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of quantities."""
    columns = document.tables[table.table].columns
    measured = {name: source_of(sources, f"measure/{name}") for name in measurements_of(table)}
    return {
        "cells": quantity_cells(spec, table, document, measured),
        "origins": {column.key: _origin(table, column.key) for column in columns},
        "added": [column.key for column in columns if column.added is not None],
        "drawings": {number: drawing.model_dump(mode="json") for number, drawing in table.drawings.items()},
        "beside": [block(name, measured[name]) for name in table.beside],
    }


def _origin(table: MeasuredTable, column: str) -> str:
    return "measured" if column in table.measured else "derived" if column in table.derived else "published"
