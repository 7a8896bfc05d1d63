"""Stages recorded as DVC records them, several at once."""

import shutil
from pathlib import Path

import pytest

from conftest import PROJECT, lock_of_others, run_in
from reeltrace.pipeline.dvc_commit import mend_lockfile

PIPELINE = """
stages:
  first: {cmd: make first, params: [one], outs: [first.txt]}
  second: {cmd: make second, deps: [first.txt], params: [two.deep], outs: [folder]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src").symlink_to(PROJECT / "src")  # the code of here, wherever the package was installed from
    run_in(tmp_path, "dvc", "init", "--no-scm")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("one: 1\ntwo: {deep: [2, 3]}\n")
    (tmp_path / "first.txt").write_text("first")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.txt").write_text("a")
    return tmp_path


def commit(folder: Path, *names: str, code: int = 0) -> str:
    return run_in(folder, "python", "-m", "reeltrace.pipeline.dvc_commit", *names, code=code).stderr


def test_it_records_what_dvc_commit_records(project: Path) -> None:
    commit(project, "first", "second")
    ours = (project / "dvc.lock").read_bytes()
    (project / "dvc.lock").unlink()
    run_in(project, "dvc", "commit", "-f", "--no-relink")
    assert (project / "dvc.lock").read_bytes() == ours
    assert run_in(project, "dvc", "status", "--json").stdout.strip() == "{}"


def test_only_what_is_named_is_recorded(project: Path) -> None:
    commit(project, "first")
    text = (project / "dvc.lock").read_text()
    assert "first:" in text and "second:" not in text


def test_a_changed_parameter_is_recorded_and_what_did_not_change_is_left(project: Path) -> None:
    commit(project, "first", "second")
    before = (project / "dvc.lock").stat().st_mtime_ns
    commit(project, "first", "second")
    assert (project / "dvc.lock").stat().st_mtime_ns == before
    (project / "params.yaml").write_text("one: 1\ntwo: {deep: [2, 4]}\n")
    commit(project, "first", "second")
    assert "- 4" in (project / "dvc.lock").read_text()
    assert run_in(project, "dvc", "status", "--json").stdout.strip() == "{}"


def test_what_the_cache_lost_is_put_there_again(project: Path) -> None:
    commit(project, "first", "second")
    cache = project / ".dvc/cache/files/md5"
    kept = sorted(path.relative_to(cache) for path in cache.rglob("*"))
    shutil.rmtree(cache)
    commit(project, "first", "second")
    assert sorted(path.relative_to(cache) for path in cache.rglob("*")) == kept


def test_a_missing_output_is_refused_and_nothing_is_recorded(project: Path) -> None:
    (project / "folder/a.txt").unlink()
    (project / "folder").rmdir()
    assert "ERROR: output 'folder' does not exist" in commit(project, "first", "second", code=1)
    assert not (project / "dvc.lock").exists()


def test_a_torn_dvc_lock_keeps_its_whole_entries(project: Path) -> None:
    """Cut anywhere, as by a kill while DVC writes it; DVC itself takes half a hash for a hash."""
    commit(project, "first", "second")
    path, aside = project / "dvc.lock", project / "torn"
    whole = path.read_bytes()
    second = whole.index(b"  second:")
    valid = {0: b""}
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        aside.unlink(missing_ok=True)
        note = mend_lockfile(path, aside)
        left = path.read_bytes() if path.exists() else b""
        assert left in (whole[:cut], whole[:second] if cut > second + 2 else b"")
        if note:
            assert aside.read_bytes() == whole[:cut]
            assert note.startswith(f"dvc.lock was torn; {int(cut > second + 2)} whole entries were kept")
        else:
            assert left == whole[:cut] and left.endswith(b"\n")
            valid[cut] = left
    assert len(valid) > 10
    for cut in sorted(valid)[-4:-2]:  # cut between two lines, it looks whole, and is recorded anew
        path.write_bytes(valid[cut])
        commit(project, "first", "second")
        assert path.read_bytes() == whole


def test_each_torn_dvc_lock_is_kept(project: Path) -> None:
    commit(project, "first", "second")
    path, kept = project / "dvc.lock", project / ".dvc/tmp/dvc.lock.torn"
    whole = path.read_bytes()
    for cut, name in ((50, kept), (60, kept.with_suffix(".torn.1")), (50, kept), (70, kept.with_suffix(".torn.2"))):
        path.write_bytes(whole[:cut])
        done = run_in(project, "python", "-m", "reeltrace.pipeline.dvc_commit", "first", "second")
        assert f"recorded anew ({name})" in done.stdout
        assert name.read_bytes() == whole[:cut]
        assert path.read_bytes() == whole
    assert kept.read_bytes() == whole[:50]


@pytest.mark.parametrize(
    ("old", "new", "how"),
    [
        ("schema: '2.0'", "schema: '3.0'", "its schema is 3.0, this one reads 2.0"),
        ("schema: '2.0'", "schema: 3", "its schema is 3, this one reads 2.0"),
        ("schema: '2.0'\nstages:\n", "schema: '3.0'\nstages: {\n", "its schema is 3.0, this one reads 2.0"),
        ("schema: '2.0'\nstages:\n", "", "it states no schema"),
        ("schema: '2.0'\n", "schema: '2.0'\nwriter: dvc\n", "this one does not know writer"),
        ("    cmd: make first\n", "    cmd: make first\n    how: new\n", "this one does not know stages.first.how"),
    ],
)
def test_a_dvc_lock_of_another_dvc_is_left_alone_and_one_line_says_so(
    project: Path, old: str, new: str, how: str
) -> None:
    commit(project, "first", "second")
    path = project / "dvc.lock"
    other = path.read_text().replace(old, new, 1)
    path.write_text(other)
    said = commit(project, "first", "second", code=1)
    assert said.startswith(f"ERROR: dvc.lock: of another version of DVC ({how}) and left as it is; ")
    assert said.count("\n") == 1
    assert path.read_text() == other
    assert not list((project / ".dvc/tmp").glob("*.torn*"))


def test_entries_that_share_a_value_are_kept(project: Path) -> None:
    """DVC writes a value that comes twice once, and refers to it; another entry alone would not make sense."""
    lock = lock_of_others(50)
    assert "*id001" in lock
    path = project / "dvc.lock"
    path.write_text(lock[: len(lock) * 9 // 10] + "\0")
    whole = path.read_text().count("\n    cmd: ") - 1
    assert f"{whole} whole entries were kept" in mend_lockfile(path, project / "torn")
    assert lock.startswith(path.read_text())
    assert path.read_text().count("\n    cmd: ") == whole > 40


@pytest.mark.parametrize("content", ['{"a": "b', "", '{"write": {"x": 5}}'])
def test_a_torn_rwlock_is_removed(project: Path, content: str) -> None:
    path = project / ".dvc/tmp/rwlock"
    path.write_text(content)
    assert "rwlock" in run_in(project, "dvc", "commit", "-f", "first", code=1).stderr.lower()
    commit(project, "first", "second")
    assert not path.exists()
    assert run_in(project, "dvc", "status", "--json").stdout.strip() == "{}"


def test_the_entry_of_a_dead_process_in_the_rwlock_is_no_reason_to_wait(project: Path) -> None:
    (project / ".dvc/tmp/rwlock").write_text(
        '{"write": {"first.txt": {"pid": 4194305, "cmd": "dvc repro"}}, "read": {}}'
    )
    commit(project, "first", "second")
