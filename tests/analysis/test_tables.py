"""Aggregation: the numbers of cells.json from counts, and what is refused."""

import copy
import csv
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project, score
from invented import edited
from reeltrace.analysis import stage
from reeltrace.analysis.accuracies import accuracy, of_clips
from reeltrace.analysis.intervals import wilson
from reeltrace.analysis.published import load
from reeltrace.analysis.sources import Source
from reeltrace.analysis.tables import aggregate
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.rounding import scientific
from reeltrace.kinds.table import CellSource
from reeltrace.kinds.tables.accuracy import AccuracyTable
from reeltrace.registry.params import Override


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project")).all()


@pytest.fixture(scope="module")
def three_seeds(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("seeds"), files=edited("quick: [0]", "quick: [0, 1, 2]"))
    assert made.registry.params.seeds == (0, 1, 2)
    return made.all()


def cells(project: Project, table: str) -> dict[tuple[str, str], Any]:
    content = read_json(project.folder(f"aggregate/nobody2024-table{table}") / "cells.json")
    return {(cell["row"], cell["column"]): cell for cell in content["cells"]}


def source(correct: int, total: int = 300, /, **changes: object) -> Source:
    run = {"epoch": 3, "validation": score(1, 2), "test": {"original": {**score(correct, total), **changes}}}
    return Source("results/quick/train/x-s0/metrics.json", {"best": run, "last": copy.deepcopy(run)}, "0" * 64)


def test_one_seed_has_its_own_wilson_interval_and_no_deviation() -> None:
    found = accuracy({0: source(74)}, "original", 2)
    assert found["printed"] == "24.67" and found["value"] == pytest.approx(74 / 3)
    assert tuple(found["interval"]) == wilson(74, 300)
    assert found["deviation"] is None and found["deviation_printed"] is None
    assert found["seeds"]["0"] == {
        "correct": 74,
        "total": 300,
        "printed": "24.67",
        "interval": list(wilson(74, 300)),
        "epoch": 3,
    }


def test_several_seeds_have_mean_deviation_and_the_hull_of_intervals() -> None:
    found = accuracy({0: source(60), 1: source(90), 2: source(75)}, "original", 2)
    assert found["printed"] == "25.00"
    assert found["deviation"] == pytest.approx(5.0) and found["deviation_printed"] == "5.00"
    assert found["interval"] == [wilson(60, 300)[0], wilson(90, 300)[1]]
    assert found["values"] == {"0": 20.0, "1": 30.0, "2": 25.0}


def test_the_last_epochs_accuracy_is_its_own() -> None:
    sources = {0: source(60), 1: source(90)}
    for seed, correct in ((0, 30), (1, 45)):
        sources[seed].metrics["last"]["test"]["original"].update(correct=correct, top1=100 * correct / 300)
    found = accuracy(sources, "original", 2)
    assert (found["printed"], found["last"]) == ("25.00", {"value": 12.5, "printed": "12.50"})


@pytest.mark.parametrize(
    "changes", [{"top1": 25.0}, {"correct": 301}, {"total": 0}, {"top1": "high"}, {"correct": None}]
)
def test_counts_that_contradict_the_percentage_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(CheckFailed, match="do not agree"):
        accuracy({0: source(74, **changes)}, "original", 2)


def test_accuracy_cells_trace_to_the_value_they_print(project: Project) -> None:
    for table in ("3", "4", "5"):
        for (_, column), cell in cells(project, table).items():
            (trace,) = cell["trace"]
            file = project.root / trace["artifact"]
            assert sha256_file(file) == trace["sha256"]
            assert pointer(read_json(file), trace["pointer"]) == cell["reproduced"]["value"]
            assert trace["pointer"].split("/")[3] == column


def test_structure_cells_trace_to_the_measurement(project: Project) -> None:
    found = cells(project, "1")["conv2", "time channels"]
    assert found["reproduced"] == {"value": [45, 90, 2], "printed": "(45, 90, 2)"}
    assert [t["pointer"] for t in found["trace"]] == ["/nets/t2/widths", "/nets/t2/feature_maps/conv1/0"]
    first = cells(project, "1")["conv1", "plain channels"]
    assert first["verdict"] == "exact"
    assert pointer(read_json(project.root / first["trace"][1]["artifact"]), first["trace"][1]["pointer"]) == 3


def test_verdicts_of_an_invented_project(project: Project) -> None:
    one, two, four = cells(project, "1"), cells(project, "2"), cells(project, "4")
    assert one["parameters", "plain channels"]["verdict"] == "exact"
    assert one["parameters", "turn channels"]["verdict"] == "not exact"
    assert one["fc", "time channels"]["reproduced"]["value"] == [90, 4]
    assert two["pool", "plain"]["reproduced"] == {"value": [], "printed": "N/A"}
    assert two["last conv", "turn"]["verdict"] == "exact"
    assert two["conv1", "stride"]["verdict"] == "not run"
    assert four["time", "treverse"]["verdict"] == "not comparable"
    assert four["time", "original"]["verdict"] == "not given"
    assert four["time", "treverse"]["circumstances"] == "quick scale, stand-in data"


@pytest.mark.parametrize(
    ("roundings", "verdict"),
    [(["truncated"], "exact"), (["nearest"], "not exact"), (["truncated", "nearest"], "not exact"), ([], "not exact")],
)
def test_the_search_decides_how_counts_were_rounded(project: Project, roundings: list[str], verdict: str) -> None:
    metrics = copy.deepcopy(read_json(project.folder("measure/nobody2024-structure") / "metrics.json"))
    metrics["nets"]["t2"]["parameters"] = 676_939
    metrics["search"]["matches"] = [{"rounding": rounding} for rounding in roundings]
    metrics["layers"] = {"conv1": {"filter": [3, 3, 3], "stride": 2}}
    folder = "results/quick/measure/nobody2024-structure"
    spec = Source(f"{folder}/spec.json", read_json(project.root / folder / "spec.json"), "0" * 64)
    sources = {"measure/nobody2024-structure": Source(f"{folder}/metrics.json", metrics, "0" * 64, spec)}
    document = load("nobody2024", project.root)
    one = aggregate(project.registry.aggregate_spec("nobody2024-table1"), document, sources)
    verdicts = {(c["row"], c["column"]): c["verdict"] for c in one["cells"]}
    assert verdicts["parameters", "time channels"] == verdict
    two = aggregate(project.registry.aggregate_spec("nobody2024-table2"), document, sources)
    verdicts = {(c["row"], c["column"]): c["verdict"] for c in two["cells"]}
    assert (verdicts["conv1", "filter size"], verdicts["conv1", "stride"]) == ("exact", "not exact")


def faithful(project: Project, table: str = "nobody2024-table5") -> dict[str, Any]:
    """The invented runs of a table, aggregated as if they had been made at paper scale."""
    spec = project.registry.aggregate_spec(table).model_copy(
        update={"scale": "paper", "overrides": (), "stand_in": {"spinning-digits": None}}
    )
    sources = {
        name: Source(f"results/paper/{name}/metrics.json", read_json(folder / "metrics.json"), "0" * 64)
        for name, folder in project.inputs_of(f"aggregate/{table}").items()
    }
    return aggregate(spec, load("nobody2024", project.root), sources)


def test_at_paper_scale_cells_differ_or_cannot_tell(project: Project) -> None:
    """The invented runs have two seeds, under which a difference of five points can go unseen."""
    cells = faithful(project)["cells"]
    assert {cell["verdict"] for cell in cells} == {"differs", "cannot tell"}
    for cell in cells:
        found = cell["reproduced"]["difference"]
        low, high = found["interval"]
        assert low < found["value"] < high and found["detectable"] > 5
        assert (cell["verdict"] == "differs") == (low > 0 or high < 0)
        assert found["detectable_printed"] in cell["reason"] and found["interval_printed"][0] in cell["reason"]
        assert cell["published"]["test"] == {"name": "digits", "size": 3000, "of": "clips"}
        low, high = cell["published"]["interval"]
        assert 0 <= low <= cell["published"]["value"] <= high <= 100 and high - low > 0.1


def test_three_seeds_may_match(three_seeds: Project) -> None:
    cells = faithful(three_seeds)["cells"]
    told = {cell["verdict"]: cell["reason"] for cell in cells}
    assert "matches" in told and "3 seeds with a standard deviation of" in told["matches"]


def test_off_the_paper_s_scale_a_difference_has_no_interval(project: Project) -> None:
    cells = project_cells(project, "nobody2024-table5")
    assert {tuple(cell["reproduced"]["difference"]) for cell in cells} == {("printed", "value")}


def test_cells_say_of_which_kind_they_are(project: Project) -> None:
    kinds = {
        key: {cell["kind"] for cell in project_cells(project, f"nobody2024-{key}")} for key in ("table1", "table5")
    }
    assert kinds == {"table1": {"counted"}, "table5": {"trained"}}


def project_cells(project: Project, table: str) -> list[dict[str, Any]]:
    """The cells of a table of the invented document, at the scale at which its runs were made."""
    found: list[dict[str, Any]] = read_json(project.folder(f"aggregate/{table}") / "cells.json")["cells"]
    return found


def test_an_override_makes_even_paper_scale_not_comparable(project: Project) -> None:
    spec = project.registry.aggregate_spec("nobody2024-table5").model_copy(
        update={
            "scale": "paper",
            "overrides": (Override(path="a.b", document=1, here=2),),
            "stand_in": {"spinning-digits": None},
        }
    )
    sources = {
        name: Source(f"results/paper/{name}/metrics.json", read_json(folder / "metrics.json"), "0" * 64)
        for name, folder in project.inputs_of("aggregate/nobody2024-table5").items()
    }
    found = aggregate(spec, load("nobody2024", project.root), sources)
    assert {cell["verdict"] for cell in found["cells"]} == {"not comparable"}


def test_a_published_row_without_a_run_is_not_run(project: Project) -> None:
    spec = project.registry.aggregate_spec("nobody2024-table3")
    assert isinstance(spec.table, AccuracyTable)
    table = spec.table.model_copy(update={"rows": {"plain": "drift-plain"}})
    texts = stage.outputs(
        spec.model_copy(update={"table": table}),
        project.inputs_of("aggregate/nobody2024-table3"),
        project.root,
    )
    assert '"verdict": "not run"' in texts["cells.json"]


def test_a_row_that_the_document_does_not_have_is_refused(project: Project) -> None:
    spec = project.registry.aggregate_spec("nobody2024-table3")
    table = spec.table.model_copy(update={"rows": {"flat": "drift-plain"}})
    with pytest.raises(UserError, match=r"tables.nobody2024-table3.rows: 'flat' is not in table 3"):
        stage.outputs(
            spec.model_copy(update={"table": table}),
            project.inputs_of("aggregate/nobody2024-table3"),
            project.root,
        )


def test_curves_have_a_column_per_run_and_seed(three_seeds: Project) -> None:
    lines = list(csv.reader((three_seeds.folder("aggregate/nobody2024-table3") / "curves.csv").open()))
    assert lines[0] == ["epoch", *(f"{run}-s{s}" for run in ("drift-deep", "drift-plain") for s in (0, 1, 2))]
    epochs = three_seeds.registry.params.protocols["drift"].epochs
    assert [line[0] for line in lines[1:]] == [str(e) for e in range(1, epochs + 1)]
    assert (three_seeds.folder("aggregate/nobody2024-table1") / "curves.csv").read_text() == "epoch\n"


def test_seeds_reach_the_cells(three_seeds: Project) -> None:
    cell = cells(three_seeds, "3")["plain", "original"]
    assert [t["seed"] for t in cell["trace"]] == [0, 1, 2]
    assert set(cell["reproduced"]["seeds"]) == {"0", "1", "2"}
    assert cell["reproduced"]["deviation"] is not None


def test_equivariance_is_averaged_over_seeds(three_seeds: Project) -> None:
    content = read_json(three_seeds.folder("aggregate/nobody2024-table4") / "cells.json")
    entry = next(e for e in content["equivariance"] if e["row"] == "plain")
    values = entry["agreement"]["values"].values()
    assert entry["agreement"]["value"] == pytest.approx(sum(values) / 3)
    assert len(entry["agreement"]["trace"]) == 3


def test_the_stage_writes_its_two_files_and_nothing_else(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    spec = project.registry.aggregate_spec("nobody2024-table4")
    assert stage.run(spec, project.inputs_of("aggregate/nobody2024-table4"), tmp_path) == {}
    folder = project.folder("aggregate/nobody2024-table4")
    assert {p.name for p in tmp_path.iterdir()} == {"cells.json", "curves.csv"}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()


@pytest.mark.parametrize("line", ["not json", '{"epoch": 1}', "[1]"])
def test_a_broken_history_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1, "validation_top1": 3.0}\n' + line + "\n")
    with pytest.raises(CheckFailed, match="line 2"):
        stage.read_history(path)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1.27, "1.270"), (0.0312, "0.031"), (3.2e-7, "3.20e-7"), (123.4, "123")]
)
def test_relative_errors_are_printed_with_three_digits(value: float, text: str) -> None:
    assert scientific(value) == text


# --- tables over sets of videos ---


def test_the_compared_accuracy_is_that_of_videos_and_clips_stand_beside(project: Project) -> None:
    for table in ("6", "7", "8"):
        for cell in cells(project, table).values():
            reproduced = cell["reproduced"]
            (trace,), (of_clip,) = cell["trace"], reproduced["clip"]["trace"]
            metrics = read_json(project.root / trace["artifact"])
            assert trace["sha256"] == of_clip["sha256"] == sha256_file(project.root / of_clip["artifact"])
            assert pointer(metrics, trace["pointer"]) == reproduced["value"]
            assert pointer(metrics, of_clip["pointer"]) == reproduced["clip"]["value"]
            assert of_clip["pointer"] == trace["pointer"].replace("/top1", "/clip/top1")
            scored = metrics["best"]["test"][trace["pointer"].split("/")[3]]
            assert reproduced["seeds"]["0"]["total"] == scored["total"] == metrics["videos"]["test"]
            assert tuple(reproduced["interval"]) == wilson(scored["correct"], scored["total"])
            clips = project.registry.params.datasets["ucf101"].test_clips
            assert reproduced["clip"]["seeds"]["0"]["total"] == clips * scored["total"] > 0


def test_each_column_reads_its_own_set_and_transform(project: Project) -> None:
    found = cells(project, "8")
    assert found["plain", "UCF-101 by 270"]["trace"][0]["artifact"].endswith("train/films-plain-s0/metrics.json")
    assert found["plain", "HMDB-51 by 90"]["trace"][0]["artifact"].endswith("train/shorts-plain-s0/metrics.json")
    assert found["plain", "HMDB-51 by 90"]["trace"][0]["pointer"] == "/best/test/r90/top1"
    assert cells(project, "7")["time", "UCF-101"]["trace"][0]["pointer"] == "/best/test/treverse/top1"
    assert cells(project, "6")["time", "UCF-101"]["trace"][0]["pointer"] == "/best/test/original/top1"


def test_a_cell_says_how_many_videos_of_its_set_are_missing(project: Project) -> None:
    for (_, column), cell in cells(project, "8").items():
        missing = ", 1 video missing" if column.startswith("UCF-101") else ""
        assert cell["circumstances"] == f"quick scale, stand-in data{missing}"
        assert ("without 1 video of the set" in cell["reason"]) is bool(missing)
        assert cell["verdict"] == "not comparable"


@pytest.mark.parametrize(
    ("stand_in", "incomplete"),
    [
        ({"ucf101": None, "hmdb51": None}, {"UCF-101"}),
        ({"ucf101": None, "hmdb51": "drawn"}, {"UCF-101", "HMDB-51"}),
    ],
)
def test_at_paper_scale_each_set_is_judged_by_its_own_data(
    project: Project, stand_in: dict[str, str | None], incomplete: set[str]
) -> None:
    name = "nobody2024-table6"
    spec = project.registry.aggregate_spec(name)
    spec = spec.model_copy(update={"scale": "paper", "overrides": (), "stand_in": stand_in})
    sources = {
        key: Source(f"results/paper/{key}/metrics.json", read_json(folder / "metrics.json"), "0" * 64)
        for key, folder in project.inputs_of(f"aggregate/{name}").items()
    }
    found = aggregate(spec, load("nobody2024", project.root), sources)["cells"]
    assert {cell["column"] for cell in found if cell["verdict"] == "not comparable"} == incomplete
    assert {cell["verdict"] for cell in found if cell["column"] not in incomplete} <= {"cannot tell", "differs"}


def test_clips_are_averaged_over_seeds_and_contradictions_refused() -> None:
    place = CellSource(row="r", column="c", run="x", transform="original")
    sources = {seed: source(60, clip=score(correct, 900)) for seed, correct in ((0, 90), (1, 270))}
    found = of_clips(sources, place, 2)
    assert (found["value"], found["printed"]) == (20.0, "20.00")
    assert [t["seed"] for t in found["trace"]] == [0, 1]
    sources[1].metrics["best"]["test"]["original"]["clip"]["correct"] = 271
    with pytest.raises(CheckFailed, match="/best/test/original/clip: correct, total and top1 do not agree"):
        of_clips(sources, place, 2)


def test_equivariance_on_videos_is_in_the_document_s_order(project: Project) -> None:
    content = read_json(project.folder("aggregate/nobody2024-table8") / "cells.json")
    entries = content["equivariance"]
    assert [e["column"] for e in entries[:6]] == [c["key"] for c in content["columns"]]
    assert [e["row"] for e in entries[::6]] == [r["key"] for r in content["rows"]]
    assert entries[3]["run"] == "shorts-plain" and entries[3]["transform"] == "r90"
    assert read_json(project.folder("aggregate/nobody2024-table6") / "cells.json")["equivariance"] == []


def test_curves_of_a_table_over_sets_have_every_run(project: Project) -> None:
    with (project.folder("aggregate/nobody2024-table7") / "curves.csv").open() as handle:
        header = next(csv.reader(handle))
    assert set(header) == {"epoch", *(f"{run}-{net}-s0" for run in ("films", "shorts") for net in ("plain", "t2"))}
