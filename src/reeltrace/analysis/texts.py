"""The texts of reports/ against each other and against params.yaml, before anything is computed.

Each text is checked by itself when it is read. Here every name that one gives to another is looked up: a table or a row
that does not exist would otherwise become "not run", and be found after hours of training or not at all.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reeltrace.analysis import assumptions, claims, published
from reeltrace.analysis.assumptions import Assumption
from reeltrace.errors import UserError, known_names
from reeltrace.registry.measurements import PicturesMeasurement
from reeltrace.registry.reading import Registry, is_scaled
from reeltrace.registry.tables import DerivedColumn, MeasuredTable, ResultTable, StructureTable

REPORTS = Path("reports")
NUMBERS = set(published.QUANTITIES) | {"percent", "error rate", "hours", "parameters", "count", "stride"}


def check_texts(registry: Registry, root: Path = Path()) -> None:
    """Raises `UserError`, with the file, the place in it, what was found and what was expected, for the first mistake.

    A transcription that no table needs is read too. What the ledger says of a table that params.yaml does not have is
    not held against its paths: somebody may keep a part of the experiments only.
    """
    reports = root / REPORTS
    folder = reports / "published"
    names = dict.fromkeys(table.document for table in registry.params.tables.values())
    names |= dict.fromkeys(sorted(path.stem for path in folder.glob("*.yaml")))
    documents = {name: published.load(name, folder) for name in names}
    for key, table in registry.params.tables.items():
        _check_table(f"params.yaml: tables.{key}", table, folder, documents[table.document])
    path = reports / "claims.yaml"
    for of in claims.load(path):
        document = _of(documents, of.document, path, folder)
        for claim in of.claims:
            for number, rule in enumerate(claim.rule, start=1):
                place = f"{path}: {of.document}: claim {claim.id!r}: rule {number}"
                left, right = (
                    _cell(getattr(rule, side), f"{place}: {side}", folder, document) for side in ("left", "right")
                )
                if left.unit != right.unit or left.unit not in NUMBERS:
                    raise UserError(
                        f"{place}: found cells in {left.unit} and in {right.unit}; expected two numbers of one unit"
                    )
    path = reports / "assumptions.yaml"
    for ledger in assumptions.load(path):
        document = _of(documents, ledger.document, path, folder)
        for assumption in ledger.assumptions:
            place = f"{path}: {ledger.document}: assumption {assumption.id!r}"
            _check_assumption(assumption, place, ledger.document, document, registry, root)


def _of(documents: dict[str, published.Document], name: str, path: Path, folder: Path) -> published.Document:
    if name not in documents:
        raise UserError(f"{path}: document: found {name!r}; no {folder / name}.yaml; {known_names(name, documents)}")
    return documents[name]


def _table(number: str, place: str, folder: Path, document: published.Document) -> published.Table:
    if number not in document.tables:
        where = f"{folder / document.document}.yaml"
        raise UserError(f"{place}: no table {number!r} in {where}; {known_names(number, document.tables)}")
    return document.tables[number]


def _cell(at: claims.Place, place: str, folder: Path, document: published.Document) -> published.Cell:
    number, row, column = at
    table = _table(number, place, folder, document)
    for kind, name, known in (
        ("row", row, [r.key for r in table.rows]),
        ("column", column, [c.key for c in table.columns]),
    ):
        _look_up(kind, name, known, place, f"table {number} of {folder / document.document}.yaml")
    return table.cell(row, column)


def _look_up(kind: str, name: str, known: Iterable[str], place: str, where: str) -> None:
    known = list(known)
    if name not in known:
        raise UserError(f"{place}: no {kind} {name!r} in {where}; {known_names(name, known)}")


def _check_table(place: str, table: Any, folder: Path, document: published.Document) -> None:
    """Rows and columns that params.yaml names are those of the transcription."""
    print_ = _table(table.table, place, folder, document)
    if isinstance(table, StructureTable):
        return
    where = f"table {table.table} of {folder / document.document}.yaml"
    named = {"rows": table.rows}
    if isinstance(table, MeasuredTable):
        named |= {"measured": table.measured, "derived": table.derived}
    else:
        named |= {"columns": table.columns}
    for part, names in named.items():
        kind, known = ("row", print_.rows) if part == "rows" else ("column", print_.columns)
        for name in names:
            _look_up(kind, name, [entry.key for entry in known], f"{place}.{part}", where)
    if isinstance(table, ResultTable):
        for row, runs in table.rows.items():
            for name in runs if isinstance(runs, dict) else ():
                _look_up("column", name, [c.key for c in print_.columns], f"{place}.rows.{row}", where)
    for name, column in table.derived.items() if isinstance(table, MeasuredTable) else ():
        _check_derived(f"{place}.derived.{name}.of", column, table.table, folder, document)


def _check_derived(place: str, column: DerivedColumn, number: str, folder: Path, document: published.Document) -> None:
    for value in column.of:
        parts = value.split("/")
        table = _table(parts[0] if len(parts) > 1 else number, place, folder, document)
        where = f"table {parts[0] if len(parts) > 1 else number} of {folder / document.document}.yaml"
        _look_up("column", parts[-1], [c.key for c in table.columns], place, where)
        if len(parts) == 3:
            _look_up("row", parts[1], [r.key for r in table.rows], place, where)


def _check_assumption(
    assumption: Assumption, place: str, name: str, document: published.Document, registry: Registry, root: Path
) -> None:
    folder = root / REPORTS / "published"
    for number in assumption.tables:
        _table(number, f"{place}: tables", folder, document)
    params = registry.params
    drawn = {
        figure
        for measurement in params.measurements.values()
        if isinstance(measurement, PicturesMeasurement) and measurement.document == name
        for figure in measurement.figures
    }
    for table in params.tables.values():
        if isinstance(table, MeasuredTable) and table.document == name:
            drawn |= table.drawings.keys()
    for figure in assumption.figures if drawn else ():
        _look_up("figure", figure, sorted(drawn), f"{place}: figures", f"what params.yaml draws of {name}")
    here = {table.table for table in params.tables.values() if table.document == name}
    if not assumption.tables or here.intersection(assumption.tables):
        unknown = unknown_paths(assumption, registry.raw)
        if unknown:
            raise UserError(
                f"{place}: registry: no {unknown[0]!r} in params.yaml; {_near_path(unknown[0], registry.raw)}"
            )
    if assumption.code is not None:
        file = (root / assumption.code).resolve()
        if not file.is_relative_to(root.resolve()) or not file.exists():
            raise UserError(
                f"{place}: code: found {assumption.code!r}; expected a file or folder of this project, such as "
                "src/reeltrace/models/cnn4.py"
            )


def unknown_paths(assumption: Assumption, params: Any) -> list[str]:
    """Registry paths of an assumption that `params` (params.yaml as plain YAML) has at no scale."""

    def known(node: Any, parts: list[str]) -> bool:
        if is_scaled(node) and not (parts and parts[0] in node):
            return any(known(value, parts) for value in node.values())
        return not parts or (isinstance(node, dict) and parts[0] in node and known(node[parts[0]], parts[1:]))

    return [path for path in assumption.registry if not known(params, path.split("."))]


def _near_path(path: str, raw: Any) -> str:
    """The part of a path that exists, and what params.yaml has below it."""
    node, there = raw, []
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            break
        node = node[part]
        there.append(part)
    where = ".".join(there) or "its top"
    if not isinstance(node, dict) or not node:
        return f"{where} is a single value"
    return f"{where}: {known_names(path.split('.')[len(there)], map(str, node))}"
