"""Kinds of nets: what a declaration must hold, and one from the folder of a document."""

import json
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PROJECT, edit, refusal, run_in, write_files
from invented import FILES, changed, make_workspace
from reeltrace.kinds.architecture import ARCHITECTURES, Architecture, Further, OnBackbone
from reeltrace.kinds.points import load, references
from reeltrace.kinds.table import Judged, TableKind
from reeltrace.kinds.unit import OnLayers, Share, Unit
from reeltrace.pipeline.engines import compile_dvc, write_code
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.named import named_by_kinds
from reeltrace.pipeline.plan import Plan, code_sha256, load_plan
from reeltrace.registry.reading import load as load_registry
from reeltrace.registry.reading import registry_of
from reeltrace.report.chains import settings

# --- declarations ---


def test_nothing_in_a_declaration_may_be_left_out() -> None:
    for declared in (Architecture, OnBackbone, Further, TableKind, Judged, Unit, Share, OnLayers):
        assert all(each.default is each.default_factory for each in fields(declared)), declared  # both MISSING


def test_every_function_that_a_kind_names_is_there() -> None:
    for kind in ARCHITECTURES.all().values():
        named = list(references(kind))
        assert kind.net in named
        assert all(callable(load(each)) for each in named)
    assert all(len(list(references(ARCHITECTURES.get(name)))) == 3 for name in ("rcn", "rcn-scratch"))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("cnn4", {"name": "cnn5"}, "architecture must be Literal"),
        ("cnn4", {"fed": "sequences"}, "no field frames"),
        ("cnn4", {"fed": "features"}, "no field backbone, block, z_norm"),
        ("cnn4", {"backbone": OnBackbone("resnet50", lambda entry: True)}, "no field backbone"),
        ("rcn", {"backbone": None}, "the kind declares none"),
    ],
)
def test_a_declaration_that_contradicts_its_entry_is_refused(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(ARCHITECTURES.get(name), **changes)


def test_a_backbone_in_training_is_no_model_of_an_experiment() -> None:
    said = refusal(registry_of, changed(models={"plain-net": {"architecture": "stills"}}))
    assert "models.plain-net.architecture" in said and "a known architecture" in said
    assert "stills" not in said.partition("it has:")[2]


# --- of a document ---

KIND = '''
"""Two layers."""
from typing import Literal

from reeltrace.kinds.architecture import Architecture, Least
from reeltrace.registry.fields import Channels
from reeltrace.registry.models import Entry


class TwoLayers(Entry):
    """Two convolutions of a width."""

    architecture: Literal["two-layers"]
    width: Channels


KIND = Architecture(
    name="two-layers",
    params=TwoLayers,
    title="Two layers",
    words=lambda model: f"two layers of {model['width']} maps",
    stage="reeltrace.training.stage",
    net="documents.mine.layers:build",
    describe=lambda entry, backbone, classes: {**entry.model_dump(), "classes": classes},
    fed="clips",
    backbone=None,
    further=None,
    in_runs=True,
    augmented=True,
    transformed=True,
    bfloat16=True,
    conforms=True,
    work=lambda entry, videos: 1,
    least=lambda entry, backbone, classes: Least(27 * entry.width**2, entry.width, (1, 1, 1)),
)
'''
NET = """
from torch import nn

from documents.mine.pooled import pooled


def build(description):
    width, classes = description["width"], description["classes"]
    layers = [nn.Conv3d(3, width, 3, padding=1), nn.ReLU(), nn.Conv3d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, *pooled(), nn.Linear(width, classes))
"""
POOLED = "from torch import nn\n\n\ndef pooled():\n    return nn.AdaptiveAvgPool3d(1), nn.Flatten()\n"
HEADER = 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\nkinds: [two_layers.py]\n'
RUN = {"dataset": "drifting-digits", "protocol": "drift", "evaluation": ["original", "treverse"]}
EXPERIMENTS = {
    "models": {"mine-net": {"architecture": "two-layers", "width": 4}},
    "runs": {"mine-two": {**RUN, "model": "mine-net"}, "mine-four": {**RUN, "model": "plain-net"}},
    "tables": {
        "mine-table1": {
            "table": "1",
            "kind": "accuracy",
            "columns": ["original", "treverse"],
            "rows": {"two": "mine-two", "four": "mine-four"},
        }
    },
}
PUBLISHED = {
    "tables": {
        "1": {
            "title": "Accuracies",
            "caption": "Of two nets.",
            "place": "Table 1",
            "unit": "percent",
            "columns": [{"key": "original", "label": "forwards"}, {"key": "treverse", "label": "backwards"}],
            "rows": [{"key": "two", "label": "Two layers"}, {"key": "four", "label": "Four layers"}],
            "cells": [
                {"row": row, "column": column, "printed": "91.2"}
                for row in ("two", "four")
                for column in ("original", "treverse")
            ],
        }
    }
}
MINE = {
    "documents/mine/document.yaml": HEADER,
    "documents/mine/two_layers.py": KIND,
    "documents/mine/layers.py": NET,
    "documents/mine/pooled.py": POOLED,
    "documents/mine/experiments.yaml": yaml.safe_dump(EXPERIMENTS),
    "documents/mine/published.yaml": yaml.safe_dump(PUBLISHED),
    "documents/mine/claims.yaml": "claims: []\n",
    "documents/mine/assumptions.yaml": "assumptions: []\n",
}


def project(folder: Path) -> Path:
    """A project whose one document brings a kind of net of its own."""
    workspace = make_workspace(folder / "project")
    write_files(workspace, MINE)
    edit(workspace / "params.yaml", "documents: all", "documents: [mine]")
    return workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return project(tmp_path)


def test_a_kind_of_net_of_a_document_is_trained_reported_verified_and_explained(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    for task in load_plan():
        run(task.stage, task.key, Path())
    metrics = json.loads((workspace / "results/smoke/train/mine-two-s0/metrics.json").read_text())
    assert metrics["model"]["parameters"] == 27 * 3 * 4 + 4 + 27 * 4 * 4 + 4 + 4 * 4 + 4
    report = json.loads((workspace / "results/smoke/report/all/report.json").read_text())
    settings = report["artifacts"]["train/mine-two-s0"]["settings"]
    assert settings["model"] == "two layers of 4 maps"
    page = (workspace / "results/smoke/report/all/report.html").read_text()
    assert ", Two layers</span></h3>" in page and "Validation top-1 accuracy of mine-two by epoch" in page
    run_in(workspace, "reeltrace", "verify")
    explained = run_in(workspace, "reeltrace", "explain", "mine/1/two/original").stdout
    assert "two layers of 4 maps" in explained
    edit(workspace / "documents/mine/layers.py", "nn.ReLU()", "nn.ReLU(inplace=True)")
    said = json.loads(run_in(workspace, "reeltrace", "status", "--json", code=None).stdout)
    standing = {name: entry["state"] for name, entry in said["artifacts"].items() if name.startswith("train/")}
    assert standing == {"train/mine-two-s0": "stale", "train/mine-four-s0": "current"}


@pytest.mark.parametrize("file", ["two_layers.py", "layers.py", "pooled.py"])
def test_an_edit_of_its_files_makes_its_run_and_the_report_stale_and_no_other(workspace: Path, file: str) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace)}

    before = codes()
    digests = {path.name: path.read_text() for path in written(workspace)}
    path = workspace / "documents/mine" / file
    path.write_text(path.read_text() + "\n# changed\n")
    changed_now = {name for name, code in codes().items() if code != before[name]}
    assert changed_now == {"train/mine-two-s0", "report/all"}
    stale = {path.name for path in written(workspace) if path.read_text() != digests[path.name]}
    dvc = yaml.safe_load(compile_dvc(load_plan(workspace)))["stages"]
    read = {stage: Path(entry["deps"][0]).name for stage, entry in dvc.items()}
    assert {stage for stage, name in read.items() if name in stale} == {"train-mine-two-s0", "report-all"}
    assert f"documents/mine/{file}" in dvc["code"]["deps"]


@pytest.mark.parametrize(
    ("statement", "file"),
    [
        ("from .pooled import pooled", "pooled.py"),
        ("from . import pooled as beside\npooled = beside.pooled", "pooled.py"),
        ("from documents.mine.parts.pooled import pooled", "parts/pooled.py"),
        ("from .parts.pooled import pooled", "parts/__init__.py"),
        ("from documents.mine.parts import pooled", "parts/__init__.py"),
        ("import documents.mine.parts.pooled as beside\npooled = beside.pooled", "parts/pooled.py"),
    ],
)
def test_what_its_net_imports_is_its_code_however_it_does(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, statement: str, file: str
) -> None:
    package = "parts" in statement
    write_files(
        workspace,
        {
            "documents/mine/parts/pooled.py": POOLED,
            "documents/mine/parts/__init__.py": POOLED,
        },
    )
    edit(workspace / "documents/mine/layers.py", "from documents.mine.pooled import pooled", statement)
    monkeypatch.chdir(workspace)
    for name in [name for name in sys.modules if name.startswith("documents.mine")]:
        monkeypatch.delitem(sys.modules, name)
    plan = load_plan()
    code = set(plan["train/mine-two-s0"].code())
    assert Path("documents/mine", file) in code
    load("documents.mine.layers:build")({"width": 2, "classes": 3})
    ran = {
        Path(module.__file__)
        for name, module in sys.modules.items()
        if name.startswith("documents.mine.") and module.__file__
    }  # type: ignore[arg-type]
    assert Path(workspace, "documents/mine/layers.py") in ran
    assert {path.relative_to(workspace) for path in ran} <= code  # a name may be that of a module, or not
    assert package == any("parts" in path.parts for path in code)


def test_a_template_of_a_document_that_brings_kinds_is_a_text_of_every_report(workspace: Path) -> None:
    write_files(workspace, {"documents/mine/mine.html.j2": "{# mine #}\n"})
    edit(workspace / "params.yaml", "documents: [mine]", "documents: [nobody2024]")
    texts = load_plan(workspace)["report/all"].texts
    assert Path("documents/mine/mine.html.j2") in texts and Path("documents/mine/published.yaml") not in texts


def written(workspace: Path) -> list[Path]:
    write_code(load_plan(workspace))
    return list((workspace / "results/code").iterdir())


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("two_layers.py", None, "documents/mine/two_layers.py: not found; documents/mine/document.yaml names it"),
        ("two_layers.py", "def (:\n", "documents/mine/two_layers.py:1: not valid Python; correct it"),
        ("two_layers.py", "import nowhere\n", "documents/mine/two_layers.py: cannot be loaded (ModuleNotFoundError"),
        ("two_layers.py", "x = 1\n", "documents/mine/two_layers.py: declares no KIND"),
        ("two_layers.py", "KINDS = 5\n", "documents/mine/two_layers.py: KINDS is no tuple; write KINDS = (ONE, "),
        (
            "two_layers.py",
            KIND.replace('fed="clips"', 'fed="sequences"'),
            "cannot be loaded (ValueError: params of two",
        ),
        (
            "two_layers.py",
            "from reeltrace.kinds.architectures.gru import KIND\n",
            "documents/mine/two_layers.py: architecture 'gru' is there already; give it another name",
        ),
        ("document.yaml", HEADER.replace("two_", "../two_"), "documents/mine/document.yaml: kinds.0: "),
        (
            "experiments.yaml",
            MINE["documents/mine/experiments.yaml"].replace("width: 4", "width: 0"),
            "documents/mine/experiments.yaml: models.mine-net.width (scale paper): found 0; expected: ",
        ),
    ],
)
def test_a_mistake_in_it_is_one_line(tmp_path: Path, file: str, text: str | None, said: str) -> None:
    write_files(tmp_path, {**FILES, **MINE})
    if text is None:
        (tmp_path / "documents/mine" / file).unlink()
    else:
        (tmp_path / "documents/mine" / file).write_text(text)
    assert said in refusal(load_registry, tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "layers.py",
            "from torch import nn",
            "import tourch",
            "cannot be loaded (No module named 'tourch'); correct it",
        ),
        ("layers.py", "from torch import nn", "import torch.no", "cannot be loaded (No module named 'torch.no'); corr"),
        (
            "pooled.py",
            "from torch import nn",
            "from torch import NN",
            "cannot be loaded (ImportError: cannot import na",
        ),
        ("layers.py", "def build", "def bild", "documents.mine.layers:build: no such function; a kind names it"),
        (
            "layers.py",
            "nn.Linear(width, classes)",
            "nn.Linear(width, 37)",
            "run mine-two: its net two-layers gives (1, 37) for one clip, expected (1, 4), a value for each class",
        ),
    ],
)
def test_a_mistake_in_its_net_is_one_line_of_the_training(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, said: str
) -> None:
    monkeypatch.chdir(workspace)
    edit(workspace / "documents/mine" / file, old, new)
    for name in [name for name in sys.modules if name.startswith("documents.mine")]:
        monkeypatch.delitem(sys.modules, name)
    plan = load_plan()
    for task in plan.behind(plan["train/mine-two-s0"])[:-1]:
        run(task.stage, task.key, Path())
    assert said in refusal(run, "train", "mine-two-s0", Path())


def test_its_words_are_its_own_mistake(workspace: Path) -> None:
    edit(workspace / "documents/mine/two_layers.py", "model['width']", "model['deep']")
    plan = load_plan(workspace)
    spec = plan["train/mine-two-s0"].spec.model_dump(mode="json")
    said = "documents/mine/two_layers.py: words of 'two-layers' fails (KeyError: 'deep'); correct it"
    assert refusal(settings, spec) == said


def test_a_declaration_does_not_import_torch(workspace: Path) -> None:
    edit(
        workspace / "documents/mine/two_layers.py",
        "from typing import Literal",
        "import torch\nfrom typing import Literal",
    )
    said = run_in(workspace, "reeltrace", "status", code=2).stderr
    assert said.startswith("reeltrace: documents/mine/two_layers.py: imports torch, and every command reads it; ")
    assert len(said.splitlines()) == 1


def test_a_kind_is_known_only_where_its_document_is(tmp_path: Path) -> None:
    write_files(tmp_path, {**FILES, **MINE})
    registry = load_registry(tmp_path)
    assert registry.files.kinds == ("documents/mine/two_layers.py",)
    assert "two-layers" in ARCHITECTURES.all()
    plan = Plan(load_registry(PROJECT), PROJECT)
    assert "two-layers" not in ARCHITECTURES.all()
    assert not any("documents." in name for task in plan for name in named_by_kinds(plan.registry, task.spec))
