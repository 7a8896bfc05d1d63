"""The Python module of a document."""

import sys
from pathlib import Path

import pytest
import yaml

from conftest import FILES, PROJECT, make_workspace, refusal, write_files
from reeltrace.kinds.document_code import load_module, module_path
from reeltrace.pipeline.engines import CODE, compile_dvc, write_code
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.plan import code_sha256, load_plan

HEADER = 'title: t\nauthor: a\nyear: "1"\nvenue: v\n'


def mine(root: Path, text: str, header: str = HEADER + "module: counted.py\n") -> None:
    write_files(root, {"documents/mine/document.yaml": header, "documents/mine/counted.py": text})


def test_a_module_is_loaded_from_the_folder_of_its_document(tmp_path: Path) -> None:
    mine(tmp_path, "def facts():\n    return {'a': 1}\n")
    assert load_module("mine", tmp_path).facts() == {"a": 1}


def test_a_module_that_is_not_named_not_there_or_not_python_is_one_line(tmp_path: Path) -> None:
    mine(tmp_path, "def (:\n")
    assert refusal(load_module, "mine", tmp_path) == "documents/mine/counted.py:1: not valid Python; correct it"
    (tmp_path / "documents/mine/counted.py").unlink()
    assert refusal(load_module, "mine", tmp_path).startswith("documents/mine/counted.py: missing; restore it")
    mine(tmp_path, "", HEADER)
    assert refusal(module_path, "mine", tmp_path).startswith("documents/mine/document.yaml: module: missing; name")
    mine(tmp_path, "", HEADER + "module: ../../evil.py\n")
    assert refusal(module_path, "mine", tmp_path).startswith("documents/mine/document.yaml: module: ")


EXPERIMENTS = """
measurements: {mine-facts: {kind: facts}}
tables:
  mine-table1:
    table: "1"
    kind: measured
    published_only: nothing
    measured: {weight: {measurement: mine-facts, pointer: /net/weight}}
"""
PUBLISHED = """
tables:
  "1":
    {title: t, caption: c, place: p, unit: count, columns: [{key: weight, label: W}], rows: [{key: net, label: Net}],
     cells: [{row: net, column: weight, printed: "12"}]}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project whose one document counts by a module of its own, which uses one of ours."""
    folder = make_workspace(tmp_path / "project")
    text = (
        "from reeltrace.measure.structure import count_parameters\n\ndef facts():\n    return {'net': {'weight': 12}}\n"
    )
    mine(folder, text)
    write_files(
        folder,
        {
            "documents/mine/experiments.yaml": EXPERIMENTS,
            "documents/mine/published.yaml": PUBLISHED,
            "params.yaml": FILES["params.yaml"].replace("documents: all", "documents: [mine]"),
        },
    )
    return folder


def test_facts_are_counted_by_the_module(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    folder = run("measure", "mine-facts", Path())
    assert '"weight": 12' in (folder / "metrics.json").read_text()


@pytest.mark.parametrize("statement", ["from .helper import WEIGHT", "from documents.mine.helper import WEIGHT"])
def test_it_may_import_what_lies_beside_it(workspace: Path, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    path = workspace / "documents/mine/counted.py"
    path.write_text(f"{statement}\n" + path.read_text().replace("12", "WEIGHT"))
    (workspace / "documents/mine/helper.py").write_text("WEIGHT = 12\n")
    monkeypatch.chdir(workspace)
    folder = run("measure", "mine-facts", Path())
    assert '"weight": 12' in (folder / "metrics.json").read_text()
    assert Path("documents/mine/helper.py") in load_plan()["measure/mine-facts"].sources
    (workspace / "documents/mine/helper.py").write_text("")
    monkeypatch.delitem(sys.modules, "documents.mine.helper")  # as in a process of its own
    said = refusal(run, "measure", "mine-facts", Path())
    assert said.startswith("documents/mine/counted.py: cannot be loaded (ImportError: cannot import name 'WEIGHT'")


def test_a_module_without_facts_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / "documents/mine/counted.py").write_text("x = 1\n")
    monkeypatch.chdir(workspace)
    said = refusal(run, "measure", "mine-facts", Path())
    assert said == "documents/mine/counted.py: no function facts(); measure/mine-facts calls it"


def test_its_code_belongs_to_the_stage_that_calls_it(workspace: Path) -> None:
    def code() -> str:
        return code_sha256(load_plan(workspace)["measure/mine-facts"], workspace)

    before = code()
    sources = load_plan(workspace)["measure/mine-facts"].sources
    assert Path("documents/mine/counted.py") in sources and Path("src/reeltrace/measure/structure.py") in sources
    path = workspace / "documents/mine/counted.py"
    path.write_text(path.read_text().replace("12", "13"))
    assert code() != before
    others = [task for task in load_plan(PROJECT).of("measure") if task.key != "mine-facts"]
    assert all(Path("documents/mine/counted.py") not in task.sources for task in others)


def test_dvc_sees_an_edit_of_it(workspace: Path) -> None:
    stages = yaml.safe_load(compile_dvc(load_plan(workspace)))["stages"]
    assert stages["code"]["deps"] == ["src/reeltrace", "documents/mine/counted.py"]
    assert stages["measure-mine-facts"]["deps"] == ["results/code/measure.facts_stage.mine"]
    digests = []
    for text in ("12", "13"):
        path = workspace / "documents/mine/counted.py"
        path.write_text(path.read_text().replace("12", text))
        write_code(load_plan(workspace))
        digests.append((workspace / CODE / "measure.facts_stage.mine").read_text())
    assert digests[0] != digests[1]
