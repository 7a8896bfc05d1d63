"""Kinds of measurement: what each declares, and an invented one that is a file of its own."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from conftest import edit, refusal, run_in, write_files
from invented import FILES, edited, make_workspace
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.kinds.measurement import MEASUREMENTS, Drawing, Entry, MeasurementKind
from reeltrace.kinds.points import load
from reeltrace.pipeline.engines import standings
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.named import module_of
from reeltrace.pipeline.order import gpus, threads, weight
from reeltrace.pipeline.plan import code_sha256, load_plan
from reeltrace.registry.reading import registry_of
from reeltrace.report.explain import explain, format_explanation
from reeltrace.verify.verify import verify

KINDS = [pytest.param(kind, id=name) for name, kind in MEASUREMENTS.all().items()]


def test_no_declaration_can_be_forgotten() -> None:
    for declaration in (MeasurementKind, Drawing):
        assert all(f.default is MISSING and f.default_factory is MISSING for f in fields(declaration))


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_read_by_its_name_and_what_it_names_is_there(kind: MeasurementKind) -> None:
    assert issubclass(kind.params, Entry)
    assert get_args(kind.params.model_fields["kind"].annotation) == (kind.name,)
    assert callable(load(f"{kind.stage}:run"))
    for reference in (kind.beside, kind.draws and kind.draws.describe):
        assert reference is None or callable(load(reference))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "kind: structure",
            "kind: strukture",
            "nobody2024-structure.kind (scale paper): found 'strukture'; expected: a kn",
        ),
        ("    kind: structure\n", "", "measurements.nobody2024-structure.kind: missing; add it"),
        (
            "    architecture: cnn4\n    widths",
            "    archi: cnn4\n    widths",
            "nobody2024-structure.archi: unknown key",
        ),
        ("    input: [", "    input: [true, ", "measurements.nobody2024-structure.input"),
        (
            "beside: [nobody2024-networks,",
            "beside: [nobody2024-structure, nobody2024-networks,",
            "tables.nobody2024-a2.beside: 'nobody2024-structure' is of kind structure, which is not shown",
        ),
    ],
)
def test_a_mistake_in_an_entry_is_named_with_its_place(old: str, new: str, said: str) -> None:
    assert said in refusal(registry_of, edited(old, new))


# --- an invented kind: how many layers a network has ---

KIND = """
from typing import Any, Literal

from reeltrace.kinds.measurement import Entry, MeasurementKind, Named, Nets, Resources, no_bound, no_files
from reeltrace.registry.fields import Name


class Layers(Entry):
    kind: Literal["layers"]
    of: Name
    network: Name


def names(asked: Layers, nets: Any) -> Any:
    yield Named("of", "measurement of networks", asked.of, nets)
    yield Named("network", "network", asked.network, nets[asked.of])


def check(folder: Any, asked: Any, metrics: Any) -> Any:
    if metrics["layers"] != sum(metrics["by type"].values()):
        yield "metrics.json", "its layers are not those that it lists"


def block(source: Any) -> Any:
    number = source.metrics["layers"]
    fact = {"key": "layers", "words": "layers with weights", "value": number, "printed": str(number)}
    return {
        "kind": "layers",
        "title": "Layers",
        "head": [["Network"], []],
        "facts": [{**fact, "trace": source.trace("/layers")}],
        "words": [],
        "rows": [],
    }


KIND = MeasurementKind(
    name="layers",
    params=Layers,
    stage="documents.mine.layers_stage",
    outputs=("metrics.json", "layers.txt"),
    calls_document=False,
    observes=False,
    offers=None,
    speaks_of=lambda asked: Nets(of=asked.of, views={asked.network: "small"}, precisions=("float32",)),
    builds=None,
    names=names,
    files=no_files,
    least=no_bound,
    resources=lambda asked: Resources(threads=2, gpus=1),
    weight=3,
    words=lambda asked: {"counted of": f"{asked['network']} of {asked['of']}"},
    check=check,
    beside="documents.mine.layers:block",
    draws=None,
)
"""
STAGE = """
from collections import Counter

import torch

from reeltrace.artifacts.json_values import write_json
from reeltrace.kinds.network import build_video, video_config


def run(spec, inputs, work):
    network = spec.networks[spec.measurement.network]
    with torch.device("meta"):
        net = build_video(video_config(network.architecture, network.config))
    found = Counter(type(m).__name__ for m in net.modules() if list(m.parameters(recurse=False)))
    (work / "layers.txt").write_text("\\n".join(found))
    write_json(work / "metrics.json", {"schema": 1, "layers": found.total(), "by type": dict(found)})
    return {}
"""
DOCUMENT = {
    "document": 'title: A study\nauthor: me\nyear: "2026"\nvenue: here\n',
    "experiments": """
measurements:
  mine-nets:
    kind: networks
    networks:
      factored:
        architecture: r2plus1d
        config: {width: 8, blocks: [1, 1, 1, 1], classes: 5, stem_between: null}
        views: {small: {frames: 4, crop: 32}}
  mine-layers: {kind: layers, of: mine-nets, network: factored}
tables:
  mine-table1:
    table: "1"
    kind: measured
    published_only: nothing
    measured: {layers: {measurement: mine-layers, pointer: /layers}}
    beside: [mine-layers]
""",
    "published": """
tables:
  "1":
    {title: t, caption: c, place: p, unit: count, columns: [{key: layers, label: L}], rows: [{key: net, label: Net}],
     cells: [{row: net, column: layers, printed: "43"}]}
""",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The project at the smoke scale with a document that asks for the invented kind."""
    folder = make_workspace(tmp_path / "project")
    write_files(
        folder,
        {
            **{f"documents/mine/{name}.yaml": text for name, text in DOCUMENT.items()},
            "params.yaml": FILES["params.yaml"]
            .replace("documents: all", "documents: [mine]")
            .replace("\nscale: quick", "\nscale: smoke"),
        },
    )
    return folder


@pytest.fixture
def brought(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The invented kind in one file of the document, which names it under `kinds`."""
    write_files(workspace, {"documents/mine/layers.py": KIND, "documents/mine/layers_stage.py": STAGE})
    with (workspace / "documents/mine/document.yaml").open("a") as file:
        file.write("kinds: [layers.py]\n")
    monkeypatch.chdir(workspace)
    yield workspace
    MEASUREMENTS.forget()


def test_an_invented_kind_is_one_file(brought: Path) -> None:
    plan = load_plan()
    task = plan["measure/mine-layers"]
    assert task.outputs == ("metrics.json", "layers.txt")
    assert task.params == ("scale", "measurements.mine-layers", "measurements.mine-nets")
    assert set(task.spec.model_dump()["networks"]) == {"factored"}
    assert (threads(task), gpus(task), weight(task), task.observes) == (2, 1, 3, False)
    assert module_of(task.spec) == "documents.mine.layers_stage"
    for stage, key in (("measure", "mine-layers"), ("aggregate", "mine-table1"), ("report", "all")):
        run(stage, key)
    found = standings(plan)
    assert {of.state for of in found.values()} == {"current"}
    assert verify(Path(), scale="smoke") == []
    report = read_json(plan["report/all"].folder / "report.json")
    cell = next(cell for cell in report["cells"] if cell["id"] == "mine/1/net/layers")
    assert (cell["reproduced"]["printed"], cell["verdict"]) == ("43", "exact")
    assert report["artifacts"]["measure/mine-layers"]["settings"] == {"counted of": "factored of mine-nets"}
    assert "layers with weights" in (plan["report/all"].folder / "report.html").read_text()
    said = format_explanation(explain(Path(), "mine/1/net/layers", "smoke"))
    assert "counted of" in said and "factored of mine-nets" in said

    metrics = task.folder / "metrics.json"
    write_json(metrics, {**read_json(metrics), "layers": 44})
    (task.folder / MANIFEST).unlink()
    write_json(task.folder / MANIFEST, make_manifest(task.folder, "measure", "mine-layers", "c0de" * 16, {}))
    problems = [str(problem) for problem in verify(Path(), scale="smoke")]
    assert any("mine-layers/metrics.json" in p and "not those that it lists" in p for p in problems)


def test_a_change_in_its_files_makes_stale_what_they_make(brought: Path) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, brought) for task in load_plan(brought)}

    before = codes()
    for file, stale in (
        ("layers_stage.py", {"measure/mine-layers"}),
        ("layers.py", {"measure/mine-layers", "aggregate/mine-table1", "report/all"}),
    ):
        path = brought / "documents/mine" / file
        path.write_text(path.read_text() + "# changed\n")
        after = codes()
        assert {name for name in before if after[name] != before[name]} == stale
        before = after


def test_a_mistake_in_an_entry_of_it_is_named(brought: Path) -> None:
    place = "documents/mine/experiments.yaml: measurements.mine-layers."
    for old, new, said in (
        ("network: factored}", "network: fctored}", f"{place}network: no network is named 'fctored'; it has: factored"),
        ("network: factored}", "netwrk: factored}", f"{place}netwrk: unknown key; remove it or correct its spelling"),
    ):
        path = brought / "documents/mine/experiments.yaml"
        text = path.read_text()
        edit(path, old, new)
        assert refusal(load_plan, brought) == said
        path.write_text(text)


def test_a_name_that_there_is_already_is_refused(brought: Path) -> None:
    module = ModuleType("mine")
    module.KIND = MEASUREMENTS.get("latency")  # type: ignore[attr-defined]
    said = refusal(MEASUREMENTS.bring, module, "documents/mine/layers.py")
    assert said == "documents/mine/layers.py: kind of measurement 'latency' is there already; give it another name"


def test_a_file_in_the_room_of_the_kinds_is_found(workspace: Path) -> None:
    kind = KIND.replace("documents.mine.layers_stage", "reeltrace.measure.layers_stage")
    kind = kind.replace("documents.mine.layers:block", "reeltrace.kinds.measurements.layers:block")
    sources = {"kinds/measurements/layers.py": kind, "measure/layers_stage.py": STAGE}
    write_files(workspace, {f"src/reeltrace/{path}": text for path, text in sources.items()})
    run_in(workspace, "reeltrace", "run", "measure", "mine-layers")
    assert "mine-table1  missing  1/2 current" in run_in(workspace, "reeltrace", "status").stdout
