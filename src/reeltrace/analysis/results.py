"""The cells of a table of results: error rates, accuracies on clips and videos, and training times of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.differences import difference
from reeltrace.analysis.hidden import hidden
from reeltrace.analysis.intervals import hull, mean, percent, sample_deviation, wilson
from reeltrace.analysis.sources import Source, get, read_score, source_of
from reeltrace.analysis.verdicts import Circumstances, Ours, Verdict, judge_share, judge_time
from reeltrace.artifacts.pointers import pointer_to
from reeltrace.artifacts.runs import on_test
from reeltrace.errors import UserError
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.tables.results import Quantity, ResultTable, runs_of

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec

QUOTED = ("published", "quoted")
UNITS: dict[Quantity, str] = {
    "error": "error rate",
    "top1": "percent",
    "clip-top1": "percent",
    "training-time": "hours",
}


def content(
    table: ResultTable,
    spec: AggregateSpec,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> dict[str, Any]:
    """What cells.json holds of a table of results, with what recurrent nets carry."""
    rows = [row.key for row in document.tables[table.table].rows]
    return {
        "runs": {row: list(runs) if isinstance(runs, tuple) else runs for row, runs in table.rows.items()},
        "cells": _cells(spec, table, document, sources, circumstances),
        "equivariance": [],
        "hidden": hidden(table, spec, rows, sources),
    }


def _cells(
    spec: AggregateSpec,
    table: ResultTable,
    document: pub.Document,
    sources: Mapping[str, Source],
    circumstances: Circumstances,
) -> list[dict[str, Any]]:
    """Each cell of the print with its published value, ours, verdict and trace; cells without a run are `not run`."""
    print_ = document.tables[table.table]
    _check_units(spec, table, print_)
    cells = []
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            runs = runs_of(table, row.key, column.key)
            quantity = table.columns.get(column.key)
            entry, test = base_cell(cell, document), document.test_of(cell)
            under = circumstances
            verdict: Verdict
            if not runs or quantity is None:
                entry |= {"reproduced": None, "trace": []}
                verdict, reason = judge_share(cell, test, None, under)
            elif quantity == "training-time":
                entry |= _time(spec, table, print_, sources, cell, runs[0])
                verdict, reason = judge_time(cell, under)
            else:
                entry |= _rate(spec, sources, quantity, runs, document.decimals[UNITS[quantity]])
                missing = max(
                    int(get(source_of(sources, f"train/{run}-s{seed}"), "videos", "missing"))
                    for run in runs
                    for seed in spec.seeds
                )
                under = replace(circumstances, missing=missing)
                ours = _ours(spec, sources, quantity, runs)
                entry["reproduced"] |= difference(cell, test, ours, under)
                verdict, reason = judge_share(cell, test, ours, under)
            origin, kind = ("measured", "timed" if quantity == "training-time" else "trained") if runs else QUOTED
            made = {"origin": origin, "kind": kind, "derivation": None, "circumstances": under.words}
            cells.append({**entry, **made, "verdict": verdict, "reason": reason})
    return cells


def _check_units(spec: AggregateSpec, table: ResultTable, print_: pub.Table) -> None:
    where = f"tables.{spec.key}"
    for name, quantity in table.columns.items():
        for row in table.rows:
            if runs_of(table, row, name) and (unit := print_.cell(row, name).unit) != UNITS[quantity]:
                raise UserError(
                    f"{where}.columns.{name}: {quantity} is of the unit {UNITS[quantity]!r}; "
                    f"{table.document} prints {unit!r} in row {row!r}"
                )


# --- rates ---


def _rate(
    spec: AggregateSpec, sources: Mapping[str, Source], quantity: Quantity, runs: tuple[str, ...], decimals: int
) -> dict[str, Any]:
    """An error rate or an accuracy over seeds; of several runs their mean, seed by seed."""
    within = ("clip",) if quantity == "clip-top1" else ()
    best: dict[int, list[tuple[int, int]]] = {}
    last: dict[int, list[tuple[int, int]]] = {}
    trace, epochs = [], {}
    for seed in spec.seeds:
        of = [source_of(sources, f"train/{run}-s{seed}") for run in runs]
        best[seed] = [read_score(source, *on_test("best", "original", *within)) for source in of]
        last[seed] = [read_score(source, *on_test("last", "original", *within)) for source in of]
        epochs[seed] = [get(source, "best", "epoch") for source in of]
        path = pointer_to(*on_test("best", "original", *within, "top1"))
        trace += [{"seed": seed, **source.trace(path)} for source in of]
    exact = {seed: mean([_value(quantity, score) for score in scores]) for seed, scores in best.items()}
    videos = {
        seed: [read_score(source_of(sources, f"train/{run}-s{seed}"), *on_test("best", "original"))[1] for run in runs]
        for seed in spec.seeds
    }
    intervals = {seed: _interval(quantity, scores, videos[seed]) for seed, scores in best.items()}
    low, high = hull(list(intervals.values()))
    value, deviation = mean(list(exact.values())), sample_deviation(list(exact.values()))
    of_last = mean([mean([_value(quantity, score) for score in scores]) for scores in last.values()])
    judged = "clips" if quantity == "clip-top1" else "videos"
    return {
        "reproduced": {
            "value": float(value),
            "printed": printed(value, decimals),
            "values": {str(seed): float(share) for seed, share in exact.items()},
            "of": judged,
            "seeds": {
                str(seed): {
                    "correct": sum(correct for correct, _ in best[seed]),
                    "total": sum(total for _, total in best[seed]),
                    "printed": printed(exact[seed], decimals),
                    "interval": list(intervals[seed]),
                    "epoch": epochs[seed][0] if len(runs) == 1 else epochs[seed],
                }
                for seed in spec.seeds
            },
            "deviation": deviation,
            "deviation_printed": None if deviation is None else printed(deviation, decimals),
            "interval": [low, high],
            "interval_printed": [printed(low, decimals), printed(high, decimals)],
            "last": {"value": float(of_last), "printed": printed(of_last, decimals)},
        },
        "trace": trace,
    }


def _ours(spec: AggregateSpec, sources: Mapping[str, Source], quantity: Quantity, runs: tuple[str, ...]) -> Ours:
    """What `_rate` found, for the verdict, in percent: each run is a test set of its own.

    Clips count for as many samples as there are videos, see `_interval`.
    """
    within = ("clip",) if quantity == "clip-top1" else ()
    shares: dict[str, list[Fraction]] = {}
    sizes: dict[str, int] = {}
    for run in runs:
        of = [source_of(sources, f"train/{run}-s{seed}") for seed in spec.seeds]
        scores = [read_score(source, *on_test("best", "original", *within)) for source in of]
        shares[run] = [_value(quantity, score) * (100 if quantity == "error" else 1) for score in scores]
        sizes[run] = min(read_score(source, *on_test("best", "original"))[1] for source in of)
    seeds = tuple(float(mean(found)) for found in zip(*shares.values(), strict=True))
    return Ours(seeds, tuple((float(mean(shares[run])), sizes[run]) for run in runs))


def _value(quantity: Quantity, score: tuple[int, int]) -> Fraction:
    correct, total = score
    return Fraction(total - correct, total) if quantity == "error" else percent(correct, total)


def _interval(quantity: Quantity, scores: list[tuple[int, int]], videos: list[int]) -> tuple[float, float]:
    """Wilson's interval; of a mean over test sets the mean of their bounds, wider than the mean's own interval is.

    The clips of one video are not independent of each other: on clips the share counts as if it came from as many
    tests as there are videos.
    """
    bounds = [wilson(correct * n / total, n) for (correct, total), n in zip(scores, videos, strict=True)]
    low, high = (sum(bound[side] for bound in bounds) / len(bounds) for side in (0, 1))
    return ((100 - high) / 100, (100 - low) / 100) if quantity == "error" else (low, high)


# --- times ---


def _time(
    spec: AggregateSpec,
    table: ResultTable,
    print_: pub.Table,
    sources: Mapping[str, Source],
    cell: pub.Cell,
    run: str,
) -> dict[str, Any]:
    """The time that training took here, in hours, and its ratio to that of the row `time_unit`, here and in print."""
    assert table.time_unit is not None
    source = source_of(sources, f"timing/{spec.key}")
    seconds, trace = _seconds(spec, source, run)
    base, base_trace = _seconds(spec, source, runs_of(table, table.time_unit, cell.column)[0])
    theirs, of = cell.value, print_.cell(table.time_unit, cell.column).value
    published = None
    if isinstance(theirs, int) and isinstance(of, int) and of:
        published = {"value": theirs / of, "printed": printed(Fraction(theirs, of), 2)}
    ratio = seconds / base
    return {
        "reproduced": {
            "value": float(seconds / 3600),
            "printed": cell.in_unit.write(seconds / 3600),
            "ratio": {
                "value": float(ratio),
                "printed": printed(ratio, 2),
                "to": table.time_unit,
                "published": published,
                "trace": [*trace, *base_trace],
            },
        },
        "trace": trace,
    }


def _seconds(spec: AggregateSpec, source: Source, run: str) -> tuple[Fraction, list[dict[str, Any]]]:
    keys = {seed: f"{run}-s{seed}" for seed in spec.seeds}
    values = [Fraction(str(get(source, "runs", key, "seconds"))) for key in keys.values()]
    trace = [{"seed": seed, **source.trace(pointer_to("runs", key, "seconds"))} for seed, key in keys.items()]
    return mean(values), trace
