"""The plan: one graph from the registry, and the code behind each task."""

import ast
import importlib
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import grimp
import pytest
import yaml
from pydantic import BaseModel

from conftest import PROJECT, Command, edit, environment, make_workspace, refusal, write_files
from invented import FILES, changed, lay
from reeltrace.data.declared import source
from reeltrace.errors import UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.datasets.videos import LISTED
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.network import NETWORKS
from reeltrace.kinds.points import load as load_function
from reeltrace.kinds.table import TABLES, shown_below
from reeltrace.pipeline.code import code_of
from reeltrace.pipeline.engines import CODE, compile_dvc, write_code
from reeltrace.pipeline.named import STAGE_MODULES, module_of, named_by_kinds, own_module
from reeltrace.pipeline.plan import (
    PRETRAIN_OUTPUTS,
    STAGES,
    Plan,
    Task,
    code_sha256,
    load_plan,
)
from reeltrace.registry.reading import load, registry_of


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(PROJECT)


@pytest.fixture(scope="module")
def made_up() -> Plan:
    """The plan of the invented documents."""
    return Plan(registry_of(FILES, "quick"), PROJECT)


def test_tasks_come_after_their_inputs(plan: Plan) -> None:
    seen: set[str] = set()
    for task in plan:
        assert set(task.inputs) <= seen
        seen.add(task.name)


def test_every_run_that_tables_share_is_one_task(plan: Plan) -> None:
    trained = [task.key for task in plan.of("train")]
    params = plan.registry.params
    assert len(trained) == len(set(trained)) == len(plan.registry.used_runs()) * len(params.seeds)


def test_every_table_of_a_run_reads_it(made_up: Plan) -> None:
    for run, tables in (("drift-plain-s0", "34"), ("films-plain-s0", "678"), ("shorts-t2-s0", "67")):
        readers = [task.key for task in made_up.of("aggregate") if f"train/{run}" in task.inputs]
        assert readers == [f"nobody2024-table{number}" for number in tables]


def test_runs_on_features_read_one_pass_over_the_frames(made_up: Plan) -> None:
    runs = [name for name in made_up["aggregate/someone2025-table1-1"].inputs if name.startswith("train/")]
    assert len(runs) == 4
    read = {name for run in runs for name in made_up[run].inputs if name.startswith("features/")}
    assert read == {"features/ucf101-imagenet-resnet50"}
    assert made_up["pretrain/tuned-resnet50"].inputs[-1] == "pretrain/imagenet-resnet50"


def test_other_splits_decode_nothing_again(made_up: Plan) -> None:
    for run in ("joined-s0", "joined-split-2-s0"):
        assert made_up[f"train/{run}"].inputs == ("data/ucf101", "frames/ucf101", "pretrain/imagenet-resnet50")


def test_only_a_table_with_times_reads_receipts(made_up: Plan) -> None:
    assert [task.key for task in made_up.of("timing")] == ["someone2025-table1-4"]
    readers = [t.key for t in made_up.of("aggregate") if any(n.startswith("timing/") for n in t.inputs)]
    assert readers == ["someone2025-table1-4"]


def test_at_paper_scale_weights_are_downloaded_and_a_listed_set_is_the_user_s() -> None:
    plan = Plan(registry_of(FILES, "paper"), PROJECT)
    for backbone in ("imagenet-resnet50", "imagenet-resnet18"):
        assert (plan[f"pretrain/{backbone}"].inputs, plan[f"pretrain/{backbone}"].outputs) == ((), PRETRAIN_OUTPUTS)
        weights = plan.registry.params.backbones[backbone].weights
        assert weights is not None and source(weights).sha256.startswith(source(weights).name[9:17])
    assert plan["data/streets"].outputs == LISTED.outputs
    assert "pretrain/imagenet-resnet18" not in plan["train/carry-plain-s0"].inputs


def test_what_one_may_ask_for_by_name_comes_with_all_that_it_is_made_of(plan: Plan) -> None:
    named = plan.named()
    tables = set(plan.registry.params.tables)
    assert named.keys() == tables | {table.document for table in plan.registry.params.tables.values()} | {"readings"}
    readings = named.pop("readings")
    assert {task.name for task in readings if task.stage in ("aggregate", "reading")} == {
        task.name for task in plan.whole().of("reading")
    }
    assert set(plan.asides) <= {task.name for task in readings}
    for tasks in (*named.values(), readings):
        names = [task.name for task in tasks]
        assert all(set(task.inputs) <= set(names[:position]) for position, task in enumerate(tasks))
    for name, tasks in named.items():
        keys = {task.key for task in tasks if task.stage == "aggregate"}
        assert keys == ({name} if name in tables else {key for key in tables if key.startswith(f"{name}-")})


@pytest.mark.parametrize("name", ["data", "all"])
def test_a_document_is_not_named_like_a_stage(tmp_path: Path, name: str) -> None:
    write_files(
        tmp_path, {path.replace("someone2025", name): text.replace("someone2025", name) for path, text in FILES.items()}
    )
    with pytest.raises(UserError, match=rf"documents/{name}: '{name}' names a stage"):
        load_plan(tmp_path).named()


def test_the_report_reads_every_table(plan: Plan) -> None:
    assert {f"aggregate/{key}" for key in plan.registry.params.tables} <= set(plan["report/all"].inputs)


@pytest.mark.parametrize(
    ("name", "said"), [("trian/x", "expected one of data, frames, pretrain"), ("train/x", "nearest of ")]
)
def test_an_unknown_task_is_refused_with_what_there_is(plan: Plan, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan[name]


# --- the code of a stage is what it loads ---

SOURCES = Path("src/reeltrace")
# Where the code of a stage and what importing its module loads differ, and why.
VERSION = "reeltrace"  # loaded by all and the code of none: it holds the version and nothing else, which is tested
# Imported in a function: by the pool of digits that is asked for, by the chain of a document's own facts.
WHEN_ASKED = {
    "reeltrace.report.stage": {"reeltrace.kinds.brought", "reeltrace.kinds.document_code"},
    "reeltrace.data.images_stage": {
        f"reeltrace.{name}"
        for name in (
            "data.declared",
            "data.digits",
            "data.downloads",
            "data.mnist",
            "machine",
            "machine.cuda_graphs",
            "machine.variables",
            "registry",
            "registry.strict_yaml",
        )
    },
}

OWN_MODULES = sorted(path.relative_to(PROJECT) for path in PROJECT.glob("documents/*/*.py"))
NAMED_BY_MEASUREMENTS = ("reeltrace.analysis.blocks", "reeltrace.report.layer_pictures")

Maker = tuple[str, tuple[str, ...], Path | None]


def maker(plan: Plan, task: Task) -> Maker:
    """By what a task is made: the module of its stage, what kinds name for it, and its document's own module."""
    return module_of(task.spec), named_by_kinds(plan.registry, task.spec), own_module(task.spec, plan.root)


ALONE: set[Maker] = {(module, (), None) for module in STAGE_MODULES}
PLANS = (load_plan(PROJECT), Plan(load(PROJECT, "paper"), PROJECT))
MADE_BY = sorted({maker(of, task) for of in PLANS for task in of.whole()} | ALONE, key=str)


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """By module of a stage: the modules of ours that a fresh interpreter loads for it, and those of `WHEN_ASKED`.

    So for the modules that kinds name and for those of documents, which a stage loads besides.
    """

    def ask(module: str, load: str) -> set[str]:
        units = "if of := sys.modules.get('reeltrace.kinds.unit'): of.UNITS.all()"  # a transcription may use any
        ours = "print(*(name for name in sys.modules if name.split('.')[0] == 'reeltrace'))"
        script = f"import sys\n{load}\n{units}\n{ours}"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
            env=environment(PROJECT),
        )
        return set(done.stdout.split()) | WHEN_ASKED.get(module, set())

    named = {name for _, names, _ in MADE_BY for name in names} | set(NAMED_BY_MEASUREMENTS)
    document = "from reeltrace.kinds.document_code import load_module; load_module({!r})"
    return {
        **{module: ask(module, f"import {module}") for module in (*STAGE_MODULES, *sorted(named))},
        **{str(path): ask(str(path), document.format(path.parent.name)) for path in OWN_MODULES},
    }


def loaded_by(maker: Maker, loaded: dict[str, set[str]]) -> set[str]:
    """The modules of ours that are the code of a task."""
    module, named, own = maker
    return loaded[module].union(*(loaded[name] for name in named), loaded[str(own)] if own else ()) - {VERSION}


def module_name(path: Path) -> str:
    """`reeltrace.models` for src/reeltrace/models/__init__.py."""
    return ".".join(path.relative_to("src").with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("by", MADE_BY, ids=str)
def test_the_code_of_a_task_is_what_importing_its_modules_loads(loaded: dict[str, set[str]], by: Maker) -> None:
    module, named, own = by
    files = [path for path in code_of(module, PROJECT, named=named, own=own) if path.is_relative_to(SOURCES)]
    assert {module_name(path) for path in files if path.suffix == ".py"} == loaded_by(by, loaded)
    texts = (path for path in files if not path.is_relative_to(SOURCES / "kinds"))  # what kinds name: see below
    found = re.findall(r"[\"'](reeltrace(?:\.\w+)+)", "".join((PROJECT / path).read_text() for path in texts))
    assert set(found) <= loaded_by(by, loaded)  # as decoders are, which are imported by their names


def test_what_a_kind_of_table_names_belongs_to_the_code_of_its_tables(plan: Plan) -> None:
    """And is there: a stage would find that it is not after hours of training."""
    for name, kind in TABLES.all().items():
        assert callable(load_function(kind.cells))
        assert kind.chart is None or callable(load_function(kind.chart))
        tables = [t for t in plan.of("aggregate") if plan.registry.params.tables[t.key].kind == name]
        assert tables
        for module in (TABLES.home(name), kind.cells.partition(":")[0]):
            assert all(module in named_by_kinds(plan.registry, task.spec) for task in tables)


def test_what_measurements_name_is_code_of_the_tasks_that_load_it_alone(tmp_path: Path) -> None:
    plan = with_pictures(tmp_path)
    blocks, pictures = (SOURCES / path for path in ("analysis/blocks.py", "report/layer_pictures.py"))
    below = {t.name for t in plan.of("aggregate") if shown_below(plan.registry.params.tables[t.key])}
    assert 0 < len(below) < len(plan.of("aggregate"))
    code = {task.name: task.code() for task in plan}
    assert {name for name, files in code.items() if blocks in files} == below
    assert {name for name, files in code.items() if pictures in files} == {"report/all"}
    assert pictures not in Plan(registry_of(FILES), PROJECT)["report/all"].code()  # without pictures
    named = {n for task in plan for n in named_by_kinds(plan.registry, task.spec)}
    assert named >= set(NAMED_BY_MEASUREMENTS)


def test_the_code_of_a_training_is_that_of_its_stage_and_of_its_kind_of_net(loaded: dict[str, set[str]]) -> None:
    plan = Plan(load(PROJECT, "paper"), PROJECT)
    trained = {ARCHITECTURES.get(task.spec.model.architecture).name: task for task in plan.of("train")}  # type: ignore[attr-defined]
    assert trained.keys() == {name for name, kind in ARCHITECTURES.all().items() if kind.in_runs}
    for name, task in trained.items():
        kind, named = ARCHITECTURES.get(name), named_by_kinds(plan.registry, task.spec)
        assert set(named) >= {ARCHITECTURES.home(name), kind.net.partition(":")[0]}
        files = {module_name(path) for path in task.code() if path.suffix == ".py"}
        assert files == loaded_by(maker(plan, task), loaded)
    nets = [Path("src/reeltrace/models") / file for file in ("rcn.py", "st_resnet.py", "cnn4.py", "resnet3d.py")]
    of_net = ({"rcn", "rcn-scratch"}, {"st-resnet"}, {"cnn4"}, {"resnet18"})
    for names, net in zip(of_net, nets, strict=True):
        assert {name for name, task in trained.items() if net in task.code()} == names


def test_pictures_of_a_run_come_after_it_and_rest_on_its_nets_code() -> None:
    plan = Plan(load(PROJECT), PROJECT)
    drawn = [task for task in plan.of("measure") if any(name.startswith("train/") for name in task.inputs)]
    assert drawn
    order = list(plan.tasks)
    assert all(order.index(name) < order.index(task.name) for task in plan for name in task.inputs)
    for task in drawn:
        (trained,) = (plan[name] for name in task.inputs if name.startswith("train/"))
        assert set(trained.inputs) <= set(task.inputs)
        net = ARCHITECTURES.get(trained.spec.model.architecture).net  # type: ignore[attr-defined]
        assert SOURCES / Path(*net.partition(":")[0].split(".")[1:]).with_suffix(".py") in task.code()
        assert task.name in plan["report/all"].inputs


def test_the_package_itself_holds_its_version_and_nothing_else() -> None:
    docstring, version = ast.parse((PROJECT / SOURCES / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(version, ast.Assign) and ast.unparse(version.targets[0]) == "__version__"


def test_a_change_in_a_module_makes_exactly_those_stages_stale_that_load_it(
    tmp_path: Path, loaded: dict[str, set[str]]
) -> None:
    workspace = make_workspace(tmp_path / "project", "paper")  # where there is a set of the user's
    pictures = next(key for key, asked in load(PROJECT).params.measurements.items() if asked.kind == "pictures")
    with (workspace / "params.yaml").open("a") as file:
        file.write(f"measurements: {{{pictures}: {{checkpoint: w.pt}}}}\n")
    (workspace / "w.pt").write_bytes(b"x")
    registry = load(workspace)

    def codes() -> dict[Maker, str]:
        plan = Plan(registry, workspace).whole()
        return {by: code_sha256(task, workspace) for by, task in {maker(plan, task): task for task in plan}.items()}

    before = codes()
    assert sorted({module for module, _, _ in before}) == sorted(STAGE_MODULES)
    code = {by: loaded_by(by, loaded) for by in before}
    changed = sorted(path for path in (workspace / SOURCES).rglob("*") if path.suffix in (".py", ".yaml"))
    assert len(changed) > 100
    for path in changed:
        name, text = module_name(path.relative_to(workspace)), path.read_text()
        path.write_text(text + "\n# changed\n")
        stale = {by for by, now in codes().items() if now != before[by]}
        assert stale == {by for by in code if name in code[by]}, path
        path.write_text(text)


@pytest.mark.parametrize(
    ("file", "old", "new", "stages"),
    [
        (
            "kinds/tables/results.py",
            "return (runs,) if isinstance(runs, str)",
            "return () if runs",
            "aggregate report",
        ),
        (
            "kinds/tables/measured.py",
            "tuple(dict.fromkeys([*(column.",
            "tuple(set([*(column.",
            "aggregate report",
        ),
        ("kinds/unit.py", "+ 3)", "+ 4)", "aggregate reading report"),
        ("kinds/units/experiments.py", "decimals=3", "decimals=4", "aggregate reading report"),
        ("kinds/rounding.py", "== 1)", "== 0)", "aggregate reading report"),
        ("kinds/tables/results.py", '"error", "clip-top1"', '"clip-top1", "error"', "aggregate report"),
        ("artifacts/pointers.py", 'replace("~0", "~")', 'replace("~0", "")', "aggregate reading report"),
        ("artifacts/json_values.py", "sort_keys=True", "sort_keys=False", " ".join(STAGES)),
        ("artifacts/files.py", "temporary.replace(path)", "path.touch()", " ".join(STAGES)),
        (
            "registry/strict_yaml.py",
            "return super().construct_mapping(",
            "return dict(",
            "data pretrain measure aggregate reading report",
        ),
        ("machine/memory.py", "return min((size for", "return max((size for", "pretrain features train measure"),
        ("machine/control_groups.py", "used[0] + _cached", "used[0] - _cached", "pretrain features train measure"),
        ("machine/variables.py", "return int(text)", "return 1", "data frames pretrain"),
        ("kinds/datasets/moving_digits.py", 'CLASSES = {"digit": 10', 'CLASSES = {"digit": 9', "train measure report"),
        # What makes specs, and what the leaf does around a stage: another spec, or a manifest that does not fit, shows.
        ("registry/reading.py", 'return f"{run}-s{seed}"', 'return f"{run}-{seed}"', ""),
        # Pictures of a trained net read the spec of its run as one.
        ("registry/specs.py", "class FramesSpec(Spec)", "class FramesSpec(  Spec)", "measure"),
        ("artifacts/protocol.py", "MANIFEST_SCHEMA = 1", "MANIFEST_SCHEMA = 2", ""),
        ("pipeline/graph.py", "RESULTS = Path(", "RESULTS = Path( ", ""),
    ],
)
def test_a_changed_behaviour_changes_the_code_of_the_stages_that_call_it(
    workspace: Path, file: str, old: str, new: str, stages: str
) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace).whole()}

    before = codes()
    edit(workspace / SOURCES / file, old, new)
    assert {name.partition("/")[0] for name, code in codes().items() if code != before[name]} == set(stages.split())


@pytest.mark.parametrize(
    ("file", "kinds", "reported"),
    [
        ("kinds/tables/structure.py", ["structure"], True),
        ("kinds/tables/video_accuracy.py", ["video-accuracy"], True),
        ("analysis/layers.py", ["structure"], False),
        ("analysis/beside.py", ["measured", "accuracy", "video-accuracy"], False),
        ("analysis/accuracies.py", ["accuracy", "video-accuracy"], False),
        ("report/charts.py", [], True),
    ],
)
def test_a_change_in_one_kind_of_table_makes_its_tables_stale_and_no_other(
    workspace: Path, file: str, kinds: list[str], reported: bool
) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace)}

    before = codes()
    with (workspace / SOURCES / file).open("a") as handle:
        handle.write("\n# changed\n")
    of_these = {f"aggregate/{k}" for k, t in load_plan(workspace).registry.params.tables.items() if t.kind in kinds}
    stale = {name for name, code in codes().items() if code != before[name]}
    assert stale == of_these | ({"report/all"} if reported else set())


OF_SPECS = ("datasets", "fields", "measurements", "models", "params", "runs", "specs")
POINTS = (ARCHITECTURES, DATASETS, MEASUREMENTS, TABLES)
OF_KINDS = sorted({point.home(name) for point in POINTS for name in point.all()})
SHARED = ("reeltrace.kinds.group_nets", "reeltrace.kinds.features_nets")


@pytest.mark.parametrize("name", [*(f"reeltrace.registry.{name}" for name in OF_SPECS), *OF_KINDS, *SHARED])
def test_what_a_stage_is_given_has_fields_and_validators_only(name: str) -> None:
    """A stage has its spec without loading the modules of specs: a method there would be code that no hash covers."""
    module = importlib.import_module(name)
    models = [m for m in vars(module).values() if isinstance(m, type) and m.__module__ == module.__name__]
    assert models
    for model in models:
        assert issubclass(model, BaseModel)
        own = {n for n, v in vars(model).items() if callable(v) or isinstance(v, property | classmethod | staticmethod)}
        assert own - {"__hash__"} <= set(model.__pydantic_decorators__.model_validators), model


def test_training_does_not_rest_on_the_report(plan: Plan) -> None:
    task = next(task for task in plan.of("train") if task.spec.model_dump()["model"]["architecture"] == "cnn4")
    paths = [path.as_posix() for path in task.sources]
    assert "src/reeltrace/models/group_conv.py" in paths
    assert not [path for path in paths if "report" in path or "analysis" in path or "measure" in path]


def test_one_changed_source_file_changes_the_code_of_its_stages_only(workspace: Path) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace)}

    before = codes()
    path = workspace / "src/reeltrace/models/group_conv.py"
    path.write_text(path.read_text() + "\n# changed\n")
    changed = {name.partition("/")[0] for name, code in codes().items() if code != before[name]}
    assert changed == {"pretrain", "features", "train", "measure"}


def digest_of(module: str, named: tuple[str, ...], own: Path | None) -> str:
    """The name of the file with the digest of a task's code."""
    stage, *others = (each.removeprefix("reeltrace.").removeprefix("kinds.") for each in (module, *named))
    name = "+".join((stage, *others)) + (f".{own.parent.name}" if own else "")
    return name if len(name) <= 200 else f"{stage}+{sha256(name.encode()).hexdigest()[:16]}"


def digests(workspace: Path) -> dict[str, tuple[str, int]]:
    """The files of digests that stand there after they were written: text and time, by name."""
    write_code(load_plan(workspace))
    return {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in (workspace / CODE).iterdir()}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("measure/facts_stage.py", {"measure.facts_stage"}),
        ("measure/search.py", {"measure.search_stage"}),
        ("analysis/blocks.py", {"analysis.stage"}),
        ("report/charts.py", {"report.stage"}),
        ("analysis/published.py", {"analysis.readings", "analysis.stage", "report.stage"}),
        ("data/declared.yaml", set()),
        ("cli.py", set()),
        ("unheard_of.py", set()),
    ],
)
def test_a_digest_is_of_the_code_of_its_stages_and_changes_with_it_alone(
    workspace: Path, source: str, expected: set[str]
) -> None:
    before = digests(workspace)
    plan = load_plan(workspace)
    made = {maker(plan, task) for task in plan} | ALONE
    assert before.keys() == {digest_of(*by) for by in made} | {"reeltrace"}
    (workspace / CODE / "an.older_stage").touch()
    with (workspace / "src/reeltrace" / source).open("a") as file:
        file.write("\n# changed\n")
    after = digests(workspace)
    assert after.keys() == before.keys()
    changed = {name for name in before if after[name] != before[name]}
    if source == "data/declared.yaml":
        of_it = {m for m in STAGE_MODULES if Path("src/reeltrace/data/declared.yaml") in code_of(m, workspace)}
        expected = {module.removeprefix("reeltrace.") for module in of_it}
        assert expected
    assert {re.match(r"\w+(\.\w+)?", name)[0] for name in changed} == expected | {"reeltrace"}  # type: ignore[index]
    loading = {by for by in made if SOURCES / source in plan.code(*by)}
    assert changed == {digest_of(*by) for by in loading} | {"reeltrace"}


def test_each_stage_of_dvc_depends_on_one_digest_and_on_what_it_reads(plan: Plan) -> None:
    """A stage is its inputs, its parameters and one digest of its code; and dvc.yaml stays short."""
    text = compile_dvc(plan)
    stages = yaml.safe_load(text)["stages"]
    assert stages.pop("code") == {
        "cmd": "sh workflow/reeltrace code",
        "deps": ["src/reeltrace", *sorted({str(own) for task in plan if (own := own_module(task.spec, plan.root))})],
        "outs": [{"results/code": {"persist": True}}],
    }
    for task in plan:
        digest, *others = stages[f"{task.stage}-{task.key}"]["deps"]
        assert digest == f"results/code/{digest_of(*maker(plan, task))}"
        texts = [path for path in others if path.startswith(("documents", "reports", "params.yaml"))]
        assert [path for path in others if path not in texts] == [str(t.manifest) for t in plan.inputs_of(task)]
        assert len(texts) == {"aggregate": 1, "report": 3}.get(task.stage, 0)
        assert stages[f"{task.stage}-{task.key}"]["outs"] == [{str(task.folder): {"persist": True}}]
    assert len(text.splitlines()) < 9 * len(stages)


def test_a_stage_has_the_parameters_of_its_own_spec(made_up: Plan) -> None:
    assert made_up["train/gated-net-s0"].params == (
        *("scale", "runs.gated-net", "models.gated-net", "protocols.features", "datasets.ucf101"),
        *("backbones.imagenet-resnet50", "device"),
    )


def test_the_templates_of_a_document_are_texts_of_the_report(invented: Path) -> None:
    for name in ("nobody2024/abstract.html.j2", "someone2025/drawn.html.j2", "someone2025/notes.txt"):
        (invented / "documents" / name).touch()
    texts = {
        path.relative_to("documents").as_posix()
        for path in load_plan(invented)["report/all"].texts
        if path.parts[0] == "documents"
    }
    assert {name for name in texts if not name.endswith(".yaml")} == {
        "nobody2024/abstract.html.j2",
        "someone2025/drawn.html.j2",
    }


def test_a_missing_source_file_is_named(invented: Path) -> None:
    (invented / "documents/nobody2024/published.yaml").unlink()
    plan = load_plan(invented)
    with pytest.raises(UserError, match=r"documents/nobody2024/published\.yaml: missing"):
        code_sha256(plan["aggregate/nobody2024-table3"], invented)


def test_a_relative_import_is_a_dependency_too(workspace: Path) -> None:
    path = workspace / "src/reeltrace/measure/structure_stage.py"
    path.write_text(path.read_text() + "\n\ndef later():\n    from ..training import loop\n")
    assert Path("src/reeltrace/training/loop.py") in code_of("reeltrace.measure.structure_stage", workspace)


@pytest.mark.parametrize("text", [b"def (:\n", b"name = '\xff'\n"])
def test_source_that_is_not_python_is_named_in_one_line(workspace: Path, command: Command, text: bytes) -> None:
    (workspace / "src/reeltrace/models/cnn4.py").write_bytes(text)
    said = refusal(code_of, "reeltrace.training.stage", workspace)
    assert "src/reeltrace/models/cnn4.py" in said and said.endswith("; correct it")
    done = command("reeltrace", "run", "data", "digits", code=2)
    assert len(done.stderr.splitlines()) == 1 and "models/cnn4.py" in done.stderr


def test_a_stage_without_its_module_is_refused(workspace: Path) -> None:
    (workspace / "src/reeltrace/measure/structure_stage.py").unlink()
    said = refusal(code_of, "reeltrace.measure.structure_stage", workspace)
    assert said == "src/reeltrace/measure/structure_stage.py: missing; restore it with `git checkout src/reeltrace`"


def test_an_import_for_type_checkers_is_no_dependency(workspace: Path) -> None:
    path = workspace / "src/reeltrace/measure/structure_stage.py"
    before = code_of("reeltrace.measure.structure_stage", workspace)
    edit(path, "\nimport", "\nif __debug__:\n    import reeltrace.training.loop\nimport", 1)
    assert Path("src/reeltrace/training/loop.py") in code_of("reeltrace.measure.structure_stage", workspace)
    text = path.read_text().replace("if __debug__:", "if TYPE_CHECKING:")
    path.write_text(text)
    assert code_of("reeltrace.measure.structure_stage", workspace) == before


def test_the_launcher_asks_for_the_packages_that_the_leaf_command_imports() -> None:
    graph = grimp.build_graph(
        "reeltrace", include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    ours = {"reeltrace.cli", *(module_name(path) for path in code_of("reeltrace.pipeline.leaf", PROJECT))}
    found = {name.partition(".")[0] for module in ours for name in graph.find_modules_directly_imported_by(module)}
    needed = re.search(r"^needed = (\(.*\))$", (PROJECT / "workflow/reeltrace").read_text(), re.MULTILINE)
    assert needed
    assert set(ast.literal_eval(needed[1])) == found - {"reeltrace"} - sys.stdlib_module_names | {"torch"}


def of_kind(plan: Plan, kind: str) -> list[Task]:
    """The tasks of the measurements of a kind."""
    asked = plan.registry.params.measurements
    return [task for task in plan.of("measure") if asked[task.key].kind == kind]


def test_times_are_observed_and_everything_else_is_not(plan: Plan) -> None:
    """What is seen of videos that only the user has is observed, too: nothing here makes it again."""
    observed = {kind: of_kind(plan, kind) for kind in ("latency", "recognition", "detection")}
    assert all(observed.values())
    assert {task.name for task in plan if task.observes} == {task.name for of in observed.values() for task in of}


def test_measurements_of_different_kinds_do_not_share_their_code(plan: Plan) -> None:
    slowfast = Path("src/reeltrace/models/slowfast.py")
    for kind, uses in (("networks", True), ("structure", False), ("facts", False)):
        assert {slowfast in task.sources for task in of_kind(plan, kind)} == {uses}


def test_the_code_of_a_measurement_has_the_networks_that_its_entry_names_and_no_other(plan: Plan) -> None:
    tasks = [task for kind in ("networks", "search", "latency", "structure") for task in of_kind(plan, kind)]
    asked = [
        set(re.findall(r'"architecture":"(\w+)"', task.spec.model_dump_json())) & set(NETWORKS.all()) for task in tasks
    ]
    assert {len(names) for names in asked} >= {0, 1, 3}
    for task, names in zip(tasks, asked, strict=True):
        for folder in ("kinds/networks", "models"):
            found = {each for each in NETWORKS.all() if Path(f"src/reeltrace/{folder}/{each}.py") in task.code()}
            assert found == names, (task.name, folder)


def test_weights_that_a_measurement_loads_belong_to_what_it_rests_on(tmp_path: Path) -> None:
    write_files(tmp_path, changed(measurements={"nobody2024-latency": {"checkpoint": {"two-speeds": "w.pt"}}}))
    shutil.copytree(PROJECT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    task = load_plan(tmp_path)["measure/nobody2024-latency"]
    assert Path("w.pt") in task.sources
    with pytest.raises(UserError, match=r"w\.pt: missing; .* Put it there, or correct params\.yaml"):
        code_sha256(task, tmp_path)
    hashes = set()
    for content in (b"one", b"two"):
        (tmp_path / "w.pt").write_bytes(content)
        hashes.add(code_sha256(task, tmp_path))
    assert len(hashes) == 2


def with_pictures(folder: Path, checkpoint: str = "w.pt", videos: str = "[a.avi]") -> Plan:
    """A project whose params.yaml names a checkpoint and videos to draw from."""
    asked = {"checkpoint": yaml.safe_load(checkpoint), "videos": yaml.safe_load(videos)}
    lay(folder)
    write_files(folder, changed(measurements={"nobody2024-pictures": asked}))
    if not (folder / "src").exists():
        shutil.copytree(PROJECT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return load_plan(folder)


def test_pictures_are_drawn_only_for_weights_that_the_user_names(made_up: Plan, tmp_path: Path) -> None:
    name = "measure/nobody2024-pictures"
    assert name not in made_up.tasks
    assert name not in made_up["report/all"].inputs
    assert made_up["report/all"].spec.model_dump()["pictures"] == ()
    assert name not in with_pictures(tmp_path, checkpoint="null").tasks  # videos alone draw nothing
    drawing = with_pictures(tmp_path)
    task = drawing[name]
    assert name in drawing["report/all"].inputs
    assert drawing["report/all"].spec.model_dump()["pictures"] == ("nobody2024-pictures",)
    assert (task.outputs, task.inputs) == (("metrics.json", "pictures/"), ())
    assert task.params == ("scale", "measurements.nobody2024-pictures", "measurements.nobody2024-networks")
    assert task.sources[-2:] == (Path("w.pt"), Path("a.avi"))
    assert Path("src/reeltrace/measure/pictures.py") in task.sources
    assert Path("src/reeltrace/data/decoding.py") in task.sources
    others = [other for other in drawing.of("measure") if other.name != name]
    assert len(others) == len(made_up.of("measure"))
    assert all(Path("src/reeltrace/measure/pictures.py") not in other.sources for other in others)


def test_pictures_are_stale_after_their_checkpoint_or_video_changed(tmp_path: Path) -> None:
    task = with_pictures(tmp_path, videos="[a.avi, b.avi]")["measure/nobody2024-pictures"]
    hashes = set()
    for edited in ("w.pt", "a.avi", "b.avi", "w.pt"):
        (tmp_path / edited).write_bytes((tmp_path / edited).read_bytes() + b"x" if hashes else b"x")
        for other in ("w.pt", "a.avi", "b.avi"):
            (tmp_path / other).touch()
        hashes.add(code_sha256(task, tmp_path))
    assert len(hashes) == 4
    dvc = yaml.safe_load(compile_dvc(with_pictures(tmp_path, videos="[a.avi, b.avi]")))["stages"]
    assert {"w.pt", "a.avi", "b.avi"} <= set(dvc["measure-nobody2024-pictures"]["deps"])
    assert dvc["measure-nobody2024-pictures"]["outs"] == [
        {"results/quick/measure/nobody2024-pictures": {"persist": True}}
    ]


@pytest.mark.parametrize(
    ("gone", "key"),
    [("w.pt", "measurements.nobody2024-pictures.checkpoint"), ("a.avi", "measurements.nobody2024-pictures.videos")],
)
def test_a_file_that_the_user_names_and_that_is_not_there_is_named_with_its_key(
    tmp_path: Path, gone: str, key: str
) -> None:
    task = with_pictures(tmp_path)["measure/nobody2024-pictures"]
    for name in {"w.pt", "a.avi"} - {gone}:
        (tmp_path / name).write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            code_sha256(task, tmp_path)
        message = str(caught.value)
        assert message.startswith(f"{gone}: ") and message.endswith(f"Put it there, or correct params.yaml: {key}")
        assert "\n" not in message
        (tmp_path / gone).mkdir(exist_ok=True)  # a folder is no such file either
