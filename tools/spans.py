"""Find where in a document's text its transcribed values stand, and write documents/<key>/spans.json.

`python tools/spans.py KEY TEXT` keeps each span that still holds, finds the others where a place has the value once, or
where a table's line has the values of a row in their order, and lists what it could not find. A value that a place has
several times is chosen with `--at NAME=FROM`, the first character of the one that is meant. With `--check` nothing is
written, and the exit code says whether all is bound.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from reeltrace.analysis import prose, published
from reeltrace.analysis.places import Line, Place, Region, Text, normal, squeezed
from reeltrace.analysis.published import Table
from reeltrace.analysis.spans import (
    FILE,
    Spans,
    TextFile,
    digests,
    load,
    misplaced,
    name_of,
    names,
    prose_digest,
    unbound,
    whole,
    written,
)
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError


def occurrences(text: Text, region: Region, printed: str) -> list[Region]:
    """Every shortest stretch of a region that reads as the printed string, in their order."""
    start, end = region
    literal = [
        (start + match.start(), start + match.end()) for match in re.finditer(re.escape(printed), text.text[start:end])
    ]
    if found := [span for span in literal if whole(text.text, span)]:
        return found
    edges = [
        m.start() + start for m in re.finditer(r"(?<![0-9A-Za-z])(?=[^\s<])|(?<=[^\s])(?=<)", text.text[start:end])
    ]
    spans = []
    for a in edges:
        for b in range(a + 1, min(end, a + 6 * len(printed) + 40) + 1):
            if text.text[b - 1].isspace() or not whole(text.text, (a, b)):
                continue
            if normal(text.text[a:b]) == printed:
                spans.append((a, b))
                break
    return [
        one for one in spans if not any(one != other and one[0] <= other[0] and other[1] <= one[1] for other in spans)
    ]


def of_table(text: Text, name: str, table: Table, lines: tuple[Line, ...]) -> Iterator[tuple[str, Region]]:
    """The spans of a table that is printed in these lines: each row's line is the next that has all of its values."""
    at = 0
    for row in table.rows:
        cells = [table.cell(row.key, c.key) for c in table.columns]
        cells = [cell for cell in cells if cell.printed is not None and cell.place == table.place]
        if not cells:
            continue
        for number in range(at, len(lines)):
            if found := of_row(text, row.label, [str(cell.printed) for cell in cells], lines, number):
                yield from zip((name_of(name, cell) for cell in cells), found, strict=True)
                at = number + 1
                break
        else:
            print(f"{name}, row {row.key!r}: no line of the text has its values", file=sys.stderr)


def of_row(text: Text, label: str, printed: list[str], lines: tuple[Line, ...], number: int) -> list[Region] | None:
    """The spans of a row's values in a line; a value may stand in the line with one cell above it."""
    line = lines[number]
    if len(line.filled) == 1:
        spans = occurrences(text, line.filled[0], printed[0])
        return spans[:1] * len(printed) if len(set(printed)) == 1 and len(spans) == 1 else None
    if label and not any(names(squeezed(text.of(cell)), squeezed(label)) for cell in line.filled):
        return None
    above = [other for other in lines[:number] if len(other.filled) == 1]
    found: list[Region] = []
    after = line.region[0]
    for value in printed:
        spans = [
            span
            for cell in line.filled
            for span in occurrences(text, cell, value)
            if span[0] >= after and not re.search(r"\d", text.of((max(cell[0], after), span[0])))
        ]
        if spans:
            found.append(spans[0])
            after = spans[0][1]
        elif above and (heading := occurrences(text, above[-1].filled[0], value)):
            found.append(heading[0])
        else:
            return None
    return found


def find(key: str, content: bytes, name: str, chosen: dict[str, int]) -> Spans:
    """The spans of a document's values in a text; what is not found is said and left out."""
    document, values, old = published.load(key), prose.load(key), load(key)
    text = Text(content.decode())
    if old is not None and old.text.sha256 != hashlib.sha256(content).hexdigest():
        old = None
    cells: dict[str, Region] = {}
    also: dict[str, tuple[Region, ...]] = {}
    for table_name, table in document.tables.items():
        lines = place_of(text, table.place).lines
        cells.update(of_table(text, table_name, table, lines) if lines else ())
        for cell in table.cells:
            full = name_of(table_name, cell)
            if cell.printed is not None and full not in cells:
                kept = old.cells.get(full) if old else None
                if span := one(text, full, cell.printed, cell.place, kept, chosen):
                    cells[full] = span
            before = old.also.get(full, ()) if old else ()
            others = [
                one(text, f"{full}/{i}", o.printed, o.place, before[i] if i < len(before) else None, chosen)
                for i, o in enumerate(cell.also)
            ]
            if others:
                also[full] = tuple(span for span in others if span)
    places = {
        key_: span
        for key_, v in values.items()
        if (span := one(text, key_, v.printed, v.place, old.prose.get(key_) if old else None, chosen))
    }
    order = [name_of(t, c) for t, table in document.tables.items() for c in table.cells]
    file = TextFile(name=name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    return Spans(
        text=file,
        printed=digests(document),
        printed_prose=prose_digest(values),
        cells={n: cells[n] for n in order if n in cells},
        also=also,
        prose=places,
    )


def place_of(text: Text, name: str) -> Place:
    """A place of the text; an empty one, with a line that says why, where there is none."""
    try:
        return text.place(name)
    except ValueError as error:
        print(error, file=sys.stderr)
        return Place(())


def one(text: Text, name: str, printed: str, place: str, kept: Region | None, chosen: dict[str, int]) -> Region | None:
    """The span of one value in its place: the one that was kept, the one that was chosen, or the only one."""
    found = place_of(text, place)
    spans = list(dict.fromkeys(s for region in found.regions for s in occurrences(text, region, printed)))
    if name in chosen:
        spans = [span for span in spans if span[0] == chosen[name]]
    elif kept in spans:
        return kept
    if len(spans) == 1:
        return spans[0]
    print(f"{name}: {printed!r} stands {len(spans)} times in {place!r}", *spans[:9], file=sys.stderr)
    return None


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("key", help="the document: the name of its folder")
    parser.add_argument("text", type=Path, help="its text, UTF-8")
    parser.add_argument("--at", action="append", default=[], metavar="NAME=FROM", help="which of several is meant")
    parser.add_argument("--check", action="store_true", help="check what is there and write nothing")
    given = parser.parse_args()
    chosen = {name: start for name, _, start in (each.rpartition("=") for each in given.at)}
    if wrong := [f"{name}={start}" for name, start in chosen.items() if not (name and start.isdecimal())]:
        parser.error(f"--at {wrong[0]}: give NAME=FROM, the name of a value and its first character")
    try:
        content = given.text.read_bytes()
        content.decode()
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"{given.text}: cannot be read as UTF-8 text ({error})")
    try:
        return bind(given.key, given.text.name, content, {name: int(at) for name, at in chosen.items()}, given.check)
    except UserError as error:
        parser.error(str(error))


def bind(key: str, name: str, content: bytes, chosen: dict[str, int], check: bool) -> int:
    """Find or only check the spans of a document; the exit code. Raises `UserError` where its files are wrong."""
    spans = load(key) if check else find(key, content, name, chosen)
    if spans is None:
        print(f"{key}: no {FILE}", file=sys.stderr)
        return 1
    document, values = published.load(key), prose.load(key)
    problems = [*unbound(document, values, spans), *misplaced(document, values, spans, content)]
    for problem in problems:
        print(problem)
    if not check:
        (DOCUMENTS / key / FILE).write_text(written(spans), encoding="utf-8")
        others = sum(map(len, spans.also.values()))
        print(f"{len(spans.cells)} cells, {others} other places, {len(spans.prose)} of the prose")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
