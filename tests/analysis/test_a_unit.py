"""A unit more: a file of a document declares it, and transcription, verdicts, claims, page and plan know it."""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import yaml

from conftest import FILES, edit, make_workspace, refusal, write_files
from reeltrace.analysis import published
from reeltrace.analysis.cross_checks import check_texts
from reeltrace.analysis.published import Cell, Printed
from reeltrace.analysis.quantities import quantity_cells
from reeltrace.analysis.verdicts import judge_number
from reeltrace.artifacts.json_values import read_json
from reeltrace.kinds.points import load as load_function
from reeltrace.kinds.unit import UNITS, marks, units_of
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.plan import code_sha256, load_plan
from reeltrace.registry.reading import load
from reeltrace.report.explain import explain, format_explanation
from reeltrace.verify.verify import verify

MINE = "documents/mine"
FILE = f"{MINE}/dozens.py"
HEADER = 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\nmodule: counted.py\nkinds: [dozens.py]\n'
UNIT = '''
"""Dozens."""

from documents.mine.written import written
from reeltrace.kinds import unit as of

number = of.numeral(r"(\\d+(?:\\.\\d+)?) doz", "a number of dozens such as '2.5 doz'")

KIND = of.Unit(
    name="dozens",
    read=of.real(number),
    number=number,
    whole=False,
    write=written,
    compare=of.rounded,
    share=None,
    layers=None,
    behind="dozen",
)
'''
WRITTEN = """
from reeltrace.kinds.rounding import printed


def written(value):
    return f"{printed(value, 1)} doz"
"""
EXPERIMENTS = {
    "measurements": {"mine-facts": {"kind": "facts"}},
    "tables": {
        "mine-table1": {
            "table": "1",
            "kind": "measured",
            "published_only": "nothing",
            "measured": {"found": {"measurement": "mine-facts", "pointer": "/{row}/eggs", "divisor": 12}},
            "derived": {"per box": {"operation": "quotient", "of": ["found", "boxes"]}},
        }
    },
}
CELLS = {
    ("here", "found"): "2.5 doz",
    ("here", "boxes"): "5",
    ("here", "per box"): "0.5 doz",
    ("there", "found"): "3 doz",
    ("there", "boxes"): "2",
    ("there", "per box"): "1.5 doz",
}
PRINTED = {
    "title": "Eggs",
    "caption": "How many.",
    "place": "Table 1",
    "unit": "dozens",
    "columns": [
        {"key": "found", "label": "E"},
        {"key": "boxes", "label": "B", "unit": "count"},
        {"key": "per box", "label": "Each"},
    ],
    "rows": [{"key": row, "label": row} for row in ("here", "there")],
    "cells": [{"row": row, "column": column, "printed": text} for (row, column), text in CELLS.items()],
}
CLAIM = {
    "id": "fewer",
    "title": "Fewer here",
    "says": "There are fewer here",
    "place": "section 1",
    "rule": [{"left": ["1", "here", "found"], "op": "far below", "right": ["1", "there", "found"]}],
}
FILES_OF_MINE = {
    f"{MINE}/document.yaml": HEADER,
    f"{MINE}/counted.py": "def facts():\n    return {'here': {'eggs': 30}, 'there': {'eggs': 37}}\n",
    FILE: UNIT,
    f"{MINE}/written.py": WRITTEN,
    f"{MINE}/experiments.yaml": yaml.safe_dump(EXPERIMENTS),
    f"{MINE}/published.yaml": yaml.safe_dump({"tables": {"1": PRINTED}}),
    f"{MINE}/claims.yaml": yaml.safe_dump({"claims": [CLAIM]}),
}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What the document brings is not there for other tests."""
    yield
    UNITS.forget()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project of that document alone."""
    folder = make_workspace(tmp_path / "project")
    write_files(folder, FILES_OF_MINE)
    edit(folder / "params.yaml", "documents: all", "documents: [mine]")
    return folder


def test_cells_in_an_invented_unit_are_judged_shown_verified_and_explained(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    plan = load_plan()
    check_texts(plan.registry)
    for task in plan:
        run(task.stage, task.key, Path())
    report = read_json(workspace / "results/smoke/report/all/report.json")
    found = {(c["row"], c["column"]): c for c in report["cells"]}
    told = {place: (c["published"]["value"], c["verdict"], c["reason"]) for place, c in found.items()}
    assert told["here", "found"] == (2.5, "exact", "measured 2.5, equal to the printed 2.5 doz")
    assert told["there", "found"] == (3.0, "exact", "measured 3.083, which rounds to the printed 3 doz")
    assert told["here", "per box"] == (0.5, "exact", "2.5 doz / 5 = 0.5, equal to the printed 0.5 doz")
    assert found["there", "found"]["reproduced"] == {"value": pytest.approx(37 / 12), "printed": "3.1 doz"}
    numbers = {number["id"]: number["printed"] for number in report["numbers"]}
    assert numbers["mine/1/there/found"] == "3.1 doz" and numbers["mine/1/there/per box"] == "1.5 doz"
    (claim,) = report["claims"]
    assert (claim["verdict"], claim["published_verdict"]) == ("fails", "not distinguishable")
    page = (workspace / "results/smoke/report/all/report.html").read_text()
    assert ">3.1 doz<" in page
    assert "is far below" in re.sub(r"<[^>]*>", "", page)
    assert verify(workspace, scale="smoke", data=True) == []
    assert "here          3.1 doz\n" in format_explanation(explain(workspace, "mine/1/there/found", "smoke"))


@pytest.mark.parametrize("file", ["dozens.py", "written.py"])
def test_an_edit_of_its_files_makes_the_tables_of_its_document_and_the_report_stale(workspace: Path, file: str) -> None:
    edit(workspace / "params.yaml", "documents: [mine]", "documents: all")

    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace)}

    before = codes()
    path = workspace / MINE / file
    path.write_text(path.read_text() + "\n# changed\n")
    assert {name for name, code in codes().items() if code != before[name]} == {"aggregate/mine-table1", "report/all"}


def test_what_it_names_of_its_document_belongs_to_the_code_of_its_tables(workspace: Path) -> None:
    layers = 'of.OnLayers(read="documents.mine.read:dozens", search=False)'
    edit(workspace / FILE, "layers=None", f"layers={layers}")
    write_files(workspace, {f"{MINE}/read.py": "def dozens(asked):\n    return None\n"})
    assert Path(f"{MINE}/read.py") in load_plan(workspace)["aggregate/mine-table1"].code()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"printed": "2.5 doz."}, "'2.5 doz.' is not a number of dozens such as '2.5 doz'; found {'unit': 'dozens', "),
        ({"printed": "30", "unit": "dozen"}, "Input should be 'percent', 'error rate', 'hours', 'parameters', 'chan"),
        ({"printed": "30", "unit": "dozen"}, "'millions', 'times', 'text' or 'dozens'; found 'dozen'"),
    ],
)
def test_a_mistake_in_a_cell_is_one_line(tmp_path: Path, cell: dict[str, str], said: str) -> None:
    cells = [{**PRINTED["cells"][0], **cell}, *PRINTED["cells"][1:]]  # type: ignore[index, misc]
    text = yaml.safe_dump({"tables": {"1": {**PRINTED, "cells": cells}}})
    write_files(tmp_path, {**FILES, **FILES_OF_MINE, f"{MINE}/published.yaml": text})
    load(tmp_path)
    message = refusal(published.load, "mine", tmp_path)
    assert message.startswith(f"{MINE}/published.yaml: tables.1.cells.0") and said in message and "\n" not in message
    assert "(row 'here', column 'found')" in message


def test_it_is_no_unit_of_another_document(tmp_path: Path) -> None:
    write_files(tmp_path, {**FILES, **FILES_OF_MINE})
    load(tmp_path)
    assert published.load("mine", tmp_path).tables["1"].unit == "dozens"
    write_files(tmp_path, {"documents/other/published.yaml": FILES_OF_MINE[f"{MINE}/published.yaml"]})
    said = refusal(published.load, "other", tmp_path)
    assert "tables.1.unit: Input should be 'percent'" in said and "'times' or 'text'; found 'dozens'" in said
    assert set(units_of("mine")) - set(units_of("other")) == {"dozens"}


def test_a_unit_may_not_take_the_name_of_another(tmp_path: Path) -> None:
    write_files(tmp_path, {**FILES, **FILES_OF_MINE, FILE: UNIT.replace('name="dozens"', 'name="hours"')})
    assert refusal(load, tmp_path) == f"{FILE}: unit 'hours' is there already; give it another name"


def test_a_column_does_not_follow_from_words(tmp_path: Path) -> None:
    text = FILES_OF_MINE[f"{MINE}/published.yaml"].replace("unit: count", "unit: blocks")
    write_files(tmp_path, {**FILES, **FILES_OF_MINE, f"{MINE}/published.yaml": text})
    spec = load(tmp_path).aggregate_spec("mine-table1")
    table = spec.table.model_copy(update={"measured": {}})
    said = refusal(quantity_cells, spec, table, published.load("mine", tmp_path), {})
    place = f"tables.mine-table1.derived.per box.of: table 1 of {MINE}/published.yaml"
    assert said == f"{place} has no number in 'here', 'boxes', but blocks '5'"


def test_every_unit_reads_what_it_writes() -> None:
    values = {"blocks": "5x7^2, 8", "channels": [3, 64], "shape": [2, 8, 8], "filter": [3, 3, 3], "size": [8, 56, 56]}
    values |= {
        "text": "conv",
        "hours": None,
        "parameters": None,
        "words": None,
        "fraction": None,
    }  # printed otherwise than they are read
    for name, unit in UNITS.all().items():
        value = values.get(name, Fraction(1, 2) if not unit.whole else Fraction(700))
        if value is not None:
            assert unit.read(unit.write(value)) == value, name
            if isinstance(value, Fraction):
                cell = Cell(row="r", column="c", printed=unit.write(value), unit=name, place="p")
                assert judge_number(cell, value, "found")[0] == "exact"


def test_what_units_name_for_tables_of_layers_is_there() -> None:
    named = [unit.layers.read for unit in UNITS.all().values() if unit.layers is not None]
    assert len(named) == 5 and all(callable(load_function(each)) for each in named)


SAYS = [
    ("78.2", ("78.2", None, None)),
    ("< 5", ("5", "<", None)),
    ("≤5", ("5", "<=", None)),
    (">= 5", ("5", ">=", None)),
    ("~78.20", ("78.20", "~", None)),
    ("≈ 0.52s", ("0.52s", "~", None)),
    ("78.2 ± 0.4", ("78.2", None, "0.4")),
    ("78.2 (+/- 0.4)", ("78.2", None, "0.4")),
    ("0.52 ± 0.01s", ("0.52s", None, "0.01")),
    ("161 ± 3 Hrs", ("161 Hrs", None, "3")),
    ("1x3^2, 64", ("1x3^2, 64", None, None)),
]


@pytest.mark.parametrize(("text", "parts"), SAYS)
def test_bounds_and_spreads_are_read_off_a_print(text: str, parts: tuple[str, str | None, str | None]) -> None:
    assert marks(text) == parts


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        ("percent", "78.2 ± 0.4", 78.2),
        ("percent", "~78.20", 78.2),
        ("percent", "> 100", 100.0),
        ("error rate", "< 0.2", 0.2),
        ("seconds", "0.52 ± 0.01s", 0.52),
        ("hours", "~161 Hrs", 161),
        ("count", "> 59,342,488", 59342488),
        ("parameters", "~687K parameters", 687000),
        ("millions", "< 34M", 34.0),
    ],
)
def test_units_of_numbers_read_bounds_and_spreads(unit: str, text: str, value: float) -> None:
    assert UNITS.get(unit).read(text) == value


@pytest.mark.parametrize(
    ("unit", "text"),
    [("percent", "<< 5"), ("percent", "5 <"), ("percent", "5 ± x"), ("percent", "± 5"), ("filter", "~3x3x3")],
)
def test_other_signs_are_refused(unit: str, text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        UNITS.get(unit).read(text)


@pytest.mark.parametrize(
    ("unit", "text", "ours", "same"),
    [
        # About is one whole unit of the last printed place, and the zero that is printed counts as one.
        ("gigaflops", "~78.20", "78.21", True),
        ("gigaflops", "~78.20", "78.2101", False),
        ("gigaflops", "~78.2", "78.3", True),
        ("gigaflops", "~78.2", "78.31", False),
        ("gigaflops", "78.2", "78.26", False),
        ("gigaflops", "< 5", "4.99", True),
        ("gigaflops", "< 5", "5", False),
        ("gigaflops", "<= 5", "5", True),
        ("gigaflops", "> 5", "5", False),
        ("gigaflops", ">= 5", "5", True),
        ("gigaflops", "6.0 ± 0.4", "6.4", True),
        ("gigaflops", "6.0 ± 0.4", "6.41", False),
        ("count", "~1,000", "1001", True),
        ("count", "~1,000", "1002", False),
        ("ratio", "~1.344e-6", "0.000001345", True),
        ("ratio", "~1.344e-6", "0.000001346", False),
        ("parameters", "< 687K parameters", "686999", True),
        ("parameters", "< 687K parameters", "687000", False),
    ],
)
def test_a_number_without_randomness_is_held_against_the_bound(unit: str, text: str, ours: str, same: bool) -> None:
    cell = Cell(row="r", column="c", printed=text, unit=unit, place="p")
    verdict, reason = judge_number(cell, Fraction(ours), "found")
    assert verdict == ("exact" if same else "not exact") and text in reason


def test_a_bound_that_holds_is_no_contradiction() -> None:
    def of(printed: str, *others: str) -> int:
        also = tuple(Printed(printed=other, place="elsewhere") for other in others)
        return len(Cell(row="r", column="c", printed=printed, unit="percent", place="p", also=also).contradicted_by)

    assert of("24.6", "< 25", "~24.6", "24.60", "~24.5") == 0
    assert of("24.6", "< 24", "~24.4", "24.61") == 3
