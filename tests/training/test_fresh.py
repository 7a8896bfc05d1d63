"""torch between two stages of one process: as it was before the first."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from reeltrace.training.fresh import FLAGS, Fresh


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = Fresh()
    yield
    before.restore()


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), torch.get_num_threads),
    "type": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "deterministic": (
        lambda: torch.set_deterministic_debug_mode("default" if torch.get_deterministic_debug_mode() else "error"),
        torch.get_deterministic_debug_mode,
    ),
    "generator": (lambda: torch.manual_seed(3), lambda: torch.get_rng_state().tolist()),
    "drawn": (lambda: torch.rand(4), lambda: torch.get_rng_state().tolist()),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_stage_sets_does_not_reach_the_next(what: str) -> None:
    change, state = CHANGES[what]
    torch.manual_seed(torch.initial_seed())  # as after the import
    fresh, before = Fresh(), state()
    change()
    assert state() != before
    fresh.restore()
    assert state() == before


@pytest.mark.parametrize("number", range(len(FLAGS)))
def test_a_flag_that_a_stage_sets_does_not_reach_the_next(number: int) -> None:
    of, name = FLAGS[number]
    fresh, before = Fresh(), getattr(of, name)
    setattr(of, name, not before)
    assert getattr(of, name) != before
    fresh.restore()
    assert getattr(of, name) == before


def test_what_a_stage_leaves_in_a_circle_is_given_back() -> None:
    fresh, freed = Fresh(), []

    class Held:
        def __del__(self) -> None:
            freed.append(self)

    gc.disable()
    try:
        held: Any = Held()
        held.itself = held
        del held
        assert not freed
        fresh.restore()
        assert freed
    finally:
        gc.enable()
