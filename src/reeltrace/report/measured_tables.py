"""Tables of quantities in the report: measurements below them, figures drawn again."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from reeltrace.report import figures
from reeltrace.report.binding import Binder, Number


def bind_beside(binder: Binder, table: dict[str, Any]) -> None:
    """Register every number of the measurements shown below a table; each gets its id in the block."""
    for index, block in enumerate(table["beside"]):
        prefix = f"{table['document']}/{table['table']}/{block['measurement']}"
        entries = [(f"facts/{i}", fact["key"], fact["words"], fact) for i, fact in enumerate(block["facts"])]
        for i, row in enumerate(block["rows"]):
            for j, value in enumerate(row["values"]):
                entries.append(
                    (f"rows/{i}/values/{j}", f"{row['key']}/{j}", f"{row['key']}, {block['head'][1][j]}", value)
                )
        for path, key, words, value in entries:
            value["id"] = f"{prefix}/{key}"
            binder.add(
                Number(
                    id=value["id"],
                    printed=value["printed"],
                    title=f"{table['document']}, {block['measurement']}: {words}",
                    trace={
                        "artifact": table["artifact"],
                        "pointer": f"/beside/{index}/{path}/value",
                        "sha256": table["sha256"],
                    },
                    sources=(value["trace"],),
                )
            )


Cells = Mapping[tuple[str, str, str, str], Mapping[str, Any]]  # by document, table, row, column
Drawn = tuple[Markup, str]  # and what its caption says of the marks for what was found here


def drawings(view: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], binder: Binder) -> list[dict[str, Any]]:
    """The document's figures that are drawn again from a table, published and here, as SVG with their captions."""
    known = {(c["document"], c["table"], c["row"], c["column"]): c for c in cells}
    found = []
    for number, asked in view["drawings"].items():
        svg, here = DRAW[asked["kind"]](view, asked, known, binder, f"figure/{view['document']}/{number}")
        found.append({"number": number, "title": asked["title"], "svg": svg, "here": here})
    return found


def _panels(view: Mapping[str, Any], asked: Mapping[str, Any], known: Cells, binder: Binder, identity: str) -> Drawn:
    """Columns side by side, a line per row."""
    rows = [(row["key"], row["label"]) for row in view["rows"]]
    places = {
        (r, c): known.get((view["document"], view["table"], key, column))
        for r, (key, _) in enumerate(rows)
        for c, column in enumerate(asked["columns"])
    }
    svg = figures.panels_chart(
        asked["title"],
        [label for _, label in rows],
        list(asked["columns"]),
        [
            figures.Dot(row=r, column=c, ours=_ours(cell), interval=None, published=_theirs(cell))
            for (r, c), cell in places.items()
        ],
        binder.figure(identity, [cell["id"] for cell in places.values() if cell is not None]),
    )
    return svg, ", derived from published values, or measured where the document has none"


def _scatter(view: Mapping[str, Any], asked: Mapping[str, Any], known: Cells, binder: Binder, identity: str) -> Drawn:
    """One quantity over another, a point per row."""
    across, up = asked["across"], asked["up"]
    points: list[figures.Point] = []
    used: list[str] = []
    for row in view["rows"]:
        x, y = (known.get((view["document"], table, row["key"], column)) for table, column in (across, up))
        used += [cell["id"] for cell in (x, y) if cell is not None]
        ours_y = _ours(y)
        points.append(
            figures.Point(
                label=row["label"],
                ours=_pair(_ours(x), _theirs(y) if ours_y is None else ours_y),
                published=_pair(_theirs(x), _theirs(y)),
            )
        )
    svg = figures.scatter(asked["title"], across[1], up[1], points, binder.figure(identity, used))
    return svg, ": cost as counted here"


DRAW = {"panels": _panels, "scatter": _scatter}  # by the kinds of drawings that a table may have


def _pair(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (x, y)


def _ours(cell: Mapping[str, Any] | None) -> float | None:
    reproduced = None if cell is None else cell["reproduced"]
    return None if reproduced is None else float(reproduced["value"])


def _theirs(cell: Mapping[str, Any] | None) -> float | None:
    value = None if cell is None else cell["published"]["value"]
    return None if value is None else float(value)
