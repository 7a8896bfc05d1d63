"""Tables as papers have them: several lines of names, bold and starred numbers, Markdown, LaTeX, titles, gaps."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.analysis.audit.files import Sizes, read
from reeltrace.analysis.audit.layouts import bare, lay_out, plain
from reeltrace.analysis.audit.run import audit
from reeltrace.analysis.audit.values import Body
from reeltrace.errors import UserError


def body_of(folder: Path, text: str, name: str = "some.csv") -> Body:
    path = folder / name
    path.write_text(text)
    return read(path, Sizes())


def values(body: Body) -> dict[tuple[str, str], Fraction]:
    (sheet,) = body.sheets.values()
    return {place: number.value for place, number in sheet.cells.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("**74.1**", "74.1"),
        (r"\textbf{76.9}", "76.9"),
        (r"\underline{\textbf{76.9}}", "76.9"),
        (r"$\mathbf{76.9}$", "76.9"),
        ("<b>76.9</b>", "76.9"),
        ("76.9<sup>2</sup>", "76.9"),
        ("71.2*", "71.2"),
        ("80.1**", "80.1"),
        ("74.5†", "74.5"),
        ("74.5¹", "74.5"),
        ("+0.9 ↑", "0.9"),
        ("(+0.2)", "0.2"),
        ("(-0.2)", "-0.2"),
        ("−1.5", "-1.5"),
        (".04", "0.04"),
        ("6 766", "6766"),
        ("220'847", "220847"),
        ("1 234 567", "1234567"),
        ("1.2×10^-3", "0.0012"),
        (r"$1.2 \times 10^{-3}$", "0.0012"),
        ("3.3×", "3.3"),
        ("66.0 [64.1, 67.9]", "66"),
        ("74.1 (+2.9)", "74.1"),
        ("74.1 (±0.3)", "74.1"),
        (r"69.1 $\pm$ 0.3", "69.1"),
        (r"\textbf{76.9} ± 0.1", "76.9"),
        ("1.8G", "1800000000"),
    ],
)
def test_what_stands_around_a_number(tmp_path: Path, text: str, value: str) -> None:
    body = body_of(tmp_path, f'net,cost\na,"{text}"\n')
    assert values(body) == {("a", "cost"): Fraction(value)} and body.notes == ()


@pytest.mark.parametrize("text", ["12:30", "3h 45m", "1 2", "75.6 / 92.1", "1st of 3", "(5) 3", "1'23", "3,1,4"])
def test_what_is_no_number_is_not_taken_for_one_and_is_said(tmp_path: Path, text: str) -> None:
    body = body_of(tmp_path, f'net,cost\na,"{text}"\nb,7.5\n')
    assert values(body) == {("b", "cost"): Fraction("7.5")}
    assert len(body.notes) == 1 and "was not read" in body.notes[0] and text in body.notes[0].replace('"', "'")


def test_several_lines_of_names(tmp_path: Path) -> None:
    table = ",UCF,,HMDB,\nnet,split 1,split 2,split 1,split 2\na,93.4,92.1,66.4,65.0\n"
    body = body_of(tmp_path, table)
    assert set(values(body)) == {("a", f"{name}, split {k}") for name in ("UCF", "HMDB") for k in (1, 2)}
    assert body.notes == ("some.csv: lines 1 to 2 are names",)
    twice = body_of(tmp_path, "net,top,top,\n,first,second,cost\na,1.5,2.5,3.5\n")
    assert set(values(twice)) == {("a", "top, first"), ("a", "top, second"), ("a", "top, cost")}
    assert set(values(body_of(tmp_path, "net,kind,cost\na,plain,-\nb,wide,2.5\n"))) == {("b", "cost")}


def test_titles_headings_between_rows_and_remarks(tmp_path: Path) -> None:
    body = body_of(tmp_path, '"Table 3, on one card"\n\nnet,cost,time\nplain nets\na,1.5,2\nb,2.5,3\n* ours\n')
    assert set(values(body)) == {(row, column) for row in "ab" for column in ("cost", "time")}
    assert body.notes == ("some.csv: line 1 is read as a title",)


MARKDOWN = """# Results

| Model | Acc. | Error |
|:---|---:|---:|
| A | 71.2 | 28.8 |
| **B** | **80.1** | 19.9 |

| other | n |
|---|---|
| x | 1 |
"""


def test_markdown(tmp_path: Path) -> None:
    body = body_of(tmp_path, MARKDOWN, "some.md")
    assert set(values(body)) == {(row, column) for row in "AB" for column in ("Acc.", "Error")}
    assert body.notes == ("some.md: holds 2 tables, of which the first is read; give each a file of its own",)
    (sheet,) = body.sheets.values()
    assert sheet.cells["B", "Acc."].place == "line 6"


LATEX = r"""
\begin{tabular}{l c S[table-format=2.1]c}
\toprule
 & \multicolumn{2}{c}{\textbf{Right (\%)}} & \\ \cmidrule(lr){2-3}
Model & first & second & Size \\
\midrule
A~net & 71.2 & 28.8 & 11.7M \\
\textbf{B} & \textbf{80.1} $\pm$ 0.3 & 19.9 & 1,234 \\ % the best
\bottomrule
\end{tabular}
"""


def test_latex(tmp_path: Path) -> None:
    body = body_of(tmp_path, LATEX, "some.tex")
    found = values(body)
    assert found["A net", "Right (%), first"] == Fraction("71.2")
    assert found["B", "Right (%), second"] == Fraction("19.9") and found["B", "Right (%), first"] == Fraction("80.1")
    assert {value for (_, column), value in found.items() if "Size" in column} == {11_700_000, 1234}
    (sheet,) = body.sheets.values()
    assert sheet.cells["B", "Right (%), first"].place == "line 8"


def test_short_rows_of_markdown_tags_and_other_separators(tmp_path: Path) -> None:
    short = 'net | acc | gain\n--- | --- | ---\na | 71.2\nb | 73.0 | <span style="color: red">+1.8</span>\n'
    assert values(body_of(tmp_path, short, "some.md")) == {
        ("a", "acc"): Fraction("71.2"),
        ("b", "acc"): 73,
        ("b", "gain"): Fraction("1.8"),
    }
    assert set(values(body_of(tmp_path, "net|acc\na|66.7\nb|33.3\n"))) == {("a", "acc"), ("b", "acc")}
    spaced = body_of(tmp_path, 'net, acc , size\na , 66.7% , "11,689,512"\n')
    assert values(spaced) == {("a", "acc"): Fraction("66.7"), ("a", "size"): 11_689_512}
    with pytest.raises(
        UserError, match="no cells beside the names of rows, separated by ','; expected a line of names"
    ):
        body_of(tmp_path, "net accuracy\na 66.7\n")


def test_points_between_thousands_where_commas_are_decimal(tmp_path: Path) -> None:
    found = values(body_of(tmp_path, "net;cost;size\na;71,3;1.200\nb;74,9;2.400.000\n"))
    assert found == {
        ("a", "cost"): Fraction("71.3"),
        ("b", "cost"): Fraction("74.9"),
        ("a", "size"): 1200,
        ("b", "size"): 2_400_000,
    }


def test_columns_without_a_number_are_said(tmp_path: Path) -> None:
    notes = body_of(tmp_path, "net,accuracy,loss,cost,kind\na,NaN,inf,12:30,x\nb,nan,-inf,1:45,y\n").notes
    assert notes == (
        "some.csv: column 'accuracy' holds no number that is read: 'NaN', 'nan'",
        "some.csv: column 'loss' holds no number that is read: 'inf', '-inf'",
        "some.csv: column 'cost' holds no number that is read: '12:30', '1:45'",
        "some.csv: holds no number that is read",
    )
    (note,) = body_of(tmp_path, "net,loss\na,0.5\nb,nan\n").notes
    assert "was not read: 'nan' (line 3, column 'loss')" in note


def test_what_was_read_is_said(tmp_path: Path) -> None:
    said = audit([body_of(tmp_path, "net,accuracy,cost\na,71.2,3\nb,-,4\n")]).read
    assert said == ("some.csv: 3 numbers in 2 rows and 2 columns; shares: 'accuracy' (of how many, --n says)",)


def test_scores_that_are_no_shares_of_the_samples_and_sums_in_a_row_of_means_are_no_findings(tmp_path: Path) -> None:
    rows = "x,91.2%,88.4%,89.8%,250\ny,85.0%,90.0%,87.4%,300\navg,88.1%,89.2%,88.6%,550\n"
    table = f"class,precision,recall,F1,support\n{rows}"
    assert audit([body_of(tmp_path, table)]).findings == ()


@given(st.text(max_size=40))
def test_any_text_is_laid_out_or_refused(text: str) -> None:
    try:
        laid = lay_out("some", text)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert laid.lines and all(any(cells) for _, cells in laid.lines)
    assert isinstance(bare(plain(text)), str)
