"""Tables of any origin: what is read of them, what is not judged, and errors in one line."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reeltrace.analysis.audit.files import DIGITS, Sizes, read
from reeltrace.analysis.audit.findings import Finding
from reeltrace.analysis.audit.run import audit
from reeltrace.analysis.audit.values import Printed
from reeltrace.errors import UserError


def lay(folder: Path, text: str | bytes, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def of(folder: Path, text: str | bytes, *sizes: str, percent: tuple[str, ...] = ()) -> dict[tuple[str, str], Printed]:
    body = read(lay(folder, text), Sizes.read(sizes, percent))
    (sheet,) = body.sheets.values()
    return dict(sheet.cells)


def found(folder: Path, text: str, *sizes: str, percent: tuple[str, ...] = ()) -> list[Finding]:
    return list(audit([read(lay(folder, text), Sizes.read(sizes, percent))]).findings)


def test_decimals_units_and_sizes_are_those_of_each_cell(tmp_path: Path) -> None:
    cells = of(tmp_path, "net,accuracy,n,memory,rate\na,66.7,3,2.888 GB,12.5%\nb,33,6,1.5K,0.25\n")
    assert cells["a", "accuracy"].step * 10 == 1 and cells["b", "accuracy"].step == 1
    assert cells["a", "accuracy"].test is not None and cells["a", "accuracy"].test.size == 3
    assert cells["b", "accuracy"].test is not None and cells["b", "accuracy"].test.size == 6
    assert cells["a", "memory"].unit == "GB" and cells["b", "memory"].value == 1500
    assert cells["a", "rate"].whole == 100 and cells["b", "rate"].whole is None


def test_a_consistent_table_with_a_column_of_sizes_has_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path, "net,accuracy,n\na,66.7,3\nb,33,3\nc,12.5%,8\nd,100,7\n") == []


def test_a_size_is_that_of_shares_alone(tmp_path: Path) -> None:
    table = "net,top-1,seconds,loss\na,66.7,1.23,0.123\nb,33.3,4.57,0.457\n"
    assert found(tmp_path, table, "3") == []
    (one,) = found(tmp_path, table, "3", percent=("seconds",))
    assert {s.column for s in one.sources} == {"seconds"}


def test_sizes_by_column(tmp_path: Path) -> None:
    table = "net,first,second,people\na,66.7,50.0,4\nb,33.3,25.0,4\n"
    assert found(tmp_path, table, "first=3", "second=people") == []
    assert {s.column for f in found(tmp_path, table, "first=people") for s in f.sources} == {"first"}
    assert {f.sources[0].column for f in found(tmp_path, table, "people", percent=("first", "second"))} == {"first"}


@pytest.mark.parametrize("heading", ["accuracy", "acc (%)", "Top-1 accuracy", "error rate", "percent right"])
def test_what_marks_a_column_of_shares(tmp_path: Path, heading: str) -> None:
    assert len(found(tmp_path, f"net,{heading}\na,0.123\nb,0.457\n", "10")) == 1


@pytest.mark.parametrize("heading", ["accuracy gain", "% change", "loss", "accelerator"])
def test_what_does_not(tmp_path: Path, heading: str) -> None:
    with pytest.raises(UserError, match="no column is marked as a percentage; name one with --percent"):
        found(tmp_path, f"net,{heading}\na,0.123\nb,0.457\n", "10")


def impossible(findings: list[Finding]) -> list[tuple[str, str, str]]:
    """Row, print and severity of the shares that are none."""
    return [(f.sources[0].row, f.sources[0].printed, f.severity) for f in findings if f.detector == "impossible"]


@pytest.mark.parametrize("heading", ["accuracy (%)", "accuracy", "top-1 share"])
@pytest.mark.parametrize("slip", ["104.2", "-3.0"])
def test_a_share_that_is_none_is_found_and_the_others_of_its_column_are_judged(
    tmp_path: Path, heading: str, slip: str
) -> None:
    table = f"net,{heading}\na,12.5\nb,{slip}\nc,37.5\nd,12.34\n"
    seen = found(tmp_path, table, "8")
    assert impossible(seen) == [("b", slip, "decision")]
    (denominator,) = (f for f in seen if f.detector == "denominator")
    assert "12.34" in [s.printed for s in denominator.sources]


def test_shares_that_are_none_of_one_in_all_and_with_a_percent_sign(tmp_path: Path) -> None:
    assert impossible(found(tmp_path, "net,accuracy\na,0.91\nb,0.87\nc,1.04\nd,0.95\n")) == [("c", "1.04", "decision")]
    assert impossible(found(tmp_path, "net,accuracy\na,91.5%\nb,104%\n")) == [("b", "104%", "decision")]
    assert impossible(found(tmp_path, "net,accuracy (%)\na,104.2\n")) == [("a", "104.2", "decision")]
    assert impossible(found(tmp_path, "net,right\na,50\nb,-1\n", percent=("right",))) == [("b", "-1", "decision")]
    assert impossible(found(tmp_path, "net,error rate\na,0.2\nb,0.3\nc,0.4\nd,1.2\n")) == []


@pytest.mark.parametrize("table", ["net,cost (%)\na,50.5\nb,104.5\n", "net,cost\na,50.5%\nb,104.5%\n"])
def test_a_percentage_that_need_not_be_a_share_is_said_not_to_be_judged(tmp_path: Path, table: str) -> None:
    seen = audit([read(lay(tmp_path, table), Sizes())])
    assert seen.findings == ()
    (limit,) = seen.limits
    assert limit.startswith("some.csv: column 'cost") and "is not judged as shares, '104.5" in limit


@pytest.mark.parametrize(
    ("table", "cell", "line"),
    [
        ('net,cost\na,"1.234,5"\nb,7.5\n', "'1.234,5'", 2),
        ("net;cost\na;7,5\nb;1,234.5\n", "'1,234.5'", 3),
        ("net,cost\na,7.5\nb,1'23\n", '"1\'23"', 3),
    ],
)
def test_what_looks_like_a_number_and_is_not_read_is_said_in_one_line(
    tmp_path: Path, table: str, cell: str, line: int
) -> None:
    (note,) = read(lay(tmp_path, table), Sizes()).notes
    assert note.startswith(f"some.csv: looks like numbers and was not read: {cell} (line {line}, column 'cost')")
    assert read(lay(tmp_path, "net,cost,day\na,7.5,2020-01-01\nb,-,x3\n"), Sizes()).notes == ()


def test_bounds_and_means_with_a_spread_are_no_counts_of_one_run(tmp_path: Path) -> None:
    assert found(tmp_path, "net,accuracy\na,78.21 ± 0.4\nb,~12.34\nc,<0.17\nd,45.67 (1.2)\n", "10") == []


def test_semicolons_with_decimal_commas_and_a_byte_order_mark(tmp_path: Path) -> None:
    cells = of(tmp_path, "\ufeffnet;accuracy;cost\na;66,7;1.234,5\nb;33,3;7,0\n")
    assert cells["a", "accuracy"].value * 10 == 667 and cells["a", "cost"].value * 10 == 12345


def test_tabs_and_commas_between_thousands(tmp_path: Path) -> None:
    cells = of(tmp_path, 'net\tparameters\na\t59,342,488\n"b"\t1,000\n')
    assert cells["a", "parameters"].value == 59_342_488 and cells["a", "parameters"].step == 0


def test_names_that_stand_twice_or_not_at_all(tmp_path: Path) -> None:
    cells = of(tmp_path, ",top,top,\nx,1.5,2.5,3.5\nx,4.5,5.5,6.5\n")
    assert {row for row, _ in cells} == {"x", "x (2)"}
    assert {column for _, column in cells} == {"top", "top (2)", "column 4"}
    assert of(tmp_path, "1.5,2.5\n3.5,4.5\n").keys() == {(f"row {r}", f"column {c}") for r in (1, 2) for c in (1, 2)}


def test_a_total_that_is_none(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "part,left,right,total\na,10,20,30\nb,5,6,12\n")
    assert (one.sources[0].row, one.sources[0].column, one.severity) == ("b", "total", "decision")


def test_totals_of_huge_numbers_are_told(tmp_path: Path) -> None:
    (one,) = found(tmp_path, "part,left,right,total\na,1e30,33,1e30\nb,1e30,2e30,1e30\n")
    assert "their sum is 3.00000000e30, printed 1e30" in one.computation


def test_numbers_too_large_to_compute_with_are_not_judged(tmp_path: Path) -> None:
    lines = [f"{n},{n}e98,{n + 3}e99,{n * (n + 3)}e{98 + 99}" for n in range(2, 9)]
    assert found(tmp_path, "\n".join(["net,left,right,product", *lines])) == []


def test_text_without_numbers_is_no_finding(tmp_path: Path) -> None:
    assert found(tmp_path, "net,accuracy,other\na,nan,inf\nb,,1e400\nc,-,n/a\nd,none,x=1\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing"),
        ("\n\n , \n", "holds nothing"),
        ("net,accuracy\n", "no cells"),
        ("net,accuracy\na,1,2\n", r"line 2: 3 cells, the names above are 2"),
        ("net,accuracy,n\na,1.0,2\nb,1.0\n", r"line 3: 2 cells, the names above are 3"),
        (f"net,accuracy\na,{'9' * 400}\n", rf"line 2, column 'accuracy': a number of more than {DIGITS} digits"),
        (f"net,accuracy\na,0.{'1' * 400}%\n", "more than 40 digits"),
        ('net,accuracy\n"a,1.0\n', "line 2: unexpected end of data"),
        ("net,accuracy\na,1\x002\n", "zero bytes"),
        (b"net,accuracy\na,\xff\xfe\n", "byte 15 is no UTF-8"),
        (f'net,accuracy\n"{"x" * 200_000}",1\n', "field larger than field limit"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    path = lay(tmp_path, text)
    with pytest.raises(UserError, match=said) as error:
        read(path, Sizes())
    assert str(path) in str(error.value) and "\n" not in str(error.value)


CELLS = st.one_of(
    st.sampled_from(
        ["", "-", "nan", "inf", "12.5%", "33", "66.7", "1e30", "-4", "0", "100", "1,000", "78 ± 2", "<5", "x", '"']
    ),
    st.integers(-5, 10**12).map(str),
    st.text(alphabet='0123456789.,;%+-eEKM"\t ()±', max_size=8),
)
TABLES = st.lists(st.lists(CELLS, min_size=1, max_size=5), min_size=1, max_size=7)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES, st.sampled_from([",", ";", "\t"]), st.sampled_from([(), ("7",), ("n",)]))
def test_any_table_is_read_or_refused_in_one_line(
    tmp_path: Path, rows: list[list[str]], separator: str, sizes: tuple[str, ...]
) -> None:
    width = max(map(len, rows))
    head = ["net", "accuracy (%)", "n", "total", "mean"][:width]
    lines = [head, *(row + [""] * (width - len(row)) for row in rows)]
    try:
        found(tmp_path, "\n".join(separator.join(line) for line in lines), *sizes)
    except UserError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("sizes", "percent", "said"),
    [
        (["0"], [], "--n: found '0'; expected the size of a test set"),
        (["-3"], [], "expected the size of a test set"),
        (["9" * 400], [], "expected the size of a test set"),
        (["1.5"], [], "expected the size of a test set"),
        (["30", "40"], [], "beside 30"),
        (["nothing"], [], "no column 'nothing'; it has: accuracy, n"),
        (["nothing=3"], [], "no column 'nothing'; it has: accuracy, n"),
        (["accuracy=nothing"], [], "no column 'nothing'"),
        ([], ["nothing"], "no column 'nothing'"),
        (["accuracy=accuracy"], [], "12.5 is no size of a test set"),
    ],
)
def test_sizes_that_are_none(tmp_path: Path, sizes: list[str], percent: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(lay(tmp_path, "net,accuracy,n\na,12.5,8\n"), Sizes.read(sizes, percent))


YAML = """
tests: {small: {size: 8, of: clips, place: here}}
tables:
  one:
    title: One
    caption: Invented
    place: here
    unit: percent
    test: small
    columns: [{key: first, label: First}]
    rows: [{key: x, label: x}, {key: y, label: y}]
    cells:
      - {row: x, column: first, printed: "12.5"}
      - {row: y, column: first, printed: "%s"}
"""


def test_tables_in_yaml(tmp_path: Path) -> None:
    path = lay(tmp_path, YAML % "37.5", "some.yaml")
    assert audit([read(path, Sizes())]).findings == ()
    (one,) = audit([read(lay(tmp_path, YAML % "37.9", "some.yaml"), Sizes())]).findings
    assert (one.detector, one.sources[0].printed) == ("denominator", "37.9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tables: [", "some.yaml"),
        ("nothing: 1", "some.yaml: "),
        (YAML.replace("test: small", "test: large") % "37.5", "no test set 'large'; it has: small"),
        (YAML % "many", "many"),
        (YAML % "104.2", "'104.2' is not a percentage in 0..100"),
    ],
)
def test_yaml_that_is_no_table(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(lay(tmp_path, text, "some.yaml"), Sizes())
    with pytest.raises(UserError, match="for separated tables"):
        read(lay(tmp_path, YAML % "37.5", "some.yaml"), Sizes(every=3))


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    hostile = '{__import__("os").system("true")}'
    table = f"net,accuracy\n'{hostile.replace(',', ' ')}',12.34\n$(id),99.99\n"
    (one,) = found(tmp_path, table, "10")
    assert json.loads(json.dumps(one.model_dump()))["sources"][1]["row"] == "$(id)"
