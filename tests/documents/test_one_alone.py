"""The report of one document alone, on invented results."""

from pathlib import Path

import pytest

from analysis.fabricated import REPOSITORY, Project
from conftest import FILES
from reeltrace.artifacts.json_values import read_json
from reeltrace.verify.verify import verify

DOCUMENTS = sorted(path.parent.name for path in (REPOSITORY / "documents").glob("*/document.yaml"))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_has_a_report_of_its_own(tmp_path: Path, document: str) -> None:
    """Also where a set of another document is seen by backbones alone: the report shows the sets that runs see."""
    chosen = {**FILES, "params.yaml": FILES["params.yaml"].replace("documents: all", f"documents: [{document}]")}
    project = Project(tmp_path / "project", files=chosen, documents=REPOSITORY / "documents").all()
    content = read_json(project.folder("report/all") / "report.json")
    assert {cell["document"] for cell in content["cells"]} == {document}
    runs = {run.dataset for run in project.registry.report_spec().runs.values()}
    assert {dataset["key"] for dataset in content["datasets"]} == runs
    assert verify(project.root, scale=project.scale) == []
