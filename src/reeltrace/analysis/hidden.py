"""What recurrent nets carry through time: mean and deviation of w_hh and of its diagonal (singh2019supp, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reeltrace.analysis.sources import Source, get, source_of
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.tables.results import ResultTable, runs_of

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec

QUANTITIES = ("mean", "std", "diagonal_mean", "diagonal_std")
DECIMALS = 4


def hidden(
    table: ResultTable, spec: AggregateSpec, rows: Iterable[str], sources: Mapping[str, Source]
) -> list[dict[str, Any]]:
    """One entry per row whose runs are recurrent convolutional nets, with the four quantities of each unit.

    They are those of the first seed: curves of weights do not average.
    """
    entries = []
    for row in rows:  # in the document's order: a spec read back from its canonical JSON has them sorted
        run = next((run for column in table.columns for run in runs_of(table, row, column)), None)
        if run is None:
            continue
        source = source_of(sources, f"train/{run}-s{spec.seeds[0]}")
        if "hidden" not in source.metrics:
            continue
        units = get(source, "hidden")
        entries.append(
            {
                "row": row,
                "run": run,
                "seed": spec.seeds[0],
                "units": [
                    {
                        name: {"value": float(unit[name]), "printed": printed(float(unit[name]), DECIMALS)}
                        for name in QUANTITIES
                    }
                    for unit in units
                ],
                "trace": source.trace("/hidden"),
            }
        )
    return entries
