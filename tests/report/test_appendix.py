"""The appendix of chains: every number has a row, and the row says where it was read."""

import re
from html import unescape
from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import read_json
from reeltrace.report import appendix
from reeltrace.report.binding import Binder, Number, anchor


@pytest.fixture(scope="module")
def html(finished: Project) -> str:
    return (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def content(finished: Project) -> Any:
    return read_json(finished.folder("report/all") / "report.json")


def rows(html: str) -> dict[str, str]:
    """The rows of the appendix by their ids, as text with a line per cell."""
    found = re.findall(r'<tr id="([^"]+)"[^>]*>(.*?)</tr>', html[html.index('<section id="chains"') :], re.DOTALL)
    return {unescape(key): unescape(re.sub(r"<[^>]+>", " ", row.replace("</td>", "\n"))) for key, row in found}


def test_every_cell_and_every_number_that_is_no_part_of_another_has_a_row(html: str, content: Any) -> None:
    known = rows(html)
    parts = re.compile("/(interval|range|deviation|last|seed-[0-9]+|ratio|published-ratio)$")
    wanted = [cell["id"] for cell in content["cells"]]
    wanted += [n["id"] for n in content["numbers"] if not parts.search(n["id"]) and anchor(n["id"]) in html]
    assert len(wanted) > 200
    assert [identity for identity in wanted if anchor(identity) not in known] == []


def test_a_row_says_what_a_cell_is_and_where_it_was_read(html: str, content: Any) -> None:
    known = rows(html)
    for cell in content["cells"]:
        row = known[anchor(cell["id"])]
        assert f"{cell['verdict']} ({cell['circumstances']}): {' '.join(cell['reason'].split())}" in " ".join(
            row.split()
        )
        for trace in cell["sources"]:
            place = trace["artifact"].partition("/")[2].partition("/")[2]
            assert f"{place} {trace['pointer']}" in row, cell["id"]
        if cell["published"]["printed"] is not None:
            assert cell["published"]["printed"] in row
            table = html[html.index(f'data-key="{cell["document"]}/{cell["table"]}"') :]
            usual = unescape(re.sub("<[^>]+>", "", table[: table.index("<table")]))
            assert cell["published"]["place"] in row or f"Printed in {cell['published']['place']}" in usual


def test_an_artifact_has_its_commands_in_both_engines_and_its_hashes(html: str, content: Any) -> None:
    known = rows(html)
    for name, artifact in content["artifacts"].items():
        row = known[f"artifact-{name.replace('/', '-')}"]
        assert artifact["workflow"] in row and f"dvc repro {name.replace('/', '-')}" in row
        for sha256 in (artifact["manifest_sha256"], artifact["code_sha256"], *artifact["outputs"].values()):
            assert sha256 in row


def test_a_verdict_lists_its_cells_by_table(html: str, content: Any) -> None:
    row = rows(html)[anchor("count/exact")]
    cells = [cell for cell in content["cells"] if cell["verdict"] == "exact"]
    assert cells and all(f"{cell['row']}, {cell['column']}" in row for cell in cells)
    others = [cell for cell in content["cells"] if cell["verdict"] != "exact"]
    listed = row.count("; ") + len({(cell["document"], cell["table"]) for cell in cells})
    assert others and listed == len(cells)


def test_one_file_is_said_once_above_the_rows_and_several_in_each() -> None:
    def number(identity: str, artifact: str) -> Number:
        return Number(
            identity, "1", identity, {"artifact": f"results/quick/{artifact}", "pointer": "/a b", "sha256": ""}
        )

    binder = Binder()
    binder.add(number("one", "data/x/about.json"))
    binder.add(number("two", "data/x/about.json"))
    (group,) = appendix.groups(binder, [], [])
    assert group.file == "data/x/about.json" and [row.read for row in group.rows] == ["/a b", "/a b"]
    binder.add(number("three", "data/y/about.json"))
    (group,) = appendix.groups(binder, [], [])
    assert group.file == "" and group.rows[2].read == "data/y/about.json /a b"
