"""Kinds of dataset: what each declares, and an invented one from the folder of a document."""

import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from conftest import PROJECT, edit, refusal, run_in, write_files
from invented import FILES, changed, edited, make_workspace
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.errors import Problem
from reeltrace.kinds.dataset import DATASETS, Check, DatasetKind, Decoded, Making, Pool, Shown, Trained, is_pool
from reeltrace.kinds.datasets.images import ImagesSpec
from reeltrace.kinds.points import load, references
from reeltrace.pipeline.leaf import run
from reeltrace.pipeline.named import STAGE_MODULES, module_of
from reeltrace.pipeline.order import is_small
from reeltrace.pipeline.plan import Plan, code_sha256, load_plan
from reeltrace.registry.reading import load as load_registry
from reeltrace.registry.reading import registry_of
from reeltrace.verify.verify import verify

# --- declarations ---

KINDS = [pytest.param(kind, id=name) for name, kind in DATASETS.all().items()]


def test_nothing_in_a_declaration_may_be_left_out() -> None:
    for declared in (DatasetKind, Making, Pool, Decoded, Shown, Check, Trained):
        assert all(f.default is MISSING and f.default_factory is MISSING for f in fields(declared)), declared


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_names_is_there(kind: DatasetKind) -> None:
    for making in kind.makings:
        assert callable(load(f"{making.stage}:run")) and making.stage in STAGE_MODULES
        assert "about.json" in making.outputs
    functions = [] if kind.check is None else [kind.check.by]
    if kind.trained is not None:
        functions += [kind.trained.splits, kind.trained.shown.describe, kind.trained.check]
        file, _, macro = kind.trained.shown.caption.partition(":")
        assert f"macro {macro}(" in (PROJECT / "reports/templates" / file).read_text()
    assert all(callable(load(each)) for each in functions)
    assert set(functions) <= set(references(kind))


@pytest.mark.parametrize("scale", ["paper", "quick", "smoke"])
def test_every_making_of_a_set_is_one_that_its_kind_lists(scale: Any) -> None:
    plan = Plan(load_registry(PROJECT, scale), PROJECT)
    for task in plan.of("data"):
        kind = DATASETS.get(plan.registry.params.datasets[task.key].kind)
        assert (module_of(task.spec), task.outputs) in [(making.stage, making.outputs) for making in kind.makings]
    decoded = {task.key: is_small(plan, task.key) for task in plan.of("frames")}
    assert set(decoded.values()) == {scale != "paper"}


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("images", {"name": "pictures"}, "params of pictures: kind must be Literal"),
        ("moving-digits", {"spec": ImagesSpec}, "spec of moving-digits: kind must be Literal"),
    ],
)
def test_a_declaration_that_contradicts_its_entry_is_refused(name: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(DATASETS.get(name), **changes)


def test_a_spec_has_no_field_that_its_entry_has_not() -> None:
    class Wider(ImagesSpec):
        width: int

    with pytest.raises(ValueError, match="params of images: no field width, which its spec has"):
        replace(DATASETS.get("images"), spec=Wider)


@pytest.mark.parametrize(
    ("file", "kinds"),
    [
        ("kinds/datasets/images.py", []),
        ("kinds/datasets/moving_digits.py", ["moving-digits"]),
        ("kinds/datasets/videos.py", ["videos"]),
        ("data/clips.py", ["videos"]),
        ("data/videos_stage.py", ["videos"]),
        ("data/moving_digits.py", ["moving-digits"]),
        ("data/mnist.py", ["images"]),
    ],
)
def test_a_change_in_the_code_of_one_kind_makes_nothing_of_another_stale(file: str, kinds: list[str]) -> None:
    plan, datasets = load_plan(PROJECT), load_registry(PROJECT).params.datasets
    stale = [task for task in plan if Path("src/reeltrace") / file in task.code()]
    trained = {datasets[task.spec.dataset].kind for task in stale if task.stage == "train"}  # type: ignore[attr-defined]
    made = {datasets[task.key].kind for task in stale if task.stage == "data"}
    assert trained | made == set(kinds)
    assert ("report/all" in {task.name for task in stale}) == (file.startswith("kinds/") and kinds != [])


# --- of a document ---

KIND = '''
"""Images of a pool that scroll to the left or to the right."""

from typing import Literal

from reeltrace.artifacts.formats import ABOUT, CLIPS
from reeltrace.kinds import dataset as of
from reeltrace.registry.fields import Name, Pixels, PositiveInt, StandIn
from reeltrace.registry.needs import Need

SPLITS = ("train", "validation", "test")


class Scrolling(of.DatasetEntry):
    kind: Literal["scrolling"]
    images: Name
    stand_in: StandIn | None
    frames: PositiveInt
    size: Pixels
    number: PositiveInt


class ScrollingSpec(of.DataSpec):
    kind: Literal["scrolling"]
    images: str
    frames: int
    size: int
    number: int


def stored(entry):
    return Need(3 * entry.number * entry.frames * entry.size**2, f"{entry.number} clips per split", "number or size")


MAKING = of.Making(
    "documents.mine.scrolling_stage", (ABOUT, *(f"clips-{split}.npy" for split in SPLITS), CLIPS.name)
)

KIND = of.DatasetKind(
    name="scrolling",
    params=Scrolling,
    spec=ScrollingSpec,
    makings=(MAKING,),
    making=lambda spec: MAKING,
    weight=1,
    words=lambda spec: {"scrolled": f"{spec['number']} clips per split, images of {spec['images']}"},
    check=of.Check(ABOUT, "documents.mine.scrolling_checks:itself"),
    trained=of.Trained(
        drawn_from=lambda entry: (of.Pool(entry.images, "images", "image pool", "images", ()),),
        classes=lambda entry: 2,
        stand_in=lambda entry: entry.stand_in,
        clips=lambda entry: of.Clips(entry.frames, entry.size, entry.number),
        stored=stored,
        decoded=None,
        splits="documents.mine.scrolling_clips:open_splits",
        shown=of.Shown("documents.mine.scrolling_page:describe", "mine/scrolling.html.j2:caption"),
        check="documents.mine.scrolling_checks:labels",
    ),
)
'''
STAGE = """
import numpy as np

from reeltrace.artifacts.json_values import write_json

CLASSES = ["left", "right"]


def run(spec, inputs, work):
    images = np.load(inputs[f"data/{spec.images}"] / "images.npy")
    side = spec.size // images.shape[1]
    lines = ["split,clip,label,class"]
    for at, split in enumerate(("train", "validation", "test")):
        clips = []
        for clip in range(spec.number):
            image = np.kron(images[at * spec.number + clip], np.ones((side, side), np.uint8))
            clips.append([np.roll(image, frame * (1 if clip % 2 else -1), 1) for frame in range(spec.frames)])
            lines.append(f"{split},{clip},{clip % 2},{CLASSES[clip % 2]}")
        np.save(work / f"clips-{split}.npy", np.array(clips, np.uint8))
    (work / "index.csv").write_text("\\n".join(lines) + "\\n")
    write_json(work / "about.json", {"kind": "scrolling", "classes": CLASSES, "clips": len(lines) - 1})
    return {}
"""
CLIPS = """
from reeltrace.data.store import ClipStore


def open_splits(spec, inputs):
    folder = inputs[f"data/{spec.dataset}"]
    return tuple(ClipStore.open(folder, split) for split in ("train", "validation", "test"))
"""
PAGE = """
import numpy as np

from reeltrace.artifacts.json_values import read_json
from reeltrace.report.chains import settings


def describe(binder, key, spec, inputs, artifacts, shown):
    folder = inputs[f"data/{key}"]
    about = read_json(folder / "about.json")
    return {
        "key": key,
        "stand_in": None,
        "source": "images that scroll",
        "licence": None,
        "citation": None,
        "classes": about["classes"],
        "settings": settings(read_json(folder / "spec.json")),
        "clip": {"split": "test", "clip": 1, "class": about["classes"][1]},
        "manifest_sha256": artifacts[f"data/{key}"]["manifest_sha256"],
        "videos": None,
        "pixels": np.load(folder / "clips-test.npy")[1],
    }
"""
CHECKS = """
from reeltrace.artifacts.json_values import read_json
from reeltrace.errors import Problem


def itself(folder):
    found, said = len((folder / "index.csv").read_text().splitlines()) - 1, read_json(folder / "about.json")["clips"]
    return [] if found == said else [Problem("tampered artifact", str(folder / "about.json"), f"{said}, not {found}")]


def labels(folder, results, spec, metrics, predictions):
    wrong = predictions["label"].tolist() != [clip % 2 for clip in range(len(predictions["label"]))]
    return [Problem("tampered artifact", str(folder / "predictions.npz"), "not left and right in turn")] * wrong
"""
CAPTION = "{% macro caption(d) %}the scrolling clip {{ name(d.clip.clip) }}{% endmacro %}\n"
HEADER = 'title: Mine\nauthor: me\nyear: "2026"\nvenue: here\nkinds: [scrolling.py]\n'
COMMON = "documents/common/experiments.yaml"
SET = {"kind": "scrolling", "images": "digits", "stand_in": None, "frames": 8, "size": 32, "number": 24}
RUN = {"model": "plain-net", "protocol": "drift", "evaluation": ["original"]}
EXPERIMENTS: dict[str, Any] = {
    "datasets": {"mine-set": SET},
    "runs": {"mine-scrolls": {**RUN, "dataset": "mine-set"}, "mine-moves": {**RUN, "dataset": "drifting-digits"}},
    "tables": {
        "mine-table1": {
            "table": "1",
            "kind": "accuracy",
            "columns": ["original"],
            "rows": {"scrolls": "mine-scrolls", "moves": "mine-moves"},
        }
    },
}
PRINTED = {
    "title": "Accuracies",
    "caption": "On two sets.",
    "place": "Table 1",
    "unit": "percent",
    "columns": [{"key": "original", "label": "as they are"}],
    "rows": [{"key": "scrolls", "label": "Scrolling"}, {"key": "moves", "label": "Moving"}],
    "cells": [{"row": row, "column": "original", "printed": "91.2"} for row in ("scrolls", "moves")],
}
MINE = {
    "documents/mine/document.yaml": HEADER,
    "documents/mine/scrolling.py": KIND,
    "documents/mine/scrolling_stage.py": STAGE,
    "documents/mine/scrolling_clips.py": CLIPS,
    "documents/mine/scrolling_page.py": PAGE,
    "documents/mine/scrolling_checks.py": CHECKS,
    "documents/mine/scrolling.html.j2": CAPTION,
    "documents/mine/experiments.yaml": yaml.safe_dump(EXPERIMENTS),
    "documents/mine/published.yaml": yaml.safe_dump({"tables": {"1": PRINTED}}),
    "documents/mine/claims.yaml": "claims: []\n",
    "documents/mine/assumptions.yaml": "assumptions: []\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A project whose one document brings a kind of dataset of its own."""
    workspace = make_workspace(tmp_path / "project")
    write_files(workspace, MINE)
    edit(workspace / "params.yaml", "documents: all", "documents: [mine]")
    return workspace


def test_a_kind_of_dataset_of_a_document_is_made_trained_on_shown_verified_and_explained(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace)
    plan = load_plan()
    assert plan["data/mine-set"].inputs == ("data/digits",)
    assert plan["train/mine-scrolls-s0"].inputs == ("data/mine-set",)
    assert plan.registry.run_paths("mine-scrolls").count("datasets.digits") == 1
    for task in plan:
        run(task.stage, task.key, Path())
    results = Path("results/smoke")
    assert read_json(results / "data/mine-set/spec.json") == {
        **{"stage": "data", "key": "mine-set", "scale": "smoke"},
        **{name: value for name, value in SET.items() if name != "stand_in"},
    }
    test = read_json(results / "train/mine-scrolls-s0/metrics.json")["best"]["test"]["original"]
    assert test["total"] == SET["number"]
    report = read_json(results / "report/all/report.json")
    (entry,) = (dataset for dataset in report["datasets"] if dataset["key"] == "mine-set")
    words = {"scrolled": "24 clips per split, images of digits"}
    assert entry["settings"] == report["artifacts"]["data/mine-set"]["settings"] == words
    assert entry.keys() == next(d for d in report["datasets"] if d["key"] != "mine-set").keys()
    page = (results / "report/all/report.html").read_text()
    assert "the scrolling clip <span data-name>1</span>, class <span data-name>right</span>" in page
    assert verify(Path(), scale="smoke", data=True) == []
    explained = run_in(workspace, "reeltrace", "explain", "mine/1/scrolls/original").stdout
    assert words["scrolled"] in explained

    run_folder, other = results / "train/mine-scrolls-s0", [Problem("tampered artifact", "here", "asked")]
    with monkeypatch.context() as patch:
        checks = sys.modules["documents.mine.scrolling_checks"]
        patch.setattr(checks, "labels", lambda folder, *_: other if folder == run_folder else [])
        assert verify(Path(), scale="smoke") == other

    about = results / "data/mine-set/about.json"
    write_json(about, {**read_json(about), "clips": 71})
    sealed(about.parent, {"data/digits": results / "data/digits"})
    problems = [str(problem) for problem in verify(Path(), scale="smoke")]
    assert any("data/mine-set/about.json: 71, not 72" in problem for problem in problems)


def sealed(folder: Path, inputs: dict[str, Path]) -> None:
    """Write the manifest of an artifact anew, from the files that lie there."""
    code = read_json(folder / MANIFEST)["code"]["sha256"]
    (folder / MANIFEST).unlink()
    write_json(folder / MANIFEST, make_manifest(folder, folder.parent.name, folder.name, code, inputs))


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("scrolling.py", {"data/mine-set", "train/mine-scrolls-s0", "report/all"}),
        ("scrolling_stage.py", {"data/mine-set"}),
        ("scrolling_clips.py", {"train/mine-scrolls-s0", "report/all"}),
        ("scrolling_page.py", {"report/all"}),
    ],
)
def test_an_edit_of_its_files_makes_stale_what_loads_them(workspace: Path, file: str, stale: set[str]) -> None:
    def codes() -> dict[str, str]:
        return {task.name: code_sha256(task, workspace) for task in load_plan(workspace)}

    before = codes()
    path = workspace / "documents/mine" / file
    path.write_text(path.read_text() + "\n# changed\n")
    assert {name for name, code in codes().items() if code != before[name]} == stale


def mistaken(**changes: Any) -> dict[str, str]:
    """The files of the document with the entry of its dataset changed; None takes a key out."""
    entry = {name: value for name, value in {**SET, **changes}.items() if value is not None or name == "stand_in"}
    experiments = yaml.safe_dump({**EXPERIMENTS, "datasets": {"mine-set": entry}})
    read = {path: text for path, text in MINE.items() if path.endswith((".yaml", "scrolling.py"))}
    return {**FILES, **read, "documents/mine/experiments.yaml": experiments}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kind": "scroling"}, ".kind (scale paper): found 'scroling'; expected: a known kind of dataset; it has: "),
        ({"kind": None}, ".kind: missing; add it"),
        ({"frames": None}, ".frames: missing; add it"),
        ({"frames": 0}, ".frames (scale paper): found 0; expected: input should be greater than or equal to 1"),
        ({"colour": "red"}, ".colour: unknown key; remove it or correct its spelling"),
        ({"images": "digit"}, ".images: no image pool is named 'digit'; it has: digits, mnist"),
        ({"images": "drifting-digits"}, ".images: no image pool is named 'drifting-digits'; it has: digits, mnist"),
        ({"number": 10**6, "size": 10**4}, "expected at most 1 PiB: lower number or size of datasets.mine-set"),
    ],
)
def test_a_mistake_in_its_entry_is_one_line(changes: dict[str, Any], said: str) -> None:
    message = refusal(registry_of, mistaken(**changes))
    assert message.startswith("documents/mine/experiments.yaml: datasets.mine-set") and said in message


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: changed(datasets={"drifting-digits": {"kind": "moving"}}),
            "a known kind of dataset; it has: images, ",
        ),
        (lambda: changed(runs={"drift-plain": {"dataset": "digits"}}), "no dataset is named 'digits'; "),
        (
            lambda: changed(datasets={"drifting-digits": {"images": "mnis"}}),
            "datasets.drifting-digits.images: no image pool",
        ),
        (lambda: changed(datasets={"digits": {"sorce": "mnist"}}), "datasets.digits.sorce: unknown key"),
        (lambda: edited("    short_side: 128 #", "    # ", COMMON), "datasets.ucf101.short_side: missing; add it"),
        (lambda: edited("    kind: videos\n", "", COMMON), "datasets.ucf101.kind: missing; add it"),
        (
            lambda: changed(datasets={"hmdb51": {"videos_of": "ucf102"}}),
            "datasets.hmdb51.videos_of: no set of videos of its own is named 'ucf102'; ",
        ),
        (
            lambda: changed(datasets={"hmdb51": {"videos_of": "digits"}}),
            "datasets.hmdb51.videos_of: no set of videos of its own is named 'digits'; ",
        ),
        (
            lambda: changed(datasets={"hmdb51": {"videos_of": "hmdb51"}}),
            "datasets.hmdb51.videos_of: no set of videos of its own is named 'hmdb51'; ",
        ),
        (
            lambda: changed(datasets={"hmdb51": {"videos_of": "ucf101"}}),
            "datasets.hmdb51.layout (scale quick): differs from datasets.ucf101.layout, which videos_of names",
        ),
    ],
)
def test_a_mistaken_entry_of_our_kinds_is_one_line(call: Callable[[], dict[str, str]], said: str) -> None:
    assert said in refusal(registry_of, call())


def test_a_kind_is_known_only_where_its_document_is() -> None:
    registry = registry_of(mistaken(), None, PROJECT)
    assert "scrolling" in DATASETS.all() and not is_pool(registry.params.datasets["mine-set"])
    registry_of(FILES)
    assert "scrolling" not in DATASETS.all()


def test_about_json_must_say_the_kind_of_a_set(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    edit(workspace / "documents/mine/scrolling_stage.py", '"kind": "scrolling", ', "")
    for name in ("data/digits", "data/mine-set"):
        run(*name.split("/"), Path())
    said = refusal(run, "train", "mine-scrolls-s0", Path())
    assert "data/mine-set/about.json: not a dataset description with its kind" in said
    assert json.loads((workspace / "results/smoke/data/mine-set/about.json").read_text())["classes"]


MOVING = {
    "kind": "moving-digits",
    "task": "direction",
    "images": "digits",
    "stand_in": None,
    "frames": 5,
    "size": 12,
    "digit_size": 8,
    "speed": [0.75, 1.0],
    "videos": {"train": 4, "validation": 4, "test": 4},
    "image_split": {"train": 0.5, "validation": 0.2, "test": 0.3},
    "seed": 1,
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "digit", "course": "wrap"}, "belong to the task direction"),
        ({"digit_sizes": [4, 6]}, r"the largest of digit_sizes \[4, 6\] must be digit_size 8"),
        ({"course": "straight", "speed": [1.0, 2.0]}, "leaves the frame"),
        ({"course": "wrap", "speed": [1.0, 2.0]}, ""),
        ({"both_ways": ["train", "tests"]}, "both_ways.1"),
        ({"file_frames": 4}, "file_frames 4 must be at least frames 5"),
        ({"file_frames": 9}, "speed 1.0 x 8 steps leaves the frame"),
    ],
)
def test_other_readings_of_a_motion_are_checked(changes, message):
    kind = DATASETS.get("moving-digits")
    if not message:
        assert kind.params.model_validate({**MOVING, **changes}).course == "wrap"
        return
    with pytest.raises(ValidationError, match=message):
        kind.params.model_validate({**MOVING, **changes})


def test_a_chain_names_what_differs_from_the_usual_motion():
    words = DATASETS.get("moving-digits").words
    other = {**MOVING, "course": "wrap", "start": "border", "both_ways": ["train"], "digit_sizes": [4, 8]}
    more = {"path": "wrap", "start": "at the border", "both ways in": "train", "sizes of digits": "4, 8"}
    assert words({**MOVING, "file_frames": 9})["file"] == "9 frames in the test, of which the first are seen"
    assert words(other) == {**words(MOVING), **more}
