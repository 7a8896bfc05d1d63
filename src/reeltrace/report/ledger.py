"""What the ledger of assumptions says beside the numbers that it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reeltrace.analysis.assumptions import Assumption, Ledger

if TYPE_CHECKING:
    from reeltrace.registry.runs import Run

OURS = ("device", "seeds")  # parts of params.yaml that no document speaks of


def said_by(override: Mapping[str, Any], ledgers: Iterable[Ledger]) -> dict[str, Any]:
    """An override with whose value it replaces: `of` is "document" or "ours", `ledger` the assumption that chose it.

    A value that the ledger names was chosen here, as was everything about the machine and the seeds; one that is null
    at the paper's scale exists for the reduced ones only.
    """
    path = str(override["path"])
    chosen = next((a.id for of in ledgers for a in of.assumptions for at in a.registry if _below(path, at)), None)
    ours = chosen is not None or override["document"] is None or path.split(".")[0] in OURS
    return {**override, "of": "ours" if ours else "document", "ledger": chosen}


def _below(path: str, at: str) -> bool:
    return path == at or path.startswith(f"{at}.")


def departures(table: Mapping[str, Any], ledgers: Iterable[Ledger]) -> list[Assumption]:
    """The points in which a table departs from its document at the published scale too."""
    of = (ledger for ledger in ledgers if ledger.document == table["document"])
    return [a for ledger in of for a in ledger.assumptions if a.departs and table["table"] in a.tables]


def departing_rows(
    table: Mapping[str, Any], departs: Iterable[Assumption], runs: Mapping[str, Run], overridden: Iterable[str]
) -> dict[str, list[str]]:
    """By row of a table from runs: the ids of the departures that touch one of its runs.

    A departure touches a run where it names the run, its model, its protocol or its dataset, and this scale does not
    override what it names.
    """
    changed = set(overridden)
    found: dict[str, list[str]] = {}
    for row, names in table["runs"].items():
        entries = {name: runs[name] for name in _names(names) if name in runs}
        parts = {f"runs.{name}" for name in entries}
        for run in entries.values():
            parts |= {f"models.{run.model}", f"protocols.{run.protocol}", f"datasets.{run.dataset}"}
        for departure in departs:
            if any(_below(at, part) for at in departure.registry if at not in changed for part in parts):
                found.setdefault(row, []).append(departure.id)
    return found


def _names(found: Any) -> list[str]:
    """The runs of a row: one, one per column, or several whose mean is meant."""
    if isinstance(found, str):
        return [found]
    return [name for each in (found.values() if isinstance(found, Mapping) else found) for name in _names(each)]


def fitted_notes(table: Mapping[str, Any], ledgers: Iterable[Ledger]) -> dict[str, list[dict[str, Any]]]:
    """Notes below a table on its fitted cells, each with its cells: what the ledger says of the choices.

    These are the assumptions on the table that name the search by which the network was chosen.
    """
    notes: dict[str, list[dict[str, Any]]] = {}
    for cell in table["cells"]:
        if "fitted" not in cell:
            continue
        search = f"measurements.{cell['fitted']['search']}"
        for note in _of(search, table, ledgers):
            notes.setdefault(note, []).append(cell)
    return notes


def _of(search: str, table: Mapping[str, Any], ledgers: Iterable[Ledger]) -> list[str]:
    found: list[Assumption] = [
        assumption
        for ledger in ledgers
        if ledger.document == table["document"]
        for assumption in ledger.assumptions
        if table["table"] in assumption.tables and any(_below(at, search) for at in assumption.registry)
    ]
    return [f"open is {a.open}; chosen: {a.choice}; because {a.why}" for a in found]
