"""codecheck.yml: the facts that are known, and fields left to the checker."""

from typing import Any

import pytest
import yaml

from reeltrace.errors import UserError
from reeltrace.export.codecheck import codecheck
from reeltrace.registry.header import Header

HEADER = Header(title="A title", author="A. Smith and B. Jones, C. Brown", year="2020", venue="A thesis")


def test_it_names_the_paper_and_its_tables(report: dict[str, Any]) -> None:
    found = yaml.safe_load(codecheck(report, "smith2020", HEADER))
    assert found["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    assert [author["name"] for author in found["paper"]["authors"]] == ["A. Smith", "B. Jones", "C. Brown"]
    assert [entry["file"] for entry in found["manifest"]] == ["smith2020-table1.csv", "report.html"]
    assert found["codechecker"] == []
    assert not found["certificate"]
    assert "smoke scale, stand-in data" in found["summary"]
    assert "1 not comparable; 1 not run" in found["summary"]


def test_a_document_that_the_report_lacks_is_named(report: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"no 'smith202' in the report"):
        codecheck(report, "smith202", HEADER)
