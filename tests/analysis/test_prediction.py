"""The prediction interval: how often it is wrong, simulated, and the arithmetic that it is made of."""

import itertools

import numpy as np
import pytest
from scipy import stats

from reeltrace.analysis.intervals import Z
from reeltrace.analysis.prediction import (
    ASSUMED_SPREAD,
    LEAST_SPREAD,
    MARGIN,
    POWER,
    Z_POWER,
    Published,
    beyond,
    predict,
    t_quantile,
)

TRUTHS = (0.5, 10.0, 50.0, 90.0, 99.9)  # percent
SIZES = (100, 1000, 3000, 10_000)
SEEDS = (1, 3, 10)
SPREADS = (0.0, 0.5, 2.0)  # points
DRAWS = 1000


def _drawn(
    random: np.random.Generator, truth: float, size: int, seeds: int, spread: float
) -> tuple[np.ndarray, np.ndarray]:
    """Shares in percent, (draws,) published of another truth drawn around `truth`, and (draws, seeds) ours."""
    net = np.clip(truth + spread * random.standard_normal((DRAWS, seeds + 1)), 0, 100) / 100
    found = 100 * random.binomial(size, net) / size
    return found[:, 0], found[:, 1:]


def _share_called(published: np.ndarray, ours: np.ndarray, size: int) -> float:
    """How often the two are called different; what is printed is rounded to two decimals."""
    called = 0
    for theirs, seeds in zip(np.round(published, 2), ours, strict=True):
        found = predict(Published(float(theirs), size, 0.005), seeds.tolist(), [(float(seeds.mean()), size)])
        called += found.differs
    return called / len(ours)


@pytest.mark.parametrize(("seeds", "spread"), list(itertools.product(SEEDS, SPREADS)))
def test_at_most_one_in_twenty_is_called_different_where_nothing_is(seeds: int, spread: float) -> None:
    random = np.random.default_rng(13)
    rates = {
        (truth, size): _share_called(*_drawn(random, truth, size, seeds, spread), size)
        for truth in TRUTHS
        for size in SIZES
    }
    print(f"{seeds} seeds, spread {spread}: mean {np.mean(list(rates.values())):.4f}, worst {max(rates.values()):.4f}")
    assert np.mean(list(rates.values())) <= 0.05
    # Of 1,000 draws 5 % are seen as more than 7 % in two of 1,000 cells.
    assert max(rates.values()) <= 0.07, max(rates, key=lambda place: rates[place])


@pytest.mark.parametrize(("seeds", "spread", "least"), [(1, 0, 0.95), (3, 0, 0.95), (10, 0, 0.95), (10, 2, 0.9)])
def test_ten_points_are_seen(seeds: int, spread: float, least: float) -> None:
    random = np.random.default_rng(31)
    published, _ = _drawn(random, 50, 3000, 1, spread)
    _, ours = _drawn(random, 60, 3000, seeds, spread)
    seen = _share_called(published, ours, 3000)
    print(f"{seeds} seeds, spread {spread}: {seen:.3f}")
    assert seen >= least


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_the_detectable_difference_is_seen_as_often_as_said(spread: float) -> None:
    """With ten seeds, whose spread is known well: the power is what the sentence in the verdict says."""
    random = np.random.default_rng(5)
    published, ours = _drawn(random, 40, 3000, 10, spread)
    found = [
        predict(Published(float(theirs), 3000), seeds.tolist(), [(40.0, 3000)])
        for theirs, seeds in zip(published, ours, strict=True)
    ]
    farther = 40 + float(np.mean([one.detectable for one in found]))
    published, _ = _drawn(random, 40, 3000, 10, spread)
    _, ours = _drawn(random, farther, 3000, 10, spread)
    seen = _share_called(published, ours, 3000)
    assert POWER - 0.06 <= seen <= POWER + 0.12, seen


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 9, 10, 29, 100])
def test_quantiles_are_those_of_student(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=1e-9)


def test_constants_are_quantiles() -> None:
    assert pytest.approx(stats.norm.ppf(0.975)) == Z
    assert pytest.approx(stats.norm.ppf(POWER)) == Z_POWER


def test_the_interval_has_a_width_at_the_ends_of_the_scale() -> None:
    certain = predict(Published(100.0, 3000), [100.0] * 3, [(100.0, 3000)])
    assert certain.known and certain.spread == 0 and LEAST_SPREAD < certain.reach < 2.5 and not certain.differs


def test_few_seeds_stand_under_an_assumed_spread() -> None:
    """Two points apart are no difference for one seed; three that agree tell."""
    one, two, three = (predict(Published(96.0, 3000), [99.0] * n, [(99.0, 3000)]) for n in (1, 2, 3))
    assert not one.known and not two.known and one.spread == two.spread == ASSUMED_SPREAD
    assert three.known and three.spread == 0
    assert not one.differs and three.differs
    assert one.detectable > MARGIN and not one.tells and three.tells


def test_a_printed_spread_takes_the_place_of_ours() -> None:
    seeds, sets = [70.0, 71.0, 72.0], [(71.0, 3000)]  # a deviation of one point
    plain, narrow, wide = (predict(Published(71.0, 3000, 0.05, spread), seeds, sets) for spread in (None, 0.0, 8.0))
    assert narrow.reach < plain.reach < wide.reach
    assert wide.reach == pytest.approx(Z * 8.0, rel=0.05)
    assert plain.reach == pytest.approx(
        ((Z**2 * 2 * 0.829**2) + t_quantile(2) ** 2 * (1 + 1 / 3)) ** 0.5 + 0.05, rel=0.01
    )


def test_rounding_of_the_print_widens_the_interval() -> None:
    coarse, fine = (predict(Published(71.0, 3000, half), [71.0] * 3, [(71.0, 3000)]) for half in (0.5, 0.005))
    assert coarse.reach - fine.reach == pytest.approx(0.495)


def test_a_mean_over_sets_varies_less_than_one_set() -> None:
    one = predict(Published(71.0, 10**9), [71.0] * 3, [(71.0, 30)])
    three = predict(Published(71.0, 10**9), [71.0] * 3, [(71.0, 30)] * 3)
    assert three.reach == pytest.approx(one.reach / 3**0.5, rel=0.03)


def test_a_bound_has_no_error_of_its_own() -> None:
    seeds, sets = [4.0, 4.0, 4.0], [(4.0, 3000)]
    assert beyond(Published(5.0, 3000), seeds, sets).reach < predict(Published(5.0, 3000), seeds, sets).reach


def test_without_seeds_there_is_nothing_to_predict() -> None:
    with pytest.raises(ValueError, match="no seed"):
        predict(Published(5.0, 3000), [], [(4.0, 3000)])
