"""A small report and small artifacts, such as the stages write them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import canonical_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT, SPEC

STARTED = "2026-01-02T03:04:05+00:00"


def cell(row: str, column: str, printed: str | None, here: str | None, verdict: str, **more: Any) -> dict[str, Any]:
    """One cell of report.json; `here` is what was found."""
    document, table = more.pop("document", "smith2020"), more.pop("table", "1")
    return {
        "id": f"{document}/{table}/{row}/{column}",
        "document": document,
        "table": table,
        "row": row,
        "column": column,
        "unit": "percent",
        "published": {"printed": printed, "place": "section 4, Table 1"},
        "reproduced": None if here is None else {"printed": here, "interval_printed": ["60.00", "78.00"]},
        "verdict": verdict,
        "origin": "measured",
        "circumstances": "smoke scale, stand-in data",
        "reason": "made at smoke scale, on stand-in data",
        "trace": None
        if here is None
        else {"artifact": "results/smoke/aggregate/t/cells.json", "pointer": "/cells/0", "sha256": "0" * 64},
        **more,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    """Two documents with a table each, and names that mean something to TeX."""
    return {
        "artifacts": {},
        "scale": "smoke",
        "stand_in": "drawn digits in place of MNIST",
        "cells": [
            cell("net #1 (50%)", "top_1 & more", "78.2 ± 0.4", "70.00", "not comparable"),
            cell('net, "two"', "original", "100", None, "not run"),
            cell("VGG E", "size", "144", "143.67", "not exact", document="jones2021", table="7.9"),
        ],
        "claims": [
            {"id": "better", "document": "smith2020", "title": "It is better", "says": "Better", "place": "section 5"}
            | {"published_verdict": "contradicted"},
            {"id": "level", "document": "smith2020", "title": "It is level", "says": "Level", "place": "section 5"}
            | {"published_verdict": "supported"},
        ],
        "audit": [
            {
                "id": "smith2020/grim/1",
                "document": "smith2020",
                "detector": "denominators",
                "severity": "decision",
                "sources": [
                    {"document": "smith2020", "table": "1", "row": 'net, "two"', "column": "original", "prose": ""},
                    {"document": "smith2020", "table": "", "row": "", "column": "", "prose": "gain"},
                ],
                "computation": "no k of 3000 gives 24.62",
                "says": "24.62 is no share of 3000.",
                "innocent": ["a mean of several runs"],
            }
        ],
    }


def artifact(root: Path, name: str, files: Mapping[str, str], inputs: Mapping[str, Path], seconds: float = 1.5) -> Path:
    """A finished artifact below `root`/results/smoke."""
    folder = root / "results/smoke" / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    (folder / SPEC).write_text("{}")
    stage, key = name.split("/")
    manifest = {
        "stage": stage,
        "key": key,
        "outputs": {f: {"sha256": sha256_file(folder / f), "bytes": (folder / f).stat().st_size} for f in files},
        "inputs": {other: {"sha256": sha256_file(path / MANIFEST)} for other, path in inputs.items()},
    }
    (folder / MANIFEST).write_text(canonical_json(manifest))
    receipt = {
        "started": STARTED,
        "duration_s": seconds,
        "processor_s": 1.0,
        "peak_memory_bytes": 1000,
        "host": {"processor": "a processor"},
        "git": {"commit": "c" * 40, "dirty": True},
        "packages": {"snakemake": "9.27.1"},
    }
    (folder / RECEIPT).write_text(json.dumps(receipt))
    return folder


@pytest.fixture
def results(tmp_path: Path, report: dict[str, Any]) -> dict[str, Path]:
    """Data, a training, a table and the report, by "stage/key"; the project lies in `tmp_path`."""
    (tmp_path / "Snakefile").write_text("rule all:\n")
    (tmp_path / "params.yaml").write_text("scale: smoke\n")
    (tmp_path / "README.md").write_text("# A project\n")
    found: dict[str, Path] = {}
    found["data/digits"] = artifact(tmp_path, "data/digits", {"about.json": "{}", "clips.npy": "x"}, {})
    found["train/net-s0"] = artifact(
        tmp_path, "train/net-s0", {"metrics.json": "{}"}, {"data/digits": found["data/digits"]}
    )
    found["aggregate/t"] = artifact(
        tmp_path, "aggregate/t", {"cells.json": "{}"}, {"train/net-s0": found["train/net-s0"]}
    )
    page = {"report.html": "<html>", "report.json": json.dumps(report)}
    found["report/all"] = artifact(tmp_path, "report/all", page, {"aggregate/t": found["aggregate/t"]}, seconds=60)
    return found
