"""The cells of tables of one architecture: each layer's channels or feature maps, and the parameters of each net."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from reeltrace.analysis import published as pub
from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.sources import Source, get, source_of
from reeltrace.analysis.verdicts import Circumstances, judge_structure
from reeltrace.artifacts.pointers import pointer_to
from reeltrace.errors import UserError
from reeltrace.kinds.points import load
from reeltrace.kinds.unit import UNITS, Rounding, Value

if TYPE_CHECKING:
    from reeltrace.kinds.tables.structure import StructureTable
    from reeltrace.registry.specs import AggregateSpec


@dataclass(frozen=True)
class Asked:
    """A cell of a table of layers, in its row of the print, with the measurement that the table is read off."""

    table: StructureTable
    source: Source
    cell: pub.Cell
    row: pub.Row

    @property
    def layer(self) -> str:
        """The layer of the row, as the measurement calls it."""
        return self.row.measured or self.row.key

    @property
    def net(self) -> str:
        """The net of the column, as the measurement calls it."""
        name = self.cell.column.split(" ")[0]
        if name not in self.table.nets:
            raise UserError(
                f"tables: nets: no {name!r}, of column {self.cell.column!r}; it has: {', '.join(self.table.nets)}"
            )
        return self.table.nets[name]

    def of_net(self, fact: str) -> Any:
        """What the measurement says of the net."""
        return get(self.source, "nets", self.net, fact)


class Answer(NamedTuple):
    """What was measured for a cell, where each part of it was read, and the number of classes of its net."""

    value: Value
    trace: list[dict[str, str]]
    classes: int | None


def content(
    table: StructureTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of layers; where a unit says so, the search for what is printed too."""
    print_, source = document.tables[table.table], source_of(sources, f"measure/{table.measurement}")
    found: dict[str, Any] = {
        "measurement": table.measurement,
        "cells": _cells(table, document, source, circumstances),
    }
    if any(of is not None and of.search for of in (cell.in_unit.layers for cell in print_.cells)):
        found["search"] = _search(source)
    return found


def _cells(
    table: StructureTable, document: pub.Document, source: Source, circumstances: Circumstances
) -> list[dict[str, Any]]:
    cells, print_ = [], document.tables[table.table]
    rounding = _rounding(source)
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            unit = cell.in_unit
            if unit.compare is None:
                continue  # names of layers and blanks: nothing to measure
            if unit.layers is None:
                raise UserError(
                    f"tables: table {table.table} of {table.document}: {cell.unit!r} in row {cell.row!r} is no unit of "
                    f"layers; there are: {', '.join(name for name, known in UNITS.all().items() if known.layers)}"
                )
            value, trace, classes = load(unit.layers.read)(Asked(table, source, cell, row))
            verdict, reason = judge_structure(cell, value, circumstances, classes, rounding)
            reproduced = None if value is None else {"value": value, "printed": unit.write(value)}
            cells.append(
                {
                    **base_cell(cell, document),
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


# --- what units name ---


def of_layer(asked: Asked) -> Answer:
    """What all nets have in common in a layer, by the name of the unit: its filter, its stride."""
    layer, unit = asked.layer, asked.cell.unit
    value = asked.source.metrics.get("layers", {}).get(layer, {}).get(unit)
    return Answer(value, [asked.source.trace(pointer_to("layers", layer, unit))], None)


def parameters(asked: Asked) -> Answer:
    """The number of parameters of a net."""
    value, trace = asked.of_net("parameters"), [asked.source.trace(f"/nets/{asked.net}/parameters")]
    return Answer(value, trace, asked.of_net("classes"))


def shape(asked: Asked) -> Answer:
    """The size of the feature maps that a layer makes; nothing in a net without the layer."""
    layer, maps = asked.layer, asked.of_net("feature_maps")
    size = list(maps[layer] or []) if layer in maps else None  # null: the plain network has no such layer
    trace = [asked.source.trace(pointer_to("nets", asked.net, "feature_maps", layer))]
    return Answer(size, trace, asked.of_net("classes"))


def channels(asked: Asked) -> Answer:
    """The channels that go into a layer and come out of it, and the orientations of its group."""
    layer, source, net = asked.layer, asked.source, f"/nets/{asked.net}"
    classes, widths = asked.of_net("classes"), asked.of_net("widths")
    trace = [source.trace(f"{net}/widths")]
    if asked.row.key.startswith("fc"):
        return Answer([widths[3], classes], [*trace, source.trace(f"{net}/classes")], classes)
    if layer == "conv1":
        assert source.spec is not None
        found = [get(source.spec, "measurement", "input")[0], widths[0]]
        trace.append(source.spec.trace("/measurement/input/0"))
    else:
        before, after = {"maxPool": (0, 0), "conv2": (0, 1), "conv3": (1, 2), "smoothing": (2, 2), "conv4": (2, 3)}[
            layer
        ]
        found = [widths[before], widths[after]]
    orientations = asked.of_net("feature_maps")["conv1"][:-3]
    if orientations:
        trace.append(source.trace(f"{net}/feature_maps/conv1/0"))
    return Answer([*found, *orientations], trace, classes)


# --- open choices ---


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
