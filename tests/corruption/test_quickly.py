"""What the harness remembers: an answer is given again only while nothing that it rests on has changed."""

import hashlib
import pickle
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from attest.attested import sign
from reeltrace.artifacts.files import sha256_file
from reeltrace.attest.keys import signer
from reeltrace.bundle import check
from reeltrace.corruption import quickly
from reeltrace.corruption.bench import Bench
from reeltrace.corruption.damages import KINDS, NotHere, Scene
from reeltrace.corruption.quickly import Beside, Checker
from reeltrace.errors import CheckFailed, Problem
from reeltrace.pipeline.standings import Standing
from reeltrace.registry import strict_yaml
from reeltrace.report.document import Report, build
from reeltrace.verify import verify


class Answers:
    """A function whose calls are counted: the text of a file in a folder, "none" where there is none."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, inputs: dict[str, Path]) -> str:
        self.calls += 1
        path = inputs["a"] / "file"
        return path.read_text() if path.is_file() else "none"


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Answers, dict[str, Path], Checker]:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a"
    folder.mkdir()
    checker = Checker(tmp_path)
    monkeypatch.setattr(checker, "_read_by", lambda arguments: {str(folder)})
    return folder / "file", Answers(), {"a": folder}, checker


def test_the_same_is_not_worked_out_again(asked: tuple[Path, Answers, dict[str, Path], Checker]) -> None:
    path, answers, inputs, checker = asked
    path.write_text("one")
    call = checker._remembered("build", answers)
    assert [call(inputs), call(inputs)] == ["one", "one"]
    assert answers.calls == 1


def test_another_content_a_missing_file_and_a_folder_in_its_place_are_seen(
    asked: tuple[Path, Answers, dict[str, Path], Checker],
) -> None:
    path, answers, inputs, checker = asked
    call = checker._remembered("build", answers)
    assert call(inputs) == "none"
    path.write_text("one")
    assert call(inputs) == "one"
    path.unlink()
    path.write_text("two")
    assert call(inputs) == "two"
    path.unlink()
    assert call(inputs) == "none"
    path.mkdir()
    assert call(inputs) == "none"
    path.rmdir()
    path.write_text("three")
    assert call(inputs) == "three"


def test_what_is_remembered_inside_another_answer_counts_for_it_too(
    asked: tuple[Path, Answers, dict[str, Path], Checker],
) -> None:
    path, answers, inputs, checker = asked
    path.write_text("one")
    inner = checker._remembered("build", answers)
    outer = checker._remembered("_contents", lambda inputs: f"<{inner(inputs)}>")
    assert (inner(inputs), outer(inputs)) == ("one", "<one>")
    path.unlink()
    path.write_text("two")
    assert outer(inputs) == "<two>"


def test_an_error_is_raised_again(asked: tuple[Path, Answers, dict[str, Path], Checker]) -> None:
    _, _, inputs, checker = asked

    def refuse(inputs: dict[str, Path]) -> str:
        raise ValueError("no")

    call = checker._remembered("build", refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            call(inputs)


def test_the_answer_for_what_was_put_back_is_kept(asked: tuple[Path, Answers, dict[str, Path], Checker]) -> None:
    path, answers, inputs, checker = asked
    path.write_text("one")
    call = checker._remembered("build", answers)
    assert call(inputs) == "one"
    for number in range(5):
        path.rename(path.with_name("aside"))
        path.write_text(f"other {number}")
        assert call(inputs) == f"other {number}"
        path.unlink()
        path.with_name("aside").rename(path)
        assert call(inputs) == "one"
    assert answers.calls == 1 + 5


def everything_else(root: Path) -> str:
    """The content of all files of a project that a report could be made of."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        own = {"report", "attested", "keys", ".stash"} & set(path.relative_to(root).parts)
        if not own and path.is_file():
            digest.update(f"{path}\0{sha256_file(path)}\n".encode())
    return digest.hexdigest()


def test_of_every_kind_of_damage_the_quick_check_says_what_the_whole_one_does(
    copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole one makes the report again where any file has another content, since that takes longest.

    For the same reason a text of YAML is read once: what it says follows from its characters.
    """
    monkeypatch.chdir(copied.root)
    monkeypatch.setattr(quickly, "load_plan", lambda root: copied.plan)
    monkeypatch.setattr(quickly, "standings", lambda plan: dict.fromkeys(plan.tasks, Standing("current", "")))
    load_all = strict_yaml.load_all
    read = cache(lambda text: pickle.dumps(load_all(text)))
    monkeypatch.setattr(strict_yaml, "load_all", lambda text: pickle.loads(read(text)))
    made: dict[str, Report] = {}

    def build_once(*arguments: Any) -> Report:
        content = everything_else(copied.root)
        if content not in made:
            made[content] = build(*arguments)
        return made[content]

    def wholly() -> list[Problem]:
        with monkeypatch.context() as patched:
            patched.setattr(verify, "build", build_once)
            return checker.wholly()

    key = signer(copied.root / "keys" / "own.key", new=True)
    sign(copied, key)
    checker, draw, tried = Checker(copied.root, key.id), random.Random(6), set()
    sound = checker.problems()
    assert sound == wholly()
    for kind, damage in KINDS.items():
        if kind.startswith("forged: "):
            continue  # of these the slow test of the harness asks
        with Bench(copied.root) as bench:
            try:
                damage(Scene(bench, copied.plan, draw))
            except (NotHere, CheckFailed, ValueError, OSError):  # what the invented project does not have
                continue
            tried.add(kind)
            assert checker.problems() == wholly(), kind
    assert checker.problems() == sound
    assert len(tried) > 0.8 * len(KINDS)


def test_what_check_py_reads_from_a_page_is_remembered_by_its_text(
    copied: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copied.root)
    beside, before = Beside(copied.scale), check.marked_on
    assert beside.problems(None) == beside.problems(None) == []
    page = copied.folder("report/all") / "report.html"
    whole = page.read_text()
    for text in (whole.replace("treverse</th>", "reversed</th>", 1), whole.replace(">98.", ">89.", 1)):
        assert text != whole
        page.write_text(text)
        found = beside.problems(None)
        assert [problem.where for problem in found] and found == [
            Problem("check.py", f"results/{copied.scale}/{where}", what)
            for where, _, what in (line.partition(": ") for line in check.check(beside.folder).problems)
        ]
    page.unlink()
    (page.parent / "manifest.json").unlink()
    assert "no report/all/manifest.json" in beside.problems(None)[0].found
    assert check.marked_on is before
