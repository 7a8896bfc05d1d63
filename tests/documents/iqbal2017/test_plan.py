"""What the tables of iqbal2017 share."""

import pytest

from conftest import PROJECT
from reeltrace.pipeline.plan import Plan, load_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PROJECT)


def test_the_best_st_resnet_stands_in_seven_tables_and_is_trained_once(plan: Plan) -> None:
    readers = [task.key for task in plan.of("aggregate") if "train/st-98-104-s0" in task.inputs]
    assert readers == [f"iqbal2017-table5-{number}" for number in range(3, 10)]


def test_all_rows_of_a_feature_table_read_one_pass_over_the_frames(plan: Plan) -> None:
    runs = [name for name in plan["aggregate/iqbal2017-table5-1"].inputs if name.startswith("train/")]
    assert len(runs) == 12 * len(plan.registry.params.seeds)
    read = {name for run in runs for name in plan[run].inputs if name.startswith("features/")}
    assert read == {"features/ucf101-imagenet-resnet50"}
    assert plan["pretrain/finetuned-resnet50"].inputs[-1] == "pretrain/imagenet-resnet50"
