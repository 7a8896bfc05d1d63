"""Verification: a clean project passes, and each kind of change is found and named."""

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.fabricated import Project
from attest.attested import sign
from conftest import PROJECT, run_in
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.attest.keys import signer
from reeltrace.errors import Problem, UserError
from reeltrace.kinds.datasets.videos import VideoDataset
from reeltrace.registry.reading import load
from reeltrace.verify.belonging import Planned
from reeltrace.verify.verify import KINDS, REMADE, verify

RUN = "train/drift-plain-s0"


def problems(project: Project, data: bool = False, gone: str = "", **stale: str) -> list[Problem]:
    """`stale` names what `reeltrace status` would call stale, and why; all else is current, but for what is `gone`."""
    standing = {name: stale.get(name, "") for name in project.plan.tasks if name != gone}
    planned = {name: Planned(task.inputs, task.outputs) for name, task in project.plan.tasks.items() if name != gone}
    found = verify(project.root, scale=project.scale, data=data, standing=standing, planned=planned)
    assert {p.kind for p in found} <= set(KINDS)
    assert all(not Path(p.where).is_absolute() for p in found)
    return found


def kinds(project: Project, where: str, data: bool = False) -> set[str]:
    return {p.kind for p in problems(project, data) if p.where.startswith(f"results/quick/{where}")}


def flip(path: Path, offset: int | None = None) -> None:
    """Change one byte, in the middle unless told where."""
    content = bytearray(path.read_bytes())
    position = len(content) // 2 if offset is None else offset
    content[position] ^= 1
    path.write_bytes(bytes(content))


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    content = read_json(path)
    change(content)
    write_json(path, content)


def test_a_finished_project_has_no_problems(finished: Project) -> None:
    assert problems(finished, data=True) == []


@pytest.mark.parametrize(("field", "kind"), [("bytes", "tampered artifact"), ("sha256", "stale")])
def test_what_a_manifest_says_of_an_input_is_checked(copied: Project, field: str, kind: str) -> None:
    path = copied.root / "results/quick/report/all/manifest.json"
    new = {"bytes": 1, "sha256": "0" * 64}[field]
    edit(path, lambda manifest: manifest["inputs"][RUN].update({field: new}))
    assert kinds(copied, "report/all") == {kind}


def test_nothing_to_verify_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no artifacts"):
        verify(tmp_path, scale="quick")


@pytest.mark.parametrize(
    "file",
    [
        f"{RUN}/metrics.json",
        f"{RUN}/scores.json",
        f"{RUN}/history.jsonl",
        f"{RUN}/predictions.npz",
        f"{RUN}/best.pt",
        f"{RUN}/last.pt",
        "measure/nobody2024-structure/metrics.json",
        "data/spinning-digits/index.csv",
        "data/spinning-digits/about.json",
        "data/digits/labels.npy",
        "data/ucf101/about.json",
        "data/ucf101/index.csv",
        "frames/ucf101/about.json",
        "frames/ucf101/broken.json",
        "frames/ucf101/frames.csv",
        "train/films-plain-s0/predictions.npz",
        "aggregate/nobody2024-table8/cells.json",
        "aggregate/nobody2024-table5/cells.json",
        "aggregate/nobody2024-table5/curves.csv",
        "report/all/report.html",
        "report/all/report.json",
    ],
)
def test_one_changed_byte_in_an_output_is_tampering(copied: Project, file: str) -> None:
    flip(copied.folder(file))
    found = problems(copied)
    assert Problem("tampered artifact", f"results/quick/{file}", found[0].found) in found or any(
        p.kind == "tampered artifact" and p.where == f"results/quick/{file}" for p in found
    )


def test_one_changed_byte_in_a_spec_is_stale(copied: Project) -> None:
    flip(copied.folder(f"{RUN}/spec.json"))
    assert "stale" in kinds(copied, f"{RUN}/spec.json")


def test_a_changed_manifest_is_found_where_it_is_used(copied: Project) -> None:
    path = copied.folder(f"{RUN}/manifest.json")
    text = path.read_text()
    path.write_text(text.replace('"c0de', '"c0df', 1))
    found = problems(copied)
    assert {p.kind for p in found} == {"stale"}
    assert {p.where for p in found} == {
        "results/quick/aggregate/nobody2024-table3/manifest.json",
        "results/quick/aggregate/nobody2024-table4/manifest.json",
        "results/quick/report/all/manifest.json",
    }


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 1, "outputs": 3, "spec": {"sha256": ""}}'])
def test_a_ruined_manifest_is_named_and_does_not_stop_the_rest(copied: Project, content: str) -> None:
    copied.folder(f"{RUN}/manifest.json").write_text(content)
    flip(copied.folder("train/spin-plain-s0/metrics.json"))
    found = problems(copied)
    assert any(p.where == f"results/quick/{RUN}/manifest.json" for p in found)
    assert any("spin-plain-s0/metrics.json" in p.where for p in found)


@pytest.mark.parametrize("file", ["aggregate/nobody2024-table4/cells.json", f"{RUN}/metrics.json", f"{RUN}/spec.json"])
@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"cells": [{}]}', "\xff"])
def test_any_content_of_an_edited_file_is_survived(copied: Project, file: str, content: str) -> None:
    copied.folder(file).write_bytes(content.encode("latin-1"))
    found = problems(copied)
    assert any(p.where == f"results/quick/{file}" for p in found)


@pytest.mark.parametrize("file", [f"{RUN}/predictions.npz", "data/spinning-digits/clips-test.npy"])
@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY"])
def test_a_ruined_array_is_named_and_does_not_stop_the_rest(copied: Project, file: str, content: bytes) -> None:
    copied.folder(file).write_bytes(content)
    flip(copied.folder("train/spin-plain-s0/metrics.json"))
    found = problems(copied)
    assert any(p.where == f"results/quick/{file}" for p in found)
    assert any("spin-plain-s0/metrics.json" in p.where for p in found)


def test_a_dataset_made_again_makes_its_runs_stale_and_not_altered(copied: Project) -> None:
    path = copied.folder("data/drifting-digits/index.csv")
    lines = path.read_text().splitlines()
    tests = [number for number, line in enumerate(lines) if line.startswith("test,")]
    lines[tests[0]], lines[tests[1]] = lines[tests[1]], lines[tests[0]]
    path.write_text("\n".join(lines) + "\n")
    copied.seal("data/drifting-digits")
    assert kinds(copied, RUN) == {"stale"}


def test_missing_files_break_the_chain(copied: Project) -> None:
    copied.folder(f"{RUN}/history.jsonl").unlink()
    assert "broken chain" in kinds(copied, RUN)


def test_a_missing_artifact_breaks_the_chain(copied: Project) -> None:
    shutil.rmtree(copied.folder("measure/nobody2024-structure"))
    assert "broken chain" in kinds(copied, "aggregate/nobody2024-table1")


def test_a_missing_report_breaks_the_chain(copied: Project) -> None:
    shutil.rmtree(copied.folder("report/all"))
    assert [p.kind for p in problems(copied)] == ["broken chain"]


def test_large_files_are_hashed_only_on_request(copied: Project) -> None:
    file = "data/spinning-digits/clips-train.npy"
    path = copied.folder(file)
    assert path.stat().st_size > 1_000_000
    flip(path, path.stat().st_size - 1)
    assert problems(copied) == []
    assert "tampered artifact" in kinds(copied, file, data=True)


def test_metrics_edited_together_with_every_hash_are_found(copied: Project) -> None:
    def better(metrics: Any) -> None:
        score = metrics["best"]["test"]["treverse"]
        score.update(correct=score["total"], top1=100.0)

    edit(copied.folder(f"{RUN}/metrics.json"), better)
    edit(copied.folder(f"{RUN}/scores.json"), lambda scores: scores.update(treverse=100.0))
    copied.seal(RUN)
    copied.aggregate("nobody2024-table3")
    copied.aggregate("nobody2024-table4")
    copied.report()
    found = problems(copied)
    assert {p.kind for p in found} == {"tampered artifact"}
    assert {p.where for p in found} == {f"results/quick/{RUN}/metrics.json"}
    assert any(
        p.found.startswith("/best/test/treverse/correct is ") and "the predictions give" in p.found for p in found
    )


def test_scores_edited_together_with_the_manifest_are_found(copied: Project) -> None:
    edit(copied.folder(f"{RUN}/scores.json"), lambda scores: scores.update(original=12.5))
    copied.seal(RUN)
    assert "tampered artifact" in kinds(copied, f"{RUN}/scores.json")


def test_an_agreement_edited_together_with_the_manifest_is_found(copied: Project) -> None:
    edit(
        copied.folder(f"{RUN}/metrics.json"),
        lambda metrics: metrics["equivariance"]["best"]["treverse"].update(agreement=99.0),
    )
    copied.seal(RUN)
    assert any("/equivariance/best/treverse/agreement" in p.found for p in problems(copied))


def test_labels_edited_together_with_everything_are_found(copied: Project) -> None:
    path = copied.folder(f"{RUN}/predictions.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["label"][0] = 3 - arrays["label"][0]
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    copied.seal(RUN)
    assert any("labels are not those of drifting-digits/index.csv" in p.found for p in problems(copied))


def test_a_cell_edited_together_with_its_manifest_is_found(copied: Project) -> None:
    name = "aggregate/nobody2024-table3"
    edit(copied.folder(f"{name}/cells.json"), lambda table: table["cells"][0]["reproduced"].update(printed="12.34"))
    copied.seal(name)
    found = [p for p in problems(copied) if p.where == f"results/quick/{name}/cells.json"]
    assert [p.kind for p in found] == ["tampered artifact"]
    assert '/cells/0/reproduced/printed is "12.34"' in found[0].found


def test_a_corrected_transcription_makes_its_table_stale(copied: Project) -> None:
    path = copied.root / "documents/nobody2024/published.yaml"
    text = path.read_text(encoding="utf-8")
    assert 'printed: "8.33"' in text
    path.write_text(text.replace('printed: "8.33"', 'printed: "8.34"'), encoding="utf-8")
    found = problems(copied, **{"aggregate/nobody2024-table5": OTHER_CODE, "report/all": OTHER_CODE})
    assert {(p.kind, p.where) for p in found} == {
        ("stale", "results/quick/aggregate/nobody2024-table5"),
        ("stale", "results/quick/report/all"),
    }


def test_a_published_value_edited_together_with_the_manifest_is_found(copied: Project) -> None:
    name = "aggregate/nobody2024-table5"
    edit(copied.folder(f"{name}/cells.json"), lambda table: table["cells"][0]["published"].update(printed="1.23"))
    copied.seal(name)
    assert "tampered artifact" in kinds(copied, f"{name}/cells.json")


# --- what is only stale ---

OTHER_CODE = "its source files changed"


def test_an_artifact_of_other_code_and_what_is_made_from_it_is_stale_and_not_altered(copied: Project) -> None:
    """Whatever its fields are: today's code need not know them."""
    edit(copied.folder(f"{RUN}/metrics.json"), lambda metrics: metrics.pop("best"))
    copied.seal(RUN)
    for name in ("aggregate/nobody2024-table3", "aggregate/nobody2024-table4", "report/all"):
        copied.seal(name)
    assert {p.kind for p in problems(copied)} > {"tampered artifact"}
    found = problems(copied, **{RUN: OTHER_CODE})
    assert [str(p) for p in found] == [
        f"stale: results/quick/aggregate/nobody2024-table3: {RUN} is stale; {REMADE}",
        f"stale: results/quick/aggregate/nobody2024-table4: {RUN} is stale; {REMADE}",
        f"stale: results/quick/report/all: {RUN} is stale; {REMADE}",
        f"stale: results/quick/{RUN}: {OTHER_CODE}; {REMADE}",
    ]


def test_a_spec_written_anew_makes_stale_and_is_not_read_as_that_of_the_results(copied: Project) -> None:
    """As Snakemake does on reading a params.yaml with another seed: before any work."""
    for name in (RUN, "aggregate/nobody2024-table3", "report/all"):
        edit(copied.folder(f"{name}/spec.json"), lambda spec: spec.update(seeds=[0, 1], evaluation=["r270"]))
    found = problems(copied)
    assert {p.kind for p in found} == {"stale"}
    assert {Path(p.where).parent.name for p in found if p.where.endswith("spec.json")} == {
        RUN.partition("/")[2],
        "nobody2024-table3",
        "all",
    }


def test_other_templates_make_a_report_stale_and_none_of_its_numbers_unbound(copied: Project) -> None:
    path = copied.root / "reports/templates/abstract.html.j2"
    path.write_text(path.read_text(encoding="utf-8").replace("<h2>Abstract</h2>", "<h2>In short</h2>"))
    assert {p.kind for p in problems(copied)} == {"report differs from artifacts"}
    found = problems(copied, **{"report/all": OTHER_CODE})
    assert [(p.kind, p.where) for p in found] == [("stale", "results/quick/report/all")]


def test_bytes_altered_in_what_is_stale_are_tampering(copied: Project) -> None:
    flip(copied.folder(f"{RUN}/metrics.json"))
    found = problems(copied, **{RUN: OTHER_CODE})
    assert {p.kind for p in found if RUN in p.where} == {"tampered artifact"}
    assert {p.kind for p in found if RUN not in p.where} == {"stale"}


def test_only_the_altered_file_is_called_altered_and_not_what_was_made_from_it(copied: Project) -> None:
    flip(copied.folder(f"{RUN}/metrics.json"))
    flip(copied.folder("data/spinning-digits/index.csv"))
    assert {(p.kind, p.where) for p in problems(copied)} == {
        ("tampered artifact", f"results/quick/{RUN}/metrics.json"),
        ("tampered artifact", "results/quick/data/spinning-digits/index.csv"),
    }


def test_a_manifest_of_another_schema_is_stale(copied: Project) -> None:
    edit(copied.folder(f"{RUN}/manifest.json"), lambda manifest: manifest.update(schema=0))
    assert {p.kind for p in problems(copied)} == {"stale"}


def test_an_artifact_that_params_yaml_no_longer_has_is_held_to_its_manifest_alone(copied: Project) -> None:
    name = "aggregate/nobody2024-table3"
    edit(copied.folder(f"{name}/cells.json"), lambda table: table["cells"].clear())
    copied.seal(name)
    copied.seal("report/all")
    stale = {"report/all": OTHER_CODE}  # which held the table
    assert {p.kind for p in problems(copied, **stale)} == {"stale", "tampered artifact"}
    assert {p.kind for p in problems(copied, gone=name, **stale)} == {"stale"}
    flip(copied.folder(f"{name}/cells.json"))
    assert {p.kind for p in problems(copied, gone=name, **stale)} == {"stale", "tampered artifact"}


def misprint(project: Project, identity: str) -> None:
    """Show 97.31 on the page in place of one number, and seal the report again."""
    path = project.folder("report/all/report.html")
    html = path.read_text(encoding="utf-8")
    number = re.search(rf'data-trace="{re.escape(identity)}">([\d.]+)<', html)
    assert number
    path.write_text(html.replace(number[0], number[0].replace(number[1], "97.31")), encoding="utf-8")
    project.seal("report/all")


def test_a_number_edited_in_the_page_is_unbound(copied: Project) -> None:
    misprint(copied, "nobody2024/3/plain/treverse")
    found = problems(copied)
    assert {p.kind for p in found} == {"unbound number", "report differs from artifacts"}
    assert any("nobody2024/3/plain/treverse shows '97.31'" in p.found for p in found)


def test_words_edited_in_the_page_are_a_difference(copied: Project) -> None:
    path = copied.folder("report/all/report.html")
    html = path.read_text(encoding="utf-8")
    path.write_text(html.replace("not a reproduction.", "a reproduction."), encoding="utf-8")
    copied.seal("report/all")
    assert [p.kind for p in problems(copied)] == ["report differs from artifacts"]


def test_an_edited_report_json_is_a_difference(copied: Project) -> None:
    path = copied.folder("report/all/report.json")
    edit(path, lambda report: report["cells"][0].update(verdict="matches"))
    copied.seal("report/all")
    found = problems(copied)
    assert [p.kind for p in found] == ["report differs from artifacts"]
    assert "/cells/0/verdict" in found[0].found


def test_a_receipt_may_change_but_not_vanish(copied: Project) -> None:
    receipt = copied.folder(f"{RUN}/receipt.json")
    receipt.write_text(json.dumps({"host": {"name": "elsewhere"}}))
    assert problems(copied) == []
    receipt.unlink()
    assert [p.kind for p in problems(copied)] == ["broken chain"]


def test_unfinished_work_is_not_an_artifact(copied: Project) -> None:
    work = copied.results / "train/.drift-plain-s1.work"
    work.mkdir()
    (work / "manifest.json").write_text("half a fi")
    assert problems(copied) == []


# --- sets of videos ---

VIDEO_RUN = "train/films-plain-s0"
QUICK_SET = load(PROJECT, "quick").params.datasets["ucf101"]
assert isinstance(QUICK_SET, VideoDataset)
CLASSES, CLIPS = QUICK_SET.classes, QUICK_SET.test_clips
VIDEOS, TESTED = 8 * CLASSES, 2 * CLASSES - 1  # invented; of those tested one is broken


def test_a_shard_is_hashed_only_on_request(copied: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copied.folder("frames/ucf101/shards/00000.bin")
    monkeypatch.setattr("reeltrace.verify.verify.SMALL", path.stat().st_size - 1)
    flip(path, path.stat().st_size - 1)
    assert problems(copied) == []
    assert kinds(copied, "frames/ucf101/shards", data=True) == {"tampered artifact"}


def test_a_shard_cut_short_is_found_without_reading_it(copied: Project) -> None:
    path = copied.folder("frames/ucf101/shards/00001.bin")
    path.write_bytes(path.read_bytes()[:-1])
    assert any(p.where.endswith("00001.bin") and "frames.csv says" in p.found for p in problems(copied))


def resealed(project: Project, name: str) -> list[Problem]:
    """Problems that are left when an artifact's own manifest, and all that was made from it, agree with the edit."""
    project.seal(name)
    if name.startswith("data/"):
        project.seal(name.replace("data/", "frames/"))
    for stage in ("pretrain", "features", "train", "timing"):
        for task in project.plan.of(stage):
            project.seal(task.name)
    for key in project.registry.params.tables:
        project.aggregate(key)
    project.report()
    return problems(project, data=True)


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        ("data/ucf101/about.json", lambda a: a.update(videos=1), f"/videos is 1, index.csv gives {VIDEOS}"),
        ("data/ucf101/about.json", lambda a: a["counts"]["split1"].update(test=21), '/counts is {"split1"'),
        ("data/ucf101/about.json", lambda a: a["classes"].reverse(), f'/classes is ["Action{CLASSES - 1}"'),
        ("frames/ucf101/about.json", lambda a: a["decoders"].update(decord=71, pyav=8), "/decoders is"),
        ("frames/ucf101/about.json", lambda a: a.update(frames=869), "/frames is 869"),
        ("frames/ucf101/about.json", lambda a: a.update(broken=0), "/broken is 0"),
        ("frames/ucf101/about.json", lambda a: a.update(short=0), "/short is 0"),
        ("frames/ucf101/about.json", lambda a: a["noted"].pop(), "/noted is"),
        ("frames/ucf101/broken.json", lambda b: b[0].update(video="a.avi"), "each video of ucf101/index.csv once"),
        (
            "frames/ucf101/broken.json",
            lambda b: b.append(dict(b[0])),
            f"/videos is {VIDEOS}, frames.csv and broken.json",
        ),
    ],
)
def test_an_account_of_videos_edited_together_with_every_hash_is_found(
    copied: Project, file: str, change: Callable[[Any], Any], found: str
) -> None:
    edit(copied.folder(file), change)
    left = resealed(copied, file.rpartition("/")[0])
    assert {p.kind for p in left} == {"tampered artifact"}
    assert any(found in p.found for p in left)


def test_a_video_dropped_from_both_lists_is_found(copied: Project) -> None:
    folder = copied.folder("frames/hmdb51")
    path = folder / "frames.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    dropped = lines[-1].split(",")
    edit(folder / "about.json", lambda a: a.update(videos=VIDEOS - 1, frames=a["frames"] - int(dropped[3])))
    left = resealed(copied, "frames/hmdb51")
    assert any("does not hold each video of hmdb51/index.csv once" in p.found for p in left)
    assert any("00001.bin" in p.where for p in left)  # the pixels are still there


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            lambda m: m["best"]["test"]["r90"]["clip"].update(correct=m["best"]["test"]["r90"]["clip"]["total"]),
            f"/best/test/r90/clip/correct is {CLIPS * TESTED}",
        ),
        (lambda m: m["videos"].update(missing=0), "/videos: missing is 0, index and frames give 1"),
        (lambda m: m["videos"].update(train=1, validation=1), "/videos: train and validation is 2"),
        (lambda m: m["equivariance"]["best"]["r90"].update(agreement=99.5), "/equivariance/best/r90/agreement"),
    ],
)
def test_scores_on_videos_edited_together_with_the_manifest_are_found(
    copied: Project, change: Callable[[Any], Any], found: str
) -> None:
    edit(copied.folder(f"{VIDEO_RUN}/metrics.json"), change)
    copied.seal(VIDEO_RUN)
    assert any(found in p.found and p.kind == "tampered artifact" for p in problems(copied))


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"label"}, "the labels of its clips are not those of their videos"),
        ({"label", "clip_label"}, "its labels are not those of ucf101/index.csv"),
    ],
)
def test_labels_of_videos_edited_together_with_the_manifest_are_found(
    copied: Project, arrays: set[str], found: str
) -> None:
    path = copied.folder(f"{VIDEO_RUN}/predictions.npz")
    with np.load(path) as stored:
        content = {name: stored[name] for name in stored.files}
    for name in arrays:
        content[name] = (content[name] + 1) % CLASSES
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    path.write_bytes(buffer.getvalue())
    copied.seal(VIDEO_RUN)
    assert any(p.found == found for p in problems(copied))


def test_a_set_decoded_again_makes_its_runs_stale_and_not_altered(copied: Project) -> None:
    edit(copied.folder("frames/ucf101/broken.json"), lambda b: b[0].update(reason="another"))
    copied.seal("frames/ucf101")
    assert kinds(copied, VIDEO_RUN) == {"stale"}
    assert kinds(copied, "frames/ucf101") == set()


def test_a_clip_s_accuracy_edited_in_the_page_is_unbound(copied: Project) -> None:
    misprint(copied, "nobody2024/8/plain/UCF-101 by 90/clip")
    assert any("nobody2024/8/plain/UCF-101 by 90/clip shows '97.31'" in p.found for p in problems(copied))


def test_a_broken_video_renamed_in_the_page_is_unbound(copied: Project) -> None:
    path = copied.folder("report/all/report.html")
    html = path.read_text(encoding="utf-8")
    path.write_text(html.replace("v_Action0_g02_c01.avi", "v_Action0_g03_c01.avi"), encoding="utf-8")
    copied.seal("report/all")
    assert any("datasets/ucf101/broken/0 shows" in p.found for p in problems(copied) if p.kind == "unbound number")


def test_statistics_that_the_recurrent_weights_do_not_have_are_found(copied: Project) -> None:
    name = "train/carry-plain-s0"
    edit(copied.folder(name) / "metrics.json", lambda metrics: metrics["hidden"][3].update(mean=9.0))
    copied.seal(name)
    found = [p for p in problems(copied) if p.where == f"results/quick/{name}/metrics.json"]
    assert {p.kind for p in found} == {"tampered artifact"}
    assert any("/hidden/3/mean is 9.0, hidden.npz gives" in p.found for p in found)


def test_a_time_that_its_receipt_does_not_say_is_found(copied: Project) -> None:
    name = "timing/someone2025-table1-4"
    path = copied.folder("train/joined-s0") / "receipt.json"
    edit(path, lambda receipt: receipt.update(facts={"seconds_per_epoch": [1.0], "resumed_after_epoch": None,
                                                     "device": "a processor"}))  # fmt: skip
    told = sha256_file(path)
    edit(copied.folder(name) / "timing.json", lambda t: t["runs"]["joined-s0"].update(receipt_sha256=told))
    copied.seal(name)
    found = [p.found for p in problems(copied) if p.where == f"results/quick/{name}/timing.json"]
    assert any("/runs/joined-s0/seconds is" in words and "its receipt says 1.0" in words for words in found)


def test_a_receipt_that_is_another_one_now_makes_its_time_stale(copied: Project) -> None:
    path = copied.folder("train/joined-s0") / "receipt.json"
    edit(path, lambda receipt: receipt.update(duration_s=99.0))
    (problem,) = problems(copied)
    assert (problem.kind, problem.where) == ("stale", "results/quick/timing/someone2025-table1-4/timing.json")
    assert "/runs/joined-s0 was read from another receipt" in problem.found
    assert "`reeltrace run timing someone2025-table1-4`" in problem.found


# --- what does not belong there ---


def put(what: str) -> Callable[[Path], None]:
    """Something that no manifest records, put at a path."""

    def at(path: Path) -> None:
        if what == "file":
            path.write_text("{}")
        elif what == "folder":
            path.mkdir()
        elif what == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(what)

    return at


@pytest.mark.parametrize("what", ["file", "folder", "pipe", "spec.json", "nowhere"])
@pytest.mark.parametrize(
    "place", [f"{RUN}/more.json", f"{RUN}/.hidden", "report/all/more.html", "data/ucf101/videos/.x"]
)
def test_what_no_manifest_records_is_named(copied: Project, place: str, what: str) -> None:
    put(what)(copied.folder(place))
    found = problems(copied)
    assert {(p.kind, p.where) for p in found} == {("tampered artifact", f"results/quick/{place}")}


def test_what_a_killed_writing_left_is_no_problem(copied: Project) -> None:
    (copied.folder(RUN) / ".spec.json.4711.tmp").write_text("half")
    assert problems(copied) == []


def test_a_folder_named_as_what_a_killed_writing_leaves_is_named(copied: Project) -> None:
    (copied.folder(RUN) / ".x.1.tmp").mkdir()
    (copied.folder(RUN) / ".x.1.tmp/best.pt").write_text("weights")
    (problem,) = problems(copied)
    assert (problem.kind, problem.where) == ("tampered artifact", f"results/quick/{RUN}/.x.1.tmp")


@pytest.mark.parametrize("file", [f"{RUN}/metrics.json", f"{RUN}/receipt.json", "frames/ucf101/shards/00000.bin"])
def test_a_link_to_the_same_bytes_in_the_place_of_a_file_is_named(copied: Project, tmp_path: Path, file: str) -> None:
    path = copied.folder(file)
    shutil.copy(path, tmp_path / "elsewhere")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    (problem,) = problems(copied, data=True)
    assert (problem.kind, problem.where) == ("tampered artifact", f"results/quick/{file}")
    assert problem.found.startswith("a link to ")


def test_a_folder_of_an_output_that_is_a_link_is_named(copied: Project, tmp_path: Path) -> None:
    path = copied.folder("frames/ucf101/shards")
    path.rename(tmp_path / "shards")
    path.symlink_to(tmp_path / "shards")
    assert {(p.kind, p.where) for p in problems(copied)} == {
        ("tampered artifact", "results/quick/frames/ucf101/shards")
    }


@pytest.mark.parametrize("folder", ["train", RUN, "report/all"])
def test_a_folder_of_an_artifact_or_a_stage_that_is_a_link_is_named(
    copied: Project, tmp_path: Path, folder: str
) -> None:
    path = copied.folder(folder)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    (problem,) = problems(copied)
    assert (problem.kind, problem.where) == ("tampered artifact", f"results/quick/{folder}")
    assert problem.found.startswith("a link to ")


def test_results_may_be_a_link(copied: Project, tmp_path: Path) -> None:
    (copied.root / "results").rename(tmp_path / "disk")
    (copied.root / "results").symlink_to(tmp_path / "disk")
    assert problems(copied) == []


def test_a_whole_artifact_that_no_task_names_is_left_over(copied: Project) -> None:
    shutil.copytree(copied.folder(RUN), copied.results / "train/drift-plain-s7")
    edit(copied.results / "train/drift-plain-s7/manifest.json", lambda manifest: manifest.update(key="drift-plain-s7"))
    (problem,) = problems(copied)
    assert (problem.kind, problem.where) == ("stale", "results/quick/train/drift-plain-s7")
    assert "no experiment names it" in problem.found


def test_what_lies_between_artifacts_is_named_and_a_spec_alone_is_not(copied: Project) -> None:
    (copied.results / "train/of-another-time").mkdir()
    (copied.results / "train/of-another-time/spec.json").write_text("{}")
    assert problems(copied) == []
    (copied.results / "train/of-another-time/best.pt").write_text("weights")
    (copied.results / "train/notes.txt").write_text("mine")
    assert {(p.kind, p.where) for p in problems(copied)} == {
        ("stale", "results/quick/train/of-another-time"),
        ("stale", "results/quick/train/notes.txt"),
    }


def test_what_lies_beside_the_stages_is_named_and_what_is_ours_is_not(copied: Project) -> None:
    for name in ("logs", "code", "attested", ".work", "pretrain"):
        (copied.results / name).mkdir(exist_ok=True)
    (copied.results / "logs/train.log").write_text("said")
    (copied.results / "pretrain/.x.lock").touch()
    (copied.results / "features/of-another-document").mkdir(parents=True)  # laid for experiments that are left out now
    (copied.results / "features/of-another-document/spec.json").write_text("{}")
    (copied.results / ".plan.json").write_text("{}")
    before = problems(copied)
    assert {p.kind for p in before} <= {"attestation does not hold"}  # that folder is empty
    (copied.results / "index.html").write_text("<p>99.9")
    (copied.results / "evil").mkdir()
    (copied.results / "evil/report.html").write_text("<p>99.9")
    (copied.results / "worse/one").mkdir(parents=True)
    (copied.results / "worse/one/spec.json").write_text("{}")
    (copied.results / "worse/one/x.txt").write_text("99.9")
    (copied.results / "odd").symlink_to("nowhere")
    found = {(p.kind, p.where) for p in problems(copied) if p not in before}
    assert found == {("stale", f"results/quick/{name}") for name in ("index.html", "evil", "odd", "worse")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(approved=True), "its fields have approved"),
        (lambda m: m["outputs"].pop("report.json"), "its outputs lack report.json"),
        (lambda m: m["outputs"].update({"receipt.json": {"sha256": "0" * 64, "bytes": 1}}), "its outputs have receipt"),
        (lambda m: m["inputs"].pop(RUN), f"its inputs lack {RUN}"),
        (lambda m: m["code"].update(texts={"reports/a.j2": "0" * 64}), "what it says of reports/a.j2 is not so"),
        (lambda m: m["code"].update(approved=True), "its code has approved"),
        (lambda m: m["spec"].update(approved=True), "its spec has approved"),
        (lambda m: m["outputs"]["report.json"].update(files=1), "what it says of report.json has files"),
    ],
)
def test_what_a_manifest_has_more_or_less_than_its_task_leaves_is_named(
    copied: Project, change: Callable[[Any], Any], said: str
) -> None:
    """The report's own, which no other manifest holds."""
    edit(copied.folder("report/all/manifest.json"), change)
    found = problems(copied)
    assert {p.kind for p in found} == {"tampered artifact"}
    assert any(p.where == "results/quick/report/all/manifest.json" and said in p.found for p in found), found


def test_a_manifest_that_says_the_same_in_other_words_is_named(copied: Project) -> None:
    path = copied.folder("report/all/manifest.json")
    path.write_text(json.dumps(read_json(path)))
    (problem,) = problems(copied)
    assert problem.where == "results/quick/report/all/manifest.json" and "it was edited" in problem.found


# --- who attested it ---


@pytest.fixture
def attested(copied: Project, tmp_path: Path) -> Project:
    """A copied project whose report is attested."""
    sign(copied, signer(tmp_path / "key.pem", new=True))
    return copied


def test_an_edited_receipt_is_named_where_the_report_is_attested(attested: Project) -> None:
    assert problems(attested) == []
    edit(attested.folder(f"{RUN}/receipt.json"), lambda receipt: receipt.update(host={"name": "elsewhere"}))
    (problem,) = problems(attested)
    assert (problem.kind, problem.where) == ("attestation does not hold", f"results/quick/{RUN}/receipt.json")


def test_a_forgery_of_everything_but_the_signature_is_seen_by_that_alone(attested: Project) -> None:
    """Predictions, metrics and all hashes agree; the page was rendered anew."""
    path = attested.folder(f"{RUN}/predictions.npz")
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["best_treverse"] = arrays["label"]
    np.savez(path, **arrays)

    def better(metrics: Any) -> None:
        score = metrics["best"]["test"]["treverse"]
        score.update(correct=score["total"], top1=100.0)
        same = 100 * float((arrays["best_treverse"] == arrays["best_original"]).mean())
        metrics["equivariance"]["best"]["treverse"].update(agreement=same)

    edit(attested.folder(f"{RUN}/metrics.json"), better)
    edit(attested.folder(f"{RUN}/scores.json"), lambda scores: scores.update(treverse=100.0))
    attested.seal(RUN)
    attested.aggregate("nobody2024-table3")
    attested.aggregate("nobody2024-table4")
    attested.report()
    (problem,) = problems(attested)
    assert (problem.kind, problem.where) == ("stale", "results/quick/attested")
    assert "attests another report" in problem.found


def test_the_key_that_is_asked_for_must_have_signed(attested: Project, tmp_path: Path) -> None:
    def said(key: str) -> set[str]:
        return {p.where for p in verify(attested.root, scale=attested.scale, key=key)}

    ours, other = (signer(tmp_path / name, new=not (tmp_path / name).exists()).id for name in ("key.pem", "other.pem"))
    assert said(ours) == set()
    assert said(other) == {"results/quick/attested/key.pub"}
    shutil.rmtree(attested.results / "attested")
    assert said(ours) == {"results/quick/attested"}
    assert problems(attested) == []


# --- a part of it ---


def test_only_what_is_asked_for_is_looked_at(copied: Project) -> None:
    flip(copied.folder(f"{RUN}/metrics.json"))
    names: list[str] = []
    asked = {"train/spin-plain-s0", "data/spinning-digits"}
    assert verify(copied.root, scale=copied.scale, only=asked, tell=names.append) == []
    assert set(names) == asked
    assert {p.where for p in verify(copied.root, scale=copied.scale, only={RUN})} == {
        f"results/quick/{RUN}/metrics.json"
    }


# --- files that cannot be read ---


@pytest.mark.parametrize("how", ["folder", "pipe", "nowhere", "loop", "broken disk"])
@pytest.mark.parametrize("file", [f"{RUN}/manifest.json", f"{RUN}/history.jsonl", "report/all/report.html"])
def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_checked(copied: Project, file: str, how: str) -> None:
    path = copied.folder(file)
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"nowhere": "gone", "loop": path.name, "broken disk": "/proc/self/mem"}[how])
    flip(copied.folder("train/spin-plain-s0/metrics.json"))
    found = problems(copied)
    named = [p for p in found if p.where == f"results/quick/{file}" or f"results/quick/{file}" in p.found]
    unlisted = file.endswith("manifest.json") and how in ("nowhere", "loop")  # then its readers miss it
    assert named or (unlisted and any(f"its input {RUN} is missing" in p.found for p in found))
    assert any("spin-plain-s0/metrics.json" in p.where for p in found)
    assert all("\n" not in p.found for p in found)


POWERLESS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


@pytest.mark.parametrize("file", [f"{RUN}/manifest.json", f"{RUN}/metrics.json", RUN])
def test_a_file_that_may_not_be_read_is_named_and_the_rest_is_checked(copied: Project, file: str) -> None:
    """By a user whom modes bind: root without its privileges, or whoever runs the tests."""
    if os.getuid() == 0 and subprocess.run([*POWERLESS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("root, whose privileges setpriv cannot drop here")
    flip(copied.folder("train/spin-plain-s0/metrics.json"))
    path = copied.folder(file)
    mode = path.stat().st_mode
    path.chmod(0)
    shutil.copytree(PROJECT / "src", copied.root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    bound = POWERLESS if os.getuid() == 0 else []
    try:
        done = run_in(copied.root, *bound, "reeltrace", "verify", code=1)
        status = run_in(copied.root, *bound, "reeltrace", "status", "--artifacts", code=0)
    finally:
        path.chmod(mode)
    assert done.stderr == "" and status.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last.startswith(f"scale quick: {len(lines)} problems (")
    assert {line.split(":")[0] for line in lines} == {"broken chain", "stale", "tampered artifact"}  # of invented code
    assert any(f"results/quick/{file}" in line and "Permission denied" in line for line in lines), done.stdout
    assert any("spin-plain-s0/metrics.json" in line for line in lines)
