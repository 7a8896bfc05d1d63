"""The transcription of mahler2020: its shape, and the relations that the document states."""

import pytest

from conftest import PROJECT
from reeltrace.analysis.published import Document, load


@pytest.fixture(scope="module")
def mahler() -> Document:
    return load("mahler2020", PROJECT)


@pytest.mark.parametrize(
    ("table", "rows", "columns", "added"),
    [
        ("2.1", 11, 7, 1),
        ("5.1", 5, 4, 0),
        ("6.1", 2, 2, 0),
        ("6.2", 5, 3, 0),
        ("7.1", 4, 1, 0),
        ("7.2", 6, 6, 6),
        ("7.3", 6, 3, 1),
    ],
)
def test_tables_of_mahler_have_the_printed_shape(
    mahler: Document, table: str, rows: int, columns: int, added: int
) -> None:
    found = mahler.tables[table]
    assert (len(found.rows), sum(c.added is None for c in found.columns)) == (rows, columns)
    assert sum(c.added is not None for c in found.columns) == added
    assert len(found.cells) == rows * (columns + added)
    assert all(cell.place.startswith("section ") for cell in found.cells)


def test_relations_that_mahler_states(mahler: Document) -> None:
    cost = {row.key: mahler.tables["7.2"].cell(row.key, "GFLOPS per run").value for row in mahler.tables["7.2"].rows}
    view = mahler.tables["7.2"].cell("SlowFast", "GFLOPS per view").value
    assert cost["SlowFast"] == 30 * view  # type: ignore[operator]
    assert cost["R(2+1)D + optical flow"] == 2 * cost["R(2+1)D"]  # type: ignore[operator]
    five = mahler.tables["5.1"]
    for row in five.rows:
        slow, fast = (five.cell(row.key, f"{path} size").value for path in ("slow", "fast"))
        assert isinstance(slow, list) and isinstance(fast, list)
        assert slow[1:] == fast[1:] and fast[0] == 4 * slow[0]  # type: ignore[operator]


def test_contradictions_of_mahler_with_itself_are_recorded(mahler: Document) -> None:
    found = {
        (number, cell.row, cell.column): [other.printed for other in cell.contradicted_by]
        for number, table in mahler.tables.items()
        for cell in table.cells
        if cell.contradicted_by
    }
    assert found == {("6.1", "Kinetics-600", "Top-5"): ["95.1"]}
    noted = [cell for table in mahler.tables.values() for cell in table.cells if cell.contradicted_by]
    assert all(cell.note for cell in noted)


def test_a_column_set_beside_a_table_is_null_with_its_reason_unless_listed(mahler: Document) -> None:
    table = mahler.tables["7.3"]
    printed = {row.key: table.cell(row.key, "accuracy per parameter").printed for row in table.rows}
    assert {row: text for row, text in printed.items() if text} == {"SlowFast": "1.344e-6", "R(2+1)D-152": "0.700e-6"}
    assert "Figure 7.3" in (table.cell("R(2+1)D", "accuracy per parameter").reason or "")
