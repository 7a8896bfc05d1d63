"""Damages: each kind changes what it says and is taken back whole; how outcomes are judged and counted."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.fabricated import Project
from reeltrace.corruption.bench import Bench
from reeltrace.corruption.damages import KINDS, Damage, NotHere, Scene
from reeltrace.corruption.forging import following, forge, perfect
from reeltrace.corruption.trials import BEHELD, BEYOND_CHECK, ONE_IN, OUTCOMES, Counts, Trial, judge, kinds_in_turn
from reeltrace.errors import Problem
from reeltrace.verify.verify import verify

RUN = "train/drift-plain-s0"
# What the invented project has not: attestations, sources, and two runs of one dataset among its first.
NOT_IN_IT = ("attestation", "log", "source code")


@pytest.fixture
def scene(copied: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.chdir(copied.root)
    with Bench(copied.root) as bench:
        yield Scene(bench, copied.plan, random.Random(5))


def state(root: Path) -> dict[str, tuple[object, ...]]:
    """Every file below a folder with its content, time and inode, pipes and links as such."""
    found: dict[str, tuple[object, ...]] = {}
    for inside, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in (".stash", "keys", "elsewhere")]
        for name in names:
            path = Path(inside, name)
            stat = path.lstat()
            found[str(path.relative_to(root))] = (stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_mode)
    return found


@pytest.mark.parametrize("kind", [name for name in KINDS if not name.startswith(("forged: ", *NOT_IN_IT))])
def test_each_kind_changes_something_and_is_taken_back_to_the_inode(scene: Scene, kind: str) -> None:
    before = state(scene.bench.root)
    try:
        damage = KINDS[kind](scene)
    except NotHere:
        pytest.skip("the invented project has nothing to be damaged so")
    assert damage.what and damage.places
    assert state(scene.bench.root) != before
    scene.bench.undo()
    assert state(scene.bench.root) == before


def test_every_kind_of_damage_has_a_place_in_some_project() -> None:
    ways = ("a byte flipped", "a byte inserted", "truncated")
    assert len(KINDS) >= 60
    for what in ("manifest", "receipt", "spec", "page", "report.json", "cells or curves", "output of a training"):
        assert {f"{what}: {way}" for way in ways} <= KINDS.keys()


def test_a_forgery_agrees_with_itself_and_is_taken_back(scene: Scene, copied: Project) -> None:
    standing = dict.fromkeys(copied.plan.tasks, "")
    before = state(copied.root)
    for task in following(copied.plan, RUN):
        folder = task.folder
        for path in sorted(folder.iterdir()):
            scene.bench.write(path, path.read_bytes())
    perfect(copied.folder(RUN))
    assert verify(copied.root, scale=copied.scale, standing=standing) != []
    forged = forge(copied.plan, copied.root, RUN)
    assert copied.folder(RUN) in forged and copied.folder("report/all") in forged
    assert verify(copied.root, scale=copied.scale, standing=standing) == []
    scene.bench.undo()
    assert state(copied.root) == before


def test_damage_counts_as_named_at_its_place_alone() -> None:
    damage = Damage("what", ("results/smoke/train/a/metrics.json", "results/smoke/train/b/"))

    def said(where: str) -> list[Problem]:
        return [Problem("tampered artifact", where, "found")]

    assert judge(damage, said("results/smoke/train/a/metrics.json")) == "named"
    assert judge(damage, said("results/smoke/train/b/spec.json")) == "named"
    assert judge(damage, said("results/smoke/train/b")) == "named"
    assert judge(damage, said("results/smoke/train/a")) == "elsewhere"
    assert judge(damage, said("results/smoke/train/bc/spec.json")) == "elsewhere"
    assert judge(damage, []) == "missed"


def test_counts_by_kind() -> None:
    (beyond, *_) = sorted(BEYOND_CHECK)
    counts = Counts(
        4,
        [
            Trial("a", "x", "named", 0.5, "p", beside="named", whole=True),
            Trial("a", "y", "missed", 0.1, ""),
            Trial("b", "z", "named", 2, "p"),
            Trial(beyond, "u", "by replay", 2, "p"),
            Trial("b", "w", "otherwise", 2, "p", beside="named"),
        ],
    )
    table = counts.table().splitlines()
    beheld = " | ".join(f"check.py: {seen}" for seen in BEHELD)
    assert table[0] == f"| kind of damage | tried | {' | '.join(OUTCOMES)} | {beheld} | median s |"
    assert table[2] == "| a | 2 | 1 |  |  | 1 |  |  | 1 |  | 1 | 0.50 |"
    assert table[-2].startswith("| all | 5 | 2 | 1 |  | 1 |  | 1 |")
    assert table[-1].endswith("; 1 of them verified whole, too")
    assert [trial.damage for trial in counts.failed()] == ["y", "z", "w"]
    assert KINDS.keys() >= BEYOND_CHECK


def test_every_kind_has_its_turn_and_the_dear_ones_less_often() -> None:
    turns = kinds_in_turn(random.Random(0))
    first = [next(turns) for _ in KINDS]
    assert sorted(first) == sorted(KINDS)
    dear = {name for name in KINDS if name.startswith(tuple(ONE_IN))}
    second = [next(turns) for _ in range(len(KINDS) - len(dear))]
    assert len(set(second)) == len(second) and not dear & set(second)
