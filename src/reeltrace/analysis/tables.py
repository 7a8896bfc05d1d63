"""From finished runs and measurements to the cells of one table, each with its published value, verdict and trace.

Plain JSON in, plain JSON out: a `Source` is a metrics.json that was read and hashed, the result is what cells.json
holds. Here is what all tables have; the kind of a table names the function that makes its cells. Files are touched in
`stage.py` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import paired
from reeltrace.analysis import published as pub
from reeltrace.analysis.cells import check
from reeltrace.analysis.sources import Source
from reeltrace.analysis.verdicts import Circumstances
from reeltrace.errors import UserError
from reeltrace.kinds.points import load
from reeltrace.kinds.table import kind_of

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec

SCHEMA = 1
SORTS = {"derived": "derived", "published": "quoted"}  # of cells whose table does not say it, by their origin


def aggregate(
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    folders: Mapping[str, Path] | None = None,
) -> dict[str, Any]:
    """The content of cells.json for one table. `sources` maps "stage/key" to what that artifact measured.

    With the `folders` of those artifacts it says of every test behind a cell whether it was right.

    Raises `UserError` where the registry and the transcription disagree on rows or columns, `CheckFailed` where a
    metrics file lacks a value or contradicts itself.
    """
    table, kind = spec.table, kind_of(spec.table)
    if table.table not in document.tables:
        raise UserError(
            f"{document.path}: no table {table.table!r}; "
            f"it has {', '.join(document.tables)}; tables.{spec.key} needs it"
        )
    print_ = document.tables[table.table]
    _check_names(spec, print_)
    stand_in = tuple(sorted({sentence for sentence in spec.stand_in.values() if sentence}))
    circumstances = Circumstances(spec.scale, stand_in, bool(spec.overrides))
    from_runs = bool(kind.sources(table))
    content = {
        "schema": SCHEMA,
        "document": table.document,
        "table": table.table,
        "kind": table.kind,
        "scale": spec.scale,
        "stand_in": "; ".join(stand_in) or None,
        "circumstances": circumstances.words if from_runs else "full size",
        "columns": [{"key": c.key, "label": c.label, "group": c.group} for c in print_.columns],
        "rows": [{"key": r.key, "label": r.label, "type": r.type} for r in print_.rows],
        "overrides": [o.model_dump(mode="json") for o in spec.overrides],
        **({"seeds": list(spec.seeds)} if from_runs else {}),
        **load(kind.cells)(table, spec, document, sources, circumstances),
    }
    for cell in content.get("cells", ()):
        cell.setdefault("kind", SORTS.get(cell.get("origin"), "counted"))
    if from_runs and folders is not None:
        specs = {name: source.spec.metrics for name, source in sources.items() if source.spec is not None}
        content["paired"] = paired.answers(table, spec.seeds, folders, specs)
    check(content, kind.cells)
    return content


def _check_names(spec: AggregateSpec, print_: pub.Table) -> None:
    """The registry speaks of rows and columns that the transcription has."""
    table = spec.table
    rows, columns = [row.key for row in print_.rows], [column.key for column in print_.columns]
    for name in kind_of(table).printed(table):
        for said, known in ((name.row, rows), (name.column, columns)):
            if name.table == table.table and said is not None and said not in known:
                raise UserError(
                    f"tables.{spec.key}.{name.path}: {said!r} is not in table {table.table} of {table.document}, "
                    f"which has: {', '.join(known)}"
                )
