"""A report beside an earlier one: what each cell was there, in report.json, in its chain and in a section."""

import copy
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import REPOSITORY, Project
from conftest import write_files
from invented import FILES
from reeltrace.artifacts.json_values import parse_json, read_json, write_json
from reeltrace.errors import UserError
from reeltrace.pipeline.graph import check_given
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.reading import load
from reeltrace.report.document import build

NAMED = "reports/before/report.json"


def built(project: Project, reference: Any) -> Any:
    write_json(project.root / NAMED, reference)
    spec = project.registry.report_spec().model_copy(update={"reference": NAMED})
    return build(spec, project.inputs_of("report/all"), project.root)


@pytest.fixture
def reference(copied: Project) -> Any:
    return copy.deepcopy(read_json(copied.folder("report/all") / "report.json"))


def test_without_one_nothing_is_said(copied: Project, reference: Any) -> None:
    assert {cell["before"] for cell in reference["cells"]} == {None}
    assert 'id="before"' not in (copied.folder("report/all") / "report.html").read_text()


def test_each_cell_says_what_it_was(copied: Project, reference: Any) -> None:
    cells = [cell for cell in reference["cells"] if cell["reproduced"]]
    cells[0]["reproduced"]["printed"] = "12.34"
    cells[1]["verdict"] = "differs"
    missing = reference["cells"].pop()
    gone = copy.deepcopy(cells[2]) | {"id": "nobody2024/99/gone/original"}
    reference["cells"].append(gone)
    report = built(copied, reference)
    now = {cell["id"]: cell for cell in parse_json(report.json)["cells"]}
    assert now[cells[0]["id"]]["before"] == {"printed": "12.34", "verdict": cells[0]["verdict"]}
    assert now[cells[1]["id"]]["before"]["verdict"] == "differs"
    assert now[missing["id"]]["before"] is None
    section = report.html[report.html.index('<section id="before"') :]
    section = section[: section.index("</section>")]
    for identity in (cells[0]["id"], cells[1]["id"], missing["id"], gone["id"]):
        assert section.count(f">{identity}<") == 1
    assert section.count('<tr><th scope="row">') == 4
    assert f"12.34 ({cells[0]['verdict']})" in report.html


def test_an_equal_report_is_said_to_be_equal(copied: Project, reference: Any) -> None:
    report = built(copied, reference)
    assert "Every cell has the value and the verdict that it had there." in report.html
    with pytest.raises(UserError, match="missing"):
        spec = copied.registry.report_spec().model_copy(update={"reference": "reports/none.json"})
        build(spec, copied.inputs_of("report/all"), copied.root)


def test_it_is_named_in_params_and_belongs_to_the_report_alone(tmp_path: Path) -> None:
    write_files(tmp_path, FILES | {"params.yaml": FILES["params.yaml"] + f"\nreference: {NAMED}\n"})
    plan = Plan(load(tmp_path, "quick"), REPOSITORY)
    task = plan["report/all"]
    assert Path(NAMED) in task.read and "reference" in task.params
    assert (
        [name for name in plan if Path(NAMED) in plan[name].read] == ["report/all"] if isinstance(plan, dict) else True
    )
    with pytest.raises(UserError, match=r"params\.yaml: reference"):
        check_given(task, tmp_path)
    text = FILES["params.yaml"] + "\nreference: results/quick/report/all/report.json\n"
    write_files(tmp_path, FILES | {"params.yaml": text})
    with pytest.raises(UserError, match="outside of results"):
        load(tmp_path, "quick")
