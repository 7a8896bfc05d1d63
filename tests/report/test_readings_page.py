"""The page where a document is read otherwise: every number is bound, drawn and set beside the one as chosen."""

import re
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from invented import FILES
from reeltrace.artifacts.json_values import canonical_json, read_json, write_json
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed
from reeltrace.report import document, specification
from reeltrace.report.binding import Binder, anchor
from reeltrace.report.content import check

# The tables of the runs that readings change, and nothing else: the invented project is then made in a second.
PARAMS = FILES["params.yaml"].replace("documents: all", "documents: [nobody2024-table3, nobody2024-table4]")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    files = {**FILES, "params.yaml": f"{PARAMS}\nreadings: true\n"}
    return Project(tmp_path_factory.mktemp("read"), files=files).all()


@pytest.fixture(scope="module")
def content(project: Project) -> Any:
    return read_json(project.folder("report/all") / "report.json")


@pytest.fixture(scope="module")
def page(project: Project) -> str:
    html = (project.folder("report/all") / "report.html").read_text(encoding="utf-8")
    return html[html.index('<section id="readings">') : html.index('<section id="rerun">')]


def test_every_number_under_a_reading_leads_to_its_place(project: Project, content: Any, page: str) -> None:
    assert [(r["detail"], r["reading"]) for r in content["readings"]] == [
        ("norm-and-bias", "no-norm"),
        ("path", "bounce"),
    ]
    cells = [cell for reading in content["readings"] for cell in reading["cells"]]
    assert len(cells) == 6 and len({cell["id"] for cell in cells}) == 6
    assert {cell["of"].split("/")[1] for cell in cells} == {"4"}  # which has both nets; one stands in another too
    for cell in cells:
        found = read_json(project.root / cell["trace"]["artifact"])
        assert pointer(found, cell["trace"]["pointer"]) == cell["value"]
        assert f'href="#{anchor(cell["id"])}" data-trace="{cell["id"]}">{cell["printed"]}</a>' in page
        assert page.count(f'<a href="#{anchor(cell["id"])}" tabindex="-1">') == 2  # of both drawings
    assert "results/quick/reading/nobody2024" in {a["path"] for a in content["artifacts"].values()}


def test_the_numbers_nearest_to_the_print_are_named(content: Any, page: str) -> None:
    under = [cell for reading in content["readings"] for cell in reading["cells"]]
    beside = {cell["of"] for cell in under}
    printed = [c for c in content["cells"] if c["id"] in beside and c["published"]["printed"] is not None]
    assert 0 < len(printed) < len(beside)
    nearest = []
    for cell in printed:
        every = {c["id"]: c["value"] for c in under if c["of"] == cell["id"]} | {
            cell["id"]: cell["reproduced"]["value"]
        }
        away = {name: abs(value - cell["published"]["value"]) for name, value in every.items()}
        nearest += [name for name, distance in away.items() if distance == min(away.values())]
    named = re.findall(r'<td class="nearest"><a class="num" href="[^"]*" data-trace="([^"]*)">', page)
    assert sorted(named) == sorted(nearest)
    assert page.count(" nearest</td>") == len(nearest)


def test_without_readings_the_page_has_no_such_section(finished: Project) -> None:
    html = (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")
    assert 'id="readings"' not in html and 'href="#readings"' not in html
    found = read_json(finished.folder("report/all") / "report.json")
    assert found["readings"] == [] and "reading/nobody2024" not in found["artifacts"]


def test_what_is_set_beside_readings_must_be_what_the_table_has(project: Project, tmp_path: Path) -> None:
    path = project.folder("reading/nobody2024") / "readings.json"
    before = path.read_bytes()
    altered = read_json(path)
    for cell in altered["chosen"]:
        cell["reproduced"]["value"] += 1
    write_json(path, altered)
    try:
        with pytest.raises(CheckFailed, match=r"beside readings; run `reeltrace run reading nobody2024` again"):
            document.build(project.registry.report_spec(), project.inputs_of("report/all"), project.root)
    finally:
        path.write_bytes(before)


def test_readings_that_were_not_made_are_named(project: Project) -> None:
    inputs = {k: v for k, v in project.inputs_of("report/all").items() if not k.startswith("reading/")}
    with pytest.raises(
        CheckFailed, match=r"^reading/nobody2024: missing; run `reeltrace run reading nobody2024` first"
    ):
        document.build(project.registry.report_spec(), inputs, project.root)


def test_a_reading_without_its_trace_is_refused(content: Any) -> None:
    broken = {**content, "readings": [{**content["readings"][0], "cells": [{"id": "x"}]}]}
    with pytest.raises(RuntimeError, match="/readings/0/cells/0/of: Field required"):
        check(canonical_json(broken))


# --- drawings ---


def point(reading: str, value: float, detail: str = "a detail") -> specification.Point:
    return specification.Point(reading, detail, f"x/{reading}", value, (value - 1, value + 1), f"{value:.2f}")


CHOSEN = point("as chosen", 30, "")
POINTS = [point("high", 80), point("low", 5), point("near", 31, "another")]


def test_a_specification_curve_goes_from_the_lowest_to_the_highest() -> None:
    svg = str(specification.curve("A curve", CHOSEN, POINTS, 24.5, Binder().figure("curve/x", ["x"])))
    order = re.findall(r"<title>([^<]*), [\d.]+</title>", svg)
    assert order == ["a detail: low", "as chosen", "another: near", "a detail: high"]
    heights = [float(y) for y in re.findall(r'stroke="#1d4f7c" cx="[\d.]+" cy="([\d.]+)"', svg)]
    assert heights == sorted(heights, reverse=True) and len(heights) == 4
    assert svg.count('class="as-chosen"') == 1 and svg.count('class="print"') == 1
    assert 'class="print"' not in specification.curve("A curve", CHOSEN, POINTS, None, Binder().figure("c", ["x"]))


def test_a_tornado_begins_with_what_matters_most() -> None:
    svg = str(specification.tornado("A tornado", CHOSEN, POINTS, 24.5, Binder().figure("tornado/x", ["x"])))
    names = list(re.findall(r'class="tick end"[^>]*>([^<]*)<', svg))
    assert names == ["a detail", "another"]
    (start, end), (near, far) = [
        tuple(map(float, ends)) for ends in re.findall(r'class="reach"[^>]* d="M([\d.]+) [\d.]+H([\d.]+)"', svg)
    ]
    assert end - start == pytest.approx(75 * 3) and far - near == pytest.approx(3)
    assert svg.count('class="chosen"') == 1 and svg.count("<a href=") == 3
