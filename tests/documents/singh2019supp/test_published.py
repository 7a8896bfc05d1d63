"""The transcription of singh2019supp: its shape, and the relations that the document states."""

from conftest import PROJECT
from reeltrace.analysis.published import load


def test_the_table_of_singh_is_the_printed_one() -> None:
    table = load("singh2019supp", PROJECT).tables["1"]
    assert table.headings == ("w_xh init", "w_hh init")
    assert [(row.label, row.type) for row in table.rows] == [
        ("Random", "Random"),
        ("Random", "Identity"),
        ("ImageNet", "Random"),
        ("ImageNet", "Identity"),
    ]
    assert all(table.cell(row.key, "video").value > table.cell(row.key, "clip").value for row in table.rows)  # type: ignore[operator]
