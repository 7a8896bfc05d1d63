"""Tables of quantities: which numbers are equal at the printed precision, and what follows from what is printed."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from analysis.fabricated import invented_metrics
from invented import DOCUMENTS, FILES
from reeltrace.analysis import claims
from reeltrace.analysis.published import Cell, Document, load
from reeltrace.analysis.quantities import format_quantity, published_number
from reeltrace.analysis.sources import Source
from reeltrace.analysis.tables import aggregate
from reeltrace.analysis.verdicts import judge_number
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.tables.measured import MeasuredTable
from reeltrace.kinds.unit import UNITS, rounding_of
from reeltrace.registry.params import Override
from reeltrace.registry.reading import Registry, registry_of, spec_json
from reeltrace.registry.specs import AggregateSpec


@pytest.fixture(scope="module")
def registry() -> Registry:
    return registry_of(FILES, "quick")


@pytest.fixture(scope="module")
def document() -> Document:
    return load("nobody2024", DOCUMENTS.parent)


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
def runtime(registry: Registry, document: Document, sources: dict[str, Source]) -> dict[tuple[str, str], Any]:
    return cells_of(aggregate(registry.aggregate_spec("nobody2024-a2"), document, sources))


@pytest.fixture(scope="module")
def memory(registry: Registry, document: Document, sources: dict[str, Source]) -> dict[tuple[str, str], Any]:
    return cells_of(aggregate(registry.aggregate_spec("nobody2024-a3"), document, sources))


def test_which_derived_cells_do_not_follow(runtime: dict[tuple[str, str], Any]) -> None:
    derived = {place: cell for place, cell in runtime.items() if place[1] in ("on an Alpha", "on a Beta")}
    assert {cell["origin"] for cell in derived.values()} == {"derived"}
    off = {place: cell for place, cell in derived.items() if cell["verdict"] != "exact"}
    assert {place: (cell["published"]["printed"], cell["reproduced"]["printed"]) for place, cell in off.items()} == {
        ("Factored", "on an Alpha"): ("0.82s", "0.83s"),
        ("Factored, twice", "on an Alpha"): ("1.70s", "1.66s"),
    }
    assert {cell["verdict"] for cell in off.values()} == {"not exact"}
    assert {place for place, cell in off.items() if "cut off" in cell["reason"]} == {("Factored", "on an Alpha")}
    assert "8280 / 10000 = 0.828" in off["Factored", "on an Alpha"]["reason"]


def test_costs_are_compared_as_the_document_rounds_them(runtime: dict[tuple[str, str], Any]) -> None:
    verdicts = {row: cell["verdict"] for (row, column), cell in runtime.items() if column == "cost of a run"}
    assert {row for row, verdict in verdicts.items() if verdict == "not exact"} == {"All pairs"}
    assert runtime["Factored, twice", "cost of a run"]["reproduced"]["value"] == 230 * 72  # of 72.2 a view
    view = runtime["Two speeds", "cost of a view"]
    assert (view["published"]["printed"], view["reproduced"]["printed"], view["verdict"]) == ("72", "72.21", "exact")
    assert view["trace"][0]["pointer"] == "/networks/two-speeds/views/inference/multiply_adds"
    assert runtime["Two speeds", "share of fast"]["verdict"] == "not exact"
    missing = runtime["All pairs", "share of fast"]
    assert (missing["reproduced"], missing["verdict"]) == (None, "not given")


def test_what_follows_from_counts_of_parameters(memory: dict[tuple[str, str], Any]) -> None:
    assert {cell["verdict"] for (_, column), cell in memory.items() if column == "size"} == {"exact"}
    per = {row: cell for (row, column), cell in memory.items() if column == "hits by weight"}
    assert (per["Two speeds"]["reproduced"]["printed"], per["Two speeds"]["verdict"]) == ("1.332e-6", "exact")
    assert "exact within the rounding of its printed parts" in per["Two speeds"]["reason"]
    assert (per["Factored"]["reproduced"]["printed"], per["Factored"]["verdict"]) == ("1.200e-6", "not exact")
    assert per["All pairs"]["verdict"] == "not given"


def test_what_is_only_published_is_not_run(registry: Registry, document: Document) -> None:
    table = aggregate(registry.aggregate_spec("nobody2024-a1"), document, {})
    assert {(cell["origin"], cell["verdict"]) for cell in table["cells"]} == {("published", "not run")}
    assert all(cell["reproduced"] is None and cell["reason"] for cell in table["cells"])


def test_claims_about_quantities(registry: Registry, document: Document, sources: dict[str, Source]) -> None:
    tables = {"A2": aggregate(registry.aggregate_spec("nobody2024-a2"), document, sources)}
    (of,) = claims.load(["nobody2024"], DOCUMENTS.parent)
    by_id = {claim["id"]: claim for claim in claims.judge_all(of, document, {}, tables)}
    cheapest, fastest = by_id["two-speeds-cheapest"], by_id["two-speeds-fastest"]
    assert (cheapest["verdict"], cheapest["published_verdict"]) == ("holds", "supported")
    assert cheapest["circumstances"] == "full size"
    assert (fastest["verdict"], fastest["published_verdict"]) == ("holds", "cannot be judged")
    assert "a processor of nobody" in fastest["circumstances"]


def test_a_derived_cell_names_what_it_follows_from(runtime: dict[tuple[str, str], Any]) -> None:
    cell = runtime["Two speeds", "on an Alpha"]
    assert cell["trace"] == [] and cell["circumstances"] == "from published values"
    assert cell["derivation"]["operation"] == "quotient"
    assert [(of["table"], of["row"], of["column"], of["printed"]) for of in cell["derivation"]["of"]] == [
        ("A2", "Two speeds", "cost of a run", "2160"),
        ("A1", "Alpha", "peak", "10000"),
    ]
    assert cell["reproduced"]["value"] == pytest.approx(2160 / 10000)


def test_times_and_memory_belong_to_a_machine(
    runtime: dict[tuple[str, str], Any], memory: dict[tuple[str, str], Any], sources: dict[str, Source]
) -> None:
    time = runtime["Two speeds", "time of a run"]
    assert time["reproduced"]["value"] == 30 * 2.5
    assert time["reproduced"]["range"] == [30 * 2.25, 30 * 3.0]
    assert time["verdict"] == "not given" and time["published"]["reason"] == "the document measured no time"
    assert time["circumstances"] == "a processor of nobody, 2 threads, float32, view inference"
    ram = memory["Two speeds", "process memory"]
    assert ram["verdict"] == "not comparable" and "a processor of nobody" in ram["reason"]
    metrics = sources["measure/nobody2024-latency"].metrics
    assert ram["reproduced"]["value"] * 1e9 == pytest.approx(pointer(metrics, ram["trace"][0]["pointer"]))
    assert memory["Two speeds", "card memory"]["verdict"] == "not run"
    assert memory["Factored, twice", "process memory"]["reproduced"] is None


def test_what_stands_below_a_table_leads_to_its_measurement(
    registry: Registry, document: Document, sources: dict[str, Source]
) -> None:
    seen = set()
    for key in ("nobody2024-a2", "nobody2024-a3"):
        for block in aggregate(registry.aggregate_spec(key), document, sources)["beside"]:
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
    registry: Registry, document: Document, sources: dict[str, Source]
) -> None:
    spec = registry.aggregate_spec("nobody2024-a3")
    override = Override(path="measurements.nobody2024-networks.networks.two-speeds", document=1, here=2)
    changed = spec.model_copy(update={"overrides": (override,)})
    found = cells_of(aggregate(changed, document, sources))["Two speeds", "size"]
    assert found["verdict"] == "not comparable" and "not the published network" in found["reason"]


def changed(registry: Registry, **parts: Any) -> AggregateSpec:
    spec = registry.aggregate_spec("nobody2024-a2")
    assert isinstance(spec.table, MeasuredTable)
    table = MeasuredTable.model_validate({**spec.table.model_dump(), **parts})
    return spec.model_copy(update={"table": table})


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"rows": {"FastSlow": {}}}, r"tables.nobody2024-a2.rows: 'FastSlow' is not in table A2.*Two speeds"),
        (
            {"derived": {"on a Gamma": {"operation": "product", "of": ("cost of a run", "on an Alpha")}}},
            r"derived: 'on a Gamma' is not in table A2.*on an Alpha",
        ),
        (
            {"derived": {"on an Alpha": {"operation": "quotient", "of": ("cost of a run", "A1/Voodoo/peak")}}},
            r"derived.on an Alpha.of: table A1 of documents/nobody2024/published.yaml has no cell 'Voodoo', 'peak'",
        ),
    ],
)
def test_a_place_that_the_document_does_not_have_is_refused(
    registry: Registry, document: Document, sources: dict[str, Source], parts: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        aggregate(changed(registry, **parts), document, sources)


def test_a_measurement_that_is_not_there_is_named(registry: Registry, document: Document) -> None:
    with pytest.raises(CheckFailed, match=r"measure/nobody2024-latency: missing; run `reeltrace run measure"):
        aggregate(registry.aggregate_spec("nobody2024-a3"), document, {})


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
    ("ends", "verdict"),
    [
        (("1.3439e-6", "1.3456e-6"), "exact"),
        (("1.3445e-6", "1.3460e-6"), "exact"),  # the edge, which may be rounded either way
        (("1.3446e-6", "1.3460e-6"), "not exact"),
        (("1.3400e-6", "1.3434e-6"), "not exact"),
    ],
)
def test_what_follows_from_rounded_prints_is_judged_by_what_they_leave_open(
    ends: tuple[str, str], verdict: str
) -> None:
    left_open = Fraction(ends[0]), Fraction(ends[1])
    found, reason = judge_number(cell("1.344e-6", "ratio"), Fraction("1.3447e-6"), "a / b =", left_open)
    assert found == verdict
    assert reason.startswith("a / b = 1.3447e-6, which rounds to 1.345e-6, printed 1.344e-6")
    assert (f"which leave {ends[0].replace('0e', 'e')} to" in reason) == (verdict == "exact")


def test_how_far_a_number_may_lie_from_its_print() -> None:
    assert judge_number(cell("0.52s", "seconds"), Fraction("0.53"), "a / b =", None)[0] == "not exact"
    assert rounding_of(UNITS.get("seconds"), "0.52s") == Fraction(1, 200)
    assert rounding_of(UNITS.get("seconds"), "~0.52s") == Fraction(1, 100)
    assert rounding_of(UNITS.get("count"), "59,342,488") == 0


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
