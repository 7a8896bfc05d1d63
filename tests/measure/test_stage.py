"""The stage writes the facts, all of them from its spec, and the same bytes each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reeltrace.kinds.measurements.structure import Search, StructureMeasurement
from reeltrace.measure.structure_stage import run
from reeltrace.registry.specs import MeasureSpec


def spec(search: bool = True) -> MeasureSpec:
    return MeasureSpec(
        stage="measure",
        key="small",
        scale="smoke",
        measurement=StructureMeasurement(
            kind="structure",
            document="d",
            architecture="cnn4",
            widths=(4, 8, 8, 8),
            batch_norm=False,
            bias=True,
            input=(1, 8, 16, 16),
            classes={"z3": 5, "t2": 3},
            search=Search(
                biases=(True,),
                batch_norms=(False,),
                classes={"z3": (5,), "t2": (3, 4)},
                printed_thousands={"z3": 3, "t2": 2},
            )
            if search
            else None,
        ),
    )


def test_metrics_hold_the_facts(tmp_path: Path) -> None:
    assert run(spec(), {}, tmp_path) == {}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["schema"] == 1
    assert set(metrics["nets"]) == {"z3", "t2"}
    t2 = metrics["nets"]["t2"]
    assert (t2["classes"], t2["widths"]) == (3, [2, 5, 5, 5])
    assert t2["feature_maps"]["conv1"] == [2, 8, 16, 16]
    # conv1 has one input channel; each deeper filter has two orientation slices
    assert t2["parameters"] == 27 * 2 + 2 * (27 * (5 * 2 + 5 * 5) + 5 * 5) + (2 + 5 + 5 + 5) + 5 * 3 + 3
    assert metrics["nets"]["z3"]["feature_maps"]["groupPool"] is None
    assert metrics["search"]["printed"] == {"z3": 3, "t2": 2}


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run(spec(), {}, tmp_path / name)
    assert (tmp_path / "a/metrics.json").read_bytes() == (tmp_path / "b/metrics.json").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("search", [True, False])
def test_the_search_is_optional(tmp_path: Path, search: bool) -> None:
    run(spec(search), {}, tmp_path)
    assert ("search" in json.loads((tmp_path / "metrics.json").read_text())) == search
