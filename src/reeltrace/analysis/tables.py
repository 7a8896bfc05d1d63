"""From finished runs and measurements to the cells of one table, each with its published value, verdict and trace.

Plain JSON in, plain JSON out: a `Source` is a metrics.json that was read and hashed, the result is what cells.json
holds. Files are touched in `stage.py` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.beside import block
from reeltrace.analysis.hidden import hidden
from reeltrace.analysis.intervals import hull, mean, percent, printed, sample_deviation, wilson
from reeltrace.analysis.quantities import base_cell, quantity_cells
from reeltrace.analysis.results import result_cells
from reeltrace.analysis.sources import Source, get, read_score, source_of
from reeltrace.analysis.verdicts import Circumstances, Rounding, format_value, judge_accuracy, judge_structure
from reeltrace.artifacts.pointers import escape_pointer
from reeltrace.errors import UserError
from reeltrace.registry.cells import CellSource, cell_sources, measurements_of
from reeltrace.registry.tables import AccuracyTable, MeasuredTable, ResultTable, StructureTable, VideoTable

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec

SCHEMA = 1


def aggregate(spec: AggregateSpec, document: pub.Document, sources: Mapping[str, Source]) -> dict[str, Any]:
    """The content of cells.json for one table. `sources` maps "stage/key" to what that artifact measured.

    Raises `UserError` where the registry and the transcription disagree on rows or columns, `CheckFailed` where a
    metrics file lacks a value or contradicts itself.
    """
    table = spec.table
    if table.table not in document.tables:
        raise UserError(
            f"{document.path}: no table {table.table!r}; "
            f"it has {', '.join(document.tables)}; tables.{spec.key} needs it"
        )
    print_ = document.tables[table.table]
    stand_in = tuple(sorted({sentence for sentence in spec.stand_in.values() if sentence}))
    circumstances = Circumstances(spec.scale, stand_in, bool(spec.overrides))
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "document": table.document,
        "table": table.table,
        "kind": table.kind,
        "scale": spec.scale,
        "stand_in": "; ".join(stand_in) or None,
        "circumstances": circumstances.words if cell_sources(table) else "full size",
        "columns": [{"key": c.key, "label": c.label, "group": c.group} for c in print_.columns],
        "rows": [{"key": r.key, "label": r.label, "type": r.type} for r in print_.rows],
        "overrides": [o.model_dump(mode="json") for o in spec.overrides],
    }
    if isinstance(table, MeasuredTable):
        measured = {name: source_of(sources, f"measure/{name}") for name in measurements_of(table)}
        result["cells"] = quantity_cells(spec, table, document, sources)
        result["origins"] = {c.key: _origin(table, c.key) for c in print_.columns}
        result["added"] = [c.key for c in print_.columns if c.added is not None]
        result["drawings"] = {number: drawing.model_dump(mode="json") for number, drawing in table.drawings.items()}
        result["beside"] = [block(name, measured[name]) for name in table.beside]
    elif isinstance(table, ResultTable):
        result["seeds"] = list(spec.seeds)
        result["runs"] = {row: list(runs) if isinstance(runs, tuple) else runs for row, runs in table.rows.items()}
        result["cells"] = result_cells(spec, table, document, sources, circumstances)
        result["equivariance"] = []
        result["hidden"] = hidden(spec, [row.key for row in print_.rows], sources)
    elif not isinstance(table, StructureTable):
        result["seeds"] = list(spec.seeds)
        result["runs"] = {row: runs if isinstance(runs, str) else dict(runs) for row, runs in table.rows.items()}
        decimals = document.decimals["percent"]
        result["cells"] = _accuracy_cells(spec, table, print_, sources, circumstances, decimals)
        result["equivariance"] = _equivariance(spec, table, print_, sources, decimals)
    else:
        source = source_of(sources, f"measure/{table.measurement}")
        result["measurement"] = table.measurement
        result["cells"] = _structure_cells(table, print_, source, circumstances)
        if any(cell.unit == "parameters" for cell in print_.cells):
            result["search"] = _search(source)
    return result


def _origin(table: MeasuredTable, column: str) -> str:
    return "measured" if column in table.measured else "derived" if column in table.derived else "published"


# --- accuracies ---


def _accuracy_cells(
    spec: AggregateSpec,
    table: AccuracyTable | VideoTable,
    print_: pub.Table,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
    decimals: int,
) -> list[dict[str, Any]]:
    _check_known(f"tables.{spec.key}.rows", table.rows, [row.key for row in print_.rows], table)
    _check_known(f"tables.{spec.key}.columns", table.columns, [column.key for column in print_.columns], table)
    filled_by = {(place.row, place.column): place for place in cell_sources(table)}
    cells = []
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            place = filled_by.get((row.key, column.key))
            entry = base_cell(cell)
            interval, under = None, circumstances
            if place is None:
                entry |= {"reproduced": None, "trace": []}
            else:
                of_seed = _of_seeds(spec, sources, place.run)
                entry["reproduced"] = accuracy(of_seed, place.transform, decimals)
                entry["trace"] = _traces(of_seed, place)
                low, high = entry["reproduced"]["interval"]
                interval = (low, high)
                if isinstance(table, VideoTable):
                    entry["reproduced"]["clip"] = of_clips(of_seed, place, decimals)
                    under = _of_set(spec, table.columns[column.key].dataset, of_seed, circumstances)
            verdict, reason = judge_accuracy(cell, interval, under)
            made = {"origin": "measured", "derivation": None, "circumstances": under.words}
            cells.append({**entry, **made, "verdict": verdict, "reason": reason})
    return cells


def _of_seeds(spec: AggregateSpec, sources: Mapping[str, Source], run: str) -> dict[int, Source]:
    return {seed: source_of(sources, f"train/{run}-s{seed}") for seed in spec.seeds}


def _traces(of_seed: Mapping[int, Source], place: CellSource, *within: str) -> list[dict[str, Any]]:
    """Where the accuracy of a cell stands, one trace per seed; `within` names a part of the score."""
    path = "/".join(["/best/test", *map(escape_pointer, (place.transform, *within, "top1"))])
    return [{"seed": seed, **source.trace(path)} for seed, source in of_seed.items()]


def _of_set(
    spec: AggregateSpec, dataset: str, of_seed: Mapping[int, Source], circumstances: Circumstances
) -> Circumstances:
    """The circumstances of one cell where a table spans sets of videos: its own set's, and what is missing of it."""
    sentence = spec.stand_in[dataset]
    missing = max(int(get(source, "videos", "missing")) for source in of_seed.values())
    return replace(circumstances, stand_in=(sentence,) if sentence else (), missing=missing)


def _check_known(where: str, names: Iterable[str], known: list[str], table: AccuracyTable | VideoTable) -> None:
    for name in names:
        if name not in known:
            raise UserError(
                f"{where}: {name!r} is not in table {table.table} of {table.document}, which has: {', '.join(known)}"
            )


def accuracy(of_seed: Mapping[int, Source], transform: str, decimals: int) -> dict[str, Any]:
    """One transform's top-1 accuracy over seeds: exact mean, spread, intervals, and the last checkpoint's mean.

    Percentages come from counts; a `top1` that does not agree with its counts is refused (`CheckFailed`).
    """
    best = {seed: read_score(source, "best", "test", transform) for seed, source in of_seed.items()}
    last = {seed: read_score(source, "last", "test", transform) for seed, source in of_seed.items()}
    exact = {seed: percent(*score) for seed, score in best.items()}
    intervals = {seed: wilson(*score) for seed, score in best.items()}
    low, high = hull(list(intervals.values()))
    value = mean(list(exact.values()))
    deviation = sample_deviation(list(exact.values()))
    of_last = mean([percent(*score) for score in last.values()])
    return {
        "value": float(value),
        "printed": printed(value, decimals),
        "values": {str(seed): float(share) for seed, share in exact.items()},
        "seeds": {
            str(seed): {
                "correct": best[seed][0],
                "total": best[seed][1],
                "printed": printed(exact[seed], decimals),
                "interval": list(intervals[seed]),
                "epoch": get(of_seed[seed], "best", "epoch"),
            }
            for seed in of_seed
        },
        "deviation": deviation,
        "deviation_printed": None if deviation is None else printed(deviation, decimals),
        "interval": [low, high],
        "interval_printed": [printed(low, decimals), printed(high, decimals)],
        "last": {"value": float(of_last), "printed": printed(of_last, decimals)},
    }


def of_clips(of_seed: Mapping[int, Source], place: CellSource, decimals: int) -> dict[str, Any]:
    """The accuracy over single clips of the videos in a cell: mean, seeds, trace.

    It has no interval: clips of one video are not independent of each other.
    """
    scores = {seed: read_score(source, "best", "test", place.transform, "clip") for seed, source in of_seed.items()}
    exact = {seed: percent(*score) for seed, score in scores.items()}
    value = mean(list(exact.values()))
    return {
        "value": float(value),
        "printed": printed(value, decimals),
        "seeds": {
            str(seed): {
                "correct": scores[seed][0],
                "total": scores[seed][1],
                "printed": printed(exact[seed], decimals),
            }
            for seed in of_seed
        },
        "trace": _traces(of_seed, place, "clip"),
    }


def _equivariance(
    spec: AggregateSpec,
    table: AccuracyTable | VideoTable,
    print_: pub.Table,
    sources: Mapping[str, Source],
    decimals: int,
) -> list[dict[str, Any]]:
    """Relative error and agreement under each transform but the identity, means over seeds."""
    entries = []
    # In the document's order: a spec read back from its canonical JSON has its rows and columns sorted.
    rows, columns = ([part.key for part in parts] for parts in (print_.rows, print_.columns))
    for place in sorted(cell_sources(table), key=lambda p: (rows.index(p.row), columns.index(p.column))):
        if place.transform == "original":
            continue
        of_seed = _of_seeds(spec, sources, place.run)
        entry: dict[str, Any] = place.model_dump()
        for quantity in ("relative_error", "agreement"):
            values = {
                seed: float(get(source, "equivariance", "best", place.transform, quantity))
                for seed, source in of_seed.items()
            }
            value = mean([Fraction(v) for v in values.values()])
            entry[quantity] = {
                "value": float(value),
                "printed": printed(value, decimals) if quantity == "agreement" else scientific(float(value)),
                "values": {str(seed): v for seed, v in values.items()},
                "trace": [
                    {"seed": seed, **source.trace(f"/equivariance/best/{escape_pointer(place.transform)}/{quantity}")}
                    for seed, source in of_seed.items()
                ],
            }
        entries.append(entry)
    return entries


def scientific(value: float) -> str:
    """Three significant digits: `0.731` in plain notation down to a thousandth, `2.14e-7` below."""
    if value == 0:
        return "0"
    if value >= 1e-3:
        return f"{value:.3f}" if value < 100 else f"{value:.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


# --- structure ---


def _structure_cells(
    table: StructureTable, print_: pub.Table, source: Source, circumstances: Circumstances
) -> list[dict[str, Any]]:
    cells = []
    rounding = _rounding(source)
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            if cell.unit == "text":
                continue  # names of layers and blanks: nothing to measure
            value, trace, classes = _structure_value(table, source, cell, row)
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


def _structure_value(
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
