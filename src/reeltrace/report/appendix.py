"""The appendix of chains: a row per number, folded per table. The page's script reads what it opens from these rows,
so that with and without scripts one text says where a number came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reeltrace.report.binding import Binder, Number, anchor
from reeltrace.report.chains import table_words

WHOLE = "The whole report"  # above the numbers that belong to no table


@dataclass(frozen=True)
class Row:
    """One number, or one cell without a number of ours.

    `beside` is what stands beside the print, in a word; `parts` are the numbers that belong to the row;
    `says` what is said of it in words, and `read` the places that it was
    read from, the nearest first, both a line each. `members` are what it counts, by table.
    """

    id: str
    anchor: str
    title: str
    number: Number | None
    parts: tuple[Number, ...]
    published: str | None
    verdict: str
    beside: str
    says: str
    read: str
    members: Mapping[str, Sequence[str]]
    counted: int


@dataclass
class Group:
    """The rows of one table. `file` is the artifact and file that all of them were read from first, "" for several.

    `place` is where most of the table's values are printed, `text` the sha256 of that document's text, where known.
    """

    key: str
    title: str
    place: str = ""
    text: str = ""
    file: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def prints(self) -> bool:
        """Whether any row has a published value."""
        return any(row.published is not None for row in self.rows)


def groups(
    binder: Binder,
    cells: Iterable[Mapping[str, Any]],
    listed: Iterable[str],
    texts: Mapping[str, str] | None = None,
) -> list[Group]:
    """Every number that is no part of another, and every cell, by table in the order of the report.

    `texts` has the sha256 of the documents' texts, by document, as far as cells are bound to places in them.
    The counts named in `listed` say which cells they count; of the others report.json does.
    """
    by_id = {cell["id"]: cell for cell in cells}
    parts: dict[str, list[Number]] = {}
    for number in binder.numbers.values():
        if number.chain:
            parts.setdefault(number.chain, []).append(number)
    found: dict[str, Group] = {}
    for document, table in dict.fromkeys((cell["document"], cell["table"]) for cell in by_id.values()):
        places = Counter(
            cell["published"]["place"]
            for cell in by_id.values()
            if (cell["document"], cell["table"]) == (document, table) and cell["published"]["printed"] is not None
        )
        place = places.most_common(1)[0][0] if places else ""
        key, words = f"{document}/{table}", f"{document}, {table_words(table)}"
        found[key] = Group(key, words, place, (texts or {}).get(document, ""))
    found[""] = Group("report", WHOLE)
    open_ = set(listed)
    own = [number.id for number in binder.numbers.values() if not number.chain]
    for identity in dict.fromkeys((*by_id, *own)):
        place = "/".join(identity.split("/")[:2])
        group = found[place if place in found else ""]
        row = _row(identity, binder, by_id, tuple(parts.get(identity, ())), identity in open_, group.place)
        group.rows.append(row)
    for group in found.values():
        _share_file(group)
    return [group for group in found.values() if group.rows]


def _row(
    identity: str,
    binder: Binder,
    cells: Mapping[str, Mapping[str, Any]],
    parts: tuple[Number, ...],
    listed: bool,
    usual: str,
) -> Row:
    number, cell = binder.numbers.get(identity), cells.get(identity)
    facts = () if number is None else number.facts
    skipped = ("Published", "Verdict", "In its text") if cell else ()
    says = [f"{label}: {text}" for label, text in facts if label not in skipped]
    if cell:
        says = [f"{cell['verdict']} ({cell['circumstances']}): {cell['reason']}", *says]
        print_ = cell["published"]
        if print_["printed"] is None:
            says.append(f"not in print: {print_['reason']}")
        elif print_["place"] != usual:
            says.append(f"in print: {print_['place']}")
        if cell.get("span"):
            says.append("characters {} to {} of its text".format(*cell["span"]))
    if number is not None and number.rule:
        says.append(f"Rule: {number.rule}")
    of = number.of if number is not None and number.trace is None else ()
    members: dict[str, list[str]] = {}
    for other in of if listed else ():
        if other in cells:
            here = cells[other]
            title = f"{here['document']}, {table_words(here['table'])}"
            members.setdefault(title, []).append(f"{here['row']}, {here['column']}")
    return Row(
        id=identity,
        anchor=anchor(identity),
        title=f"{cell['row']}, {cell['column']}" if cell else _title(number),
        number=number,
        parts=parts,
        published=cell["published"]["printed"] if cell else None,
        verdict=cell["verdict"] if cell else "",
        beside=cell.get("kind", "") if cell else "",
        says="\n".join(says),
        read="\n".join(_read(number, cell)),
        members=members,
        counted=len(of),
    )


def _title(number: Number | None) -> str:
    return "" if number is None else number.title


def _read(number: Number | None, cell: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Each place as "stage/key/file pointer", below the folder of results of the scale."""
    traces: list[Mapping[str, Any]] = []
    if number is not None:
        traces = [*([number.trace] if number.trace else []), *number.sources]
    elif cell is not None:
        traces = list(cell["sources"])
    return tuple(dict.fromkeys(f"{_below(trace['artifact'])} {trace['pointer']}" for trace in traces))


def _below(path: str) -> str:
    """ "train/x-s0/metrics.json" of "results/quick/train/x-s0/metrics.json"."""
    return "/".join(path.split("/")[2:])


def _share_file(group: Group) -> None:
    """Say the file that every number was read from once, above the rows."""
    traced = [row for row in group.rows if row.number and row.number.trace]
    first = {row.read.partition(" ")[0] for row in traced}
    if len(first) != 1 or any(row.read for row in group.rows if row not in traced):
        return
    (group.file,) = first
    group.rows = [replace(row, read=row.read.partition(" ")[2]) if row.read else row for row in group.rows]


# --- artifacts, a line for each setting, command, hash and file ---


def lines(settings: Mapping[str, str]) -> str:
    """How an artifact was made."""
    return "\n".join(f"{label}: {text}" for label, text in settings.items())


def commands(artifact: Mapping[str, Any]) -> str:
    """What makes it, with all that it needs, in both engines; and alone."""
    stage = f"dvc repro {artifact['name'].replace('/', '-')}"
    return "\n".join((artifact["workflow"], stage, artifact["command"]))


def hashes(artifact: Mapping[str, Any]) -> str:
    """Of its manifest, its spec and the code that made it."""
    return "\n".join(f"{what} {artifact[f'{what}_sha256']}" for what in ("manifest", "spec", "code"))


def files(outputs: Mapping[str, str]) -> str:
    """Its files with their hashes."""
    return "\n".join(f"{file} {sha256}" for file, sha256 in outputs.items())
