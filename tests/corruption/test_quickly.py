"""What the harness remembers: an answer is given again only while nothing that it rests on has changed."""

from pathlib import Path

import pytest

from reeltrace.corruption.quickly import Checker


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
