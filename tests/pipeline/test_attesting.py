"""What a plan's report is attested with, and that attesting unasked never makes finished work a failure."""

import os
import shutil
from pathlib import Path

import pytest

from analysis.fabricated import Project
from conftest import Command
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.errors import CheckFailed
from reeltrace.pipeline import attesting
from reeltrace.pipeline.attesting import PINS, attest_finished, attest_report, surroundings
from reeltrace.pipeline.plan import Plan
from reeltrace.pipeline.reproduce import Outcome, _Work
from reeltrace.pipeline.standings import Standing
from reeltrace.pipeline.workflow_run import WorkflowRun
from report.conftest import copied, finished  # noqa: F401

CURRENT = {"report/all": Standing("current", "")}


@pytest.fixture
def plan(copied: Project, monkeypatch: pytest.MonkeyPatch) -> Plan:  # noqa: F811
    """The plan of a finished project, all of which counts as current."""
    monkeypatch.setattr(attesting, "standings", lambda graph: CURRENT)
    return Plan(copied.registry, copied.root)


def statement(plan: Plan) -> dict[str, object]:
    found: dict[str, object] = read_json(plan.root / "results/quick/attested/statement.json")
    return found


def test_a_report_that_is_not_current_is_not_attested(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attesting, "standings", lambda graph: {"report/all": Standing("stale", "its code changed")})
    with pytest.raises(CheckFailed, match=r"report/all: its code changed; make it first"):
        attest_report(plan)
    said: list[str] = []
    attest_finished(plan, said.append)
    assert said == [] and not (plan.root / "results/quick/attested").exists()


def test_a_key_that_is_made_is_said_once(plan: Plan, tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "key.pem"
    done = attest_report(plan, path, new_key=True, say=said.append)
    (line,) = said
    assert str(path) in line and done.key in line
    assert attest_report(plan, path, say=said.append).number == 1 and len(said) == 1


def test_after_finished_work_the_report_is_attested_once_and_without_a_word(plan: Plan) -> None:
    attest_report(plan, say=lambda line: None)  # the key of these tests is there from here on
    said: list[str] = []
    attest_finished(plan, said.append)
    receipt = plan.root / plan["report/all"].folder / "receipt.json"
    write_json(receipt, {**read_json(receipt), "duration_s": 7.0})
    attest_finished(plan, said.append)
    attest_finished(plan, said.append)
    assert said == []
    assert len((plan.root / "results/quick/attested/log.jsonl").read_text().splitlines()) == 2


def test_the_end_of_a_run_of_snakemake_and_of_reproduce_attest(plan: Plan) -> None:
    folder = plan.root / "results/quick/attested"
    run = WorkflowRun.__new__(WorkflowRun)
    run.plan = plan
    run._attest()
    assert (folder / "envelope.json").is_file()
    shutil.rmtree(folder)
    work = _Work.__new__(_Work)
    work.plan, work.say, work.outcome = plan, print, Outcome(stopped="the time is over")
    work.attest()
    assert not folder.exists()
    work.outcome.stopped = ""
    work.attest()
    assert (folder / "envelope.json").is_file()


@pytest.mark.parametrize("what", ["no key", "no disk", "a bug"])
def test_what_goes_wrong_is_one_line_and_no_failure(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    if what == "no key":
        monkeypatch.setenv("REELTRACE_KEY", str(tmp_path / "mistyped.pem"))
    elif what == "no disk":
        (plan.root / "results/quick/attested").write_text("a file in its place")
        monkeypatch.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    else:
        monkeypatch.setattr(attesting, "look", lambda *_: 1 / 0)
    said: list[str] = []
    attest_finished(plan, said.append)
    (line,) = said
    assert line.startswith("made, but not attested: ") and "\n" not in line
    assert line.endswith("(`reeltrace attest` tries again)")


def test_sources_of_data_count_where_an_artifact_speaks_of_them(plan: Plan) -> None:
    (plan.root / PINS).parent.mkdir(parents=True)
    (plan.root / PINS).write_text(
        "a-set: {name: a.zip, urls: [https://example.org/a.zip], sha256: aa, citation: The set a}\n"
        "weights-b: {name: b.pth, urls: [https://example.org/b.pth], sha256: bb, citation: The net b}\n"
        "digits-c: {npm: c, version: 1.2.0, integrity: sha512-qrs=, citation: The digits c}\n"
    )
    folders = {task.name: plan.root / task.folder for task in plan}
    assert [pin for pin in surroundings(plan, folders).pins if pin["name"].startswith("source/")] == []
    backbone = plan.root / plan.of("pretrain")[0].folder / "spec.json"
    for spec in ({"backbone": {"initial": "weights-b"}}, {"backbone": {"weights": "weights-b"}}):
        write_json(backbone, spec)
        found = [pin["name"] for pin in surroundings(plan, folders).pins]
        assert ("source/weights-b" in found) == ("weights" in spec["backbone"])
    data = plan.root / plan.of("data")[0].folder
    write_json(data / "about.json", {"served": {"videos": "https://example.org/a.zip"}, "citation": "The digits c"})
    pins = {pin["name"]: pin for pin in surroundings(plan, folders).pins}
    assert set(pins) == {"source/a-set", "source/weights-b", "source/digits-c"}
    assert pins["source/a-set"]["digest"] == {"sha256": "aa"}
    assert pins["source/digits-c"]["digest"] == {"sha512": "aabb"}
    assert pins["source/digits-c"]["uri"] == "pkg:npm/c@1.2.0"


def test_the_projects_files_and_trees_are_in_it(plan: Plan) -> None:
    text = {"name": "a.txt", "sha256": "e" * 64, "bytes": 7}
    write_json(plan.root / "documents/nobody2024/spans.json", {"text": text})
    attest_report(plan, say=lambda line: None)
    listed = statement(plan)["predicate"]["buildDefinition"]["resolvedDependencies"]  # type: ignore[index]
    digests = {entry["name"]: entry["digest"] for entry in listed}
    assert digests["project/params.yaml"] == {"sha256": sha256_file(plan.root / "params.yaml")}
    assert digests["text/a.txt"] == {"sha256": "e" * 64}
    before = digests["project/documents/"]
    (plan.root / "documents/nobody2024/more.txt").write_text("more")
    assert attesting.project_digests(plan.root)["project/documents/"] != before["sha256"]


def test_the_command_says_where_it_lies_and_refuses_a_mistyped_key(workspace: Path, command: Command) -> None:
    said = command("reeltrace", "attest", code=1).stderr
    assert said == "reeltrace: results/smoke/report/all: not made yet; make it first: snakemake --cores all\n"
    assert not os.path.lexists(workspace / "results/smoke/attested")
