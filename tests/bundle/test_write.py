"""`reeltrace bundle`: a zip of the results that checks itself, equal for equal results."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from analysis.fabricated import BULK, Project
from reeltrace.artifacts.json_values import canonical_json, parse_json
from reeltrace.bundle import check
from reeltrace.bundle.write import write_bundle
from reeltrace.errors import CheckFailed, UserError


def test_a_bundle_checks_itself_once_unpacked_and_as_a_zip(finished: Project, tmp_path: Path) -> None:
    target = write_bundle(finished.root, finished.scale, tmp_path)
    assert target == tmp_path / "reeltrace-quick.zip"
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(target) as archive:
        names = archive.namelist()
        archive.extractall(folder)
    assert {"README.txt", "bundle.json", "check.py"} <= set(names)
    for file in ("report.html", "report.json", "manifest.json", "receipt.json"):
        assert f"results/quick/report/all/{file}" in names
    assert any(name.endswith("/predictions.npz") for name in names) and any(n.endswith("/cells.json") for n in names)
    for command in ([folder / "check.py"], [check.__file__, target]):
        done = subprocess.run(
            [sys.executable, "-I", *map(str, command)], capture_output=True, text=True, check=False, cwd="/"
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "all agree" in done.stdout and "not in the bundle" in done.stdout
    assert "results/quick/" in (folder / "README.txt").read_text()


def test_what_is_left_out_is_named_and_nothing_else_may_miss(finished: Project, tmp_path: Path) -> None:
    target = write_bundle(finished.root, finished.scale, tmp_path / "a.zip")
    with zipfile.ZipFile(target) as archive:
        left_out = parse_json(archive.read("bundle.json"))["left_out"]
        contents = {name: archive.read(name) for name in archive.namelist()}
    large = {
        path.relative_to(finished.root).as_posix()
        for path in finished.results.glob("*/*/*")
        if path.is_file() and path.stat().st_size >= BULK and path.parent.parent.name != "report"
    }
    assert large and large == {name for name in left_out if not name.endswith("/")}
    gone = next(name for name in contents if name.endswith("/history.jsonl"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in contents.items():
            if name != gone:
                archive.writestr(name, data)
    assert check.check(tmp_path / "b.zip").problems == [f"{gone}: missing"]


def test_equal_results_give_an_equal_zip(finished: Project, tmp_path: Path) -> None:
    first, second = (write_bundle(finished.root, finished.scale, tmp_path / name) for name in ("a.zip", "b.zip"))
    assert first.read_bytes() == second.read_bytes()


def test_only_a_bundle_is_replaced_and_nothing_is_left_half_written(finished: Project, tmp_path: Path) -> None:
    target = write_bundle(finished.root, finished.scale, tmp_path / "a.zip")
    assert write_bundle(finished.root, finished.scale, target) == target
    (tmp_path / "own.zip").write_text("mine")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("own.zip", "is no bundle"), ("other.zip", "is no bundle"), ("pipe", "not a file")):
        with pytest.raises(UserError, match=words):
            write_bundle(finished.root, finished.scale, tmp_path / name)
    assert (tmp_path / "own.zip").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "other.zip", "own.zip", "pipe"]


@pytest.mark.parametrize("below", ["results", "results/quick", "results/quick/report/all/new.zip"])
def test_a_bundle_does_not_lie_among_the_results(copied: Project, tmp_path: Path, below: str) -> None:
    (tmp_path / "link").symlink_to(copied.root)
    for root in (copied.root, tmp_path / "link"):
        with pytest.raises(UserError, match="lies among the results"):
            write_bundle(copied.root, copied.scale, root / below)
    assert not list((copied.root / "results").rglob("*.zip"))


def test_without_a_report_there_is_no_bundle_and_damage_is_said(copied: Project, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no report yet"):
        write_bundle(copied.root, "paper", tmp_path)
    (copied.folder("report/all") / "report.json").write_text("{}")
    with pytest.raises(CheckFailed, match=r"do not agree: .*report\.json"):
        write_bundle(copied.root, copied.scale, tmp_path / "bad.zip")
    assert (tmp_path / "bad.zip").is_file()


@pytest.mark.parametrize("file", ["predictions.npz", "metrics.json", "cells.json", "spec.json", "history.jsonl"])
def test_a_list_of_what_was_left_out_excuses_only_what_a_bundle_leaves_out(
    finished: Project, tmp_path: Path, file: str
) -> None:
    target = write_bundle(finished.root, finished.scale, tmp_path / "a.zip")
    with zipfile.ZipFile(target) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    gone = sorted(name for name in contents if name.endswith(f"/{file}") and "/report/" not in name)
    told = parse_json(contents["bundle.json"])
    told["left_out"] = sorted([*told["left_out"], *gone])
    contents["bundle.json"] = canonical_json(told).encode()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, data in contents.items():
            if name not in gone:
                archive.writestr(name, data)
    problems = check.check(tmp_path / "b.zip").problems
    assert gone and {f"{name}: missing, and a bundle carries it" for name in gone} <= set(problems)


def test_a_report_may_not_be_left_out_however_large() -> None:
    for stage, name, excused in (("report", "report.html", False), ("data", "clips.npy", True)):
        entry = {"sha256": "0" * 64, "bytes": check.BULK + 1}
        assert check.may_be_left_out(stage, name, entry) is excused
    assert not check.may_be_left_out("data", "clips.npy", {"sha256": "0" * 64, "bytes": check.BULK})
    assert not check.may_be_left_out("data", "clips.npy", {"sha256": "0" * 64, "bytes": True})
    assert check.may_be_left_out("data", "frames/", {"sha256": "0" * 64, "bytes": 3, "files": 1})
