"""The cells of tables of one architecture: each layer's channels or feature maps, and the parameters of each net."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.sources import Source, get, source_of
from reeltrace.analysis.verdicts import Circumstances, Rounding, format_value, judge_structure
from reeltrace.artifacts.pointers import escape_pointer
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.kinds.tables.structure import StructureTable
    from reeltrace.registry.specs import AggregateSpec


def content(
    table: StructureTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of layers; where it prints counts of parameters, the search for them too."""
    print_, source = document.tables[table.table], source_of(sources, f"measure/{table.measurement}")
    found: dict[str, Any] = {
        "measurement": table.measurement,
        "cells": _cells(table, print_, source, circumstances),
    }
    if any(cell.unit == "parameters" for cell in print_.cells):
        found["search"] = _search(source)
    return found


def _cells(
    table: StructureTable, print_: pub.Table, source: Source, circumstances: Circumstances
) -> list[dict[str, Any]]:
    cells = []
    rounding = _rounding(source)
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            if cell.unit == "text":
                continue  # names of layers and blanks: nothing to measure
            value, trace, classes = _value(table, source, cell, row)
            verdict, reason = judge_structure(cell, value, circumstances, classes, rounding)
            reproduced = None
            if value is not None:
                reproduced = {"value": value, "printed": format_value(value, cell.unit)}
            cells.append(
                {
                    **base_cell(cell),
                    "origin": "measured",
                    "reproduced": reproduced,
                    "derivation": None,
                    "trace": trace if reproduced else [],
                    "verdict": verdict,
                    "reason": reason,
                    "circumstances": "full size",
                }
            )
    return cells


def _value(
    table: StructureTable, source: Source, cell: pub.Cell, row: pub.Row
) -> tuple[pub.Value, list[dict[str, str]], int | None]:
    """What was measured for a cell, where each part of it was read, and the number of classes of its net."""
    layer = row.measured or row.key
    if cell.unit in ("filter", "stride"):
        value = source.metrics.get("layers", {}).get(layer, {}).get(cell.unit)
        return value, [source.trace(f"/layers/{escape_pointer(layer)}/{cell.unit}")], None
    name = cell.column.split(" ")[0]
    if name not in table.nets:
        raise UserError(f"tables: nets: no {name!r}, of column {cell.column!r}; it has: {', '.join(table.nets)}")
    of = table.nets[name]
    net = f"/nets/{of}"
    classes: int = get(source, "nets", of, "classes")
    maps = get(source, "nets", of, "feature_maps")
    if cell.unit == "parameters":
        return get(source, "nets", of, "parameters"), [source.trace(f"{net}/parameters")], classes
    if cell.unit == "shape":
        size = list(maps[layer] or []) if layer in maps else None  # null: the plain network has no such layer
        return size, [source.trace(f"{net}/feature_maps/{escape_pointer(layer)}")], classes
    widths = get(source, "nets", of, "widths")
    trace = [source.trace(f"{net}/widths")]
    if row.key.startswith("fc"):
        return [widths[3], classes], [*trace, source.trace(f"{net}/classes")], classes
    if layer == "conv1":
        assert source.spec is not None
        channels = [get(source.spec, "measurement", "input")[0], widths[0]]
        trace.append(source.spec.trace("/measurement/input/0"))
    else:
        before, after = {"maxPool": (0, 0), "conv2": (0, 1), "conv3": (1, 2), "smoothing": (2, 2), "conv4": (2, 3)}[
            layer
        ]
        channels = [widths[before], widths[after]]
    orientations = maps["conv1"][:-3]
    if orientations:
        trace.append(source.trace(f"{net}/feature_maps/conv1/0"))
    return [*channels, *orientations], trace, classes


def _rounding(source: Source) -> Rounding:
    """How the document rounded its counts: the one rule under which some setting explains all of them, else nearest."""
    matches = (source.metrics.get("search") or {}).get("matches", [])
    return "truncated" if {match["rounding"] for match in matches} == {"truncated"} else "nearest"


def _search(source: Source) -> dict[str, Any] | None:
    """The settings that a document leaves open, and which of them give every printed parameter count."""
    search = source.metrics.get("search")
    if not isinstance(search, dict):
        return None
    return {
        "settings": [
            {
                "bias": setting["bias"],
                "batch_norm": setting["batch_norm"],
                "rounding": setting["rounding"],
                "thousands": setting["thousands"],
                "explains": bool(setting["classes"]) and all(setting["classes"].values()),
                "trace": source.trace(f"/search/settings/{index}"),
            }
            for index, setting in enumerate(search["settings"])
        ],
        "trace": source.trace("/search"),
    }
