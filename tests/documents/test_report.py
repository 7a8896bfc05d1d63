"""The report of all documents that there are, on invented results."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis.fabricated import REPOSITORY, Project
from conftest import FILES
from reeltrace.artifacts.json_values import read_json
from reeltrace.registry.fields import replaced
from reeltrace.verify.verify import verify
from report.page import check_cells, check_page, marked_names


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root: Path = tmp_path_factory.mktemp("documents") / "project"
    return Project(root, files=FILES, documents=REPOSITORY / "documents").all()


@pytest.fixture(scope="module")
def content(project: Project) -> Any:
    return read_json(project.folder("report/all") / "report.json")


@pytest.fixture(scope="module")
def html(project: Project) -> str:
    return (project.folder("report/all") / "report.html").read_text(encoding="utf-8")


def test_it_follows_its_schema(content: Any) -> None:
    schema = read_json(REPOSITORY / "workflow/schemas/report.schema.json")
    jsonschema.Draft202012Validator(schema).validate(content)


def test_every_document_and_every_cell_is_in_it(content: Any, project: Project) -> None:
    headers = project.registry.files.headers
    assert {cell["document"] for cell in content["cells"]} == set(headers)
    for part in ("claims", "assumptions", "not_reproduced"):
        having = {key for key in headers if (REPOSITORY / "documents" / key / f"{part}.yaml").is_file()}
        assert {entry["document"] for entry in content[part]} == having
    check_cells(content, project)


def test_every_printed_value_says_where_it_stands_in_its_text(content: Any) -> None:
    printed = [cell for cell in content["cells"] if cell["published"]["printed"] is not None]
    assert [cell["id"] for cell in printed if "span" not in cell] == []
    assert {cell["document"] for cell in printed} == set(content["texts"])


def test_the_page_is_well_formed_and_marks_what_stands_in(html: str, content: Any, project: Project) -> None:
    check_page(html)
    assert marked_names(html, content, project) == set(replaced(content["stand_in"]))


def test_what_the_layers_allow_at_the_documents_size_stands_with_the_trained_nets(html: str, content: Any) -> None:
    ids = [number["id"] for number in content["numbers"] if "-equivariance/" in number["id"]]
    section = html.partition('<section id="equivariance">')[2].partition("</section>")[0]
    assert "<h3>What the layers allow at the document's size</h3>" in section
    assert "32x32x32" in section
    assert ids and all(f'href="#n-{identity}"' in section or identity in section for identity in ids)


def test_it_verifies(project: Project) -> None:
    assert verify(project.root, scale=project.scale, data=True) == []
