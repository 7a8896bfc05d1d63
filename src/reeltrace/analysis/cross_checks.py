"""The texts of documents/ against each other and against the experiments, before anything is computed.

Each text is checked by itself when it is read. Here every name that one gives to another is looked up: a table or a row
that does not exist would otherwise become "not run", and be found after hours of training or not at all.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reeltrace.analysis import assumptions, claims, not_reproduced, prose, published
from reeltrace.analysis.assumptions import Assumption
from reeltrace.analysis.audit import relations
from reeltrace.analysis.audit.values import Library, of_document
from reeltrace.analysis.expressions import Reference
from reeltrace.analysis.published import FILE
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, known_names
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.table import TableEntry, kind_of
from reeltrace.registry.documents import keys
from reeltrace.registry.fields import Place
from reeltrace.registry.reading import Registry


def check_texts(registry: Registry, root: Path = Path()) -> tuple[str, ...]:
    """Raises `UserError`, with the file, the place in it, what was found and what was expected, for the first mistake.

    Returns the files and folders of the project that the texts name, which are there.

    A transcription that no table needs is read too. What the ledger says of a table that is not run is not held against
    its paths: somebody may keep a part of the experiments only.
    """
    documents = {name: published.load(name, root) for name in keys(root) if (root / DOCUMENTS / name / FILE).exists()}
    for table in registry.params.tables.values():
        if table.document not in documents:
            published.load(table.document, root)
    for key, table in registry.params.tables.items():
        _check_table(registry.files.place, f"tables.{key}", table, documents[table.document])
    claimed = claims.load(documents, root)
    for of in claimed:
        path, document = DOCUMENTS / of.document / claims.FILE, documents[of.document]
        told = prose.load(of.document, root)
        printed = claims.on_print(document, told)
        for claim in of.claims:
            for number, rule in enumerate(claim.rule, start=1):
                place = f"{path}: claim {claim.id!r}: rule {number}"
                _check_rule(rule, place, document, told)
                _check_size(rule, place, printed)
    for name, document in documents.items():
        for value in prose.load(name, root).values():
            if value.test is not None:
                place = f"{DOCUMENTS / name / prose.FILE}: value {value.id!r}: test"
                _look_up("test set", value.test, document.tests, place, f"tests of {document.path}")
    if any((root / DOCUMENTS / name / relations.FILE).exists() for name in documents):
        library = Library(of_document(found, prose.load(name, root)) for name, found in documents.items())
        for name in documents:
            relations.load(name, library, root)
    _check_coverage(documents, root)
    named: dict[str, None] = {}
    ledgers = assumptions.load(documents, root)
    _check_readings(registry, ledgers)
    _check_sizes(documents.values(), ledgers)
    _check_rests(claimed, ledgers)
    for ledger in ledgers:
        path = DOCUMENTS / ledger.document / assumptions.FILE
        for assumption in ledger.assumptions:
            place = f"{path}: assumption {assumption.id!r}"
            _check_assumption(assumption, place, documents[ledger.document], registry, root)
            if assumption.code is not None:
                named[assumption.code] = None
    return tuple(named)


def _check_sizes(documents: Iterable[published.Document], ledgers: Iterable[assumptions.Ledger]) -> None:
    """The assumptions that the sizes of test sets rest on are in the ledger of their document."""
    ids = {ledger.document: [assumption.id for assumption in ledger.assumptions] for ledger in ledgers}
    for document in documents:
        for name, test in document.tests.items():
            if test.ledger is not None:
                where = f"the ledger of {DOCUMENTS / document.document}"
                place = f"{document.path}: tests.{name}.ledger"
                _look_up("assumption", test.ledger, ids.get(document.document, []), place, where)


def _check_readings(registry: Registry, ledgers: Iterable[assumptions.Ledger]) -> None:
    """The open details that readings are of are in the ledger of their document."""
    ids = {ledger.document: [assumption.id for assumption in ledger.assumptions] for ledger in ledgers}
    for derived in (each for of in registry.files.readings.values() for each in of):
        where = f"the ledger of {DOCUMENTS / derived.document}"
        _look_up("assumption", derived.detail, ids.get(derived.document, []), derived.place, where)


def _check_rests(of: Iterable[claims.Claims], ledgers: Iterable[assumptions.Ledger]) -> None:
    """The assumptions that claims rest on are in the ledger of their document."""
    ids = {ledger.document: [assumption.id for assumption in ledger.assumptions] for ledger in ledgers}
    for document, claim in ((each.document, claim) for each in of for claim in each.claims):
        place = f"{DOCUMENTS / document / claims.FILE}: claim {claim.id!r}: rests_on"
        for name in claim.rests_on:
            _look_up("assumption", name, ids.get(document, []), place, f"the ledger of {DOCUMENTS / document}")


def _check_coverage(documents: Mapping[str, published.Document], root: Path) -> None:
    """No table is both transcribed and said to be not reproduced: one that is not run says so by itself."""
    for of in not_reproduced.load(documents, root):
        for described in of.not_reproduced:
            for number in described.tables:
                if number in documents[of.document].tables:
                    raise UserError(
                        f"{DOCUMENTS / of.document / not_reproduced.FILE}: entry {described.id!r}: tables: "
                        f"{number!r} is transcribed in {documents[of.document].path}; remove it from one of them"
                    )


def _table(number: str, place: str, document: published.Document) -> published.Table:
    if number not in document.tables:
        raise UserError(f"{place}: no table {number!r} in {document.path}; {known_names(number, document.tables)}")
    return document.tables[number]


def _check_rule(
    rule: claims.Comparison, place: str, document: published.Document, told: Mapping[str, prose.ProseValue]
) -> None:
    """Every cell and every value of the prose that a comparison names is there, and is a number."""
    units = []
    for side, shown in zip(("left", "right"), rule.sides, strict=True):
        plain = isinstance(getattr(rule, side), tuple)
        for reference in shown.references:
            cell = _referred(reference, f"{place}: {side}", document, told)
            if cell is not None and plain:
                units.append(cell.unit)
    if len(set(units)) > 1:
        raise UserError(f"{place}: found cells in {units[0]} and in {units[1]}; expected two numbers of one unit")


def _check_size(rule: claims.Comparison, place: str, printed: claims.Values) -> None:
    """What a comparison computes from the printed values is not too large to go on with."""
    for side, shown in zip(("left", "right"), rule.sides, strict=True):
        if isinstance(getattr(rule, side), str):
            try:
                shown.value(lambda reference: printed(reference).value)
            except ValueError as error:
                raise UserError(f"{place}: {side}: comes to {error}; expected a smaller one") from None


def _referred(
    reference: Reference, place: str, document: published.Document, told: Mapping[str, prose.ProseValue]
) -> published.Cell | None:
    """The cell that is referred to; None for a value of the prose, and for what is known here besides cells."""
    if reference.document is not None:
        raise UserError(f"{place}: {reference} is of another document; a claim is about its own")
    if reference.several:
        raise UserError(f"{place}: {reference}: a claim names each of its cells; * is for audits")
    if reference.prose:
        where = f"{DOCUMENTS / document.document / prose.FILE}"
        _look_up("value", reference.prose, told, place, where)
        return None
    if any(re.fullmatch(pattern, reference.column) for pattern in claims.further_columns()):
        table = _table(reference.table, place, document)
        _look_up(
            "row", reference.row, [r.key for r in table.rows], place, f"table {reference.table} of {document.path}"
        )
        return None
    cell = _cell((reference.table, reference.row, reference.column), place, document)
    if cell.in_unit.number is None and (cell.printed is None or claims.numeral(cell.printed, cell.unit) is None):
        at = f"table {reference.table}, row {reference.row!r}, column {reference.column!r}"
        raise UserError(f"{place}: {at} is {cell.printed or 'empty'}, in {cell.unit}; expected two numbers of one unit")
    return cell


def _cell(at: claims.Place, place: str, document: published.Document) -> published.Cell:
    number, row, column = at
    table = _table(number, place, document)
    for kind, name, known in (
        ("row", row, [r.key for r in table.rows]),
        ("column", column, [c.key for c in table.columns]),
    ):
        _look_up(kind, name, known, place, f"table {number} of {document.path}")
    return table.cell(row, column)


def _look_up(kind: str, name: str, known: Iterable[str], place: str, where: str) -> None:
    known = list(known)
    if name not in known:
        raise UserError(f"{place}: no {kind} {name!r} in {where}; {known_names(name, known)}")


def _check_table(of: Place, path: str, table: TableEntry, document: published.Document) -> None:
    """Rows and columns that a table names are those of the transcription. `of` puts its file before a path."""
    _table(table.table, of(path), document)
    for name in kind_of(table).printed(table):
        place = of(f"{path}.{name.path}")
        print_, where = _table(name.table, place, document), f"table {name.table} of {document.path}"
        if name.column is not None:
            _look_up("column", name.column, [entry.key for entry in print_.columns], place, where)
        if name.row is not None:
            _look_up("row", name.row, [entry.key for entry in print_.rows], place, where)


def _check_assumption(
    assumption: Assumption, place: str, document: published.Document, registry: Registry, root: Path
) -> None:
    name, params = document.document, registry.params
    for number in assumption.tables:
        _table(number, f"{place}: tables", document)
    drawn = {
        figure
        for measurement in params.measurements.values()
        if measurement.document == name and (drawing := MEASUREMENTS.get(measurement.kind).draws) is not None
        for figure in drawing.figures(measurement)
    }
    for table in params.tables.values():
        if table.document == name:
            drawn |= {*kind_of(table).figures(table)}
    for figure in assumption.figures if drawn else ():
        _look_up("figure", figure, sorted(drawn), f"{place}: figures", f"what {DOCUMENTS / name} draws")
    here = {table.table for table in params.tables.values() if table.document == name}
    if not assumption.tables or here.intersection(assumption.tables):
        trees = registry.files.trees
        unknown = unknown_paths(assumption, trees.values())
        if unknown:
            raise UserError(
                f"{place}: registry: no {unknown[0]!r} in the experiments; {_near_path(unknown[0], trees['paper'])}"
            )
    if assumption.code is not None:
        file = (root / assumption.code).resolve()
        if not file.is_relative_to(root.resolve()) or not file.exists():
            raise UserError(
                f"{place}: code: found {assumption.code!r}; expected a file or folder of this project, such as "
                "src/reeltrace/models/cnn4.py"
            )


def unknown_paths(assumption: Assumption, trees: Iterable[Any]) -> list[str]:
    """Registry paths of an assumption that none of the trees has."""
    trees = list(trees)

    def known(node: Any, parts: list[str]) -> bool:
        return not parts or (isinstance(node, dict) and parts[0] in node and known(node[parts[0]], parts[1:]))

    return [path for path in assumption.registry if not any(known(tree, path.split(".")) for tree in trees)]


def _near_path(path: str, tree: Any) -> str:
    """The part of a path that exists, and what the experiments have below it."""
    node, there = tree, []
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            break
        node = node[part]
        there.append(part)
    where = ".".join(there) or "the top"
    if not isinstance(node, dict) or not node:
        return f"{where} is a single value"
    return f"{where}: {known_names(path.split('.')[len(there)], map(str, node))}"
