"""One table in the report: its numbers are those of its artifact."""

import shutil
from typing import Any

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.verify.one import in_report

TABLE = "nobody2024-table3"


def said(project: Project) -> list[tuple[str, str]]:
    return [(p.kind, p.found) for p in in_report(project.results, TABLE)]


def edit(project: Project, change: Any) -> None:
    path = project.folder("report/all/report.json")
    report = read_json(path)
    cells = [cell for cell in report["cells"] if (cell["document"], cell["table"]) == ("nobody2024", "3")]
    change(report["cells"], cells[0])
    write_json(path, report)
    project.seal("report/all")


def test_a_table_in_the_report_is_that_of_its_artifact(copied: Project) -> None:
    assert said(copied) == []
    edit(copied, lambda _, cell: cell.update(verdict="exact"))
    ((kind, found),) = said(copied)
    assert kind == "report differs from artifacts"
    assert found.startswith("nobody2024/3/") and ': verdict is "exact", its table has ' in found


def test_a_number_that_is_left_out_of_the_report_is_named(copied: Project) -> None:
    edit(copied, lambda cells, cell: cells.remove(cell))
    ((kind, found),) = said(copied)
    assert kind == "report differs from artifacts" and found.startswith("does not have nobody2024/3/")


def test_an_edited_or_ruined_report_is_named_and_one_that_is_not_made_is_not(copied: Project) -> None:
    folder = copied.folder("report/all")
    with (folder / "report.html").open("a") as page:
        page.write(" ")
    assert [kind for kind, _ in said(copied)] == ["tampered artifact"]
    (folder / "report.json").write_text("[]")
    assert {kind for kind, _ in said(copied)} == {"tampered artifact"}
    (folder / "report.json").write_text("{")
    assert {kind for kind, _ in said(copied)} == {"broken chain"}
    shutil.rmtree(folder)
    assert said(copied) == []
