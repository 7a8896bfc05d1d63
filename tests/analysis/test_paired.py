"""Answers of nets to the same tests: stored, read back, and compared."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.analysis import paired
from reeltrace.analysis.paired import Answers, binomial_sign, bootstrap, holm, mcnemar, normal_p, p_words
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
    right = [1] * 300 + [0] * 100
    spread = bootstrap(75.0, [(1.0, (answers(right),))])
    low, high = spread.interval()
    half = 1.96 * 100 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (pytest.approx(75 - half, abs=0.6), pytest.approx(75 + half, abs=0.6))
    assert spread.p(75.0) > 0.8 and spread.p(60.0) < 0.001 and spread.between_seeds is None


def test_the_bootstrap_pairs_answers_to_one_set_and_not_to_two() -> None:
    same = [1] * 100 + [0] * 100
    together = bootstrap(0.0, [(1.0, (answers(same),)), (-1.0, (answers(same),))])
    apart = bootstrap(0.0, [(1.0, (answers(same),)), (-1.0, (answers(same, "other"),))])
    assert np.std(together.draws) < 1 and np.std(apart.draws) == pytest.approx(5, rel=0.1)
    assert np.std(together.draws) > 0  # a handful of tests that came out alike are not certain


def test_seeds_that_differ_widen_the_bootstrap() -> None:
    seeds = tuple(answers([1] * n + [0] * (100 - n), seed=seed) for seed, n in enumerate((60, 80, 100)))
    spread = bootstrap(80.0, [(1.0, seeds)])
    assert spread.between_seeds == pytest.approx(20 / math.sqrt(3))
    assert np.std(spread.draws) > 20 / math.sqrt(3)


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
