"""Tables of the layers of one architecture: sizes of feature maps, channels, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from reeltrace.kinds.table import Printed, TableEntry, TableKind, never, no_names, no_sources, nothing_more
from reeltrace.registry.fields import GroupName, Name


class StructureTable(TableEntry):
    """A table of architecture facts, read off one measurement.

    `nets` says which of the measured nets a column is about, by the first word of the column's key.
    """

    kind: Literal["structure"]
    measurement: Name
    nets: Annotated[dict[str, GroupName], Field(min_length=1)]


def measurements(table: StructureTable) -> tuple[str, ...]:
    """The one that it is read off."""
    return (table.measurement,)


def printed(table: StructureTable) -> Iterable[Printed]:
    """It names no row, and of columns first words only."""
    return ()


KIND = TableKind(
    name="structure",
    params=StructureTable,
    sources=no_sources,
    measurements=measurements,
    beside=no_names,
    timed=never,
    check=nothing_more,
    printed=printed,
    figures=no_names,
    cells="reeltrace.analysis.layers:content",
    macro="macros.html.j2:structure",
    chart=None,
    note=None,
    claims=None,
)
