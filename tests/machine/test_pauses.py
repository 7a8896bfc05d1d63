"""Where a long work may end: who runs it is told between its parts, and nobody else is."""

import pytest

from reeltrace.machine.pauses import Stopped, between, finishing, is_finishing, telling


def test_who_asked_is_told_and_may_end_the_work() -> None:
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        if done == 2:
            raise Stopped("enough")

    between(0, 9)
    with pytest.raises(Stopped, match="enough"), telling(tell):
        for done in range(9):
            between(done, 9)
    between(2, 9)
    assert told == [(0, 9), (1, 9), (2, 9)]


def test_a_work_that_takes_its_place_says_so() -> None:
    assert not is_finishing()
    with pytest.raises(OSError), finishing():
        assert is_finishing()
        raise OSError
    assert not is_finishing()


def test_what_takes_an_exception_for_an_error_does_not_take_a_stop_for_one() -> None:
    assert not issubclass(Stopped, Exception)
