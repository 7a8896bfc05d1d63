"""Verbs for sentences that set two numbers of the report beside each other: what they say follows from the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from reeltrace.analysis.intervals import overlap


def mover(cells: Iterable[Mapping[str, Any]]) -> Callable[[str, str], str]:
    """What says how one cell's number goes to another's, both by their ids: "falls", "rises" or "stays".

    It stays where the intervals of the two share a value: then nothing can be said of a difference. Of numbers without
    an interval it is told by the numbers alone. Raises `KeyError` for an id without a number.
    """
    found = {cell["id"]: cell["reproduced"] for cell in cells if cell["reproduced"] is not None}

    def moves(before: str, after: str) -> str:
        one, other = found[before], found[after]
        if one["value"] == other["value"] or ("interval" in one and "interval" in other and _share(one, other)):
            return "stays"
        return "falls" if other["value"] < one["value"] else "rises"

    return moves


def teller(cells: Iterable[Mapping[str, Any]], chance: Iterable[Mapping[str, Any]]) -> Callable[..., bool]:
    """What says of cells, by their ids, whether none of the nets behind them does no better than guessing.

    `chance` is what the summary says of nets on stand-in data. Of cells whose nets guess, no sentence is worth a place.
    """
    guessed = {net for group in chance for net in group["guessed"]}
    behind = {
        cell["id"]: {"/".join(source["artifact"].split("/")[2:4]) for source in cell["sources"]} for cell in cells
    }
    return lambda *ids: not any(behind.get(identity, set()) & guessed for identity in ids)


def _share(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    low, high = one["interval"]
    return overlap((low, high), (other["interval"][0], other["interval"][1]))
