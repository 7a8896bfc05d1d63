"""A transcription that is not what its document's text has is named, with the text and without it."""

import shutil
from pathlib import Path

import pytest

from analysis.test_spans import TEXT, spans
from conftest import edit, write_files
from reeltrace.analysis.spans import FILE, written
from reeltrace.errors import UserError
from reeltrace.verify.published import TEXTS, as_printed, not_held

PUBLISHED = """tables:
  "1":
    title: t
    caption: c
    place: section 1, Table 1
    unit: percent
    columns: [{key: Clips, label: Clips}, {key: Videos, label: Videos}]
    rows: [{key: A, label: A}, {key: B, label: B}, {key: Both, label: Both}]
    cells:
      - {row: A, column: Clips, printed: "70.1", also: [{printed: "70.1", place: "section 1, first paragraph"}]}
      - {row: A, column: Videos, printed: "80.5"}
      - {row: B, column: Clips, printed: "70.2"}
      - {row: B, column: Videos, printed: null, reason: a dash}
      - {row: Both, column: Clips, printed: null, reason: blank}
      - {row: Both, column: Videos, printed: "81.5"}
"""
EMPTY = """tables:
  "1":
    title: t
    caption: c
    place: section 1, Table 1
    unit: percent
    columns: [{key: Clips, label: Clips}]
    rows: [{key: A, label: A}]
    cells:
      - {row: A, column: Clips, printed: null, reason: blank}
"""
PROSE = """values:
  - {id: gain, printed: "0.1", unit: points, place: "section 1, first paragraph", after: B gains}
"""
HOME = "documents/mine"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(TEXTS, raising=False)
    write_files(
        tmp_path,
        {
            f"{HOME}/published.yaml": PUBLISHED,
            f"{HOME}/prose.yaml": PROSE,
            f"{HOME}/{FILE}": written(spans()),
            "texts/mine.txt": TEXT,
        },
    )
    return tmp_path


def said(project: Path, texts: str | None = None) -> list[str]:
    found = as_printed(project, texts)
    assert all(p.kind == "not as printed" and p.where == str(project / HOME / "published.yaml") for p in found)
    return [p.found for p in found]


def test_a_true_transcription_passes_with_and_without_its_text(project: Path) -> None:
    assert said(project) == []
    assert said(project, str(project / "texts")) == []


def test_a_folder_of_texts_that_is_not_there_is_the_users_mistake(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TEXTS, str(project / "nowhere"))
    for call in (as_printed, not_held):
        with pytest.raises(UserError, match=r"^REELTRACE_TEXTS: .*nowhere: No such file or directory; expected"):
            call(project)


def test_a_document_that_was_held_to_no_text_is_named(project: Path) -> None:
    texts = project / "texts"
    assert not_held(project, str(texts)) == []
    (texts / "mine.txt").rename(project / "mine.txt")
    (texts / "folder").mkdir()
    (named,) = not_held(project, str(texts))
    assert named.startswith("mine (no text there has its sha256 ")
    (project / HOME / FILE).unlink()
    assert not_held(project, str(texts)) == ["mine (it has no spans.json)"]
    (project / HOME / "prose.yaml").unlink()
    (project / HOME / "published.yaml").write_text(EMPTY)
    assert not_held(project, str(texts)) == []


def test_a_text_is_found_by_its_sha256_whatever_it_is_called(project: Path) -> None:
    (project / "texts/mine.txt").rename(project / "texts/another name.txt")
    assert not_held(project, str(project / "texts")) == []
    edit(project / HOME / "published.yaml", "label: Clips", "label: Frames")
    assert said(project, str(project / "texts")) == [
        "table 1, column 'Clips': no 'Frames' stands above it in the print"
    ]


def test_a_document_without_spans_has_no_say(project: Path) -> None:
    (project / HOME / FILE).unlink()
    edit(project / HOME / "published.yaml", '"70.2"', '"90.2"')
    assert said(project, str(project / "texts")) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        (
            "published.yaml",
            '"70.2"',
            '"90.2"',
            "table 1: its values or places are not those that were found in the text",
        ),
        ("prose.yaml", '"0.1"', '"0.7"', "the prose: its values or places are not those that were found in the text"),
        ("published.yaml", "section 1, Table 1", "section 2, Table 1", "table 1: its values or places are not those"),
        (FILE, '"1/B/Clips": [', '"1/B/Frames": [', "1/B/Clips: no span in the text"),
        (FILE, '"text"', "text", "not JSON"),
    ],
)
def test_without_the_text_an_edit_is_named(project: Path, file: str, old: str, new: str, says: str) -> None:
    edit(project / HOME / file, old, new)
    assert any(says in each for each in said(project))


def test_an_edit_that_the_spans_know_is_named_by_the_text_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(project / HOME / "published.yaml", "label: Clips", "label: Frames")
    assert said(project) == []
    monkeypatch.setenv(TEXTS, str(project / "texts"))
    assert said(project) == ["table 1, column 'Clips': no 'Frames' stands above it in the print"]


def test_another_text_is_named(project: Path) -> None:
    edit(project / "texts/mine.txt", "1.0", "1.1")
    assert said(project, str(project / "texts"))[0].startswith("the text is another one")


def test_a_project_without_documents_has_no_problem(tmp_path: Path) -> None:
    assert as_printed(tmp_path) == []
    shutil.rmtree(tmp_path)
    assert as_printed(tmp_path) == []
