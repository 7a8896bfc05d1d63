"""What is found under readings: cells made as those of tables, of the runs under each reading alone."""

from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.analysis import readings
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed
from reeltrace.verify.verify import verify

NAME = "reading/nobody2024"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The runs under readings, and of the others those that they are set beside."""
    made = Project(tmp_path_factory.mktemp("read"))
    made.data(["drifting-digits"])
    for run in ("drift-plain", "drift-t2"):
        made.trained(run, 0)
    made.read()
    return made


def content(project: Project) -> Any:
    return read_json(project.folder(NAME) / "readings.json")


def test_each_reading_has_the_cells_of_its_runs_alone(project: Project) -> None:
    found = content(project)
    assert [(read["detail"], read["reading"]) for read in found["readings"]] == [
        ("norm-and-bias", "no-norm"),
        ("path", "bounce"),
    ]
    without, bouncing = found["readings"]
    chosen = {(c["table"], c["row"], c["column"]): c for c in found["chosen"]}
    of_norm = {(c["table"], c["row"], c["column"]): c for c in without["cells"]}
    assert of_norm.keys() == chosen.keys() and len(chosen) == 6  # one run in two tables, one in one, two transforms
    assert {c["runs"][0] for c in bouncing["cells"]} == {"drift-plain--bounce"}
    assert {(c["table"], c["row"], c["column"]) for c in bouncing["cells"]} < chosen.keys()
    for place, cell in of_norm.items():
        assert cell["published"] == chosen[place]["published"]
        assert cell["runs"] == [f"{chosen[place]['runs'][0]}--no-norm"]
        (trace,) = cell["trace"]
        path = project.root / trace["artifact"]
        assert path.parent.name == f"{cell['runs'][0]}-s0" and sha256_file(path) == trace["sha256"]
        assert pointer(read_json(path), trace["pointer"]) == pytest.approx(cell["reproduced"]["value"])
    assert {"path": "datasets.drifting-digits.course", "document": None, "here": "bounce"} in bouncing["changes"]


def test_what_is_chosen_is_what_the_table_has(project: Project) -> None:
    for run in project.registry.table_runs("nobody2024-table3"):
        if not project.folder(project.train(run, 0)).exists():
            project.trained(run, 0)
    project.aggregate("nobody2024-table3")
    table = read_json(project.folder("aggregate/nobody2024-table3") / "cells.json")["cells"]
    for cell in content(project)["chosen"]:
        if cell["table"] == "3":
            assert {k: v for k, v in cell.items() if k not in ("table", "runs")} in table


def test_what_is_found_does_not_depend_on_the_order_of_keys(project: Project) -> None:
    """As `verify` makes it again: from spec.json, whose keys are sorted."""
    from reeltrace.registry.specs import ReadingSpec

    spec = ReadingSpec.model_validate(read_json(project.folder(NAME) / "spec.json"))
    again = readings.output(spec, project.inputs_of(NAME), project.root)
    assert again.encode() == (project.folder(NAME) / "readings.json").read_bytes()


def test_an_altered_value_is_found_even_with_its_hash(project: Project) -> None:
    path = project.folder(NAME) / "readings.json"
    before = path.read_bytes()
    assert [p for p in verify(project.root, scale="quick", only={NAME}) if "readings.json" in p.where] == []
    altered = read_json(path)
    altered["readings"][0]["cells"][0]["reproduced"]["value"] += 1
    write_json(path, altered)
    project.seal(NAME)
    (problem,) = verify(project.root, scale="quick", only={NAME})
    assert problem.kind == "tampered artifact" and "/readings/0/cells/0/reproduced/value is" in problem.found
    path.write_bytes(before)
    project.seal(NAME)


def test_a_missing_run_is_named(project: Project, tmp_path: Path) -> None:
    spec = project.registry.reading_spec("nobody2024")
    inputs = {k: v for k, v in project.inputs_of(NAME).items() if "--bounce" not in k}
    with pytest.raises(CheckFailed, match="train/drift-plain--bounce-s0: missing"):
        readings.output(spec, inputs, project.root)
