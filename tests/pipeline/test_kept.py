"""The graph that is kept between calls: the same as the plan, of these contents alone, and never in the way."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reeltrace
from conftest import edit, run_in
from reeltrace.analysis import cross_checks
from reeltrace.artifacts.files import sha256_bytes
from reeltrace.errors import UserError
from reeltrace.kinds.unit import UNITS
from reeltrace.pipeline import kept
from reeltrace.pipeline.engines import write_dvc
from reeltrace.pipeline.graph import RESULTS, check_sources
from reeltrace.pipeline.order import jobs
from reeltrace.pipeline.plan import load_plan
from reeltrace.pipeline.standings import refresh_specs, standings, table_standings

CLAIMS = "documents/nobody2024/claims.yaml"


@pytest.fixture
def known(invented: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose own code runs, and of whose contents a graph is kept."""
    monkeypatch.setattr(reeltrace, "__file__", str(invented / "src/reeltrace/__init__.py"))
    (invented / RESULTS).mkdir()
    kept.load(invented)
    assert kept.read(invented) is not None
    return invented


def test_what_is_kept_is_the_plan(known: Path) -> None:
    plan, graph = load_plan(known), kept.read(known)
    assert graph is not None
    assert (graph.scale, graph.tables, list(graph.tasks)) == (plan.scale, plan.tables, list(plan.tasks))
    assert list(graph.asides) == list(plan.asides) != []
    assert graph.jobs().keys() == graph.whole().tasks.keys() == plan.whole().tasks.keys()
    for task, node in zip(plan, graph, strict=True):
        for name in ("name", "inputs", "outputs", "texts", "given", "sources", "folder", "manifest", "files"):
            assert getattr(node, name) == getattr(task, name)
        assert node.spec_text() == task.spec_text()
        assert node.spec_sha256 == task.spec_sha256
    assert graph.jobs() == jobs(plan.whole())
    assert not graph.dvc_is_current()
    assert write_dvc(plan) and graph.dvc_is_current()
    assert {name: [task.name for task in tasks] for name, tasks in graph.named().items()} == {
        name: [task.name for task in tasks] for name, tasks in plan.named().items()
    }
    for path in {path for task in plan for path in task.sources}:
        assert graph.sha256_of(path) == plan.sha256_of(path)
    edit(known / CLAIMS, "left: [", "left:  [")
    assert graph.sha256_of(Path(CLAIMS)) != plan.sha256_of(Path(CLAIMS))  # that of the contents it was looked up by
    graph.read_anew()
    assert graph.sha256_of(Path(CLAIMS)) == plan.sha256_of(Path(CLAIMS))


def test_what_it_says_of_artifacts_is_what_the_plan_says(known: Path) -> None:
    plan, graph = load_plan(known), kept.load(known)
    assert refresh_specs(graph)
    assert refresh_specs(plan) == []
    task = plan["report/all"]
    (known / task.manifest).write_text(
        json.dumps({"spec": {"sha256": task.spec_sha256}, "code": {"sha256": ""}, "inputs": {}})
    )
    found = standings(graph)
    assert found == standings(plan)
    assert found["report/all"].reason == "its source files changed"
    assert table_standings(graph, found) == table_standings(plan, found)
    check_sources(graph)


def appended(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        before = path.stat()
        path.write_bytes(path.read_bytes() + b"\n# changed\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # what changed is not told by its time

    return change


@pytest.mark.parametrize(
    "change",
    [
        appended("params.yaml"),
        appended("documents/nobody2024/quick.yaml"),
        appended("src/reeltrace/models/cnn4.py"),
        appended("reports/templates/chains.html.j2"),
        lambda folder: (folder / "reports/templates/more.html.j2").touch(),
        lambda folder: (folder / "documents/someone2025/smoke.yaml").unlink(),
        lambda folder: shutil.rmtree(folder / "documents/someone2025"),
        lambda folder: (folder / "src/reeltrace/linked.py").symlink_to("cli.py"),
        lambda folder: (folder / "documents/elsewhere").symlink_to(folder / "documents/common"),
        lambda folder: os.mkfifo(folder / "documents/pipe"),
        lambda folder: ((folder / "params.yaml").unlink(), os.mkfifo(folder / "params.yaml")),
        lambda folder: (folder / kept.KEPT).write_text((folder / kept.KEPT).read_text()[:-2]),
        lambda folder: (folder / kept.KEPT).write_text("[]"),
        lambda folder: (folder / kept.KEPT).write_text("[" * 200_000),
        lambda folder: edit(folder / kept.KEPT, '"kinds": ', '"kind": '),
        lambda folder: (folder / "documents/empty").mkdir(),
        lambda folder: (folder / "documents/compiled/__pycache__").mkdir(parents=True),
    ],
)
def test_of_other_contents_nothing_is_kept(known: Path, change: Callable[[Path], object]) -> None:
    change(known)
    assert kept.read(known) is None


def test_a_touched_file_is_no_change(known: Path) -> None:
    for path in (known / "params.yaml", known / CLAIMS):
        os.utime(path)
    (known / "src/reeltrace/__pycache__").mkdir(exist_ok=True)
    (known / "src/reeltrace/__pycache__/cli.pyc").touch()
    assert kept.read(known) is not None


def test_other_libraries_and_other_code_are_other_contents(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(kept, "LIBRARIES", ("pytest-",))
        assert kept.read(known) is None
    monkeypatch.undo()  # the code that runs is this project's again
    assert kept.read(known) is None


def test_a_mistaken_text_is_said_each_time_and_not_kept(known: Path) -> None:
    edit(known / CLAIMS, "left: [", "left: [no-such-table, ")
    for _ in range(2):
        with pytest.raises(UserError, match="claims"):
            kept.load(known)
    assert kept.read(known) is None


def test_what_was_edited_while_it_was_read_is_not_kept(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (known / kept.KEPT).unlink()
    real = cross_checks.check_texts

    def editing(registry: Any, root: Path) -> Any:
        edit(known / CLAIMS, "left: [", "left:  [")
        return real(registry, root)

    monkeypatch.setattr(cross_checks, "check_texts", editing)
    kept.load(known)
    assert not (known / kept.KEPT).exists()


def test_what_the_ledger_names_must_still_be_there(known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = cross_checks.check_texts(load_plan(known).registry, known)
    assert named and all((known / path).exists() for path in named)
    (outside,) = {path for path in named if not path.startswith(("src/", "documents/"))} or {None}
    if outside is None:  # then what it names is among the contents; let it name something else
        found = json.loads((known / kept.KEPT).read_text().partition("\n")[2])
        found["named"].append("pyproject.toml")
        text = json.dumps(found)
        (known / kept.KEPT).write_text(f"{sha256_bytes(text.encode())}\n{text}")
        outside = "pyproject.toml"
    assert kept.read(known) is not None
    (known / outside).unlink()
    assert kept.read(known) is None


def test_results_that_can_lie_nowhere_are_refused_by_what_is_kept_too(known: Path) -> None:
    (known / RESULTS / "smoke").touch()
    with pytest.raises(UserError, match="results/smoke: not a folder"):
        kept.load(known)


def test_without_results_and_on_a_disk_that_refuses_nothing_is_kept_and_all_is_said(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reeltrace, "__file__", str(workspace / "src/reeltrace/__init__.py"))
    assert kept.load(workspace).scale == "smoke"
    assert not (workspace / RESULTS).exists()
    (workspace / kept.KEPT).mkdir(parents=True)  # in the place of the file
    assert kept.load(workspace).scale == "smoke"
    assert (workspace / kept.KEPT).is_dir()


def test_code_that_is_no_python_is_in_nobodys_way(known: Path) -> None:
    before = (known / kept.KEPT).read_bytes()
    path = known / "src/reeltrace/training/stage.py"
    path.write_text("def\n")
    assert {of.reason for of in standings(kept.load(known)).values()} == {"not made yet"}
    assert (known / kept.KEPT).read_bytes() == before
    assert kept.read(known) is None


MINE = {
    "document.yaml": 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\nkinds: [dozens.py]\n',
    "experiments.yaml": "measurements: {}\n",
    "dozens.py": """from reeltrace.kinds import unit as of

number = of.numeral(r"([0-9]+) doz", "a number of dozens such as '2 doz'")
KIND = of.Unit(
    name="dozens", read=of.real(number), number=number, whole=False, write=str, compare=of.rounded, share=None,
    layers=None, behind="dozen",
)
""",
}


def test_kinds_that_documents_bring_are_at_hand_too(known: Path) -> None:
    folder = known / "documents/mine"
    folder.mkdir()
    for name, text in MINE.items():
        (folder / name).write_text(text)
    kept.load(known)
    UNITS.forget()
    try:
        assert isinstance(kept.with_kinds(known), kept.KeptGraph)
        assert set(UNITS.brought()) == {"dozens"}
    finally:
        UNITS.forget()


def test_the_second_call_answers_as_the_first(invented: Path) -> None:
    (invented / RESULTS).mkdir()
    first = run_in(invented, "reeltrace", "status", "--artifacts")
    assert (invented / kept.KEPT).is_file()
    second = run_in(invented, "reeltrace", "status", "--artifacts")
    assert (second.stdout, second.stderr) == (first.stdout, first.stderr)
    asked = ("reeltrace", "explain", "nobody2024/3/x/y")
    said = run_in(invented, *asked, code=2).stderr
    (invented / kept.KEPT).unlink()
    assert run_in(invented, *asked, code=2).stderr == said


def test_status_from_what_is_kept_loads_no_registry(known: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from reeltrace.pipeline import kept, standings; "
        "print(type(graph := kept.load()).__name__); standings.standings(graph); graph.jobs(); "
        "print(sorted({'pydantic', 'yaml', 'grimp', 'numpy', 'torch'} & sys.modules.keys()))"
    )
    said = run_in(known, "python", "-c", script).stdout.splitlines()
    assert said == ["KeptGraph", "[]"]
