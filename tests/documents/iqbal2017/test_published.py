"""The transcription of iqbal2017: its shape, and the relations that the document states."""

from fractions import Fraction

import pytest

from conftest import PROJECT
from reeltrace.analysis.published import Document, load
from reeltrace.kinds.rounding import printed


@pytest.fixture(scope="module")
def iqbal() -> Document:
    return load("iqbal2017", PROJECT)


@pytest.mark.parametrize(
    ("table", "headings", "rows", "columns"),
    [
        ("5.1", ("Features", "Method"), 6, 2),
        ("5.2", ("Features",), 4, 2),
        ("5.3", ("Algorithm", "Update After"), 3, 1),
        ("5.4", ("Position", "Type"), 4, 1),
        ("5.5", ("Type",), 3, 1),
        ("5.6", ("Sampling Rate",), 4, 2),
        ("5.7", ("Temporal Context", "Model"), 4, 1),
        ("5.8", ("Split",), 3, 1),
        ("5.9", ("Method",), 6, 3),
    ],
)
def test_tables_of_iqbal_have_the_printed_shape(
    iqbal: Document, table: str, headings: tuple[str, ...], rows: int, columns: int
) -> None:
    found = iqbal.tables[table]
    assert (found.headings, len(found.rows), len(found.columns)) == (headings, rows, columns)
    assert {cell.unit for cell in found.cells} == {"error rate"} | ({"hours"} if table == "5.6" else set())
    assert len(found.cells) == rows * columns


def test_relations_that_iqbal_states(iqbal: Document) -> None:
    """One network stands in six tables; the two tables of baselines share a network; a mean over splits is 0.198."""
    places = [
        ("5.3", "ADAM 1 percent"),
        ("5.4", "98-104"),
        ("5.5", "identity"),
        ("5.6", "every 10th"),
        ("5.7", "1 connection"),
        ("5.8", "split 1"),
    ]
    assert {iqbal.tables[table].cell(row, "error rate").printed for table, row in places} == {"0.197"}
    for column in ("z-norm", "no z-norm"):
        for block in ("Block4", "Block3"):
            shared = [iqbal.tables["5.1"].cell(f"{block} pool", column), iqbal.tables["5.2"].cell(block, column)]
            assert shared[0].printed == shared[1].printed
    mean = sum(Fraction(str(cell.printed)) for cell in iqbal.tables["5.8"].cells) / 3
    assert printed(mean, 3) == iqbal.tables["5.9"].cell("ST-ResNet", "final").printed == "0.198"
