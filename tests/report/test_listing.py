"""Cells as a list, and what `explain` says of ids that are no cells."""

import csv
import io
import json
import webbrowser
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import read_json
from reeltrace.cli import app
from reeltrace.errors import UserError
from reeltrace.report import listing


@pytest.fixture(scope="module")
def every(finished: Project) -> list[dict[str, Any]]:
    return listing.cells(finished.root, "quick")


@pytest.fixture(scope="module")
def content(finished: Project) -> Any:
    return read_json(finished.folder("report/all") / "report.json")


def test_the_list_has_the_cells_of_the_report(every: list[dict[str, Any]], content: Any) -> None:
    assert {cell["id"]: cell["verdict"] for cell in every} == {c["id"]: c["verdict"] for c in content["cells"]}


def test_cells_are_chosen_by_verdict_table_and_document(every: list[dict[str, Any]], content: Any) -> None:
    chosen = listing.chosen(every, ["exact", "not exact"], ["nobody2024/1"], [])
    wanted = [
        cell["id"]
        for cell in content["cells"]
        if (cell["document"], cell["table"]) == ("nobody2024", "1") and cell["verdict"] in ("exact", "not exact")
    ]
    assert [cell["id"] for cell in chosen] == wanted and wanted
    assert listing.chosen(every, [], ["nobody2024-table1"], []) == listing.chosen(every, [], ["nobody2024/1"], [])
    assert {cell["document"] for cell in listing.chosen(every, [], [], ["someone2025"])} == {"someone2025"}
    assert len(listing.chosen(every, [], [], [])) == len(every)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ((["exakt"], [], []), "no cell has the verdict 'exakt'; did you mean 'exact'"),
        (([], ["nobody2024/33"], []), "no cell has the table 'nobody2024/33'"),
        (([], [], ["nobody"]), "no cell has the document 'nobody'"),
    ],
)
def test_a_name_that_nothing_has_is_refused(every: list[dict[str, Any]], asked: Any, words: str) -> None:
    with pytest.raises(UserError) as refused:
        listing.chosen(every, *asked)
    assert words.split(";")[0] in str(refused.value)


def test_the_list_as_csv_is_read_back(every: list[dict[str, Any]]) -> None:
    found = listing.chosen(every, [], ["nobody2024/3"], [])
    back = list(csv.DictReader(io.StringIO(listing.as_csv(found))))
    assert back == [{key: "" if value is None else value for key, value in cell.items()} for cell in found]


def test_a_line_for_people_has_id_both_values_and_verdict(every: list[dict[str, Any]]) -> None:
    cell = next(c for c in every if c["here"] is not None and c["printed"] is not None)
    (line,) = listing.as_text([cell])
    assert line.split("  ") == [cell["id"], cell["here"], cell["printed"], cell["verdict"]]


def test_every_id_that_the_page_prints_is_explained(finished: Project, content: Any) -> None:
    known = listing.names(finished.root, "quick")
    assert {number["id"] for number in content["numbers"]} <= set(known)
    parts = [next(n for n in known if n.endswith("/interval")), next(n for n in known if n.startswith("claim/"))]
    for identity in ["count/exact", *parts, known[-1], "nobody2024/3"]:
        lines = explained(finished, identity)
        assert len(lines) > 2, identity
    assert listing.other(finished.root, "quick", "count/no such verdict") is None
    said = explained(finished, "count/exact")
    exact = [cell["id"] for cell in content["cells"] if cell["verdict"] == "exact"]
    assert all(any(line.endswith(identity) for line in said) for identity in exact)


def explained(finished: Project, identity: str) -> list[str]:
    found = listing.other(finished.root, "quick", identity)
    assert found is not None, identity
    return listing.other_words(found)


def test_findings_of_the_audit_are_explained(finished: Project, content: Any) -> None:
    finding = content["audit"][0]
    lines = explained(finished, f"audit/{finding['id']}")
    assert lines[0] == f"audit/{finding['id']}" and any(finding["computation"] in line for line in lines)
    assert all(any(words in line for line in lines) for words in finding["innocent"])


@pytest.fixture
def say(finished: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line in the finished project."""
    monkeypatch.chdir(finished.root)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_the_command_prints_for_people_and_for_programs(say: Callable[..., Any], every: list[dict[str, Any]]) -> None:
    exact = [cell["id"] for cell in every if cell["verdict"] == "exact"]
    done = say("cells", "--verdict", "exact")
    assert done.exception is None, done.exception
    assert [line.partition("  ")[0] for line in done.stdout.splitlines()] == exact
    found = json.loads(say("cells", "--verdict", "exact", "--json").stdout)
    assert [cell["id"] for cell in found] == exact and list(found[0]) == list(listing.COLUMNS)
    assert say("cells", "--csv").stdout.startswith("id,document,table,")
    assert isinstance(say("cells", "--table", "nowhere").exception, UserError)


def test_explain_lists_a_table_and_follows_a_part_to_its_place(say: Callable[..., Any]) -> None:
    table = say("explain", "nobody2024/3").stdout.splitlines()
    assert table[0] == "nobody2024, Table 3" and len(table) > 3
    assert "/reproduced/interval" in say("explain", "nobody2024/3/plain/treverse/interval").stdout
    assert isinstance(say("explain", "nobody2024/3/no/such").exception, UserError)


def test_explain_is_for_programs_too_whatever_the_id(say: Callable[..., Any], content: Any) -> None:
    table = json.loads(say("explain", "nobody2024/3", "--json").stdout)
    assert (table["kind"], table["document"], table["table"]) == ("table", "nobody2024", "3") and table["cells"]
    for kind, entries, named in (
        ("claim", "claims", "claim/"),
        ("number", "numbers", ""),
        ("finding", "audit", "audit/"),
    ):
        entry = next(e for e in content[entries] if kind != "number" or e["id"] == "count/exact")
        found = json.loads(say("explain", f"{named}{entry['id']}", "--json").stdout)
        assert found == {"kind": kind, "scale": "quick", **entry}
    assert json.loads(say("explain", content["cells"][0]["id"], "--json").stdout)["kind"] == "cell"
    assert isinstance(say("explain", "nobody2024/3/no/such", "--json").exception, UserError)


def test_the_report_is_opened_in_a_browser_and_else_its_place_is_said(
    say: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, finished: Project
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(opened.append(address)))
    page = finished.folder("report/all") / "report.html"
    assert say("open").stdout.strip().endswith("results/quick/report/all/report.html")
    assert opened == [page.resolve().as_uri()]


def test_the_version_is_that_of_the_package(say: Callable[..., Any]) -> None:
    assert say("--version").stdout == f"reeltrace {version('reeltrace')}\n"


def test_without_finished_tables_the_remedy_is_named(tmp_path: Any) -> None:
    with pytest.raises(UserError, match="no tables yet"):
        listing.cells(tmp_path, "quick")
