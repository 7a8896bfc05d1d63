"""Findings as SARIF: each at the line that it is about."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltrace.export.sarif import sarif

PUBLISHED = """tables:
  "1":
    cells:
      - {row: other, column: original}
      - {row: 'net, "two"', column: original}
"""
PROSE = """values:
  - {id: other, printed: "1"}
  - id: gain
    printed: "2"
"""
CLAIMS = """claims:
  - id: level
  - id: better
    title: It is better
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "documents/smith2020"
    folder.mkdir(parents=True)
    (folder / "published.yaml").write_text(PUBLISHED)
    (folder / "claims.yaml").write_text(CLAIMS)
    (folder / "prose.yaml").write_text(PROSE)
    return tmp_path


def test_findings_stand_at_their_lines(report: dict[str, Any], root: Path) -> None:
    log = json.loads(sarif(report, root, "1.2"))
    assert log["version"] == "2.1.0"
    run = log["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["audit/denominators", "cell/not-exact", "claim/contradicted"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    where = {
        result["ruleId"]: (place["artifactLocation"]["uri"], place["region"]["startLine"])
        for result in run["results"]
        for place in (result["locations"][0]["physicalLocation"],)
    }
    assert where == {
        "audit/denominators": ("documents/smith2020/published.yaml", 5),
        "claim/contradicted": ("documents/smith2020/claims.yaml", 3),
        "cell/not-exact": ("documents/jones2021/published.yaml", 1),  # its transcription is not there
    }
    second = run["results"][0]["locations"][1]["physicalLocation"]
    assert (second["artifactLocation"]["uri"], second["region"]["startLine"]) == ("documents/smith2020/prose.yaml", 3)
    assert "may be innocent: a mean of several runs" in run["results"][0]["message"]["text"]


def test_a_report_without_findings_is_an_empty_log(report: dict[str, Any], root: Path) -> None:
    report |= {"cells": report["cells"][:2], "claims": report["claims"][1:], "audit": []}
    run = json.loads(sarif(report, root, "1.2"))["runs"][0]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
