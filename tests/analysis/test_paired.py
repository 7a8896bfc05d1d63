"""Answers of nets to the same tests: stored, read back, and compared."""

import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.analysis import paired
from reeltrace.analysis.paired import Answers, Chance, binomial_sign, holm, mcnemar, normal_p, p_words, student_p
from reeltrace.errors import CheckFailed
from reeltrace.kinds.tables.accuracy import AccuracyTable
from reeltrace.kinds.tables.results import ResultTable


def answers(right: list[float], tests: str = "set", seed: int = 0) -> Answers:
    return Answers("run", seed, tests, 4, tuple(map(float, right)))


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 5, 2 / 32),
        (1, 9, 2 * 11 / 1024),
        (3, 17, 0.002576828),
        (6, 59, 4.96465e-12),
    ],  # the last two by scipy.stats.binomtest
)
def test_the_exact_test_on_discordant_pairs(first: int, second: int, p: float) -> None:
    assert binomial_sign(first, second) == binomial_sign(second, first) == pytest.approx(p, rel=1e-4)


def test_mcnemar_counts_only_where_two_nets_differ() -> None:
    a, b = answers([1, 1, 1, 1, 1, 0, 1]), answers([0, 0, 0, 0, 0, 0, 1])
    assert mcnemar(a, b) == 2 / 32
    assert mcnemar(a, a) == 1


def test_the_bootstrap_knows_the_binomial_uncertainty() -> None:
    chance = Chance(75.0, [(1.0, (answers([1] * 300 + [0] * 100),))])
    low, high = chance.interval_of_videos()
    half = 1.96 * 100 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (pytest.approx(75 - half, abs=0.6), pytest.approx(75 + half, abs=0.6))
    assert chance.p_of_videos(75.0) > 0.8 and chance.p_of_videos(60.0) < 0.001
    assert (
        math.sqrt(chance.videos)
        == pytest.approx(np.std(chance.draws), rel=0.02)
        == pytest.approx(half / 1.96, rel=0.03)
    )


def test_answers_to_one_set_are_paired_and_those_to_two_are_not() -> None:
    same = [1] * 100 + [0] * 100
    together = Chance(0.0, [(1.0, (answers(same),)), (-1.0, (answers(same),))])
    apart = Chance(0.0, [(1.0, (answers(same),)), (-1.0, (answers(same, "other"),))])
    assert together.videos < 1 and math.sqrt(apart.videos) == pytest.approx(5, rel=0.1)
    assert together.videos > 0  # a handful of tests that came out alike are not certain


def of_seeds(run: str, *right: int, tests: int = 100) -> tuple[Answers, ...]:
    """A run with so many seeds, which have so many of the tests right, the first ones."""
    bits = [tuple([1.0] * n + [0.0] * (tests - n)) for n in right]
    return tuple(Answers(run, seed, "set", 4, one) for seed, one in enumerate(bits))


def test_three_seeds_tell_their_spread_and_fewer_do_not() -> None:
    (three,) = Chance(80.0, [(1.0, of_seeds("a", 60, 80, 100))]).seeds
    assert three.measured == pytest.approx(20**2 / 3) and three.least == pytest.approx(1 / 3)
    (one,) = Chance(60.0, [(1.0, of_seeds("a", 60))]).seeds
    assert (one.count, one.measured, one.least) == (1, None, 2.5**2)
    (two,) = Chance(60.0, [(1.0, of_seeds("a", 60, 61))]).seeds
    assert (two.count, two.measured, two.least) == (2, None, pytest.approx(2.5**2 / 2))
    (wide,) = Chance(70.0, [(1.0, of_seeds("a", 60, 80))]).seeds
    assert wide.least == pytest.approx(200 / 2)  # two seeds that lie farther apart count with what they show


def test_p_values_are_students_with_the_degrees_of_freedom_of_welch() -> None:
    right = (600, 640, 620), (700, 720, 760)
    chance = Chance(-10.0, [(1.0, of_seeds("a", *right[0], tests=1000)), (-1.0, of_seeds("b", *right[1], tests=1000))])
    parts = [float(np.var(one, ddof=1)) / 100 / 3 for one in right]
    total = chance.videos + sum(parts)
    freedom = total**2 / sum(part**2 / 2 for part in parts)
    assert 2 < freedom < 6 and chance.p(0.0) == pytest.approx(student_p(10 / math.sqrt(total), freedom))
    assert chance.p(-10 - chance.reach) == pytest.approx(0.05, abs=1e-6) and chance.measured
    assert student_p(2.5, 1e6) == pytest.approx(student_p(2.5, 9e4), rel=1e-3)


def test_seeds_that_agree_by_luck_count_as_a_point_apart() -> None:
    alike = Chance(
        1.0, [(1.0, of_seeds("a", 3000, 3000, 3000, tests=3000)), (-1.0, of_seeds("b", *[2970] * 3, tests=3000))]
    )
    assert alike.reach > 1.96 * math.sqrt(2 / 3) and alike.p(0.0) > 0.05 > alike.p_of_videos(0.0)


def test_one_net_under_two_transforms_is_compared_within_its_seed() -> None:
    steady = of_seeds("net", 600, 700, 800, tests=1000)
    (part,) = Chance(0.0, [(1.0, steady), (-1.0, steady)]).seeds
    assert part.measured == 0  # however far its seeds lie apart
    (part,) = Chance(0.0, [(1.0, steady[:1]), (-1.0, steady[:1])]).seeds
    assert part.least == pytest.approx((4 * 100 / 1001) ** 2)  # not one answer changed: as if one had
    (part,) = Chance(60.0, [(1.0, of_seeds("net", 90)), (-1.0, of_seeds("net", 30))]).seeds
    assert part.least == pytest.approx(2 * 2.5**2)  # each by itself, as of two nets
    two = Chance(0.0, [(1.0, of_seeds("a", 90)), (-1.0, of_seeds("b", 90))]).seeds
    assert [one.least for one in two] == [2.5**2] * 2


def nets(
    draw: np.random.Generator, seeds: int, spread: float, videos: int, *truths: float
) -> list[tuple[Answers, ...]]:
    """Nets of these true accuracies, each with so many seeds that spread so far, on videos some of which are hard."""
    hard = draw.standard_normal(videos)
    found = []
    for number, truth in enumerate(truths):
        shares = np.clip(truth + spread * draw.standard_normal(seeds), 0.05, 99.95) / 100
        level = np.array([NormalDist().inv_cdf(share) for share in shares])[:, None]
        right = (hard + draw.standard_normal((seeds, videos))) / math.sqrt(2) < level
        bits = (tuple(one.astype(float).tolist()) for one in right)
        found.append(tuple(Answers(f"net {number}", seed, "set", 4, one) for seed, one in enumerate(bits)))
    return found


def told_apart(cases: int, seeds: int, spread: float, videos: int, *truths: float) -> float:
    """In how many of so many cases two nets are called different."""
    draw, told = np.random.default_rng([seeds, round(10 * spread), videos]), 0
    for _ in range(cases):
        left, right = nets(draw, seeds, spread, videos, *truths)
        value = 100 * (sum(one.share for one in left) - sum(one.share for one in right)) / seeds
        told += Chance(value, [(1.0, left), (-1.0, right)]).p(0.0) <= 0.05
    return told / cases


@pytest.mark.parametrize("seeds", [1, 3, 10])
def test_equal_nets_are_called_different_in_at_most_five_cases_of_a_hundred(seeds: int) -> None:
    cases, rates = 1000 // (2 + seeds), []
    for spread in (0, 0.5, 2, 2.5):
        rates += [told_apart(cases // 3, seeds, spread, videos, 70, 70) for videos in (300, 3000, 3783)]
    assert sum(rates) / len(rates) <= 0.05
    assert max(rates) <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / (cases // 3))


@pytest.mark.parametrize("seeds", [1, 3, 10])
def test_fifteen_points_are_seen(seeds: int) -> None:
    assert told_apart(15, seeds, 2.5, 3000, 75, 60) >= 0.8


def test_a_net_that_changes_is_rarely_called_unchanged() -> None:
    """One seed of a net that truly loses 5 points under a transform, and changes no more answers than it must."""
    draw, called, cases = np.random.default_rng(3), 0, 400
    for _ in range(cases):
        before, after = (min(max(truth + 2.5 * draw.standard_normal(), 0), 100) for truth in (80, 75))
        left, right = (of_seeds("net", round(10 * share), tests=1000) for share in (before, after))
        chance = Chance(100 * (left[0].share - right[0].share), [(1.0, left), (-1.0, right)])
        called += abs(chance.value) <= 5 and max(chance.p(5), chance.p(-5)) <= 0.05
    assert called / cases <= 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / cases)


@given(st.lists(st.integers(0, 1), min_size=1, max_size=80))
def test_answers_are_read_back_as_they_were(right: list[int]) -> None:
    packed = paired._packed([bool(one) for one in right])
    stored = {
        "sets": {"s": {"tests": len(right), "classes": 4}},
        "cells": [{"row": "a", "column": "x", "runs": [{"run": "r", "seed": 0, "set": "s", "right": packed}]}],
    }
    assert paired.read(stored)["a", "x"][0].right == tuple(map(float, right))


def predictions(folder: Path, label: list[int], **arrays: list[int]) -> None:
    folder.mkdir(parents=True)
    np.savez(folder / "predictions.npz", label=np.array(label), **{k: np.array(v) for k, v in arrays.items()})


def test_answers_come_from_predictions(tmp_path: Path) -> None:
    fields = {
        "document": "d",
        "table": "1",
        "kind": "accuracy",
        "columns": ["original", "treverse"],
        "rows": {"a": "net"},
    }
    table = AccuracyTable.model_validate(fields)
    folder = tmp_path / "net"
    predictions(folder, [0, 1, 2, 1], best_original=[0, 1, 2, 3], best_treverse=[3, 3, 2, 3])
    specs = {"train/net-s0": {"dataset": "digits", "classes": 4}}
    made = paired.answers(table, [0], {"train/net-s0": folder}, specs)
    read = paired.read(made)
    assert read["a", "original"][0].right == (1, 1, 1, 0) and read["a", "treverse"][0].right == (0, 0, 1, 0)
    assert read["a", "original"][0].tests == read["a", "treverse"][0].tests and read["a", "original"][0].classes == 4
    backwards = AccuracyTable.model_validate({**fields, "columns": ["treverse", "original"]})
    assert (
        paired.answers(backwards, [0], {"train/net-s0": folder}, specs) == made
    )  # as a spec read back has them sorted
    (folder / "predictions.npz").write_bytes(b"no")
    with pytest.raises(CheckFailed, match="not readable as predictions"):
        paired.answers(table, [0], {"train/net-s0": folder}, specs)


def test_clips_count_by_their_videos(tmp_path: Path) -> None:
    fields = {"document": "d", "table": "1", "kind": "results", "columns": {"clip": "clip-top1"}, "rows": {"a": "net"}}
    table = ResultTable.model_validate(fields)
    folder = tmp_path / "net"
    predictions(
        folder,
        [0, 1],
        clip_label=[0, 0, 1, 1],
        video=[0, 0, 1, 1],
        clip_best_original=[0, 3, 1, 1],
        best_original=[0, 1],
    )
    specs = {"train/net-s0": {"dataset": "films", "classes": 4, "video": {"split": 2}}}
    (one,) = paired.read(paired.answers(table, [0], {"train/net-s0": folder}, specs))["a", "clip"]
    assert one.right == (0.5, 1.0) and not one.binary and "split 2" in one.tests


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {"a": 0.03, "c": 0.06, "b": 0.06}
    assert holm({}) == {} and holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def test_words_and_bounds_of_p_values() -> None:
    assert (p_words(0.0), p_words(0.0004), p_words(0.0456)) == ("p below 0.001", "p below 0.001", "p = 0.046")
    assert normal_p(1.96, 1.0) == pytest.approx(0.05, abs=1e-3)
    assert (normal_p(1.0, 0.0), normal_p(0.0, 0.0), normal_p(-1.0, 1.0)) == (0.0, 1.0, 1.0)
