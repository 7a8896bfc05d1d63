"""Charts of the cells of a table, which its kind names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from reeltrace.analysis import published
from reeltrace.kinds.unit import UNITS, Share
from reeltrace.registry.fields import replaced
from reeltrace.report import figures
from reeltrace.report.binding import Binder, named_in
from reeltrace.report.chains import table_words


class Chart(NamedTuple):
    """A chart, and the quantity that it draws as its caption begins."""

    svg: Markup
    caption: str


def rates(
    table: dict[str, Any], print_: published.Table, of_table: Mapping[tuple[str, str], Any], binder: Binder
) -> Chart:
    """Accuracies in percent, or error rates, in the unit of the table: its first of a share."""
    dots, shown = [], []
    unit, share = share_of(of_table.values())
    rates = [c for c in print_.columns if any(of_table[r.key, c.key]["unit"] == unit for r in print_.rows)]
    for r, row in enumerate(print_.rows):
        for c, column in enumerate(rates):
            cell = of_table[row.key, column.key]
            ours = cell["reproduced"]
            dots.append(
                figures.Dot(
                    row=r,
                    column=c,
                    ours=None if ours is None else ours["value"],
                    interval=None if ours is None else (ours["interval"][0], ours["interval"][1]),
                    published=cell["published"]["value"],
                )
            )
            shown.append(cell["id"])
    identity = f"chart/{table['key']}"
    svg = figures.accuracy_chart(
        f"{table_words(table['table'])} drawn: {share.drawn}, published and here",
        [_marked(_short_label(row, print_), table, " ({})") for row in print_.rows],
        [_marked(column.key, table, "\n{}") for column in rates],  # unlike labels they say which set they belong to
        dots,
        binder.figure(identity, shown),
        whole=share.whole,
    )
    return Chart(svg, share.caption)


def share_of(cells: Iterable[Mapping[str, Any]]) -> tuple[str, Share]:
    """The unit of the shares among cells, the first of several, percent where there is none; and what it says."""
    names = [cell["unit"] for cell in cells]
    return next((name, share) for name in [*names, "percent"] if (share := UNITS.get(name).share) is not None)


def _short_label(row: published.Row, print_: published.Table) -> str:
    """A row's label, or its key where it takes more than the label to tell rows apart."""
    if print_.headings is not None and len(print_.headings) > 1:
        return row.key
    return row.label if [other.label for other in print_.rows].count(row.label) == 1 else row.key


def _marked(label: str, table: Mapping[str, Any], mark: str) -> str:
    """A label of a drawing; where it names data that others stand in for in the table, it ends in a mark."""
    is_replaced = any(name for _, name in named_in(label, replaced(table["stand_in"] or "")))
    return label + (mark.format("stand-in") if is_replaced else "")
