"""What the ledger of assumptions says beside the numbers that it touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reeltrace.analysis.assumptions import Assumption, Ledger

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
