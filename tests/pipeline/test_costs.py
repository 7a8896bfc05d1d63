"""`reeltrace status --timing`: what each stage cost, from the receipts alone."""

import json
import sys
from pathlib import Path

import pytest

from analysis.fabricated import Project
from conftest import Command
from reeltrace.artifacts.json_values import write_json
from reeltrace.pipeline.costs import costs, format_costs
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.plan import Plan, load_plan


def pay(plan: Plan, name: str, content: object) -> None:
    """An artifact with nothing but its receipt and a manifest."""
    folder = plan.root / plan[name].folder
    write_json(folder / "manifest.json", {})
    write_json(folder / "receipt.json", content)


@pytest.fixture
def plan(invented: Path) -> Plan:
    plan = load_plan(invented)
    pay(plan, "data/digits", {"duration_s": 1.0, "processor_s": 0.5, "peak_memory_bytes": 2**20})
    pay(plan, "data/spinning-digits", {"duration_s": 3.0, "processor_s": 5.5, "peak_memory_bytes": 2**30})
    pay(plan, "train/drift-plain-s0", {"duration_s": 12.0})
    return plan


def test_the_dearest_comes_first_and_stages_are_added(plan: Plan) -> None:
    found = costs(plan)
    assert [(c.stage, c.key, c.seconds, c.share) for c in found.artifacts] == [
        ("train", "drift-plain-s0", 12.0, 75.0),
        ("data", "spinning-digits", 3.0, 18.75),
        ("data", "digits", 1.0, 6.25),
    ]
    assert [(c.stage, c.artifacts, c.seconds, c.share, c.processor, c.peak_memory) for c in found.stages] == [
        ("train", 1, 12.0, 75.0, None, None),
        ("data", 2, 4.0, 25.0, 6.0, 2**30),
    ]
    assert found.seconds == 16
    assert len(found.untold) == len(plan.tasks) - 3 and set(found.untold.values()) == {"not made yet"}
    lines = format_costs(found).splitlines()
    assert lines[1].split() == ["train", "1", "12.0", "75.0", "%", "?", "?"]
    assert lines[2].split() == ["data", "2", "4.0", "25.0", "%", "6.0", "1", "GiB"]
    assert lines[3].split() == ["total", "3", "16.0", "100.0", "%", "?", "1", "GiB"]
    assert lines[5].split() == ["train/drift-plain-s0", "12.0", "75.0", "%", "?", "?"]


@pytest.mark.parametrize(
    "content",
    [
        [],
        3,
        {},
        {"duration_s": "long"},
        {"duration_s": -1},
        {"duration_s": 1, "processor_s": "long"},
        {"duration_s": 10**400},
        {"duration_s": 1, "peak_memory_bytes": 10**400},
        {"duration_s": True},
        {"duration_s": 1, "processor_s": 10**400},
        {"duration_s": 1, "peak_memory_bytes": -5},
        {"duration_s": 1e308},
        {"duration_s": 1, "peak_memory_bytes": "much"},
    ],
    ids=repr,
)
def test_a_receipt_that_is_none_is_named_and_the_others_are_counted(plan: Plan, content: object) -> None:
    pay(plan, "data/digits", content)
    found = costs(plan)
    assert [c.key for c in found.artifacts] == ["drift-plain-s0", "spinning-digits"]
    assert "results/smoke/data/digits/receipt.json: cannot be read as a receipt" in found.untold["data/digits"]
    assert "data/digits: results/smoke/data/digits/receipt.json" in format_costs(found)
    (plan.root / "results/smoke/data/digits/receipt.json").write_text("[" * 5000)
    assert "nested deeper" in costs(plan).untold["data/digits"]


def test_nothing_made_is_no_error(workspace: Path) -> None:
    found = costs(load_plan(workspace))
    assert (found.artifacts, found.stages, found.seconds) == ([], [], 0)
    assert "not made yet" in format_costs(found)


def test_every_artifact_of_a_finished_project_is_told(tmp_path: Path) -> None:
    project = Project(tmp_path / "project").all()
    found = costs(load_plan(project.root))
    assert found.untold == {}
    assert found.seconds == 1.5 * len(found.artifacts)
    assert sum(c.artifacts for c in found.stages) == len(found.artifacts) > 50


def test_the_command_prints_lines_and_json_without_torch(workspace: Path, command: Command) -> None:
    run("data", "digits", workspace)
    lines = command("reeltrace", "status", "--timing").stdout.splitlines()
    assert lines[0].startswith("scale smoke: ") and lines[0].endswith(" s in 1 artifacts")
    assert any(line.split()[0] == "data/digits" for line in lines if line.strip())
    found = json.loads(command("reeltrace", "status", "--timing", "--json").stdout)
    assert found["scale"] == "smoke"
    only = found["artifacts"][0]
    assert set(only) == {"stage", "key", "seconds", "share", "processor", "peak_memory"}
    assert (only["stage"], only["key"], only["share"]) == ("data", "digits", 100.0)
    assert only["peak_memory"] > 2**20
    code = (
        "import sys; from reeltrace.cli import app; app(['status', '--timing'], standalone_mode=False); "
        "assert 'torch' not in sys.modules"
    )
    command(sys.executable, "-c", code)
