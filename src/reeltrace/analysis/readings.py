"""Stage `reading`: readings.json of one document, the cells that its readings touch, as chosen and under each reading.

A reading changes one thing that the document leaves open, and the runs under it differ from those as chosen in that
alone. Their cells are made as those of a table are, by its kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from reeltrace.analysis.cells import Accuracy, Cell, Override, Part
from reeltrace.analysis.published import Document, load
from reeltrace.analysis.sources import Source
from reeltrace.analysis.stage import read_source
from reeltrace.analysis.tables import aggregate
from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import READINGS
from reeltrace.artifacts.json_values import canonical_json
from reeltrace.errors import CheckFailed
from reeltrace.kinds.table import cell_sources

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec, ReadingSpec

SCHEMA = 1


class ReadCell(Cell):
    """A cell of a table, and the runs whose mean it is."""

    table: str = Field(description="The table's number or name in the document.")
    runs: list[str] = Field(min_length=1, description="The runs behind it.")
    reproduced: Accuracy


class Read(Part):
    """One reading, and the cells that it touches. `document` of a change is the value as chosen, `here` the other."""

    detail: str = Field(description="The assumption whose open detail is read otherwise.")
    reading: str = Field(description="The name of the reading.")
    says: str = Field(description="What the document is then taken to say.")
    changes: list[Override] = Field(description="What of the experiments is changed.")
    runs: dict[str, str] = Field(description="By run, the run under this reading.")
    cells: list[ReadCell] = Field(description="The cells of these runs.")


class Content(Part):
    """All of readings.json. `chosen` are the cells that some reading touches, as the report has them."""

    schema_: int = Field(alias="schema")
    document: str
    scale: str
    stand_in: str | None
    seeds: list[int]
    chosen: list[ReadCell]
    readings: list[Read]


def run(spec: ReadingSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `readings.json` into `work`. Reads the transcription below the current folder."""
    with atomic_write(work / READINGS) as handle:
        handle.write(output(spec, inputs, Path()).encode())
    return {}


def output(spec: ReadingSpec, inputs: Mapping[str, Path], root: Path) -> str:
    """The text of readings.json; `verify` calls this too and compares it with what lies on disk."""
    sources = {name: read_source(f"results/{spec.scale}/{name}", folder) for name, folder in sorted(inputs.items())}
    return canonical_json(found(spec, load(spec.document, root), sources))


def found(spec: ReadingSpec, document: Document, sources: Mapping[str, Source]) -> dict[str, Any]:
    """The content of readings.json. `sources` maps "stage/key" to what that artifact measured.

    Raises `UserError` and `CheckFailed` as `tables.aggregate` does.
    """
    read = {run for reading in spec.readings for run in reading.runs}
    stand_in = sorted({sentence for table in spec.chosen for sentence in table.stand_in.values() if sentence})
    content = {
        "schema": SCHEMA,
        "document": spec.document,
        "scale": spec.scale,
        "stand_in": "; ".join(stand_in) or None,
        "seeds": list(spec.chosen[0].seeds),
        "chosen": [cell for table in spec.chosen for cell in _cells(table, read, document, sources)],
        "readings": [
            {
                **reading.model_dump(mode="json", include={"detail", "reading", "says", "changes", "runs"}),
                "cells": [
                    cell for table in reading.tables for cell in _cells(table, reading.runs.values(), document, sources)
                ],
            }
            for reading in spec.readings
        ],
    }
    try:
        Content.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckFailed(f"reading/{spec.key}: {where}: {first['msg']}; correct analysis/readings.py") from None
    return content


def _cells(
    table: AggregateSpec, runs: Collection[str], document: Document, sources: Mapping[str, Source]
) -> Iterator[dict[str, Any]]:
    """The accuracies of a table that one of the runs stands behind."""
    behind: dict[tuple[str, str], list[str]] = {}
    for place in cell_sources(table.table):
        behind.setdefault((place.row, place.column), []).append(place.run)
    for cell in aggregate(table, document, sources)["cells"]:
        of = behind.get((cell["row"], cell["column"]), [])
        if cell["reproduced"] is not None and "interval" in cell["reproduced"] and not set(runs).isdisjoint(of):
            yield {"table": table.table.table, "runs": of, **cell}
