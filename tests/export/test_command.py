"""`reeltrace export`: what may be asked for, and what is said of the rest."""

from pathlib import Path

import pytest

from reeltrace.errors import CheckFailed, UserError
from reeltrace.export.command import export


def test_each_format_writes_what_it_returns(results: dict[str, Path], tmp_path: Path) -> None:
    csv = export("csv", results, tmp_path, tmp_path / "out/tables", None)
    assert [path.name for path in csv] == ["smith2020-table1.csv", "jones2021-table7.9.csv"]
    assert export("csv", results, tmp_path, tmp_path / "one", "jones2021") == (tmp_path / "one/jones2021-table7.9.csv",)
    for form, file in (("latex", "numbers.tex"), ("sarif", "report.sarif")):
        assert export(form, results, tmp_path, tmp_path / file, None) == (tmp_path / file,)
        assert (tmp_path / file).stat().st_size > 100


@pytest.mark.parametrize(
    ("form", "document", "words"),
    [
        ("latexx", None, "no format 'latexx'"),
        ("latex", "smith2020", "--document: latex is of the whole report"),
        ("codecheck", None, "--document: name one of smith2020, jones2021"),
        ("codecheck", "smith", "no 'smith' in the report"),
        ("csv", "smith", "no 'smith' in the report"),
    ],
)
def test_what_cannot_be_is_said(
    results: dict[str, Path], tmp_path: Path, form: str, document: str | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        export(form, results, tmp_path, tmp_path / "out", document)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_no_file_and_a_file_no_folder(results: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder; name a file"):
        export("sarif", results, tmp_path, tmp_path, None)
    with pytest.raises(UserError, match="is a file; name a folder"):
        export("csv", results, tmp_path, tmp_path / "Snakefile", None)


@pytest.mark.parametrize("form", ["csv", "latex", "sarif", "codecheck", "crate"])
def test_an_edited_report_is_not_exported(results: dict[str, Path], tmp_path: Path, form: str) -> None:
    path = results["report/all"] / "report.json"
    path.write_text(path.read_text().replace("70.00", "80.00"))
    with pytest.raises(CheckFailed, match="is not the file that its manifest records; `reeltrace verify`"):
        export(form, results, tmp_path, tmp_path / "out", "smith2020" if form == "codecheck" else None)
    assert not (tmp_path / "out").exists()


def test_without_a_report_nothing_is_exported(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="there is no report yet"):
        export("csv", {}, tmp_path, None, None)
