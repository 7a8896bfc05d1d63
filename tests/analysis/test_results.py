"""Tables of results: error rates, means over splits, clips, times and their ratios, and what recurrent nets carry."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from conftest import refusal
from invented import edited
from reeltrace.analysis import stage, timing
from reeltrace.analysis.intervals import wilson
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed
from reeltrace.kinds.tables.results import ResultTable
from reeltrace.kinds.unit import UNITS
from reeltrace.registry.reading import registry_of
from reeltrace.registry.specs import TimingSpec


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("results")).all()


def content(project: Project, key: str) -> Any:
    return read_json(project.folder(f"aggregate/{key}") / "cells.json")


def cells(project: Project, key: str) -> dict[tuple[str, str], Any]:
    return {(cell["row"], cell["column"]): cell for cell in content(project, key)["cells"]}


def scored(project: Project, run: str) -> Any:
    return read_json(project.folder(f"train/{run}-s0") / "metrics.json")["best"]["test"]["original"]


def test_an_error_rate_comes_from_counts_of_videos(project: Project) -> None:
    cell = cells(project, "someone2025-table1-3")["slow steps", "errors"]
    found, ours = scored(project, "joined"), cell["reproduced"]
    assert ours["value"] == pytest.approx(1 - found["correct"] / found["total"])
    assert ours["printed"] == f"{ours['value']:.3f}"
    low, high = wilson(found["correct"], found["total"])
    assert ours["interval"] == pytest.approx([(100 - high) / 100, (100 - low) / 100])
    assert ours["interval"][0] <= ours["value"] <= ours["interval"][1]
    assert (cell["verdict"], cell["published"]["value"], ours["of"]) == ("not comparable", 0.197, "videos")


def test_every_trace_leads_to_what_the_cell_was_computed_from(project: Project) -> None:
    for key, table in project.registry.params.tables.items():
        if not isinstance(table, ResultTable):
            continue
        for cell in content(project, key)["cells"]:
            assert bool(cell["trace"]) == (cell["reproduced"] is not None)
            for trace in cell["trace"]:
                path = project.root / trace["artifact"]
                assert sha256_file(path) == trace["sha256"]
                assert isinstance(pointer(read_json(path), trace["pointer"]), float)


def test_a_mean_over_splits_is_the_mean_of_its_runs(project: Project) -> None:
    splits = cells(project, "someone2025-table1-5")
    values = [splits[f"{which} split", "errors"]["reproduced"] for which in ("first", "second", "third")]
    table = cells(project, "someone2025-table1-6")
    ours = table["joined", "stills"]["reproduced"]
    assert ours["value"] == pytest.approx(sum(value["value"] for value in values) / 3)
    assert ours["interval"] == pytest.approx([sum(v["interval"][side] for v in values) / 3 for side in (0, 1)])
    assert ours["seeds"]["0"]["total"] == sum(value["seeds"]["0"]["total"] for value in values)
    assert len(table["joined", "stills"]["trace"]) == 3
    others = [cell for (row, _), cell in table.items() if row != "joined"]
    assert {cell["verdict"] for cell in others} == {"not run"}
    assert table["joined", "flow"]["verdict"] == "not run"


def test_clips_of_one_video_do_not_narrow_an_interval(project: Project) -> None:
    table = cells(project, "someone2025-beginnings")
    clip, video = (table["ImageNet and same", column]["reproduced"] for column in ("clips", "films"))
    found = scored(project, "carry-same")
    assert clip["value"] == pytest.approx(100 * found["clip"]["correct"] / found["clip"]["total"])
    assert clip["printed"] == f"{clip['value']:.1f}"
    n = found["total"]
    assert clip["interval"] == pytest.approx(wilson(clip["value"] * n / 100, n))
    assert (clip["of"], video["of"]) == ("clips", "videos")


def test_times_are_hours_with_their_ratio_to_the_tenth_frame(project: Project) -> None:
    table = cells(project, "someone2025-table1-4")
    seconds = read_json(project.folder("timing/someone2025-table1-4") / "timing.json")["runs"]
    for row, run, published in (
        ("one in two", "joined-dense", "4.60"),
        ("one in ten", "joined", "1.00"),
        ("one in fifteen", "joined-sparse", "0.66"),
    ):
        cell = table[row, "time"]
        assert cell["reproduced"]["value"] == pytest.approx(seconds[f"{run}-s0"]["seconds"] / 3600)
        ratio = cell["reproduced"]["ratio"]
        assert ratio["value"] == pytest.approx(seconds[f"{run}-s0"]["seconds"] / seconds["joined-s0"]["seconds"])
        assert ratio["published"]["printed"] == published
        assert cell["verdict"] == "not comparable" and "compare the ratios" in cell["reason"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.6, "1.6 s"), (119.96, "120.0 s"), (300.0, "5.0 min"), (126000.0, "35.0 h")]
)
def test_times_are_printed_in_a_unit_that_reads_well(seconds: float, words: str) -> None:
    assert UNITS.get("hours").write(Fraction(str(seconds)) / 3600) == words


def test_a_time_is_that_of_all_epochs_though_some_ran_before_a_kill(tmp_path: Path) -> None:
    (folder := tmp_path / "run-s0").mkdir()
    facts: dict[str, Any] = {"seconds_per_epoch": [2.0, 4.0], "resumed_after_epoch": 2, "device": "a processor"}
    write_json(folder / RECEIPT, {"facts": facts})
    found = timing.measured(folder)
    assert (found["seconds"], found["epochs"], found["timed_epochs"]) == (12.0, 4, 2)
    assert found["receipt_sha256"] == sha256_file(folder / RECEIPT)
    spec = TimingSpec(stage="timing", key="t", scale="quick", runs=("run",), seeds=(0,))
    timing.run(spec, {"train/run-s0": folder}, tmp_path)
    assert read_json(tmp_path / "timing.json")["runs"] == {"run-s0": found}
    for wrong in ({"facts": {}}, {"facts": {**facts, "seconds_per_epoch": []}}):
        write_json(folder / RECEIPT, wrong)
        with pytest.raises(CheckFailed, match="run run-s0 again"):
            timing.measured(folder)


def test_what_recurrent_nets_carry_is_listed_in_the_document_s_order(project: Project) -> None:
    table = content(project, "someone2025-beginnings")
    assert [entry["row"] for entry in table["hidden"]] == [row["key"] for row in table["rows"]]
    for entry in table["hidden"]:
        assert len(entry["units"]) == 16
        stored = pointer(read_json(project.root / entry["trace"]["artifact"]), entry["trace"]["pointer"])
        assert [unit["mean"]["value"] for unit in entry["units"]] == [unit["mean"] for unit in stored]
    assert content(project, "someone2025-table1-1")["hidden"] == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "slow steps: joined",
            "long steps: joined",
            "'long steps' is not in table 1.3",
        ),
        (
            "columns: {errors: error}",
            "columns: {error: error}",
            "'error' is not in table 1.3",
        ),
        ("columns: {errors: error}", "columns: {errors: top1}", "top1 is of the unit 'percent'"),
    ],
)
def test_a_table_that_is_not_the_print_s_is_refused(project: Project, old: str, new: str, words: str) -> None:
    spec = registry_of(edited(old, new, "documents/someone2025/experiments.yaml")).aggregate_spec(
        "someone2025-table1-3"
    )
    inputs = project.inputs_of("aggregate/someone2025-table1-3")
    assert words in refusal(stage.outputs, spec, inputs, project.root)


def test_several_seeds_have_a_spread(tmp_path: Path) -> None:
    made = Project(tmp_path, files=edited("quick: [0]", "quick: [0, 1]")).all()
    ours = cells(made, "someone2025-table1-6")["joined", "all"]["reproduced"]
    assert list(ours["values"]) == ["0", "1"] and ours["deviation_printed"] is not None
    assert ours["value"] == pytest.approx(sum(ours["values"].values()) / 2)
