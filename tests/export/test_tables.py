"""Tables as CSV: every cell is there, as printed, and comes back as it was."""

import csv
import io
from typing import Any

from reeltrace.export.tables import HEADER, tables


def test_each_table_has_a_file_and_each_cell_a_line(report: dict[str, Any]) -> None:
    found = tables(report)
    assert list(found) == ["smith2020-table1.csv", "jones2021-table7.9.csv"]
    lines = list(csv.DictReader(io.StringIO(found["smith2020-table1.csv"], newline="")))
    assert tuple(lines[0]) == HEADER
    assert [line["row"] for line in lines] == ["net #1 (50%)", 'net, "two"']
    assert lines[0]["published"] == "78.2 ± 0.4"
    assert (lines[0]["reproduced"], lines[0]["interval_low"], lines[0]["interval_high"]) == ("70.00", "60.00", "78.00")
    assert lines[0]["sha256"] == "0" * 64
    assert (lines[1]["published"], lines[1]["reproduced"], lines[1]["artifact"]) == ("100", "", "")
    assert lines[1]["verdict"] == "not run"


def test_a_table_whose_name_is_no_file_name_gets_one(report: dict[str, Any]) -> None:
    report["cells"][2]["table"] = "../7 b"
    assert "jones2021-table..-7-b.csv" in tables(report)
