"""`reeltrace diff`: what differs between two reports, and what does not count as a difference."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.errors import UserError
from reeltrace.report.compare import differences, read_report


@pytest.fixture
def before(finished: Project) -> Any:
    return read_report(finished.results)


def test_a_report_does_not_differ_from_itself_nor_by_hashes(before: Any) -> None:
    after = copy.deepcopy(before)
    for cell in after["cells"]:
        if cell["trace"]:
            cell["trace"]["sha256"] = "ab" * 32
    assert differences(before, after) == []


def test_scale_and_data_count_and_what_is_no_report_is_said(before: Any, tmp_path: Path) -> None:
    after = copy.deepcopy(before) | {"scale": "paper", "stand_in": None}
    (found,) = differences(before, after)
    assert str(found).startswith(f"report as a whole: scale {before['scale']} -> paper; stand-in data ")
    write_json(tmp_path / "twice.json", before | {"cells": [*before["cells"], before["cells"][0]]})
    with pytest.raises(UserError, match="stands twice under cells"):
        read_report(tmp_path / "twice.json")
    (tmp_path / "none.json").write_text("{")
    with pytest.raises(UserError, match="name another file, or make the report again") as said:
        read_report(tmp_path / "none.json")
    assert "remove the folder" not in str(said.value)


def test_each_kind_of_difference_is_named(before: Any) -> None:
    after = copy.deepcopy(before)
    cells = [cell for cell in after["cells"] if cell["reproduced"]]
    was = cells[0]["reproduced"]["printed"]
    cells[0]["reproduced"]["printed"] = "12.34"
    cells[1]["verdict"] = "differs"
    gone = after["cells"].pop()
    new = copy.deepcopy(cells[2]) | {"id": "someone2025/1/new/cell"}
    after["cells"].append(new)
    after["claims"].pop()
    number = next(n for n in after["numbers"] if n["id"].startswith("datasets/"))
    number["printed"] = "999"
    lines = [str(difference) for difference in differences(before, after)]
    assert f"cell {cells[0]['id']}: here {was} -> 12.34" in lines
    verdict = before["cells"][after["cells"].index(cells[1])]["verdict"]
    assert f"cell {cells[1]['id']}: verdict {verdict} -> differs" in lines
    assert any(line.startswith(f"cell {gone['id']}: removed") for line in lines)
    assert any(line.startswith(f"cell {new['id']}: added; here none -> ") for line in lines)
    assert any(line.startswith("claim ") and ": removed" in line for line in lines)
    assert any(line.startswith(f"number {number['id']}: printed") and line.endswith("-> 999") for line in lines)
    assert len(lines) == 6


def test_findings_of_the_audit_are_compared_where_there_are_any(before: Any) -> None:
    after = copy.deepcopy(before) | {"audit": [{"id": "a", "severity": "note", "says": "b"}]}
    (added,) = differences(copy.deepcopy(before) | {"audit": []}, after)
    assert (added.kind, added.what) == ("finding", "added")
    changed = copy.deepcopy(after)
    changed["audit"][0]["severity"] = "decision"
    (one,) = differences(after, changed)
    assert str(one) == "finding a: severity note -> decision"


def test_the_command_prints_lines_or_json_and_ends_as_diff_does(finished: Project, before: Any, tmp_path: Path) -> None:
    after = copy.deepcopy(before)
    cell = next(cell for cell in after["cells"] if cell["reproduced"])
    cell["reproduced"]["printed"] = "12.34"
    write_json(tmp_path / "report.json", after)

    def run(*arguments: Path | str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "reeltrace.cli", "diff", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    same = run(finished.folder("report/all"), finished.results)
    assert (same.returncode, same.stdout) == (0, "the same cells, verdicts, claims and findings\n")
    done = run(finished.results, tmp_path)
    assert (done.returncode, len(done.stdout.splitlines())) == (1, 1)
    (told,) = json.loads(run(finished.results, tmp_path, "--json").stdout)
    assert (told["kind"], told["id"], told["what"]) == ("cell", cell["id"], "changed")
    assert told["fields"]["here"][1] == "12.34"
    none = run(finished.results, tmp_path / "none")
    assert none.returncode == 2 and none.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "reeltrace-report/1"}', "no json", '{"schema": "other"}'])
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(UserError):
        read_report(tmp_path)


def test_fields_that_are_not_those_of_a_report_are_refused(finished: Project, tmp_path: Path) -> None:
    broken = read_json(finished.folder("report/all") / "report.json")
    del broken["cells"][0]["published"]
    write_json(tmp_path / "report.json", broken)
    with pytest.raises(UserError, match="its fields are not those"):
        read_report(tmp_path / "report.json")
