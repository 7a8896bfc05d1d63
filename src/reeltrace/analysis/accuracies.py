"""The cells of tables of top-1 accuracies: under transforms of one test set, or over several sets of videos.

A video's accuracy is compared with the document's, that of single clips stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.beside import block
from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.differences import difference
from reeltrace.analysis.intervals import hull, mean, percent, sample_deviation, wilson
from reeltrace.analysis.sources import Source, get, read_score, source_of
from reeltrace.analysis.verdicts import Circumstances, Ours, judge_share
from reeltrace.artifacts.pointers import pointer_to
from reeltrace.artifacts.runs import on_test
from reeltrace.kinds.rounding import printed, scientific
from reeltrace.kinds.table import CellSource, TableEntry, cell_sources

if TYPE_CHECKING:
    from reeltrace.kinds.tables.accuracy import AccuracyTable
    from reeltrace.kinds.tables.video_accuracy import VideoTable
    from reeltrace.registry.specs import AggregateSpec


def on_one_set(
    table: AccuracyTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of accuracies on one test set."""
    return {
        "runs": dict(table.rows),
        "beside": [block(name, source_of(sources, f"measure/{name}")) for name in table.beside],
        **_content(table, spec, document, sources, circumstances, {}),
    }


def on_sets_of_videos(
    table: VideoTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of accuracies that spans sets of videos."""
    sets = {name: column.dataset for name, column in table.columns.items()}
    runs = {row: dict(runs) for row, runs in table.rows.items()}
    return {"runs": runs, **_content(table, spec, document, sources, circumstances, sets)}


def _content(
    table: TableEntry,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
    sets: Mapping[str, str],
) -> dict[str, Any]:
    print_, decimals = document.tables[table.table], document.decimals["percent"]
    return {
        "cells": _cells(spec, table, document, sources, circumstances, sets),
        "equivariance": _equivariance(spec, table, print_, sources, decimals),
    }


def _cells(
    spec: AggregateSpec,
    table: TableEntry,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
    sets: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Each cell of the print; `sets` says of a column on videos which set they are of."""
    print_, decimals = document.tables[table.table], document.decimals["percent"]
    filled_by = {(place.row, place.column): place for place in cell_sources(table)}
    cells = []
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            place = filled_by.get((row.key, column.key))
            entry, test = base_cell(cell, document), document.test_of(cell)
            ours, under = None, circumstances
            if place is None:
                entry |= {"reproduced": None, "trace": []}
            else:
                of_seed = _of_seeds(spec, sources, place.run)
                entry["reproduced"] = accuracy(of_seed, place.transform, decimals)
                entry["trace"] = _traces(of_seed, place)
                ours = _ours(entry["reproduced"])
                if column.key in sets:
                    entry["reproduced"]["clip"] = of_clips(of_seed, place, decimals)
                    under = _of_set(spec, sets[column.key], of_seed, circumstances)
                entry["reproduced"] |= difference(cell, test, ours, under)
            verdict, reason = judge_share(cell, test, ours, under)
            made = {"origin": "measured", "kind": "trained", "derivation": None, "circumstances": under.words}
            cells.append({**entry, **made, "verdict": verdict, "reason": reason})
    return cells


def _ours(found: Mapping[str, Any]) -> Ours:
    """What `accuracy` found, for the verdict: all seeds were tested on one set."""
    total = min(entry["total"] for entry in found["seeds"].values())
    return Ours(tuple(found["values"].values()), ((found["value"], total),))


def _of_seeds(spec: AggregateSpec, sources: Mapping[str, Source], run: str) -> dict[int, Source]:
    return {seed: source_of(sources, f"train/{run}-s{seed}") for seed in spec.seeds}


def _traces(of_seed: Mapping[int, Source], place: CellSource, *within: str) -> list[dict[str, Any]]:
    """Where the accuracy of a cell stands, one trace per seed; `within` names a part of the score."""
    path = pointer_to(*on_test("best", place.transform, *within, "top1"))
    return [{"seed": seed, **source.trace(path)} for seed, source in of_seed.items()]


def _of_set(
    spec: AggregateSpec, dataset: str, of_seed: Mapping[int, Source], circumstances: Circumstances
) -> Circumstances:
    """The circumstances of one cell where a table spans sets of videos: its own set's, and what is missing of it."""
    sentence = spec.stand_in[dataset]
    missing = max(int(get(source, "videos", "missing")) for source in of_seed.values())
    return replace(circumstances, stand_in=(sentence,) if sentence else (), missing=missing)


def accuracy(of_seed: Mapping[int, Source], transform: str, decimals: int) -> dict[str, Any]:
    """One transform's top-1 accuracy over seeds: exact mean, spread, intervals, and the last checkpoint's mean.

    Percentages come from counts; a `top1` that does not agree with its counts is refused (`CheckFailed`).
    """
    best = {seed: read_score(source, *on_test("best", transform)) for seed, source in of_seed.items()}
    last = {seed: read_score(source, *on_test("last", transform)) for seed, source in of_seed.items()}
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
    scores = {seed: read_score(source, *on_test("best", place.transform, "clip")) for seed, source in of_seed.items()}
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
    table: TableEntry,
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
                    {"seed": seed, **source.trace(pointer_to("equivariance", "best", place.transform, quantity))}
                    for seed, source in of_seed.items()
                ],
            }
        entries.append(entry)
    return entries
