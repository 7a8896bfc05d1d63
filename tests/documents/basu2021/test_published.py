"""The transcription of basu2021: its shape, and the relations that the document states."""

from fractions import Fraction
from itertools import pairwise

import pytest

from conftest import PROJECT
from reeltrace.analysis.published import Document, Table, load
from reeltrace.kinds.rounding import decimals_of, printed


@pytest.fixture(scope="module")
def basu() -> Document:
    return load("basu2021", PROJECT)


@pytest.mark.parametrize(
    ("table", "rows", "columns", "unit"),
    [
        ("1", 10, 6, "channels"),
        ("2", 8, 5, "shape"),
        ("3", 2, 2, "percent"),
        ("4", 6, 2, "percent"),
        ("5", 6, 4, "percent"),
        ("6", 6, 2, "percent"),
        ("7", 4, 2, "percent"),
        ("8", 4, 6, "percent"),
    ],
)
def test_tables_have_the_printed_shape(basu: Document, table: str, rows: int, columns: int, unit: str) -> None:
    found = basu.tables[table]
    assert (len(found.rows), len(found.columns), found.unit) == (rows, columns, unit)
    assert len(found.cells) == rows * columns


def test_every_null_has_a_reason_and_every_cell_a_place(basu: Document) -> None:
    for table in basu.tables.values():
        for cell in table.cells:
            assert cell.place.startswith("section ")
            assert (cell.reason is None) == (cell.printed is not None)


def test_table_4_has_only_what_the_prose_gives(basu: Document) -> None:
    given = {(c.row, c.column): c for c in basu.tables["4"].cells if c.printed is not None}
    assert {place: cell.printed for place, cell in given.items()} == {
        ("Z3CNN(no aug)", "treverse"): "23.58",
        ("T2CNN(no aug)", "treverse"): "99.87",
        ("Z3-ResNet-18(no aug)", "treverse"): "24.6",
        ("T2-ResNet-18(no aug)", "treverse"): "100",
    }
    assert all("section 4.6" in cell.place for cell in given.values())


def test_the_contradiction_between_table_3_and_section_4_6_is_recorded(basu: Document) -> None:
    three, four = basu.tables["3"], basu.tables["4"]
    assert [o.printed for o in three.cell("Z3CNN", "treverse").contradicted_by] == ["23.58"]
    assert [o.printed for o in three.cell("Z3-ResNet-18", "treverse").contradicted_by] == ["24.6"]
    assert {o.printed for o in four.cell("Z3CNN(no aug)", "treverse").contradicted_by} == {"24.6"}
    assert {o.printed for o in four.cell("Z3-ResNet-18(no aug)", "treverse").contradicted_by} == {"24.13"}
    assert all(c.note for t in (three, four) for c in t.cells if c.contradicted_by)
    assert not three.cell("Z3CNN", "original").contradicted_by


def test_relations_that_the_document_states(basu: Document) -> None:
    shapes, layers = basu.tables["2"], basu.tables["1"]
    for row in shapes.rows:
        z3, t2, p43d = (shapes.cell(row.key, net).value for net in ("Z3CNN", "T2CNN", "P43DCNN"))
        if row.key == "groupPool":
            assert (z3, t2, p43d) == ([], [1, 1, 1, 1], [1, 1, 1, 1])
        else:  # Table 2: S_l is 2 for T2 and 4 for P43D, sizes are those of the baseline
            assert t2 == [2, *z3] and p43d == [4, *z3]  # type: ignore[misc]
    channels = {}
    for net in ("Z3CNN", "T2CNN", "P43DCNN"):
        cells = [layers.cell(row.key, f"{net} channels") for row in layers.rows]
        tuples = [c.value for c in cells if c.unit == "channels"]
        for before, after in pairwise(tuples):
            assert after[0] == before[1]  # type: ignore[index]
        channels[net] = [t[1] for t in tuples[:-1]]  # type: ignore[index]
    # Section 4.1: filters reduced by the square root of H; Table 1 drops the fraction.
    assert channels["T2CNN"] == [int(c / 2**0.5) for c in channels["Z3CNN"]]
    assert channels["P43DCNN"] == [c // 2 for c in channels["Z3CNN"]]


def test_table_5_says_what_section_4_7_says_of_the_baseline(basu: Document) -> None:
    table = basu.tables["5"]
    for architecture in ("CNN", "-ResNet-18"):
        for column in ("original", "r90", "r180", "r270"):
            group = table.cell(f"P43D{architecture}(no aug)", column).value
            assert group > table.cell(f"Z3{architecture}(no aug)", column).value  # type: ignore[operator]


SETS = ("UCF-101", "HMDB-51")


TURNS = ("r90", "r180", "r270")


def _value(table: Table, row: str, column: str) -> float:
    value = table.cell(row, column).value
    assert isinstance(value, float)
    return value


@pytest.mark.parametrize("dataset", SETS)
@pytest.mark.parametrize("architecture", ["CNN", "-ResNet-18"])
def test_group_convolutions_are_ahead_in_every_cell_as_section_4_8_says(
    basu: Document, architecture: str, dataset: str
) -> None:
    six, seven, eight = (basu.tables[number] for number in "678")
    plain = _value(six, f"Z3{architecture}(baseline)", dataset)
    assert _value(six, f"T2{architecture}", dataset) > plain
    assert _value(six, f"P43D{architecture}", dataset) > plain
    assert _value(seven, f"T2{architecture}", dataset) > _value(seven, f"Z3{architecture}", dataset)
    for turn in TURNS:
        column = f"{dataset} {turn}"
        assert _value(eight, f"P43D{architecture}", column) > _value(eight, f"Z3{architecture}", column)


def test_one_net_alone_gains_from_a_transform(basu: Document) -> None:
    six, seven, eight = (basu.tables[number] for number in "678")
    gains = set()
    for row in six.rows:
        name = row.key.removesuffix("(baseline)")
        for dataset in SETS:
            places = [(seven, dataset), *((eight, f"{dataset} {turn}") for turn in TURNS)]
            found = [_value(t, name, column) for t, column in places if name in {r.key for r in t.rows}]
            assert len(found) == {"Z3": 4, "T2": 1, "P4": 3}[name[:2]]
            if max(found) >= _value(six, row.key, dataset):
                gains.add((name, dataset))
    assert gains == {("T2CNN", "HMDB-51")}  # 22.07 reversed, 21.58 as it is


# What section 4.8 says in percent of the gain over the baseline, and whether Table 6 gives it as a difference in
# percentage points, and as a share of the baseline's accuracy. T2CNN's on HMDB-51 is missing from the text.
@pytest.mark.parametrize(
    ("row", "dataset", "quoted", "in_points", "as_share"),
    [
        ("T2CNN", "UCF-101", "1.41", False, True),
        ("P43DCNN", "UCF-101", "0.54", False, True),
        ("T2-ResNet-18", "UCF-101", "1.1", False, True),
        ("P43D-ResNet-18", "UCF-101", "1.02", False, True),
        ("P43DCNN", "HMDB-51", "0.54", False, False),
        ("T2-ResNet-18", "HMDB-51", "1.1", False, False),
        ("P43D-ResNet-18", "HMDB-51", "1.02", False, False),
    ],
)
def test_gains_quoted_in_section_4_8_against_table_6(
    basu: Document, row: str, dataset: str, quoted: str, in_points: bool, as_share: bool
) -> None:
    table = basu.tables["6"]
    baseline = "Z3-ResNet-18(baseline)" if "ResNet" in row else "Z3CNN(baseline)"
    ahead, plain = (Fraction(table.cell(name, dataset).printed or "") for name in (row, baseline))
    decimals = decimals_of(quoted)
    assert (printed(ahead - plain, decimals) == quoted) is in_points
    assert (printed(100 * (ahead - plain) / plain, decimals) == quoted) is as_share
    assert table.note is not None and quoted in table.note


def test_the_row_that_table_8_prints_twice_is_noted(basu: Document) -> None:
    table = basu.tables["8"]
    halves = {
        row.key: [[table.cell(row.key, f"{dataset} {turn}").printed for turn in TURNS] for dataset in SETS]
        for row in table.rows
    }
    assert [row for row, (ucf, hmdb) in halves.items() if ucf == hmdb] == ["Z3CNN"]
    noted = {(cell.row, cell.column) for cell in table.cells if cell.note}
    assert noted == {("Z3CNN", f"HMDB-51 {turn}") for turn in TURNS}
