"""The tables of quantities of mahler2020: which numbers follow from what it prints, and its claims."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.fabricated import REPOSITORY, invented_metrics
from reeltrace.analysis import claims, prose
from reeltrace.analysis.published import Document, load
from reeltrace.analysis.sources import Source
from reeltrace.analysis.tables import aggregate
from reeltrace.registry.reading import Registry, spec_json
from reeltrace.registry.reading import load as load_registry

# What mahler2020 prints, or what the real measurement gives: parameters and multiply-adds of the inference view.
COUNTS = {
    "slowfast": (60080088, 233959198720),
    "slowfast-detection": (59342488, 296319373312),
    "nonlocal-r101": (59112656, 353765195776),
    "nonlocal-r50": (35401936, 256859996160),
    "r2plus1d-34": (63697175, 152355715072),
    "r2plus1d-152": (118226785, 251997435904),
    "r2plus1d-34-counted": (63747500, 157392883712),
    "r2plus1d-152-counted": (118277110, 257034604544),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(REPOSITORY, "quick")


@pytest.fixture(scope="module")
def mahler() -> Document:
    return load("mahler2020", REPOSITORY)


@pytest.fixture(scope="module")
def sources(registry: Registry) -> dict[str, Source]:
    found = {}
    for key, asked in registry.params.measurements.items():
        if asked.kind != "structure":
            folder = f"results/quick/measure/{key}"
            spec = Source(f"{folder}/spec.json", spec_json(registry.measure_spec(key)), "0" * 64)
            found[f"measure/{key}"] = Source(
                f"{folder}/metrics.json", invented_metrics(registry, key, COUNTS), "0" * 64, spec
            )
    return found


def cells_of(table: dict[str, Any]) -> dict[tuple[str, str], Any]:
    return {(cell["row"], cell["column"]): cell for cell in table["cells"]}


@pytest.fixture(scope="module")
def runtime(registry: Registry, mahler: Document, sources: dict[str, Source]) -> dict[tuple[str, str], Any]:
    return cells_of(aggregate(registry.aggregate_spec("mahler2020-table7-2"), mahler, sources))


@pytest.fixture(scope="module")
def memory(registry: Registry, mahler: Document, sources: dict[str, Source]) -> dict[tuple[str, str], Any]:
    return cells_of(aggregate(registry.aggregate_spec("mahler2020-table7-3"), mahler, sources))


def test_which_derived_cells_of_table_7_2_do_not_follow(runtime: dict[tuple[str, str], Any]) -> None:
    gpus = ("2080Ti", "RTX 8000", "AGX Xavier", "Jetson Nano")
    derived = {place: cell for place, cell in runtime.items() if place[1] in gpus}
    assert len(derived) == 24 and {cell["origin"] for cell in derived.values()} == {"derived"}
    off = {place: cell for place, cell in derived.items() if cell["verdict"] != "exact"}
    assert {place: (cell["published"]["printed"], cell["reproduced"]["printed"]) for place, cell in off.items()} == {
        ("SlowFast", "AGX Xavier"): ("4.97s", "4.98s"),
        ("R(2+1)D + optical flow", "2080Ti"): ("2.56s", "2.60s"),
        ("R(2+1)D-152", "2080Ti"): ("0.56s", "0.60s"),
    }
    assert {cell["verdict"] for cell in off.values()} == {"not exact"}
    cut = {place for place, cell in off.items() if "cut off" in cell["reason"]}
    assert cut == {("SlowFast", "AGX Xavier")}
    assert "7020 / 1410 = 4.97872" in off["SlowFast", "AGX Xavier"]["reason"]


def test_costs_are_counted_and_compared_as_the_document_rounds_them(runtime: dict[tuple[str, str], Any]) -> None:
    verdicts = {row: cell["verdict"] for (row, column), cell in runtime.items() if column == "GFLOPS per run"}
    assert {row for row, verdict in verdicts.items() if verdict == "not exact"} == {"Non-Local R101", "Non-Local R50"}
    assert runtime["R(2+1)D + optical flow", "GFLOPS per run"]["reproduced"]["value"] == 34960
    view = runtime["SlowFast", "GFLOPS per view"]
    assert (view["published"]["printed"], view["reproduced"]["printed"], view["verdict"]) == ("234", "233.96", "exact")
    assert view["trace"][0]["pointer"] == "/networks/slowfast/views/inference/multiply_adds"
    share = runtime["SlowFast", "fast pathway"]
    assert (share["published"]["printed"], share["verdict"]) == ("20", "not exact")
    assert runtime["Non-Local R50", "fast pathway"]["reproduced"] is None
    assert runtime["Non-Local R50", "fast pathway"]["verdict"] == "not given"


def test_parameters_and_what_follows_from_them(memory: dict[tuple[str, str], Any]) -> None:
    counts = {row: cell for (row, column), cell in memory.items() if column == "# of Parameters"}
    assert {row: cell["verdict"] for row, cell in counts.items()} == {
        "SlowFast": "exact, fitted",
        "Non-Local R101": "exact",
        "Non-Local R50": "exact",
        "R(2+1)D + optical flow": "exact, fitted",
        "R(2+1)D": "exact, fitted",
        "R(2+1)D-152": "exact, fitted",
    }
    assert counts["SlowFast"]["reproduced"]["network"] == "slowfast-detection"
    fitted = counts["SlowFast"]["fitted"]
    assert fitted["giving"] == 1 and f"1 of {fitted['settings']:,} settings" in counts["SlowFast"]["reason"]
    assert [source["pointer"] for source in counts["SlowFast"]["trace"]][1:] == ["/search"]
    per = {row: cell for (row, column), cell in memory.items() if column == "accuracy per parameter"}
    assert per["SlowFast"]["reproduced"]["printed"] == "1.345e-6"
    assert per["SlowFast"]["verdict"] == "exact"
    assert (
        "within the rounding of its printed parts, which leave 1.343894e-6 to 1.345579e-6" in per["SlowFast"]["reason"]
    )
    assert per["R(2+1)D-152"]["reproduced"]["printed"] == "0.698e-6"
    assert per["R(2+1)D-152"]["verdict"] == "not exact" and "cut off" not in per["R(2+1)D-152"]["reason"]
    assert per["Non-Local R50"]["verdict"] == "not given"


def test_accuracies_are_published_only(registry: Registry, mahler: Document) -> None:
    for key in ("mahler2020-table6-1", "mahler2020-table6-2", "mahler2020-table7-1"):
        table = aggregate(registry.aggregate_spec(key), mahler, {})
        assert {cell["origin"] for cell in table["cells"]} == {"published"}
        assert {cell["verdict"] for cell in table["cells"]} == {"not run"}
        assert all(cell["reproduced"] is None and cell["reason"] for cell in table["cells"])


def test_claims_of_mahler_on_its_own_numbers_and_on_invented_ones(
    registry: Registry, mahler: Document, sources: dict[str, Source]
) -> None:
    tables = {
        number: aggregate(registry.aggregate_spec(f"mahler2020-table{number.replace('.', '-')}"), mahler, sources)
        for number in ("7.1", "7.2", "7.3")
    }
    found = next(c for c in claims.load(["mahler2020"], REPOSITORY) if c.document == "mahler2020")
    by_id = {
        claim["id"]: claim for claim in claims.judge_all(found, mahler, prose.load("mahler2020", REPOSITORY), tables)
    }
    assert {i for i, claim in by_id.items() if claim["published_verdict"] == "contradicted"} == {
        "accuracy-costs",  # SlowFast is more accurate than Non-Local R101 and costs less
        "r2plus1d-152-eighth-memory",  # 2.888 / 0.442 is 6.5
        "slowfast-map-gain",  # 28.2 - 21.7 is 6.5, said is 7.3
        "others-over-100-views",  # a run of R(2+1)D-152 costs less than 100 views of the smaller R(2+1)D
        "fast-pathway-share",  # a fifth of all, and a fifth less than the slow one
    }
    assert by_id["slowfast-fastest-run"]["published_verdict"] == "supported"  # on each of four processors
    assert by_id["slowfast-fastest-run"]["verdict"] in ("holds", "fails", "cannot tell")  # on invented times
    assert by_id["slowfast-lowest-sampling"]["published_verdict"] == "supported"  # 30 against over 100 and 115
    for name in ("others-over-100-views", "slowfast-lowest-sampling"):
        assert by_id[name]["verdict"] == "cannot tell"
        assert by_id[name]["why"] == "rests on an assumption: views-of-a-run"
    assert by_id["slowfast-cheapest-run"]["verdict"] == "holds"
    assert by_id["slowfast-cheapest-run"]["circumstances"] == "full size"
    assert "a processor of nobody" in by_id["slowfast-fastest-run"]["circumstances"]
    assert by_id["slowfast-second-accuracy"]["verdict"] == "not run"
    assert by_id["slowfast-most-gpu-memory"]["verdict"] == "not run"
    assert by_id["same-parameters"]["verdict"] == "holds"
