"""Tables of quantities: which numbers are equal at the printed precision, and what follows from what is printed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from analysis.fabricated import REPOSITORY, invented_metrics
from reeltrace.analysis import claims
from reeltrace.analysis.published import Cell, Document, load
from reeltrace.analysis.quantities import format_quantity, published_number
from reeltrace.analysis.sources import Source
from reeltrace.analysis.tables import aggregate
from reeltrace.analysis.verdicts import judge_number
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.tables.measured import MeasuredTable
from reeltrace.registry.params import Override
from reeltrace.registry.reading import Registry, spec_json
from reeltrace.registry.reading import load as load_registry
from reeltrace.registry.specs import AggregateSpec


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
            found[f"measure/{key}"] = Source(f"{folder}/metrics.json", invented_metrics(registry, key), "0" * 64, spec)
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


def test_a_derived_cell_names_what_it_follows_from(runtime: dict[tuple[str, str], Any]) -> None:
    cell = runtime["SlowFast", "2080Ti"]
    assert cell["trace"] == [] and cell["circumstances"] == "from published values"
    assert cell["derivation"]["operation"] == "quotient"
    assert [(of["table"], of["row"], of["column"], of["printed"]) for of in cell["derivation"]["of"]] == [
        ("7.2", "SlowFast", "GFLOPS per run", "7020"),
        ("7.1", "GeForce RTX 2080Ti", "GFLOPS", "13450"),
    ]
    assert cell["reproduced"]["value"] == pytest.approx(7020 / 13450)


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


def test_times_and_memory_belong_to_a_machine(
    runtime: dict[tuple[str, str], Any], memory: dict[tuple[str, str], Any], sources: dict[str, Source]
) -> None:
    time = runtime["SlowFast", "seconds per run"]
    assert time["reproduced"]["value"] == 30 * 2.5
    assert time["reproduced"]["range"] == [30 * 2.25, 30 * 3.0]
    assert time["verdict"] == "not given" and time["published"]["reason"] == "the document measured no time"
    assert time["circumstances"] == "a processor of nobody, 2 threads, float32, view inference"
    ram = memory["SlowFast", "CPU RAM"]
    assert ram["verdict"] == "not comparable" and "a processor of nobody" in ram["reason"]
    metrics = sources["measure/mahler2020-latency"].metrics
    assert ram["reproduced"]["value"] * 1e9 == pytest.approx(pointer(metrics, ram["trace"][0]["pointer"]))
    assert memory["SlowFast", "GPU RAM"]["verdict"] == "not run"
    assert memory["R(2+1)D + optical flow", "CPU RAM"]["reproduced"] is None


def test_parameters_and_what_follows_from_them(memory: dict[tuple[str, str], Any]) -> None:
    assert {cell["verdict"] for (_, column), cell in memory.items() if column == "# of Parameters"} == {"exact"}
    per = {row: cell for (row, column), cell in memory.items() if column == "accuracy per parameter"}
    assert per["SlowFast"]["reproduced"]["printed"] == "1.345e-6"
    assert per["SlowFast"]["verdict"] == "not exact" and "cut off" in per["SlowFast"]["reason"]
    assert per["R(2+1)D-152"]["reproduced"]["printed"] == "0.698e-6"
    assert per["R(2+1)D-152"]["verdict"] == "not exact" and "cut off" not in per["R(2+1)D-152"]["reason"]
    assert per["Non-Local R50"]["verdict"] == "not given"


def test_accuracies_are_published_only(registry: Registry, mahler: Document) -> None:
    for key in ("mahler2020-table6-1", "mahler2020-table6-2", "mahler2020-table7-1"):
        table = aggregate(registry.aggregate_spec(key), mahler, {})
        assert {cell["origin"] for cell in table["cells"]} == {"published"}
        assert {cell["verdict"] for cell in table["cells"]} == {"not run"}
        assert all(cell["reproduced"] is None and cell["reason"] for cell in table["cells"])


def test_what_stands_below_a_table_leads_to_its_measurement(
    registry: Registry, mahler: Document, sources: dict[str, Source]
) -> None:
    seen = set()
    for key in ("mahler2020-table7-2", "mahler2020-table7-3"):
        for block in aggregate(registry.aggregate_spec(key), mahler, sources)["beside"]:
            seen.add(block["kind"])
            metrics = sources[f"measure/{block['measurement']}"].metrics
            assert block["rows"]
            for row in block["rows"]:
                assert len(row["labels"]) == len(block["head"][0]) and len(row["values"]) == len(block["head"][1])
                for value in row["values"]:
                    assert pointer(metrics, value["trace"]["pointer"]) == value["value"]
            if block["kind"] == "search":
                assert [row["key"] for row in block["rows"] if row["marked"]] == ["exact-0"]
                assert [fact["value"] for fact in block["facts"]] == [96, 1]
    assert seen == {"counts", "times", "search"}


def test_an_overridden_network_is_not_the_published_one(
    registry: Registry, mahler: Document, sources: dict[str, Source]
) -> None:
    spec = registry.aggregate_spec("mahler2020-table7-3")
    override = Override(path="measurements.mahler2020-networks.networks.slowfast", document=1, here=2)
    changed = spec.model_copy(update={"overrides": (override,)})
    found = cells_of(aggregate(changed, mahler, sources))["SlowFast", "# of Parameters"]
    assert found["verdict"] == "not comparable" and "not the published network" in found["reason"]


def changed(registry: Registry, **parts: Any) -> AggregateSpec:
    spec = registry.aggregate_spec("mahler2020-table7-2")
    assert isinstance(spec.table, MeasuredTable)
    table = MeasuredTable.model_validate({**spec.table.model_dump(), **parts})
    return spec.model_copy(update={"table": table})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"rows": {"FastSlow": {}}}, r"tables.mahler2020-table7-2.rows: 'FastSlow' is not in table 7.2.*SlowFast"),
        (
            {"derived": {"3080Ti": {"operation": "product", "of": ("GFLOPS per run", "2080Ti")}}},
            r"derived: '3080Ti' is not in table 7.2.*2080Ti",
        ),
        (
            {"derived": {"2080Ti": {"operation": "quotient", "of": ("GFLOPS per run", "7.1/Voodoo/GFLOPS")}}},
            r"derived.2080Ti.of: table 7.1 of documents/mahler2020/published.yaml has no cell 'Voodoo', 'GFLOPS'",
        ),
    ],
)
def test_a_place_that_the_document_does_not_have_is_refused(
    registry: Registry, mahler: Document, sources: dict[str, Source], parts: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        aggregate(changed(registry, **parts), mahler, sources)


def test_a_measurement_that_is_not_there_is_named(registry: Registry, mahler: Document) -> None:
    with pytest.raises(CheckFailed, match=r"measure/mahler2020-latency: missing; run `reeltrace run measure"):
        aggregate(registry.aggregate_spec("mahler2020-table7-3"), mahler, {})


def cell(printed: str, unit: str) -> Cell:
    return Cell(row="r", column="c", printed=printed, unit=unit, place="section 1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("printed", "unit", "value", "verdict", "words"),
    [
        ("0.52s", "seconds", Fraction("0.5219"), "exact", "0.5219, which rounds to the printed 0.52s"),
        ("0.52s", "seconds", Fraction("0.53"), "not exact", "rounds to 0.53, printed 0.52s"),
        ("0.52s", "seconds", Fraction("0.528"), "not exact", "further digits are cut off"),
        ("0.52s", "seconds", Fraction("0.52"), "exact", "equal to the printed 0.52s"),
        ("7020", "gigaflops", Fraction(7021), "not exact", "7021, printed 7020"),
        ("59,342,488", "count", Fraction(59342480), "not exact", "-8 from the printed 59,342,488"),
        ("59,342,488", "count", Fraction(59342488), "exact", "equal"),
        ("1.344e-6", "ratio", Fraction("0.0000013442"), "exact", "1.3442e-6"),
        ("0.700e-6", "ratio", Fraction("0.0000006975"), "not exact", "rounds to 0.698e-6"),
        ("4.191 B", "gigabytes", Fraction("4.1913"), "exact", "4.1913"),
        ("20", "percent", Fraction(8), "not exact", "8, printed 20"),
        ("2x", "times", Fraction("1.92"), "exact", "1.92"),
        ("112K", "thousands", Fraction("112.4"), "exact", "112.4"),
        ("34M", "millions", Fraction("118"), "not exact", "118, printed 34M"),
    ],
)
def test_numbers_are_equal_at_the_printed_precision(
    printed: str, unit: str, value: Fraction, verdict: str, words: str
) -> None:
    found, reason = judge_number(cell(printed, unit), value, "measured")
    assert found == verdict and words in reason


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Fraction(59342488), "count", "59,342,488"),
        ([8, 56, 56], "size", "8x56^2"),
        ([8, 56, 28], "size", "8x56x28"),
        ("5x7^2, 8", "blocks", "5x7^2, 8"),
        (Fraction(7020), "gigaflops", "7020"),
        (Fraction("233.9591"), "gigaflops", "233.96"),
        (Fraction("0.5219"), "seconds", "0.52s"),
        (Fraction("2.8881"), "gigabytes", "2.888 GB"),
        (Fraction("0.00000134474"), "ratio", "1.345e-6"),
        (Fraction("0.011368"), "ratio", "0.01137"),
        (Fraction("0.1823"), "rate", "0.182"),
        (Fraction("34.04"), "millions", "34.0M"),
    ],
)
def test_quantities_are_printed_as_the_document_prints_them(value: Any, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_printed_numbers_are_exact() -> None:
    assert published_number(cell("235.8", "gigaflops")) == Fraction("235.8")
    assert published_number(cell("59,342,488", "count")) == 59342488
    assert published_number(cell("1.122GB", "gigabytes")) == Fraction("1.122")
    assert published_number(cell("79.8", "percent")) == Fraction("79.8")


def test_claims_of_mahler_on_its_own_numbers_and_on_invented_ones(
    registry: Registry, mahler: Document, sources: dict[str, Source]
) -> None:
    tables = {
        number: aggregate(registry.aggregate_spec(f"mahler2020-table{number.replace('.', '-')}"), mahler, sources)
        for number in ("7.1", "7.2", "7.3")
    }
    found = next(c for c in claims.load(["mahler2020"], REPOSITORY) if c.document == "mahler2020")
    by_id = {claim["id"]: claim for claim in claims.judge_all(found, tables)}
    assert {i for i, claim in by_id.items() if claim["published_verdict"] == "fails"} == {
        "accuracy-costs",  # SlowFast is more accurate than Non-Local R101 and costs less
        "r2plus1d-152-eighth-memory",  # 2.888 / 0.442 is 6.5
    }
    assert by_id["slowfast-fastest-run"]["published_verdict"] == "not given"
    assert by_id["slowfast-cheapest-run"]["verdict"] == "trend holds" and by_id["slowfast-cheapest-run"]["certain"]
    assert by_id["slowfast-cheapest-run"]["circumstances"] == "full size"
    assert "a processor of nobody" in by_id["slowfast-fastest-run"]["circumstances"]
    assert by_id["slowfast-second-accuracy"]["verdict"] == "not run"
    assert by_id["slowfast-most-gpu-memory"]["verdict"] == "not run"
    assert by_id["same-parameters"]["verdict"] == "trend holds"
