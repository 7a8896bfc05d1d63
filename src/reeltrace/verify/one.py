"""One table, or one number of it, in the report: that what is printed there is what the table's artifact says."""

from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import CELLS, JSON
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.protocol import check_outputs
from reeltrace.attest.statement import REPORT
from reeltrace.errors import CheckFailed, Problem
from reeltrace.verify.problems import TAMPERED, short

DIFFERS, BROKEN = "report differs from artifacts", "broken chain"
BESIDE = {"trace", "sources"}  # in the report with more around it


def in_report(results: Path, table: str) -> list[Problem]:
    """The report's files are those of its manifest, and its cells of `table`, the key of an aggregate, are that one's.

    Nothing is said where there is no report yet.
    """
    folder, source = results / REPORT, results / "aggregate" / table / CELLS
    if not (folder / MANIFEST).is_file() or not source.is_file():
        return []
    path = folder / JSON
    try:
        problems = check_outputs(folder)
        made, shown = read_json(source), read_json(path)
        of = (made["document"], made["table"])
        printed = {(cell["row"], cell["column"]): cell for cell in shown["cells"] if _of(cell) == of}
        for cell in made["cells"]:
            problems += _differing(path, "/".join((*of, cell["row"], cell["column"])), cell, printed)
    except CheckFailed as error:
        return [Problem(BROKEN, str(path), str(error))]
    except (LookupError, TypeError, AttributeError) as error:
        return [Problem(TAMPERED, str(path), f"cannot be read as a report ({type(error).__name__}: {error})")]
    return problems


def _of(cell: Any) -> tuple[Any, Any]:
    return cell["document"], cell["table"]


def _differing(path: Path, name: str, cell: Any, printed: Any) -> list[Problem]:
    there = printed.get((cell["row"], cell["column"]))
    if there is None:
        return [Problem(DIFFERS, str(path), f"does not have {name}")]
    return [
        Problem(DIFFERS, str(path), f"{name}: {field} is {short(there.get(field))}, its table has {short(value)}")
        for field, value in cell.items()
        if field not in BESIDE and there.get(field) != value
    ]
