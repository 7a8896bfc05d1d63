"""Tables of quantities in the report: measurements below them, derivations in words, figures drawn again."""

from collections.abc import Mapping, Sequence
from typing import Any

from reeltrace.report import figures
from reeltrace.report.binding import Binder, Number


def derivation_words(derivation: Mapping[str, Any]) -> str:
    """`7020 (section 7.1.1, Table 7.2, SlowFast, GFLOPS per run) / 13450 (...)`."""
    sign = " / " if derivation["operation"] == "quotient" else " x "
    return sign.join(f"{of['printed']} ({of['place']}, {of['row']}, {of['column']})" for of in derivation["of"])


def span(low: object, high: object) -> str:
    """`6.15s to 6.20s`; one value where both ends are printed alike."""
    return str(low) if str(low) == str(high) else f"{low} to {high}"


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


def drawings(view: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], binder: Binder) -> list[dict[str, Any]]:
    """The document's figures that are drawn again from a table, published and here, as SVG with their captions."""
    known = {(c["document"], c["table"], c["row"], c["column"]): c for c in cells}
    document = view["document"]
    found = []
    for number, asked in view["drawings"].items():
        rows = [(row["key"], row["label"]) for row in view["rows"]]
        identity = f"figure/{document}/{number}"
        if asked["kind"] == "panels":
            places = [(document, view["table"], key, column) for key, _ in rows for column in asked["columns"]]
            svg = figures.panels_chart(
                asked["title"],
                [label for _, label in rows],
                list(asked["columns"]),
                [
                    figures.Dot(
                        row=r,
                        column=c,
                        ours=_ours(known.get((document, view["table"], key, column))),
                        interval=None,
                        published=_theirs(known.get((document, view["table"], key, column))),
                    )
                    for r, (key, _) in enumerate(rows)
                    for c, column in enumerate(asked["columns"])
                ],
                binder.figure(identity, [known[place]["id"] for place in places if place in known]),
            )
        else:
            across, up = asked["across"], asked["up"]
            points: list[figures.Point] = []
            used: list[str] = []
            for key, label in rows:
                x, y = (known.get((document, table, key, column)) for table, column in (across, up))
                used += [cell["id"] for cell in (x, y) if cell is not None]
                ours_y = _ours(y)
                points.append(
                    figures.Point(
                        label=label,
                        ours=_pair(_ours(x), _theirs(y) if ours_y is None else ours_y),
                        published=_pair(_theirs(x), _theirs(y)),
                    )
                )
            svg = figures.scatter(asked["title"], across[1], up[1], points, binder.figure(identity, used))
        found.append({"number": number, "title": asked["title"], "kind": asked["kind"], "svg": svg})
    return found


def _pair(x: float | None, y: float | None) -> tuple[float, float] | None:
    return None if x is None or y is None else (x, y)


def _ours(cell: Mapping[str, Any] | None) -> float | None:
    reproduced = None if cell is None else cell["reproduced"]
    return None if reproduced is None else float(reproduced["value"])


def _theirs(cell: Mapping[str, Any] | None) -> float | None:
    value = None if cell is None else cell["published"]["value"]
    return None if value is None else float(value)
