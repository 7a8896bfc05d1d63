"""The reviewer's summary: its counts are those of the cells, and the furthest value is the furthest."""

import re
from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.analysis.verdicts import MEANINGS
from reeltrace.artifacts.json_values import read_json
from reeltrace.report import summary
from reeltrace.report.binding import Binder, Number


@pytest.fixture(scope="module")
def html(finished: Project) -> str:
    page = (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")
    return page[page.index('<section id="summary"') : page.index('<section id="abstract"')]


@pytest.fixture(scope="module")
def content(finished: Project) -> Any:
    return read_json(finished.folder("report/all") / "report.json")


def test_every_verdict_has_a_tile_with_the_number_of_its_cells(html: str, content: Any) -> None:
    for verdict in MEANINGS:
        count = sum(cell["verdict"] == verdict for cell in content["cells"])
        tile = html[html.index(f'data-filter="v:{verdict}"') :]
        assert f'data-trace="count/{verdict}">{count}</span>' in tile[: tile.index("</a>")]


def test_every_kind_of_cell_has_a_tile_that_filters(html: str, content: Any) -> None:
    for kind in dict.fromkeys(cell["kind"] for cell in content["cells"]):
        count = sum(cell["kind"] == kind for cell in content["cells"])
        tile = html[html.index(f'data-filter="k:{kind}"') :]
        assert f'data-trace="count/kind/{kind}">{count}</span>' in tile[: tile.index("</a>")]
    assert "count/kind/" in html and "/exact" not in html[html.index('data-filter="k:') :].partition("</ul>")[0]


def test_claims_have_tiles_that_lead_to_their_section(html: str, content: Any) -> None:
    tiles = re.findall(r'href="#claims" data-filter="(here|print):([^"]+)"', html)
    assert {outcome for by, outcome in tiles if by == "here"} >= {c["verdict"] for c in content["claims"]}


def test_every_table_has_a_line_with_its_cells_and_the_value_furthest_from_its_print(html: str, content: Any) -> None:
    numbers = {number["id"]: number for number in content["numbers"]}
    places = dict.fromkeys((cell["document"], cell["table"]) for cell in content["cells"])
    assert html.count('class="bar"') == len(places)
    for document, table in places:
        cells = [cell for cell in content["cells"] if (cell["document"], cell["table"]) == (document, table)]
        assert numbers[f"table/{document}/{table}/cells"]["of"] == [cell["id"] for cell in cells]
        if table in "345":
            both = [cell for cell in cells if cell["reproduced"] and cell["published"]["value"] is not None]
            furthest = max(both, key=lambda cell: abs(cell["reproduced"]["value"] - cell["published"]["value"]))
            number = numbers[f"table/{document}/{table}/deviation"]
            size = abs(furthest["reproduced"]["value"] - furthest["published"]["value"])
            assert number["printed"] == f"{size:.2f} points" and number["of"] == [furthest["id"]]


def cell(identity: str, ours: Any, theirs: Any, unit: str) -> dict[str, Any]:
    document, table, row, column = identity.split("/")
    place = {"id": identity, "document": document, "table": table, "row": row, "column": column, "unit": unit}
    reproduced = None if ours is None else {"value": ours}
    return {**place, "published": {"value": theirs}, "reproduced": reproduced, "verdict": "exact"}


def test_a_table_without_two_values_has_no_deviation_and_shares_go_before_other_numbers() -> None:
    binder = Binder()
    tables = [{"document": "d", "table": name, "key": name} for name in ("a", "b", "c")]
    cells = [
        cell("d/a/x/y", None, 3.0, "percent"),
        cell("d/a/x/z", [3, 3], [3, 5], "size"),
        cell("d/b/x/y", 50.0, 60.0, "percent"),
        cell("d/b/x/n", 10, 5, "parameters"),
        cell("d/c/x/n", 10, 5, "parameters"),
        cell("d/c/x/o", 10, 0, "parameters"),
    ]
    nothing, shares, others = summary.bind_tables(binder, tables, cells)
    assert nothing["furthest"] is None and "table/d/a/deviation" not in binder.numbers
    assert binder.numbers["table/d/b/deviation"].printed == "10.00 points" and shares["furthest"].cell == "d/b/x/y"
    assert binder.numbers["table/d/c/deviation"].printed == "100.0 %" and others["cells"] == 2


def test_counts_of_other_kinds_get_tiles_as_soon_as_they_are_counted() -> None:
    binder = Binder()
    for identity in ("count/exact", "count/claims/holds", "count/claims/by construction", "count/audit/decision"):
        binder.add(Number(identity, "0", identity, rule="count"))
    groups = summary.tiles(binder, ["exact"])
    assert [[tile.outcome for tile in group.tiles] for group in groups] == [["exact"], ["holds"], ["decision"]]
    assert [group.section for group in groups] == ["chains", "claims", "audit"]
