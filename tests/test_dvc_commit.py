"""Stages recorded as DVC records them, several at once."""

import shutil
from pathlib import Path

import pytest

from conftest import run_in

PIPELINE = """
stages:
  first: {cmd: make first, params: [one], outs: [first.txt]}
  second: {cmd: make second, deps: [first.txt], params: [two.deep], outs: [folder]}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    run_in(tmp_path, "dvc", "init", "--no-scm")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("one: 1\ntwo: {deep: [2, 3]}\n")
    (tmp_path / "first.txt").write_text("first")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.txt").write_text("a")
    return tmp_path


def commit(folder: Path, *names: str, code: int = 0) -> str:
    return run_in(folder, "python", "-m", "reeltrace.dvc_commit", *names, code=code).stderr


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
