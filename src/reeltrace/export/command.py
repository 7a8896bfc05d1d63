"""`reeltrace export`: which format is asked for, where it goes, and that nothing half written stays behind."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from reeltrace import __version__
from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import JSON
from reeltrace.errors import CheckFailed, UserError, known_names
from reeltrace.export.codecheck import codecheck
from reeltrace.export.crate import REPORT, write
from reeltrace.export.latex import macros
from reeltrace.export.reading import documents_of, of_document, read_report, table_file
from reeltrace.export.sarif import of_findings, sarif
from reeltrace.export.tables import table, tables
from reeltrace.registry.header import read_header

FILES = {"latex": "numbers.tex", "sarif": "report.sarif", "codecheck": "codecheck.yml"}  # where nothing else is said
FOLDERS = {"csv": "tables", "crate": "crate"}
FORMATS = (*FOLDERS, *FILES)


def export(
    form: str, folders: Mapping[str, Path], root: Path, output: Path | None, document: str | None
) -> tuple[Path, ...]:
    """Write one format; what was written. `folders` maps "stage/key" to finished artifacts.

    Raises `UserError` for an unknown format, a document that is not there or not asked for, and an output of the wrong
    sort; `CheckFailed` where there is no report yet.
    """
    if form not in FORMATS:
        raise UserError(f"no format {form!r}; {known_names(form, FORMATS)}")
    if document is not None and form not in ("codecheck", "csv"):
        raise UserError(f"--document: {form} is of the whole report; leave the option out")
    if REPORT not in folders:
        raise CheckFailed("there is no report yet; run: snakemake --cores all")
    target = output or Path(FILES.get(form) or FOLDERS[form])
    if form in FILES and target.is_dir():
        raise UserError(f"{target}: is a folder; name a file")
    if form in FOLDERS and target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file; name a folder")
    report = read_report(folders[REPORT])
    if form == "crate":
        write(target, folders, root)
        return (target,)
    if form == "csv":
        texts = _tables(report, document)
        return tuple(_write(target / name, text) for name, text in texts.items())
    return (_write(target, _text(form, report, folders, root, document)),)


def _tables(report: Mapping[str, Any], document: str | None) -> dict[str, str]:
    if document is None:
        return tables(report)
    return {table_file(*key, ".csv"): table(cells) for key, cells in of_document(report, document).items()}


def _text(form: str, report: Mapping[str, Any], folders: Mapping[str, Path], root: Path, document: str | None) -> str:
    if form == "codecheck":
        if document is None:
            raise UserError(f"--document: name one of {', '.join(documents_of(report))}")
        of_document(report, document)
        return codecheck(report, document, read_header(document, root))
    of: dict[str, Callable[[], str]] = {
        "latex": lambda: macros(report, (folders[REPORT] / JSON).read_text(encoding="utf-8")),
        "sarif": lambda: sarif(report, root, __version__),
    }
    return of[form]()


def write_findings(path: Path, findings: Iterable[Mapping[str, Any]], files: Mapping[str, Path], root: Path) -> Path:
    """An audit's findings as SARIF; `files` are the tables that they are of, none for the documents below `root`."""
    if path.is_dir():
        raise UserError(f"{path}: a folder; name the file to write")
    return _write(path, of_findings(findings, files, root, __version__))


def _write(path: Path, text: str) -> Path:
    """The file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as handle:
        handle.write(text.encode())
    return path
