"""A kind of table more: one file declares it, and plan, aggregation, claims, page, `verify` and `explain` know it."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from analysis.fabricated import Project
from conftest import PROJECT, refusal
from invented import FILES, edited
from reeltrace.analysis import published
from reeltrace.analysis.cross_checks import check_texts
from reeltrace.analysis.tables import aggregate
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.kinds.table import TABLES
from reeltrace.registry.reading import load, registry_of
from reeltrace.report.explain import explain, format_explanation
from reeltrace.verify.verify import verify

MINE = "documents/mine"
FILE = f"{MINE}/epochs.py"
NAME = "documents.mine.epochs"
HEADER = 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\nkinds: [epochs.py]\n'
KIND = '''
"""Tables of epochs: after how many of them each run had its best checkpoint."""

from fractions import Fraction
from typing import Literal

from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.sources import get, source_of
from reeltrace.analysis.verdicts import judge_number
from reeltrace.kinds import table as of
from reeltrace.registry.fields import Name


class EpochsTable(of.TableEntry):
    kind: Literal["epochs"]
    rows: dict[str, Name]


def sources(table):
    places = table.rows.items()
    return tuple(of.CellSource(row=row, column="best", run=run, transform="original") for row, run in places)


def printed(table):
    yield from (of.Printed("rows", table.table, row=row) for row in table.rows)


def content(table, spec, document, sources, circumstances):
    cells = []
    for row in document.tables[table.table].rows:
        cell = document.tables[table.table].cell(row.key, "best")
        source = source_of(sources, f"train/{table.rows[row.key]}-s{spec.seeds[0]}")
        epoch = get(source, "best", "epoch")
        verdict, reason = judge_number(cell, Fraction(epoch), "measured")
        cells.append(
            {
                **base_cell(cell, document),
                "origin": "measured",
                "reproduced": {"value": epoch, "printed": f"{epoch:,}"},
                "derivation": None,
                "trace": [source.trace("/best/epoch")],
                "verdict": verdict,
                "reason": reason,
                "circumstances": circumstances.words,
            }
        )
    return {"runs": dict(table.rows), "cells": cells, "origins": {"best": "measured"}}


KIND = of.TableKind(
    name="epochs",
    params=EpochsTable,
    sources=sources,
    measurements=of.no_names,
    beside=of.no_names,
    timed=of.never,
    check=of.nothing_more,
    printed=printed,
    figures=of.no_names,
    cells="documents.mine.epochs:content",
    macro="macros.html.j2:quantities",
    chart=None,
    note="An epoch is one pass over the training clips.",
    claims=of.Judged(overlap="seeds overlap", by_cell=True),
)
'''
TABLE = {"table": "1", "kind": "epochs", "rows": {"plain": "drift-plain", "T2": "drift-t2"}}
PRINTED = {
    "title": "Epochs",
    "caption": "The best epoch of each net.",
    "place": "section 1, Table 1",
    "unit": "count",
    "columns": [{"key": "best", "label": "Best"}],
    "rows": [{"key": row, "label": row, "type": None} for row in ("plain", "T2")],
    "cells": [{"row": "plain", "column": "best", "printed": "7"}, {"row": "T2", "column": "best", "printed": "4"}],
}
CLAIM = {
    "id": "as-early",
    "title": "Both are best after as many epochs",
    "says": "Both nets need the same number of epochs",
    "place": "section 1",
    "rule": [{"left": ["1", "plain", "best"], "op": "is", "right": ["1", "T2", "best"]}],
}


def files(table: dict[str, object]) -> dict[str, str]:
    return {
        **edited("documents: all", "documents: [mine]", "params.yaml"),
        f"{MINE}/document.yaml": HEADER,
        FILE: KIND,
        f"{MINE}/experiments.yaml": yaml.safe_dump({"tables": {"mine-table1": table}}),
        f"{MINE}/published.yaml": yaml.safe_dump({"tables": {"1": PRINTED}}),
        f"{MINE}/claims.yaml": yaml.safe_dump({"claims": [CLAIM]}),
    }


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What the document brings is not there for other tests."""
    yield
    TABLES.forget()


def test_a_table_of_an_invented_kind_is_made_shown_verified_and_explained(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", files=files(TABLE))
    shutil.copytree(PROJECT / "src", project.root / "src")  # of which the ledgers speak
    check_texts(project.registry, project.root)
    task = project.plan["aggregate/mine-table1"]
    assert {*task.inputs} == {"train/drift-plain-s0", "train/drift-t2-s0"}
    assert {"tables.mine-table1", "protocols.drift", "seeds"} <= set(task.params)
    project.data()
    for run in project.registry.used_runs():
        project.trained(run, 0)
    project.aggregate("mine-table1")
    project.report()
    epoch = project.registry.params.protocols["drift"].epochs - 1
    report = read_json(project.folder("report/all") / "report.json")
    assert [(cell["id"], cell["reproduced"]["value"]) for cell in report["cells"]] == [
        ("mine/1/plain/best", epoch),
        ("mine/1/T2/best", epoch),
    ]
    (claim,) = report["claims"]
    assert (claim["verdict"], claim["published_verdict"]) == ("holds", "contradicted")
    page = (project.folder("report/all") / "report.html").read_text()
    for part in ('id="mine-table1"', "An epoch is one pass", "The best epoch of each net", "measured here"):
        assert part in page
    assert verify(project.root, scale="quick", data=True) == []
    text = format_explanation(explain(project.root, "mine/1/plain/best", "quick"))
    assert f"here          {epoch}\n" in text and "train/drift-plain-s0/metrics.json /best/epoch" in text
    path = project.folder("aggregate/mine-table1") / "cells.json"
    content = read_json(path)
    content["cells"][1]["reproduced"]["value"] += 1
    write_json(path, content)
    project.seal("aggregate/mine-table1")
    problems = verify(project.root, scale="quick")
    assert f"/cells/1/reproduced/value is {epoch + 1}, its sources give {epoch}" in [p.found for p in problems]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": {"plain": "drift-plane"}}, "tables.mine-table1.rows.plain: no run is named 'drift-plane'; nearest"),
        ({"colums": []}, "tables.mine-table1.colums: unknown key; remove it or correct its spelling"),
        ({"rows": None}, "tables.mine-table1.rows (scale paper): found None; expected: input should be a valid dict"),
        ({"kind": "epoch"}, "kind (scale paper): found 'epoch'; expected: a known kind of table; it has: accuracy, "),
        ({"kind": ["epochs"]}, "kind (scale paper): found ['epochs']; expected: a known kind of table; it has: "),
    ],
)
def test_a_mistake_in_it_is_named(change: dict[str, object], said: str) -> None:
    message = refusal(registry_of, files({**TABLE, **change}))
    assert message.startswith(f"{MINE}/experiments.yaml: tables.mine-table1") and said in message


def test_a_row_that_its_document_does_not_print_is_named(tmp_path: Path) -> None:
    table = {**TABLE, "rows": {"plain": "drift-plain", "T3": "drift-t2"}}
    root = Project(tmp_path / "project", files=files(table)).root
    said = refusal(check_texts, load(root, "quick"), root)
    place = f"{MINE}/experiments.yaml: tables.mine-table1.rows"
    assert said == f"{place}: no row 'T3' in table 1 of {MINE}/published.yaml; it has: plain, T2"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "/cells: Field required"),
        ({"cells": [], "colour": "red"}, "/colour: Extra inputs are not permitted"),
        ({"cells": [{"row": 1}]}, "/cells/0/row: Input should be a valid string"),
    ],
)
def test_what_its_function_gives_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, object], said: str
) -> None:
    project = Project(tmp_path / "project", files=files(TABLE))
    monkeypatch.setattr(sys.modules[NAME], "content", lambda *_: content)
    spec, document = project.registry.aggregate_spec("mine-table1"), published.load("mine", project.root)
    message = refusal(aggregate, spec, document, {})
    assert message == f"{NAME}:content: cells.json, {said}; correct what it gives"


def test_a_kind_may_not_take_the_name_of_another() -> None:
    named = {**files(TABLE), FILE: KIND.replace('name="epochs"', 'name="accuracy"')}
    said = refusal(registry_of, named)
    assert said == f"{FILE}: kind of table 'accuracy' is there already; give it another name"


def test_without_it_there_is_no_such_kind() -> None:
    without = {**files(TABLE), f"{MINE}/document.yaml": HEADER.replace("kinds: [epochs.py]", "")}
    del without[FILE]
    assert "a known kind of table; it has: accuracy, measured, results" in refusal(registry_of, without)
    assert registry_of(FILES)
