"""The report as a whole: schema, completeness, determinism, and what its templates may not do."""

import copy
import dataclasses
import json
import re
import subprocess
import sys
from collections import Counter
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from analysis.fabricated import REPOSITORY, Project
from conftest import write_files
from reeltrace.analysis import yardstick
from reeltrace.analysis.claims import HERE
from reeltrace.analysis.spans import FILE as SPANS
from reeltrace.analysis.spans import Spans, TextFile, written
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import FRAMES, VIDEO_INDEX
from reeltrace.artifacts.json_values import canonical_json, read_json, write_json
from reeltrace.artifacts.pointers import pointer
from reeltrace.artifacts.protocol import tree_entry
from reeltrace.errors import CheckFailed, UserError
from reeltrace.registry.fields import replaced
from reeltrace.report import figures, stage, videos
from reeltrace.report.binding import Binder, anchor
from reeltrace.report.chance import bind_chance, stand_in_nets
from reeltrace.report.content import check, schema
from reeltrace.report.document import build, check_templates
from reeltrace.report.explain import explain, format_explanation
from reeltrace.verify.verify import verify
from report.page import check_cells, check_page, marked_names

DOCUMENTS = {"nobody2024", "someone2025"}
SCHEMA = REPOSITORY / "workflow/schemas/report.schema.json"
GONE = object()


@pytest.fixture(scope="module")
def content(finished: Project) -> Any:
    return read_json(finished.folder("report/all") / "report.json")


@pytest.fixture(scope="module")
def html(finished: Project) -> str:
    return (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")


def rebuild(project: Project) -> Any:
    return build(project.registry.report_spec(), project.inputs_of("report/all"), project.root)


def test_report_json_follows_its_schema(content: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(read_json(SCHEMA))
    jsonschema.Draft202012Validator(read_json(SCHEMA)).validate(content)


def test_where_a_published_value_stands_in_its_text_is_with_its_cell(copied: Project) -> None:
    assert all("span" not in cell for cell in json.loads(rebuild(copied).json)["cells"])  # nobody has the text
    cell = next(each for each in json.loads(rebuild(copied).json)["cells"] if each["reproduced"])
    assert cell["published"]["printed"] is not None
    text = TextFile(name="a.txt", sha256="ab" * 32, bytes=99)
    name = cell["id"].removeprefix(f"{cell['document']}/")
    spans = Spans(text=text, printed={}, printed_prose="", cells={name: (7, 11)}, also={}, prose={})
    write_files(copied.root, {f"documents/{cell['document']}/{SPANS}": written(spans)})
    made = rebuild(copied)
    content = json.loads(made.json)
    assert content["texts"] == {cell["document"]: text.model_dump()}
    assert {each["id"]: each["span"] for each in content["cells"] if "span" in each} == {cell["id"]: [7, 11]}
    assert "characters 7 to 11 of its text" in made.html
    assert f'text has <span class="hash" data-name>sha256 {"ab" * 32}<' in made.html


def test_the_documentation_names_every_key_and_verdict() -> None:
    whole, text = schema(), (REPOSITORY / "docs/report-json.md").read_text(encoding="utf-8")
    verdicts = whole["$defs"]["ReportCell"]["properties"]["verdict"]["enum"]
    for word in [*whole["properties"], *verdicts, whole["properties"]["schema"]["const"]]:
        assert f"`{word}`" in text


def test_the_schema_is_what_the_models_give() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == canonical_json(schema()), "run `make schema`"


def test_every_key_of_the_schema_is_described() -> None:
    whole = schema()
    for part in (whole, *whole["$defs"].values()):
        assert part["additionalProperties"] is False
        for key, said in part["properties"].items():
            assert said["description"].endswith("."), (part["title"], key)


KINDS = ("interval", "range", "ratio", "clip")  # what tells the values from here apart


def of_kind(content: Any, key: str) -> int:
    """The place of the first cell whose value from here has this key."""
    cells = enumerate(content["cells"])
    return next(place for place, cell in cells if cell["reproduced"] and key in cell["reproduced"])


@pytest.fixture(scope="module")
def small(content: Any) -> Any:
    """A report.json with a cell of each kind, and with one of what it has many of."""
    few = {name: content[name][:1] for name in ("equivariance", "claims", "assumptions", "numbers")}
    return {**content, **few, "artifacts": {}, "cells": [content["cells"][of_kind(content, key)] for key in KINDS]}


def alter(content: Any, path: str, value: Any) -> Any:
    """A copy of `content` with `value` at a path such as "cells/0/unit"; without what stands there for `GONE`."""
    altered = copy.deepcopy(content)
    *parents, last = path.split("/")
    part = altered
    for name in parents:
        part = part[int(name) if isinstance(part, list) else name]
    place = int(last) if isinstance(part, list) else last
    if value is GONE:
        del part[place]
    else:
        part[place] = value
    return altered


@pytest.mark.parametrize(
    ("of", "path", "value"),
    [
        *(("", key, GONE) for key in ("cells", "claims", "artifacts", "scale", "numbers", "stand_in")),
        ("", "schema", "reeltrace-report/2"),
        ("", "colour", "red"),
        ("", "cells", []),
        ("", "seeds/0", "0"),
        ("", "seeds/0", True),
        ("", "summary/chance/0/classes", 1),
        ("", "cells/0/unit", None),
        ("", "cells/0/reason", GONE),
        ("", "cells/0/reason", None),
        ("", "cells/0/more", 1),
        ("", "claims/0/rule", []),
        ("", "claims/0/rule/0/left", ["3", "row"]),
        ("", "claims/0/rule/0/left", {"cell": ["3", "row"]}),
        ("", "claims/0/verdict", "trend holds"),
        ("", "equivariance/0/transform", "original"),
        ("", "artifacts/x", {}),
        ("", "numbers/0/trace", {"artifact": "/tmp/x", "pointer": "/", "sha256": "0" * 64}),
        ("interval", "trace/sha256", "0" * 63),
        ("interval", "trace/seed", 0),
        ("interval", "sources/0/seed", None),
        ("interval", "reproduced/last", GONE),
        ("interval", "reproduced/clip", None),
        ("interval", "reproduced/value", 100.5),
        ("interval", "reproduced/interval", [1.0]),
        ("interval", "reproduced/seeds/0/total", 0),
        ("interval", "reproduced/ratio", 1.0),
        ("range", "reproduced/range_printed", GONE),
        ("range", "reproduced/interval", [1.0, 2.0]),
        ("ratio", "reproduced/value", 0),
        ("clip", "reproduced/clip/seeds/0/epoch", 1),
    ],
)
def test_a_report_with_a_mistake_is_refused(small: Any, of: str, path: str, value: Any) -> None:
    altered = alter(small, f"cells/{KINDS.index(of)}/{path}" if of else path, value)
    assert not jsonschema.Draft202012Validator(schema()).is_valid(altered)
    with pytest.raises(RuntimeError, match=r"report\.json was built wrongly, /"):
        check(json.dumps(altered))


def test_the_report_without_the_mistake_is_none_to_refuse(small: Any) -> None:
    for altered in (small, alter(small, "cells/0/reason", "another")):
        jsonschema.Draft202012Validator(schema()).validate(altered)
        check(json.dumps(altered))


def test_a_report_that_was_built_wrongly_is_not_written(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = rebuild(finished)
    wrong = dataclasses.replace(built, json=built.json.replace('"scale": "quick"', '"scale": "quicker"', 1))
    monkeypatch.setattr(stage, "build", lambda *_: wrong)
    with pytest.raises(RuntimeError, match=r"^report\.json was built wrongly, /scale: Input should"):
        stage.run(finished.registry.report_spec(), {}, tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_trace_leads_to_the_value_it_stands_for(finished: Project, content: Any) -> None:
    for cell in content["cells"]:
        for trace in [cell["trace"], *cell["sources"]]:
            if trace is not None:
                file = finished.root / trace["artifact"]
                assert sha256_file(file) == trace["sha256"]
                pointer(read_json(file), trace["pointer"])
        if cell["trace"] is not None:
            stored = pointer(read_json(finished.root / cell["trace"]["artifact"]), cell["trace"]["pointer"])
            assert stored == cell["reproduced"]["value"]
    for entry in content["equivariance"]:
        for quantity in ("relative_error", "agreement"):
            trace = entry[quantity]["trace"]
            assert pointer(read_json(finished.root / trace["artifact"]), trace["pointer"]) == entry[quantity]["value"]


def test_no_artifact_behind_another_is_left_out_and_each_file_of_a_trace_has_its_hash_there(content: Any) -> None:
    artifacts = content["artifacts"]
    assert {name for artifact in artifacts.values() for name in artifact["inputs"]} <= set(artifacts)
    hashes = {f"{a['path']}/{file}": sha256 for a in artifacts.values() for file, sha256 in a["outputs"].items()}
    hashes |= {f"{a['path']}/spec.json": a["spec_sha256"] for a in artifacts.values()}
    traces = [trace for cell in content["cells"] for trace in (cell["trace"], *cell["sources"]) if trace]
    traces += [number["trace"] for number in content["numbers"] if number["trace"]]
    assert len(traces) > 500 and all(hashes[trace["artifact"]] == trace["sha256"] for trace in traces)


def test_the_artifacts_in_report_json_are_those_on_disk(finished: Project, content: Any) -> None:
    for name, artifact in content["artifacts"].items():
        folder = finished.folder(name)
        manifest = read_json(folder / "manifest.json")
        assert artifact["manifest_sha256"] == sha256_file(folder / "manifest.json")
        assert artifact["spec_sha256"] == sha256_file(folder / "spec.json")
        assert artifact["code_sha256"] == manifest["code"]["sha256"]
        assert artifact["inputs"] == {other: entry["sha256"] for other, entry in manifest["inputs"].items()}
        assert artifact["outputs"] == {
            file: (tree_entry(folder / file)["sha256"] if file.endswith("/") else sha256_file(folder / file))
            for file in manifest["outputs"]
        }


def test_every_run_s_equivariance_is_shown_once(finished: Project, content: Any) -> None:
    shown = [(e["run"], e["transform"]) for e in content["equivariance"]]
    expected = {
        (name, transform)
        for name in finished.registry.used_runs()
        for transform in finished.registry.params.runs[name].evaluation
        if transform != "original"
    }
    assert len(shown) == len(set(shown)) and set(shown) == expected


def test_counts_name_what_they_count(content: Any) -> None:
    numbers = {number["id"]: number for number in content["numbers"]}
    verdicts = [cell["verdict"] for cell in content["cells"]]
    for verdict in set(verdicts):
        number = numbers[f"count/{verdict}"]
        assert int(number["printed"]) == verdicts.count(verdict) == len(number["of"])
    assert content["summary"]["cells"] == len(content["cells"]) == int(numbers["count/cells"]["printed"])


def test_only_cells_with_two_values_are_said_to_be_set_side_by_side(html: str, content: Any) -> None:
    numbers = {number["id"]: number for number in content["numbers"]}
    pairings = Counter((c["published"]["printed"] is not None, c["reproduced"] is not None) for c in content["cells"])
    kinds = {"beside": (True, True), "published": (True, False), "here": (False, True), "neither": (False, False)}
    abstract = html[html.index('<section id="abstract"') :]
    abstract = abstract[: abstract.index("</section>")]
    for kind, has in kinds.items():
        number = numbers[f"count/pairings/{kind}"]
        assert int(number["printed"]) == len(number["of"]) == pairings[has] > 0
        assert f'data-trace="count/pairings/{kind}"' in abstract
    assert sum(pairings.values()) == len(content["cells"])
    not_run = {c["id"] for c in content["cells"] if c["verdict"] == "not run"}
    assert not_run and not not_run & set(numbers["count/pairings/beside"]["of"])


def test_a_claim_that_stand_in_data_cannot_bear_out_says_so_beside_its_outcome(html: str, content: Any) -> None:
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    said = {c["id"]: c["by_construction"] for c in content["claims"] if c["by_construction"]}
    assert said.keys() == {"time-gains-on-films", "turn-gains-turned"}
    for claim, why in said.items():
        row = html[html.index(f'<tr id="claim-{claim}"') :]
        assert why in unescape(row[: row.index("</tr>")])
    failing = [f"claim/{c['id']}" for c in content["claims"] if c["by_construction"] and c["verdict"] != "holds"]
    number = next(n for n in content["numbers"] if n["id"] == "count/claims/by construction")
    assert number["of"] == failing and int(number["printed"]) == len(failing) > 0
    assert f"Of those that do not hold, {len(failing)} could not be expected to on" in text


def test_the_abstract_counts_outcomes_without_a_verb_that_one_would_not_agree_with(html: str, content: Any) -> None:
    text = unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)))
    counts = [f"{content['summary']['claims'][outcome]} {outcome}" for outcome in HERE]
    assert f"on ours the outcomes are {', '.join(counts[:-1])} and {counts[-1]}." in text


def test_claims_stand_with_both_outcomes_and_the_documents_numbers_beside_ours(html: str, content: Any) -> None:
    section = html[html.index('<section id="claims">') :]
    section = section[: section.index("</section>")]
    text = unescape(" ".join(re.sub(r"<[^>]+>", "", section).split()))
    for row in yardstick.table():
        assert row["means"] in text and row["said"] in text
    for claim in content["claims"]:
        row = section[section.index(f'<tr id="claim-{claim["id"]}"') :]
        row = row[: row.index("</tr>")]
        assert f'data-print="{claim["published_verdict"]}" data-here="{claim["verdict"]}"' in row
        for rule in claim["rule"]:
            for cell in (rule[side].get("cell") for side in ("left", "right")):
                found = [c for c in content["cells"] if c["document"] == claim["document"]]
                found = [c for c in found if [c["table"], c["row"], c["column"]] == cell]
                if found and found[0]["published"]["printed"] is not None:
                    assert f"print {found[0]['published']['printed']}" in re.sub(r"<[^>]+>", "", row)
    for key, name in (("claims", "count/claims/"), ("claims_print", "count/claims-print/")):
        counted = {n["id"].removeprefix(name): len(n["of"]) for n in content["numbers"] if n["id"].startswith(name)}
        counted.pop("by construction", None)
        assert content["summary"][key] == counted and sum(counted.values()) == len(content["claims"])
    assert "p = 0.000" not in text and "p 0.000" not in text


def test_scale_and_data_are_said_everywhere(html: str, content: Any, finished: Project) -> None:
    assert content["stand_in"].startswith("scikit-learn's 8x8 handwritten digits in place of MNIST")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html[html.index("<main") :]))
    before = re.sub(r"<[^>]+>", "", html[html.index("<body") : html.index('<section id="summary"')])
    assert "Quick scale on stand-in data: not a reproduction." in before
    trained = [c for c in content["cells"] if not c["table"].startswith("A")]  # of the appendix: quantities
    for cell in trained:
        results = cell["unit"] in ("percent", "error rate", "hours")
        assert cell["circumstances"].startswith("quick scale, stand-in data" if results else "full size")
    percent = sum(c["unit"] == "percent" and c["document"] == "nobody2024" for c in trained)
    claims = sum(c["verdict"] != "not run" and "quick" in c["circumstances"] for c in content["claims"])
    assert text.count("quick scale, stand-in data") >= percent + claims
    for table in "345678":
        section = html[html.index(f'id="nobody2024-table{table}"') :]
        heading = section[: section.index("<table")]
        in_place_of = ["in place of MNIST"] if table in "345" else ["in place of UCF-101", "in place of HMDB-51"]
        assert all(words in heading for words in in_place_of)
    for key in finished.registry.params.tables:
        if key.startswith("someone2025"):
            heading = html[html.index(f'id="{key}"') :]
            heading = heading[: heading.index("<table")]
            assert "quick scale, stand-in data" in heading and "nothing trained" not in heading


def test_two_renders_have_the_same_bytes(finished: Project) -> None:
    first, second = rebuild(finished), rebuild(finished)
    assert (first.html, first.json) == (second.html, second.json)
    assert first.html.encode() == (finished.folder("report/all") / "report.html").read_bytes()


def test_receipts_do_not_reach_the_report(copied: Project) -> None:
    before = rebuild(copied)
    for receipt in copied.results.rglob("receipt.json"):
        receipt.write_text('{"host": {"name": "elsewhere"}, "duration_s": 9.75}')
    after = rebuild(copied)
    assert (after.html, after.json) == (before.html, before.json)
    assert str(copied.root) not in after.html + after.json


def test_the_stage_writes_its_two_files(finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished.root)
    assert stage.run(finished.registry.report_spec(), finished.inputs_of("report/all"), tmp_path) == {}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]
    assert (tmp_path / "report.html").read_bytes() == (finished.folder("report/all") / "report.html").read_bytes()


def test_an_absent_artifact_is_named(finished: Project) -> None:
    inputs = finished.inputs_of("report/all")
    del inputs["aggregate/nobody2024-table3"]
    with pytest.raises(CheckFailed, match=r"aggregate/nobody2024-table3: missing; run `reeltrace run"):
        build(finished.registry.report_spec(), inputs, finished.root)


# --- sets of videos ---


def dataset(content: Any, key: str) -> Any:
    return next(d for d in content["datasets"] if d["key"] == key)


def test_a_set_of_videos_is_described_by_its_own_files(finished: Project, content: Any) -> None:
    for key, missing in (("ucf101", 1), ("hmdb51", 0)):
        classes = finished.registry.params.datasets[key].classes
        found = dataset(content, key)
        about = read_json(finished.folder(f"data/{key}") / "about.json")
        frames = read_json(finished.folder(f"frames/{key}") / "about.json")
        assert [found[k] for k in ("source", "licence", "citation", "classes")] == [
            about[k] for k in ("source", "licence", "citation", "classes")
        ]
        assert (
            found["videos"]["sides"]
            == about["counts"]["split1"]
            == {
                "train": 6 * classes,
                "test": 2 * classes,
                "unused": 0,
            }
        )
        assert found["videos"]["decoders"] == frames["decoders"] and set(frames["decoders"]) == {"decord", "pyav"}
        assert found["videos"]["used"]["missing"] == missing == len(found["videos"]["broken"])
        assert sum(found["videos"]["used"].values()) == found["videos"]["count"] == 8 * classes
        manifest = finished.folder(f"frames/{key}") / "manifest.json"
        assert found["videos"]["frames_manifest_sha256"] == sha256_file(manifest)
    assert dataset(content, "spinning-digits")["videos"] is None


def test_every_number_of_a_set_leads_to_its_file(finished: Project, content: Any) -> None:
    numbers = [n for n in content["numbers"] if n["id"].startswith("datasets/")]
    noted = sum(dataset(content, key)["videos"]["noted_in_all"] for key in ("ucf101", "hmdb51"))
    assert noted > 2
    assert len(numbers) == 2 * (1 + 3 + 4 + 2 + 2 + 2) + 2 + 4 * noted
    for number in numbers:
        file = finished.root / number["trace"]["artifact"]
        assert sha256_file(file) == number["trace"]["sha256"]
        assert str(pointer(read_json(file), number["trace"]["pointer"])) == number["printed"]


def test_a_broken_video_is_named_with_its_reason(html: str, finished: Project) -> None:
    (broken,) = read_json(finished.folder("frames/ucf101") / "broken.json")
    section = html[html.index('id="videos-ucf101"') : html.index('id="videos-hmdb51"')]
    assert f">{broken['video']}</a>" in section and f">{broken['reason']}</span>" in section
    rest = html[html.index('id="videos-hmdb51"') : html.index('id="transforms"')]
    assert "Could not be decoded" in section and "Could not be decoded" not in rest


def test_what_is_stored_is_shown_against_what_the_files_promise(html: str, finished: Project, content: Any) -> None:
    about = read_json(finished.folder("frames/hmdb51") / "about.json")
    found = dataset(content, "hmdb51")["videos"]
    short = (8 * finished.registry.params.datasets["hmdb51"].classes - 1) // 9
    assert (found["short"], found["tolerance"], found["noted_in_all"]) == (short, 0.1, short + 1)
    assert [{**about["noted"][entry["place"]], "place": entry["place"]} for entry in found["noted"]] == found["noted"]
    lacking = [entry["expected"] - entry["frames"] for entry in found["noted"]]
    assert lacking == [1] * short + [0]  # those that lack most come first
    section = html[html.index('id="videos-hmdb51"') : html.index('id="transforms"')]
    assert "Notes on stored videos<" in section
    for entry in found["noted"]:
        assert f">{entry['video']}</a>" in section
        assert f">{entry['note']}</span>" in section


def test_of_many_notes_those_are_shown_whose_videos_lack_most() -> None:
    noted = [{"frames": 100 - number, "expected": 100} for number in range(60)]
    assert videos.most_lacking(noted) == list(range(59, 19, -1))
    assert videos.most_lacking(noted[:2] * 2) == [1, 3, 0, 2]


def test_another_split_shows_its_own_sides(copied: Project) -> None:
    spec = copied.folder("train/films-p43d-s0") / "spec.json"
    content = read_json(spec)
    content["video"]["split"] = 3
    write_json(spec, content)
    about = copied.folder("data/ucf101") / "about.json"
    counts = read_json(about)
    counts["counts"]["split3"] = {"train": 50, "test": 29, "unused": 1}
    write_json(about, counts)
    found = dataset(json.loads(rebuild(copied).json), "ucf101")
    assert found["videos"]["split"] == 3
    assert found["videos"]["sides"] == {"train": 50, "test": 29, "unused": 1}


def test_the_strip_shows_the_middle_clip_of_the_first_test_video(finished: Project, html: str) -> None:
    data, frames = finished.folder("data/ucf101"), finished.folder("frames/ucf101")
    view = finished.registry.train_spec("films-plain", 0).video
    assert view is not None
    stored = {row["video"]: row for row in FRAMES.check(frames)}
    row, clip = videos.shown_clip(data, frames, stored, view.model_dump())
    first = next(r for r in VIDEO_INDEX.check(data) if r["split1"] == "test")
    assert row == first and row["video"] in stored
    # The yellow square of the invented video moves by a pixel down and two to the right in each frame; the video has
    # 10 frames, fewer than the clip needs, so that it begins again.
    frames_of_clip, stride, crop = view.clip.frames, view.clip.stride, view.clip.crop
    assert int(stored[row["video"]]["frames"]) == 10 < (frames_of_clip - 1) * stride
    assert clip.shape == (frames_of_clip, crop, crop, 3) and clip.dtype == np.uint8
    corners = [tuple(place[0]) for place in (np.argwhere(frame[..., 2] == 40) for frame in clip) if len(place)]
    moving = [(6 + t - 1, 8 + 2 * t - 6) for t in (step * stride % 10 for step in range(frames_of_clip))]
    assert corners == [(y, x) for y, x in moving if x < crop]
    for frames_of_view in figures.strips(clip).values():
        assert all(uri in html for uri in frames_of_view)


def test_a_clip_is_cut_from_the_middle_in_time(finished: Project) -> None:
    data, frames = finished.folder("data/ucf101"), finished.folder("frames/ucf101")
    stored = {row["video"]: row for row in FRAMES.check(frames)}
    view = {"split": 1, "clip": {"frames": 3, "stride": 2, "crop": 15, "size": 15, "place": "center"}}
    _, clip = videos.shown_clip(data, frames, stored, view)
    first = next(r for r in VIDEO_INDEX.check(data) if r["split1"] == "test")
    top, left = ((int(stored[first["video"]][side]) - 15) // 2 for side in ("height", "width"))
    # 10 frames hold a clip of 5 at 0 to 5
    assert [tuple(np.argwhere(frame[..., 2] == 40)[0]) for frame in clip] == [
        (max(0, 6 + t - top), max(0, 8 + 2 * t - left)) for t in (2, 4, 6)
    ]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "shards/00000.bin").unlink(), "00000.bin: missing or too short for UCF-101/"),
        (lambda folder: (folder / "shards/00000.bin").write_bytes(b"x"), "00000.bin: missing or too short"),
        (lambda folder: (folder / "frames.csv").unlink(), "frames.csv: no such file"),
        (
            lambda folder: (folder / "frames.csv").write_text("video\n"),
            "frames.csv: not an index of frames .no column shard.",
        ),
    ],
)
def test_a_spoilt_frame_store_is_named(copied: Project, spoil: Any, words: str) -> None:
    spoil(copied.folder("frames/ucf101"))
    with pytest.raises(CheckFailed, match=words):
        rebuild(copied)


# --- templates ---


def _append(project: Project, template: str, text: str, before: str = "{% include") -> None:
    path = project.root / "reports/templates" / template
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace("</main>", text + "</main>"), encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "<p>The baseline reaches 98.7 percent.</p>",
        "<table><tr><td>{{ 3 + 4 }}</td></tr></table>",
        "<p>{{ scale }}{{ seeds[0] }}</p>",
    ],
)
def test_a_template_with_a_bare_numeral_fails(copied: Project, text: str) -> None:
    _append(copied, "report.html.j2", text)
    with pytest.raises(CheckFailed, match=r"unbound number: .* has no trace"):
        rebuild(copied)


@pytest.mark.parametrize("text", ['{{ name("98.7") }}', "{{ name(98) }}", '{{ binder.name("as much as " ~ "98.7") }}'])
def test_a_template_cannot_pass_a_numeral_off_as_a_name(copied: Project, text: str) -> None:
    _append(copied, "report.html.j2", f"<p>{text}</p>")
    with pytest.raises(CheckFailed, match="a numeral is written in the template"):
        rebuild(copied)
    assert check_templates(REPOSITORY) == []


def test_a_template_that_drops_a_cell_fails(copied: Project) -> None:
    path = copied.root / "reports/templates/macros.html.j2"
    source = path.read_text(encoding="utf-8")
    assert "{{ binder.published(cell.id) }}" in source
    path.write_text(source.replace("{{ binder.published(cell.id) }}", "", 1), encoding="utf-8")
    with pytest.raises(CheckFailed, match="published value of nobody2024/3/plain/original is never shown"):
        rebuild(copied)


def test_missing_templates_are_named(copied: Project) -> None:
    (copied.root / "reports/templates/report.html.j2").unlink()
    with pytest.raises(UserError, match="git checkout"):
        rebuild(copied)


# --- figures ---


def test_views_of_a_clip_are_the_document_s_transforms() -> None:
    clip = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    views = figures.transformed(clip)
    assert list(views) == ["original", "treverse", "r90", "r180", "r270"]
    assert (views["treverse"] == clip[[1, 0]]).all()
    # Counter-clockwise with row 0 on top: the right column becomes the top row.
    assert (views["r90"][0, 0] == clip[0, :, -1]).all()
    assert (views["r180"][0] == clip[0, ::-1, ::-1]).all()
    assert (views["r270"][0, 0] == clip[0, ::-1, 0]).all()


def test_strips_show_evenly_spaced_frames() -> None:
    clip = np.repeat(np.arange(32, dtype=np.uint8)[:, None, None], 4, axis=1).repeat(4, axis=2)
    strips = figures.strips(clip)
    assert {len(frames) for frames in strips.values()} == {8}
    assert strips["original"][0] == figures.png(clip[0]) and strips["original"][-1] == figures.png(clip[31])
    assert strips["treverse"] == strips["original"][::-1]
    assert {len(frames) for frames in figures.strips(clip[:3]).values()} == {3}
    assert {len(frames) for frames in figures.strips(clip[:1]).values()} == {1}


def test_curves_reach_their_last_value() -> None:
    svg = figures.learning_curves("a <title>", [figures.Curve("x & y", 0, ((1, 0.0), (2, 100.0)))], figures.Markup())
    assert 'd="M38 86L192 8"' in svg
    assert "a &lt;title&gt;" in svg and "x &amp; y" in svg
    assert figures.learning_curves("one epoch", [figures.Curve("x", 0, ((1, 50.0),))], figures.Markup())


def test_each_document_has_its_shares_drawn_against_the_print(html: str, content: Any) -> None:
    for document in dict.fromkeys(cell["document"] for cell in content["cells"]):
        both = [
            cell["id"]
            for cell in content["cells"]
            if cell["document"] == document
            and cell["unit"] in ("percent", "error rate")
            and cell["reproduced"]
            and isinstance(cell["published"]["value"], int | float)
        ]
        place = html.find(f'data-figure="against/{document}"')
        assert (place >= 0) is bool(both)
        figure = html[place : html.index("</svg>", place)]
        assert [unescape(link) for link in re.findall(r'href="#([^"]+)"', figure)] == [anchor(one) for one in both]
        assert figure.count('class="interval"') == len(both)


def test_a_drawing_needs_no_style_sheet(html: str) -> None:
    for drawing in re.findall(r"<svg\b.*?</svg>", html, re.DOTALL):
        for shape in re.findall(r"<(?:path|circle|rect|line|polyline)\b[^>]*>", drawing):
            assert ' fill="' in shape, shape
            assert not shape.startswith("<path") or ' stroke="' in shape, shape


def test_a_difference_is_ours_minus_the_print(content: Any) -> None:
    numbers = {number["id"]: number["printed"] for number in content["numbers"]}
    seen = 0
    for cell in content["cells"]:
        if (printed := numbers.get(f"{cell['id']}/difference")) is None:
            continue
        difference = cell["reproduced"]["value"] - cell["published"]["value"]
        assert float(printed.replace("\u2212", "-").replace("\u00b1", "")) == pytest.approx(
            difference, abs=0.51 * 0.1 ** len(printed.partition(".")[2])
        )
        seen += 1
    assert seen > 20


def test_what_all_values_of_a_table_have_in_common_is_said_once(html: str, content: Any) -> None:
    for document, table, key in (("nobody2024", "3", "nobody2024-table3"), ("nobody2024", "8", "nobody2024-table8")):
        cells = [c for c in content["cells"] if (c["document"], c["table"]) == (document, table) and c["reproduced"]]
        assert {cell["verdict"] for cell in cells} == {"not comparable"}
        section = html[html.index(f'id="{key}"') :]
        section = section[: section.index("</section>")]
        assert section.count("not comparable</span>") == 1


def test_a_table_of_which_nothing_was_run_is_folded(html: str, content: Any) -> None:
    places = dict.fromkeys((cell["document"], cell["table"]) for cell in content["cells"])
    folded = [
        place
        for place in places
        if all(c["reproduced"] is None for c in content["cells"] if (c["document"], c["table"]) == place)
    ]
    assert html.count('<details class="folded"') == len(folded)


def test_the_report_never_imports_torch() -> None:
    code = (
        "import sys; import reeltrace.report.stage, reeltrace.verify.verify, reeltrace.report.explain, "
        "reeltrace.analysis.stage; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY / "src", check=False).returncode == 0


# --- tables of quantities ---


def test_nets_that_cannot_be_told_from_guessing_are_counted_beside_their_chance_level(copied: Project) -> None:
    name, spec = "train/films-plain-s0", copied.registry.report_spec()
    metrics = read_json(copied.folder(name) / "metrics.json")
    classes, score = copied.registry.train_spec("films-plain", 0).classes, metrics["best"]["test"]["original"]
    right = score["total"] // classes
    score.update(correct=right, top1=100 * right / score["total"])
    write_json(copied.folder(name) / "metrics.json", metrics)
    built = build(spec, copied.inputs_of("report/all"), copied.root)

    content = json.loads(built.json)
    groups = {group["dataset"]: group for group in content["summary"]["chance"]}
    assert {dataset: group["guessed"] for dataset, group in groups.items()} == {
        **{dataset: [] for dataset in groups},
        "ucf101": [name],
    }
    assert sum(group["nets"] for group in groups.values()) == len(spec.runs) * len(spec.seeds)
    numbers = {number["id"]: number for number in content["numbers"]}
    level = numbers["chance/ucf101/level"]
    assert level["printed"] == f"{100 / classes:.1f}"
    assert pointer(read_json(copied.root / level["trace"]["artifact"]), level["trace"]["pointer"]) == classes
    assert (numbers["chance/guessed"]["printed"], numbers["chance/guessed"]["of"]) == ("1", [name])
    (source,) = built.binder.numbers["chance/ucf101/guessed"].sources
    assert pointer(read_json(copied.root / source["artifact"]), source["pointer"]) == right
    assert source["sha256"] == sha256_file(copied.folder(name) / "metrics.json")

    words = " ".join(re.sub(r"<[^>]+>", "", built.html).split())
    abstract = words[words.index("Abstract") : words.index("How to read the verdicts")]
    of = groups["ucf101"]["nets"]
    assert f"stand-in data 1 cannot be told from guessing: 1 of {of} on ucf101 stand-in, where chance is" in abstract
    assert f"behind this table 1 cannot be told from guessing on unaltered test data: {name}." in words


def test_without_stand_in_data_nothing_is_said_of_chance(finished: Project) -> None:
    spec = finished.registry.report_spec()
    runs = {name: run.model_copy(update={"stand_in": None}) for name, run in spec.runs.items()}
    own = spec.model_copy(update={"runs": runs})
    assert stand_in_nets(own, finished.inputs_of("report/all"), dict.fromkeys(spec.datasets)) == []
    assert bind_chance(Binder(), [], []) == ([], {})


def test_origins_are_told_apart_on_the_page_and_in_report_json(html: str, content: Any) -> None:
    cells = {cell["id"]: cell for cell in content["cells"]}
    assert cells["nobody2024/A2/Two speeds/cost of a run"]["origin"] == "measured"
    assert cells["nobody2024/A2/Two speeds/on an Alpha"]["origin"] == "derived"
    assert cells["nobody2024/A2/Two speeds/hits"]["origin"] == "published"
    section = html[html.index('id="nobody2024-a2"') : html.index('id="nobody2024-a3"')]
    for words in ("measured here", "derived from published values", "published only"):
        assert f">{words}</span>" in section
    for cell in content["cells"]:
        assert (cell["derivation"] is not None) <= (cell["origin"] == "derived")
        assert cell["origin"] != "published" or cell["reproduced"] is None


def test_a_derived_number_opens_a_chain_that_says_what_it_follows_from(html: str) -> None:
    start = html.index('<tr id="n=nobody2024/A2/Two%20speeds/on%20an%20Alpha"')
    chain = re.sub(r"<[^>]+>", " ", html[start : html.index("</tr>", start)])
    assert "Derived" in chain and "10000" in chain and "Alpha" in chain


def test_figures_are_drawn_again_and_the_others_are_said_to_be_missing(html: str) -> None:
    for number, given in (("2", 8), ("3", 4)):
        figure = html[html.index(f'data-figure="figure/nobody2024/{number}"') :]
        figure = figure[: figure.index("</svg>")]
        assert figure.count('class="theirs"') == given and figure.count('class="ours"') >= 4
        assert "nan" not in figure and "inf" not in figure.replace("inference", "")
    assert "Figures 4 to 6" in html and 'data-figure="figure/nobody2024/4"' not in html


def test_the_search_is_shown_with_the_artifact_it_stands_in(html: str, content: Any) -> None:
    numbers = {number["id"]: number for number in content["numbers"]}
    number = numbers["nobody2024/A3/nobody2024-search/exact"]
    assert number["printed"] == "1"
    assert number["trace"]["pointer"].startswith("/beside/")
    assert 'href="#artifact-measure-nobody2024-search"' in html


def test_altered_times_are_noticed_even_with_their_manifest(copied: Project) -> None:
    path = copied.folder("measure/nobody2024-latency") / "metrics.json"
    metrics = read_json(path)
    metrics["networks"]["two-speeds"]["float32"]["seconds"]["median"] = 0.5
    write_json(path, metrics)
    copied.seal("measure/nobody2024-latency")
    found = [p for p in verify(copied.root, scale=copied.scale) if p.kind == "tampered artifact"]
    assert any("its passes give 2.5" in p.found for p in found)


@pytest.mark.parametrize("values", [[1.0], [0.0005, 3000.0], [7019.0, 7020.0], [1.0, 10.0, 100.0]])
def test_a_logarithmic_scale_holds_its_values_and_a_few_ticks(values: list[float]) -> None:
    scale, ticks = figures.log_scale(values, 100, 200)
    places = [scale(value) for value in values]
    assert all(100 <= place <= 200 for place in places)
    assert places == sorted(places)
    assert len(ticks) <= 8 and all(100 <= scale(tick) <= 200 for tick in ticks)


def test_a_time_shows_its_ratio_and_that_of_the_document(html: str, content: Any) -> None:
    section = html[html.index('id="someone2025-table1-4"') : html.index('id="someone2025-table1-5"')]
    cell = next(c for c in content["cells"] if c["id"] == "someone2025/1.4/one in two/time")
    for part in ("ratio", "published-ratio"):
        assert f'data-trace="{cell["id"]}/{part}"' in section
    assert ">4.60</a>" in section


def test_rows_stand_under_the_headings_of_their_document(html: str) -> None:
    def body_of(key: str) -> str:
        section = html[html.index(f'id="{key}"') :]
        return section[: section.index("</table>")]

    algorithms = body_of("someone2025-table1-3")
    assert re.findall(r'<th scope="col" rowspan="2"[^>]*><span data-name>([^<]*)<', algorithms) == [
        "Algorithm",
        "After",
    ]
    assert algorithms.count("<span data-name>10%</span>") == 2  # every row prints its own
    splits = body_of("someone2025-table1-5")
    assert "type-head" not in splits and 'class="type"' not in splits
    assert "<span data-name>w<sub>hh</sub> init</span>" in body_of("someone2025-beginnings")
    assert body_of("nobody2024-table5").count("type-head") == 1


def test_what_an_rcn_carries_is_drawn_for_each_initialisation(html: str) -> None:
    section = html[html.index('id="someone2025-beginnings"') :]
    section = section[: section.index("</section>")]
    assert section.count('data-figure="hidden/someone2025-beginnings/') == 2
    assert section.count('width="36"') == 2 * 16


def test_the_settings_of_nets_on_frames_are_told(content: Any) -> None:
    told = content["artifacts"]["train/joined-s0"]["settings"]
    assert "98 to 104 identity, delay 1" in told["model"] and "update after 1 % of the data" in told["protocol"]
    assert (
        "trained on every 4 frames of hmdb51"
        in content["artifacts"]["pretrain/imagenet-resnet50"]["settings"]["weights"]
    )
    assert {c["document"] for c in content["claims"]} == DOCUMENTS
    assert {a["document"] for a in content["assumptions"]} == DOCUMENTS


def test_times_that_are_printed_alike_are_one_value_and_not_a_range(copied: Project) -> None:
    path = copied.folder("aggregate/nobody2024-a2") / "cells.json"
    table = read_json(path)
    timed = [cell for cell in table["cells"] if "range" in (cell["reproduced"] or {})]
    assert len(timed) > 1
    for cell in timed[1:]:
        cell["reproduced"] |= {"printed": "6.15s", "range_printed": ["6.15s", "6.15s"]}
    write_json(path, table)
    report = rebuild(copied)
    assert "6.15s to" not in report.html
    section = report.html[report.html.index('id="nobody2024-a2"') :]
    section = section[: section.index("</table>")]
    first, alike = (f"nobody2024/A2/{cell['row']}/{cell['column']}/range" for cell in timed[:2])
    assert f'data-trace="{first}"' in section and f'data-trace="{alike}"' not in section
    assert f'data-trace="{alike}">6.15s<' in report.html  # in its chain
    identity = f"nobody2024/A2/{timed[1]['row']}/{timed[1]['column']}"
    assert "\n  range         6.15s\n" in format_explanation(explain(copied.root, identity, "quick"))


def test_a_chart_has_the_unit_of_its_table(html: str, content: Any) -> None:
    def chart_of(key: str) -> str:
        section = html[html.index(f'id="{key}"') :]
        return section[section.index('<figure class="chart') : section.index("</figcaption>")]

    errors = chart_of("someone2025-table1-4")
    assert "Error rate, drawn on one scale" in errors and "percent" not in errors
    assert re.findall(r'class="tick mid"[^>]*>([^<]*)<', errors) == ["0", "0.5", "1"]
    cells = [c for c in content["cells"] if (c["document"], c["table"]) == ("someone2025", "1.4")]
    values = [c["reproduced"]["value"] for c in cells if c["unit"] == "error rate"]
    left, _, _, _, right = (float(x) for x in re.findall(r"M([\d.]+) \d+V", errors))
    drawn = [float(x) for x in re.findall(r'<circle class="ours"[^>]* cx="([\d.]+)"', errors)]
    assert drawn == pytest.approx([left + (right - left) * value for value in values], abs=0.1)
    percent = chart_of("nobody2024-table3")
    assert "Accuracy in percent, drawn on one scale" in percent
    assert re.findall(r'class="tick mid"[^>]*>([^<]*)<', percent)[:3] == ["0", "50", "100"]


def test_a_measurement_below_a_table_is_open_where_it_says_what_it_found(html: str) -> None:
    found = re.findall(r'<details class="search"( open)?><summary><span data-name>(\w+)', html)
    assert found == [("", "Every"), ("", "Times"), (" open", "Search")]


def test_a_table_says_what_is_beside_its_print(html: str) -> None:
    def stamp(key: str) -> str:
        return re.search(r'<span class="stamp[^"]*">([^<]*)<', html[html.index(f'id="{key}"') :])[1]  # type: ignore[index]

    assert stamp("nobody2024-a1") == "published only"
    assert stamp("nobody2024-table1") == stamp("nobody2024-a3") == "built at full size, nothing trained"


def test_templates_do_not_ask_of_which_kind_something_is() -> None:
    for path in (REPOSITORY / "reports/templates").glob("*.j2"):
        assert not re.search(r"\{[{%][^}]*\.kind\b", path.read_text()), path  # a browser's own objects have one


def test_a_table_without_a_number_is_called_by_its_name(html: str, content: Any) -> None:
    assert "Table Beginnings" not in html and 'aria-label="Beginnings"' in html
    told = content["artifacts"]["aggregate/someone2025-beginnings"]["settings"]["table"]
    assert told == "someone2025, Beginnings"
    assert content["artifacts"]["aggregate/nobody2024-table3"]["settings"]["table"] == "nobody2024, Table 3"


def test_all_tables_are_complete(finished: Project, content: Any) -> None:
    assert {c["document"] for c in content["cells"]} == DOCUMENTS
    check_cells(content, finished)


def test_data_with_a_stand_in_is_marked_wherever_its_name_labels_a_number(
    html: str, content: Any, finished: Project
) -> None:
    assert set(replaced(content["stand_in"])) == {"MNIST", "UCF-101", "HMDB-51", "Streets", "ImageNet"}
    assert marked_names(html, content, finished) == set(replaced(content["stand_in"]))
    contents = html[html.index('<nav class="contents"') : html.index("</nav>")]
    assert 'Nets on features of <span class="replaced">ImageNet<sup' in contents
    sides = ""
    for claim in content["claims"]:
        if claim["id"] == "imagenet-and-same":
            row = html[html.index(f'<tr id="claim-{claim["id"]}"') :]
            sides += row[: row.index("</tr>")]
    assert sides.count(">ImageNet<sup") > 1


def test_the_page_is_well_formed_accessible_and_self_contained(html: str) -> None:
    check_page(html)
