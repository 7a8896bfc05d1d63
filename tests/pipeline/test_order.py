"""The order in which jobs are started: priorities of the shipped plan."""

import pytest

from conftest import PROJECT
from reeltrace.pipeline.order import FIRST, gpus, priorities, threads
from reeltrace.pipeline.plan import Plan
from reeltrace.registry.reading import load


@pytest.fixture(scope="module", params=["smoke", "quick", "paper"])
def plan(request: pytest.FixtureRequest) -> Plan:
    return Plan(load(PROJECT, request.param), PROJECT)


def test_what_others_wait_for_comes_before_them(plan: Plan) -> None:
    found = priorities(plan)
    assert found.keys() == plan.tasks.keys()
    for task in plan:
        for source in plan.inputs_of(task):
            if (threads(task) > 1) <= (threads(source) > 1):
                assert found[source.name] > found[task.name], (source.name, task.name)


def test_what_needs_several_processors_starts_while_they_are_idle(plan: Plan) -> None:
    found = priorities(plan)
    for task in plan:
        assert (found[task.name] >= FIRST) == (threads(task) > 1)


def test_a_gpu_is_for_what_runs_nets() -> None:
    at_paper = Plan(load(PROJECT, "paper"), PROJECT)
    assert {task.stage for task in at_paper if gpus(task)} >= {"features", "train"}
    assert not any(gpus(task) for task in at_paper if task.stage in ("data", "frames", "timing", "aggregate", "report"))
    assert not gpus(at_paper["pretrain/imagenet-resnet50"])  # downloaded
    at_quick = Plan(load(PROJECT, "quick"), PROJECT)
    assert not any(map(gpus, at_quick))


def test_the_longest_trainings_are_not_left_for_the_end() -> None:
    plan = Plan(load(PROJECT, "quick"), PROJECT)
    found = priorities(plan)
    trained = sorted((task.name for task in plan.of("train")), key=found.__getitem__, reverse=True)
    assert all("p43d" in name for name in trained[:4])
    timed = [f"measure/{key}" for key, asked in plan.registry.params.measurements.items() if asked.kind == "latency"]
    assert timed and {found[name] for name in timed} == {max(found.values())}
    assert found["report/all"] == min(found.values())
