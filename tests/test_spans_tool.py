"""`tools/spans.py`, which finds where transcribed values stand in a document's text."""

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.test_spans import TEXT
from conftest import PROJECT, edit, write_files
from reeltrace.analysis.spans import FILE, load
from verify.test_published import PROSE, PUBLISHED

HOME = "documents/mine"
TWICE = PROSE + '  - {id: again, printed: "1,040", unit: count, place: section 1}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {f"{HOME}/published.yaml": PUBLISHED, f"{HOME}/prose.yaml": PROSE, "mine.txt": TEXT}
    write_files(tmp_path, files)
    return tmp_path


def tool(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "tools/spans.py"), *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def test_all_values_are_found_and_hold(project: Path) -> None:
    edit(project / HOME / "prose.yaml", "first paragraph", "second paragraph")
    done = tool(project, "mine", "mine.txt")
    assert done.returncode == 1 and "there are 1 paragraphs only" in done.stderr
    edit(project / HOME / "prose.yaml", "second paragraph", "first paragraph")
    done = tool(project, "mine", "mine.txt")
    assert (done.returncode, done.stdout, done.stderr) == (0, "4 cells, 1 other places, 1 of the prose\n", "")
    spans = load("mine", project)
    assert spans is not None
    assert TEXT[slice(*spans.cells["1/Both/Videos"])] == "81.5"
    assert tool(project, "mine", "mine.txt", "--check").returncode == 0


def test_a_value_that_stands_twice_is_chosen_and_stays_chosen(project: Path) -> None:
    text = TEXT + "\nOf 1,040 clips once more.\n"
    write_files(project, {f"{HOME}/prose.yaml": TWICE, "mine.txt": text})
    done = tool(project, "mine", "mine.txt")
    assert done.returncode == 1
    assert "again: '1,040' stands 2 times in 'section 1'" in done.stderr
    second = text.rindex("1,040")
    assert tool(project, "mine", "mine.txt", "--at", f"again={second}").returncode == 0
    assert tool(project, "mine", "mine.txt").returncode == 0
    spans = load("mine", project)
    assert spans is not None and spans.prose["again"] == (second, second + 5)


def test_a_check_writes_nothing_and_says_what_does_not_hold(project: Path) -> None:
    assert tool(project, "mine", "mine.txt", "--check").returncode == 1
    tool(project, "mine", "mine.txt")
    before = (project / HOME / FILE).read_bytes()
    edit(project / HOME / "published.yaml", '"70.2"', '"70.3"')
    done = tool(project, "mine", "mine.txt", "--check")
    assert done.returncode == 1 and "of the text is '70.2', transcribed is '70.3'" in done.stdout
    assert (project / HOME / FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("mine", "other.txt"), "other.txt: cannot be read as UTF-8 text"),
        (("mine", "latin.txt"), "latin.txt: cannot be read as UTF-8 text"),
        (("other", "mine.txt"), "documents/other/published.yaml"),
        (("mine", "mine.txt", "--at", "gain"), "--at =gain: give NAME=FROM"),
        (("mine", "mine.txt", "--at", "gain=soon"), "--at gain=soon: give NAME=FROM"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(project: Path, arguments: tuple[str, ...], says: str) -> None:
    (project / "latin.txt").write_bytes(b"caf\xe9")
    done = tool(project, *arguments)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
