"""How long the rest of a training takes, from the epochs that were seen."""

import pytest

from invented import FILES
from reeltrace.pipeline.order import weight
from reeltrace.pipeline.pace import Pace, epochs_of
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.reading import registry_of


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(registry_of(FILES, "paper"))


def test_nothing_is_known_of_a_training_before_an_epoch_was_seen(plan: Plan) -> None:
    pace, task = Pace(), plan["train/drift-plain-s0"]
    assert (pace.epoch(task), pace.end(task), pace.rest(task, 0)) == (None, None, None)


def test_a_run_goes_as_it_did_with_another_seed_the_longest_of_the_last_epochs(plan: Plan) -> None:
    pace = Pace()
    for seconds in (90.0, 4.0, 6.0, 5.0):
        pace.epoch_took(plan["train/drift-plain-s0"], seconds)
    other = plan["train/drift-plain-s1"]
    assert pace.epoch(other) == 6
    assert pace.rest(other, 10) == 40 * 6 + 6  # what follows the last takes an epoch, as long as none was seen
    pace.end_took(plan["train/drift-plain-s0"], 2.0)
    assert pace.rest(other, 50) == 2


def test_another_run_takes_as_much_longer_as_its_weight_says(plan: Plan) -> None:
    pace, seen, other = Pace(), plan["train/drift-plain-s0"], plan["train/drift-deep-s0"]
    pace.epoch_took(seen, 3.0)
    pace.end_took(seen, 7.0)
    ratio = (weight(other) / epochs_of(other)) / (weight(seen) / epochs_of(seen))
    assert ratio > 1
    assert pace.epoch(other) == pytest.approx(3 * ratio)
    assert pace.rest(other, 99) == pytest.approx(3 * ratio + 7)


def test_a_backbone_that_is_learned_has_epochs_and_one_that_is_brought_has_none(plan: Plan) -> None:
    assert epochs_of(plan["pretrain/tuned-resnet50"]) == 10
    assert epochs_of(plan["pretrain/imagenet-resnet50"]) == 0
    assert epochs_of(plan["data/mnist"]) == 0
