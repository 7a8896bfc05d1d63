"""The chain of one number in the terminal."""

from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.errors import CheckFailed, UserError
from reeltrace.report.explain import explain, format_explanation

CELL = "nobody2024/3/plain/treverse"


def test_the_chain_reaches_from_cell_to_machine(finished: Project) -> None:
    chain = explain(finished.root, CELL, "quick")
    assert [a["name"] for a in chain["artifacts"]] == [
        "aggregate/nobody2024-table3",
        "train/drift-plain-s0",
        "data/drifting-digits",
        "data/digits",
    ]
    run = chain["artifacts"][1]
    folder = finished.folder("train/drift-plain-s0")
    assert run["manifest_sha256"] == sha256_file(folder / "manifest.json")
    assert run["inputs"] == {"data/drifting-digits": chain["artifacts"][2]["manifest_sha256"]}
    assert run["command"] == "reeltrace run train drift-plain-s0"
    assert run["receipt"] == read_json(folder / "receipt.json")
    assert chain["sources"][0]["sha256"] == sha256_file(folder / "metrics.json")


def test_the_text_has_every_link(finished: Project) -> None:
    chain = explain(finished.root, CELL, "quick")
    text = format_explanation(chain)
    run = chain["artifacts"][1]
    for part in (
        chain["reproduced"]["printed"],
        "24.6  section 3, Table 3",
        "not comparable (quick scale, stand-in data)",
        "/best/test/treverse/top1",
        chain["trace"]["sha256"],
        run["spec_sha256"],
        run["code_sha256"],
        "snakemake --cores all results/quick/train/drift-plain-s0/manifest.json",
        "machine       somewhere",
        "arithmetic    bfloat16 (chosen for this device), float32 in evaluation, on a CPU with avx2, avx512_bf16",
    ):
        assert part in text


def test_the_text_says_why_a_commit_is_not_known(copied: Project) -> None:
    path = copied.folder("train/drift-plain-s0") / "receipt.json"
    git = {"commit": None, "dirty": None, "why": "not a git repository"}
    write_json(path, {**read_json(path), "git": git})
    assert "commit        unknown: not a git repository" in format_explanation(explain(copied.root, CELL, "quick"))


def test_the_text_names_instruction_sets_and_what_lowered_them(copied: Project) -> None:
    path = copied.folder("train/drift-plain-s0") / "receipt.json"
    host = {"name": "here", "features": ["avx2", "avx512f"], "limits": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}
    write_json(path, {**read_json(path), "host": host})
    text = format_explanation(explain(copied.root, CELL, "quick"))
    assert "processor     avx2, avx512f; limited by ONEDNN_MAX_CPU_ISA=AVX2" in text


def test_structure_cells_and_missing_values_are_explained(finished: Project) -> None:
    text = format_explanation(explain(finished.root, "nobody2024/2/conv1/time", "quick"))
    assert "(2, 32, 32, 32)" in text and "measure/nobody2024-structure" in text
    text = format_explanation(explain(finished.root, "nobody2024/4/plain with reversals/original", "quick"))
    assert "published     none: the body of Table 4 is missing" in text
    assert "not run" in format_explanation(explain(finished.root, "nobody2024/2/conv1/stride", "quick"))


def test_the_text_says_in_one_line_that_the_chain_is_stale_and_what_makes_it_again(finished: Project) -> None:
    assert explain(finished.root, CELL, "quick")["stale"] is None
    apart = {"train/spin-plain-s0": "its source files changed"}  # of another cell
    assert "stale" not in format_explanation(explain(finished.root, CELL, "quick", apart))
    run = {
        "train/drift-plain-s0": "its parameters changed",
        "aggregate/nobody2024-table3": "train/drift-plain-s0 is stale",
    }
    lines = format_explanation(explain(finished.root, CELL, "quick", {**apart, **run})).splitlines()
    assert [line for line in lines if "stale" in line] == [
        "  stale         train/drift-plain-s0: its parameters changed; make all of it again: "
        "snakemake --cores all results/quick/aggregate/nobody2024-table3/manifest.json"
    ]


def test_an_artifact_that_is_not_here_is_named(copied: Project) -> None:
    (copied.folder("data/drifting-digits") / "manifest.json").unlink()
    chain = explain(copied.root, CELL, "quick")
    assert "missing" in chain["artifacts"][2]
    assert "data/drifting-digits" in format_explanation(chain)


def test_an_unknown_cell_is_refused_with_near_names(finished: Project) -> None:
    with pytest.raises(UserError, match=r"did you mean .*'nobody2024/3/plain/treverse'"):
        explain(finished.root, "nobody2024/3/plain/reverse", "quick")
    with pytest.raises(UserError, match=r"report\.json"):
        explain(finished.root, "?", "quick")
    with pytest.raises(UserError, match="no tables yet"):
        explain(finished.root, CELL, "paper")


def test_of_a_table_that_is_not_there_it_is_said_how_far_it_is(finished: Project) -> None:
    far = "results/quick/aggregate/d-table9: not made yet; 3 of the 5 artifacts behind it are current"
    for scale in ("quick", "paper"):  # with other tables there, and without any
        with pytest.raises(UserError, match=f"^{far}$"):
            explain(finished.root, "d/9/a row/a column", scale, not_made={"d/9": far})
    assert explain(finished.root, CELL, "quick", not_made={"d/9": far})["cell"] == CELL


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("aggregate/nobody2024-table3/cells.json", []),
        ("aggregate/nobody2024-table3/cells.json", {"cells": None}),
        ("train/drift-plain-s0/manifest.json", {"inputs": 3}),
        ("train/drift-plain-s0/receipt.json", ["x"]),
        ("train/drift-plain-s0/receipt.json", {"host": "x"}),
    ],
)
def test_an_edited_chain_is_one_line(copied: Project, file: str, content: Any) -> None:
    write_json(copied.folder(file), content)
    with pytest.raises(CheckFailed, match="`reeltrace verify` names it") as raised:
        format_explanation(explain(copied.root, CELL, "quick"))
    assert len(str(raised.value).splitlines()) == 1


def test_the_chain_of_a_cell_on_videos_reaches_the_videos(finished: Project) -> None:
    chain = explain(finished.root, "nobody2024/8/turn/UCF-101 by 90", "quick")
    names = [a["name"] for a in chain["artifacts"]]
    assert names == ["aggregate/nobody2024-table8", "train/films-p43d-s0", "data/ucf101", "frames/ucf101"]
    assert all("missing" not in a for a in chain["artifacts"])
    text = format_explanation(chain)
    metrics = read_json(finished.folder("train/films-p43d-s0") / "metrics.json")
    score = metrics["best"]["test"]["r90"]
    view = finished.registry.params.datasets["ucf101"]
    videos = 2 * view.classes - 1  # two a class, of which one is broken
    clips = view.test_clips * videos
    for part in (
        f"{score['correct']} of {videos} videos",
        f"over clips    {chain['reproduced']['clip']['printed']}  {score['clip']['correct']} of {clips}",
        "/best/test/r90/clip/top1",
        "36.06  section 6, Table 8",
        "quick scale, stand-in data, 1 video missing",
        f"mean probability over {view.test_clips} clip(s) of each video",
        f"short side of {view.short_side} pixels",
        "drawn here: 25 groups",
    ):
        assert part in text
