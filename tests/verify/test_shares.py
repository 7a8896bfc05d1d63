"""Shares: how they read, that one seed draws the same, and that a share of the bulk is read."""

from pathlib import Path

import pytest

from analysis.fabricated import Project
from conftest import refusal
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.errors import UserError
from reeltrace.verify.bulk import check_share
from reeltrace.verify.history import course
from reeltrace.verify.shares import Share

RUN = "train/drift-plain-s0"


@pytest.mark.parametrize(("text", "part"), [("all", 1.0), ("10%", 0.1), ("0.5 %", 0.005), ("100%", 1.0)])
def test_a_share_reads_as_all_or_as_a_percentage(text: str, part: float) -> None:
    assert Share.read("--data", text, 4) == Share(part, 4)


@pytest.mark.parametrize("text", ["0%", "101%", "10", "some", "-1%", "1e1%", ""])
def test_another_text_is_refused_with_the_option(text: str) -> None:
    assert refusal(Share.read, "--replay", text, 1).startswith(
        f"--replay: found {text!r}; expected all or a percentage"
    )


def test_one_seed_draws_the_same_and_others_draw_the_rest() -> None:
    things = list(range(50))
    assert Share(0.1, 7).draw(things) == Share(0.1, 7).draw(things)
    assert len(Share(0.1, 7).draw(things)) == 5
    assert len(Share(0.01, 7).draw(things)) == 1  # rounded up
    assert {thing for seed in range(200) for thing in Share(0.1, seed).draw(things)} == set(things)
    assert Share(1.0, 0).draw(things) == things


def test_a_share_of_what_is_large_is_hashed(copied: Project) -> None:
    folder = copied.folder(RUN)
    path = folder / "last.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    files = [path for path in folder.iterdir() if path.name in read_json(folder / "manifest.json")["outputs"]]
    named = [check_share([folder], Share(0.2, seed), 0) for seed in range(60)]
    assert {problem.where for problems in named for problem in problems} == {str(path)}
    assert 0 < sum(map(bool, named)) < 60, f"one of {len(files)} files, not always and not never"
    assert check_share([folder], Share(1.0, 0), path.stat().st_size) == []  # of what is larger


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["best"].update(epoch=m["best"]["epoch"] + 1), "/best/epoch is"),
        (lambda m: m["last"]["validation"].update(loss=0.001), "/last/validation/loss is 0.001"),
        (lambda m: m["best"]["validation"].update(top1=99.5), "/best/validation/top1 is 99.5"),
    ],
)
def test_the_course_of_a_training_is_that_of_its_history(copied: Project, change, said: str) -> None:  # type: ignore[no-untyped-def]
    folder = copied.folder(RUN)
    assert course(folder) == []
    metrics = read_json(folder / "metrics.json")
    change(metrics)
    write_json(folder / "metrics.json", metrics)
    (found,) = course(folder)
    assert found.where == str(folder / "metrics.json") and found.found.startswith(said)
    Path(folder / "history.jsonl").write_text("[]\n")
    assert course(folder)[0].where == str(folder / "history.jsonl")


def test_a_share_must_be_one() -> None:
    with pytest.raises(UserError):
        Share.read("--data", "many", None)
