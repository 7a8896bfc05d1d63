"""A document more: one folder is put in, and both engines, every command and the report know it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import edit, git, make_workspace, run_in, snakemake

pytestmark = pytest.mark.slow
KEY = "smith2020"
EXPERIMENTS: dict[str, Any] = {
    "datasets": {
        "smith-digits": {
            "kind": "moving-digits",
            "task": "digit",
            "images": "digits",
            "stand_in": None,
            "frames": 7,
            "size": 16,
            "digit_size": 8,
            "speed": [0.5, 1.0],
            "videos": {"train": 60, "validation": 20, "test": 20},
            "image_split": {"train": 0.6, "validation": 0.1, "test": 0.3},
            "seed": 5,
        }
    },
    "models": {
        f"smith-{group}": {
            "architecture": "cnn4",
            "group": group,
            "widths": [4, 8, 8, 8],
            "batch_norm": True,
            "bias": False,
        }
        for group in ("z3", "t2")
    },
    "protocols": {
        "smith": {
            "optimizer": "sgd",
            "epochs": 4,
            "learning_rate": 0.05,
            "milestones": [3],
            "gamma": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.0,
            "batch_size": 10,
        }
    },
    "runs": {
        f"smith-{group}": {
            "dataset": "smith-digits",
            "model": f"smith-{group}",
            "protocol": "smith",
            "evaluation": ["original", "treverse"],
        }
        for group in ("z3", "t2")
    },
    "tables": {
        f"{KEY}-table1": {
            "table": "1",
            "kind": "accuracy",
            "columns": ["original", "treverse"],
            "rows": {"plain": "smith-z3", "equivariant": "smith-t2"},
        },
        f"{KEY}-costs": {
            "table": "costs",
            "kind": "measured",
            "published_only": "a figure of the maker's",
            "derived": {"per second": {"operation": "quotient", "of": ["work", "time"]}},
        },
    },
}
SMOKE = {"protocols": {"smith": {"epochs": 1, "milestones": []}}}


def cell(row: str, column: str, printed: str) -> dict[str, str]:
    return {"row": row, "column": column, "printed": printed}


PUBLISHED = {
    "tests": {"backwards too": {"size": 1000, "of": "clips", "place": "section 3"}},
    "tables": {
        "1": {
            "title": "Accuracies",
            "caption": "Of two nets, forwards and backwards.",
            "place": "Table 1",
            "unit": "percent",
            "test": "backwards too",
            "columns": [{"key": "original", "label": "forwards"}, {"key": "treverse", "label": "backwards"}],
            "rows": [{"key": "plain", "label": "Plain"}, {"key": "equivariant", "label": "Equivariant"}],
            "cells": [
                cell("plain", "original", "91.2"),
                cell("plain", "treverse", "45.0"),
                cell("equivariant", "original", "90.1"),
                cell("equivariant", "treverse", "89.9"),
            ],
        },
        "costs": {
            "title": "Costs",
            "caption": "Of one net.",
            "place": "section 4",
            "unit": "gigaflops",
            "columns": [
                {"key": "work", "label": "Work"},
                {"key": "time", "label": "Time", "unit": "seconds"},
                {"key": "per second", "label": "Per second", "unit": "rate"},
            ],
            "rows": [{"key": "plain", "label": "Plain"}],
            "cells": [
                cell("plain", "work", "12.5"),
                cell("plain", "time", "2.5s"),
                cell("plain", "per second", "5.000"),
            ],
        },
    },
}
CLAIMS = {
    "claims": [
        {
            "id": "smith-backwards",
            "title": "The equivariant net does not mind",
            "says": "Backwards it is better than the plain net",
            "place": "section 4",
            "rule": [
                {
                    "left": ["1", "equivariant", "treverse"],
                    "op": "significantly above",
                    "right": ["1", "plain", "treverse"],
                }
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with the document in it: begun by `reeltrace new document`, filled in, and nothing else touched."""
    folder = make_workspace(tmp_path_factory.mktemp("sixth") / "project")
    git(folder, "init", "-q")
    run_in(folder, "reeltrace", "sync")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Start")
    said = run_in(folder, "reeltrace", "new", "document", KEY, "--title", "Nets that do not mind", "--year", "2020")
    assert f"documents/{KEY}/experiments.yaml" in said.stdout
    run_in(folder, "reeltrace", "status")  # a skeleton is a document already
    for name, content in (
        ("experiments", EXPERIMENTS),
        ("smoke", SMOKE),
        ("published", PUBLISHED),
        ("claims", CLAIMS),
    ):
        (folder / f"documents/{KEY}/{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    run_in(folder, "reeltrace", "sync")
    return folder


def planned(folder: Path, *targets: str) -> set[str]:
    text = snakemake(folder, "-n", "-p", *targets)
    return {" ".join(found) for found in re.findall(r"reeltrace run (\w+) ([a-z0-9-]+)", text)}


MADE = {
    "data digits",
    "data smith-digits",
    "train smith-t2-s0",
    "train smith-z3-s0",
    f"aggregate {KEY}-costs",
    f"aggregate {KEY}-table1",
}


def test_a_document_touches_its_own_folder_and_what_is_compiled(workspace: Path) -> None:
    changed = subprocess.run(
        ["git", "status", "--porcelain", "-uall"], cwd=workspace, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert {line[3:] for line in changed if not line[3:].startswith(f"documents/{KEY}/")} == {"dvc.yaml"}


def test_a_name_that_means_something_else_is_refused(workspace: Path) -> None:
    for key in ("all", "train"):
        said = run_in(workspace, "reeltrace", "new", "document", key, code=2).stderr
        assert said == f"reeltrace: {key!r} names a stage or everything; choose another key\n"
        assert not (workspace / "documents" / key).exists()


def test_one_document_and_one_table_are_asked_for_by_name(workspace: Path) -> None:
    assert planned(workspace, KEY) == MADE
    assert planned(workspace, f"{KEY}-costs") == {f"aggregate {KEY}-costs"}
    assert planned(workspace) > MADE


def test_both_engines_every_command_and_the_report_know_it(workspace: Path) -> None:
    """With a report of this document alone; DVC makes what Snakemake did not."""
    edit(workspace / "params.yaml", "documents: all", f"documents: [{KEY}]")
    run_in(workspace, "reeltrace", "sync")
    assert planned(workspace) == MADE | {"report all"}
    snakemake(workspace, f"{KEY}-table1")
    run_in(workspace, "dvc", "repro")
    assert "Nothing to be done" in snakemake(workspace, "-n")
    assert json.loads(run_in(workspace, "dvc", "status", "--json").stdout) == {}
    status = json.loads(run_in(workspace, "reeltrace", "status", "--json").stdout)
    assert {key: table["state"] for key, table in status["tables"].items()} == {
        f"{KEY}-table1": "current",
        f"{KEY}-costs": "current",
    }
    run_in(workspace, "reeltrace", "verify", "--data")
    told = run_in(workspace, "reeltrace", "explain", f"{KEY}/1/equivariant/treverse").stdout
    assert "train/smith-t2-s0" in told and "89.9" in told
    report = json.loads((workspace / "results/smoke/report/all/report.json").read_text())
    found = {(c["table"], c["row"], c["column"]): c for c in report["cells"]}
    assert len(found) == 7 and {c["document"] for c in report["cells"]} == {KEY}
    assert found["costs", "plain", "per second"]["verdict"] == "exact"
    assert found["costs", "plain", "work"]["verdict"] == "not run"
    assert [(c["id"], c["published_verdict"]) for c in report["claims"]] == [("smith-backwards", "supported")]
    assert {o["path"] for o in report["overrides"]} >= {"protocols.smith.epochs"}
    assert report["datasets"][0]["key"] == "smith-digits"
    page = (workspace / "results/smoke/report/all/report.html").read_text()
    assert "Nets that do not mind" in page and "Group-Equivariant" not in page
