"""What the tables of iqbal2017 share."""

import pytest

from conftest import FILES, PROJECT
from reeltrace.pipeline.plan import Plan, load_plan
from reeltrace.registry.reading import registry_of


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
    assert read == {"features/ucf101-at-224-imagenet-resnet50"}
    assert plan["pretrain/finetuned-resnet50"].inputs[-1] == "pretrain/imagenet-resnet50"


def test_frames_have_the_size_of_imagenets_weights_and_the_videos_are_fetched_once(plan: Plan) -> None:
    shared = "ucf101-at-224"
    assert plan[f"frames/{shared}"].inputs == (f"data/{shared}", "data/ucf101")
    assert plan[f"data/{shared}"].inputs == ("data/ucf101",)
    assert plan[f"data/{shared}"].outputs == ("about.json", "index.csv")  # and no videos
    assert len([task for task in plan.of("data") if task.key == "ucf101"]) == 1
    registry = registry_of(FILES, "paper")
    assert registry.frames_spec(shared).short_side >= 224 == registry.params.datasets[shared].clip.crop
    datasets = {
        run.dataset
        for run in registry.params.runs.values()
        if registry.params.models[run.model].architecture in ("st-resnet", "gru", "average-pool")
    }
    assert datasets == {shared}
    assert registry.params.backbones["finetuned-resnet50"].stills.dataset == shared
