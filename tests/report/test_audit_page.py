"""The audit on the page and in report.json."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.audit.sheets import number
from analysis.fabricated import Project
from conftest import write_files
from reeltrace.analysis.audit.findings import SEVERITIES, Finding, finding
from reeltrace.artifacts.json_values import read_json
from reeltrace.report import audit_page
from reeltrace.report.document import Report, build


@pytest.fixture(scope="module")
def content(finished: Project) -> Any:
    return read_json(finished.folder("report/all") / "report.json")


@pytest.fixture(scope="module")
def html(finished: Project) -> str:
    return (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")


def test_the_page_shows_every_finding_and_counts_them(content: Any, html: str) -> None:
    section = html[html.index('<section id="audit">') :]
    section = section[: section.index("</section>")]
    numbers = {entry["id"]: entry for entry in content["numbers"]}
    findings = [Finding.model_validate(each) for each in content["audit"]]
    for severity in SEVERITIES:
        ids = [f"audit/{f.id}" for f in findings if f.severity == severity]
        assert numbers[f"count/audit/{severity}"]["of"] == ids
        assert section.count(f'data-severity="{severity}"') == len(ids)
        assert f'data-trace="count/audit/{severity}">{len(ids)}</a>' in section
    for each in findings:
        assert f'id="audit-{each.id.replace("/", "-")}"' in section


def test_the_tiles_filter_the_section(html: str) -> None:
    for severity in SEVERITIES:
        assert f'href="#audit" data-filter="severity:{severity}"' in html


@pytest.fixture(scope="module")
def declared(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the same results, one document of which says what does not follow."""
    root = tmp_path_factory.mktemp("declared")
    shutil.copytree(finished.root / "documents", root / "documents")
    (root / "reports").symlink_to(finished.root / "reports")
    (document,) = {cell["document"] for cell in _cells(finished)[:1]}
    first = next(
        cell
        for cell in _cells(finished)
        if cell["document"] == document and isinstance(cell["published"]["value"], float)
    )
    place = "/".join((first["table"], first["row"], first["column"]))
    relation = {
        "id": "planted",
        "says": "So it says",
        "place": "there",
        "value": f"{{{place}}}",
        "follows": f"2 * {{{place}}} + 9",
    }
    write_files(root, {f"documents/{document}/relations.yaml": json.dumps({"relations": [relation]})})
    return build(finished.registry.report_spec(), finished.inputs_of("report/all"), root)


def _cells(project: Project) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = read_json(project.folder("report/all") / "report.json")["cells"]
    return cells


def test_what_a_document_declares_is_judged_in_the_report(declared: Report, content: Any) -> None:
    before = {each["id"] for each in content["audit"]}
    (new,) = (each for each in json.loads(declared.json)["audit"] if each["id"] not in before)
    assert (new["detector"], new["severity"]) == ("declared", "decision")
    assert "So it says (there)" in declared.html and new["computation"] in declared.html


def test_of_many_printed_values_the_page_lists_some() -> None:
    many = [number(f"{i}.5", f"row {i}", "column") for i in range(audit_page.SHOWN + 3)]
    made = finding("one", "derived", "about", "note", many, "Says", "computed", ["innocent"])
    (shown,) = audit_page.view([made])["one"]
    assert shown["sources"].count("table, row") == audit_page.SHOWN and shown["sources"].endswith("; and 3 more")
    other = finding("two", "derived", "about", "note", many[:1], "Says", "computed")
    assert "invented, " in audit_page.view([other])["two"][0]["sources"], "a value of another document says so"


def test_the_texts_of_the_audit_make_the_report_again() -> None:
    from reeltrace.pipeline.plan import TEXTS

    assert {"relations.yaml", "prose.yaml"} <= {Path(text).name for text in TEXTS}
