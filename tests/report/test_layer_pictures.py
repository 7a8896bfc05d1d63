"""Pictures of weights and feature maps in the report: there with a checkpoint, and without one said to be missing."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analysis.fabricated import REPOSITORY, Project
from conftest import replaced
from invented import FILES
from measure.trained import film, net, save
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.pointers import pointer
from reeltrace.errors import CheckFailed
from reeltrace.report.document import build
from reeltrace.verify.verify import verify

NAME = "measure/nobody2024-pictures"


def files(folder: Path, videos: int) -> dict[str, str]:
    """The registry with weights of the net in a file, and that many videos."""
    weights = save(net(), folder / "w.pt")
    films = [str(film(folder / f"film{number}.avi", frames=36, start=4 * number)) for number in range(videos)]
    file = "documents/nobody2024/experiments.yaml"
    text = replaced(FILES[file], "    checkpoint: null #", f"    checkpoint: {weights} #")
    return {**FILES, file: replaced(text, "    videos: [] #", f"    videos: {json.dumps(films)} #")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project with one video: figure 6, which needs a second, is left out."""
    folder = tmp_path_factory.mktemp("pictures")
    return Project(folder / "project", files=files(folder, videos=1)).all()


@pytest.fixture(scope="module")
def content(drawn: Project) -> Any:
    return read_json(drawn.folder("report/all") / "report.json")


@pytest.fixture(scope="module")
def section(drawn: Project) -> str:
    html = (drawn.folder("report/all") / "report.html").read_text(encoding="utf-8")
    return html[html.index('<section class="table" id="nobody2024-pictures">') :].partition("</section>")[0]


def test_without_a_checkpoint_the_report_says_so_and_how_to_get_them(finished: Project) -> None:
    html = (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")
    assert read_json(finished.folder("report/all") / "report.json")["pictures"] == []
    assert "nobody2024-pictures" in html and 'id="nobody2024-pictures"' not in html
    note = re.search(r'<p class="note"><span data-name>(Figures 4 to 6 .*?)</span>', html)
    assert note is not None
    assert "are not drawn here" in note[1]
    assert "under measurements.nobody2024-pictures in params.yaml (checkpoint and videos)" in note[1]


def test_with_a_checkpoint_every_picture_stands_in_the_report(drawn: Project, section: str, content: Any) -> None:
    html = (drawn.folder("report/all") / "report.html").read_text(encoding="utf-8")
    assert "are not drawn here" not in html
    assert '<a href="#nobody2024-pictures">' in html
    (entry,) = content["pictures"]
    figures = {figure["figure"]: figure for figure in entry["figures"]}
    assert [(n, len(f["pictures"])) for n, f in figures.items()] == [
        ("4", 2),
        ("5", 1),
        ("6", 0),
    ]
    uris = re.findall(r'src="data:image/png;base64,([^"]+)"', section)
    files = [p["file"] for figure in entry["figures"] for p in figure["pictures"]]
    assert [base64.b64decode(uri) for uri in uris] == [(drawn.folder(NAME) / file).read_bytes() for file in files]
    assert all(len(uri) < 4 / 3 * 200_000 for uri in uris)
    assert "it needs 2 under measurements.nobody2024-pictures.videos in params.yaml, which names 1" in section
    for number, figure in figures.items():
        assert f"<span data-name>Figure {number}</span>" in section
        for picture in figure["pictures"]:
            assert f"<span data-name>{picture['layer']}</span>" in section
    assert section.count('href="#artifact-measure-nobody2024-pictures"') == 1 + len(figures)
    assert "uri" not in json.dumps(content["pictures"])


def test_every_number_beside_a_picture_leads_to_its_measurement(drawn: Project, section: str, content: Any) -> None:
    path = drawn.folder(NAME) / "metrics.json"
    numbers = {n["id"]: n for n in content["numbers"] if n["id"].startswith("pictures/")}
    assert len(numbers) == 5 * 3 + 1 + 2  # of a picture five; of the checkpoint its bytes, of the video also its frames
    for number in numbers.values():
        assert number["trace"]["sha256"] == sha256_file(path)
        pointer(read_json(path), number["trace"]["pointer"])
        assert f'data-trace="{number["id"]}"' in section
    picture = content["pictures"][0]["figures"][0]["pictures"][1]
    assert numbers[picture["ids"]["shape"]]["printed"] == "2 x 3 x 5 x 7 x 7"
    assert numbers[picture["ids"]["frames"]]["printed"] == "0 to 4"
    assert numbers[picture["ids"]["white"]]["printed"] == f"{picture['white']:.3g}"
    assert numbers["pictures/nobody2024-pictures/checkpoint/bytes"]["printed"].replace(",", "") == str(
        content["pictures"][0]["checkpoint"]["bytes"]
    )


def test_the_artifacts_and_the_schema_know_the_pictures(drawn: Project, content: Any) -> None:
    schema = read_json(REPOSITORY / "workflow/schemas/report.schema.json")
    jsonschema.Draft202012Validator(schema).validate(content)
    entry = content["artifacts"][NAME]
    assert entry["settings"]["network"] == "two-speeds, view inference"
    assert entry["settings"]["figure 4"] == "slow.0.0.conv, fast.0.0.conv"
    assert "pictures/" in entry["outputs"]
    assert NAME in read_json(drawn.folder("report/all") / "manifest.json")["inputs"]
    assert verify(drawn.root, scale=drawn.scale) == []


def test_another_picture_is_noticed_even_with_its_manifest(drawn: Project, tmp_path: Path) -> None:
    folder = drawn.folder(NAME)
    path = folder / read_json(folder / "metrics.json")["figures"][1]["pictures"][0]["file"]
    before, manifest = path.read_bytes(), (folder / "manifest.json").read_bytes()
    try:
        path.write_bytes((folder / "pictures/figure-4-fast.0.0.conv.png").read_bytes())
        drawn.seal(NAME)
        found = [p for p in verify(drawn.root, scale=drawn.scale) if p.kind == "tampered artifact"]
        assert [(Path(p.where).name, p.found) for p in found] == [
            (path.name, "is not the picture that metrics.json describes")
        ]
        with pytest.raises(CheckFailed, match="is not the picture that"):
            build(drawn.registry.report_spec(), drawn.inputs_of("report/all"), drawn.root)
    finally:
        path.write_bytes(before)
        (folder / "manifest.json").write_bytes(manifest)


def test_an_edited_number_is_noticed(drawn: Project) -> None:
    folder, report = drawn.folder(NAME), drawn.folder("report/all") / "manifest.json"
    stored, manifest = (folder / "metrics.json").read_bytes(), (folder / "manifest.json").read_bytes()
    of_report = report.read_bytes()
    try:
        metrics = read_json(folder / "metrics.json")
        metrics["figures"][0]["pictures"][0]["white"] = 123.0
        write_json(folder / "metrics.json", metrics)
        drawn.seal(NAME)
        assert {p.kind for p in verify(drawn.root, scale=drawn.scale)} == {"stale"}
        drawn.seal("report/all")
        found = verify(drawn.root, scale=drawn.scale)
        assert {p.kind for p in found} == {"report differs from artifacts", "unbound number"}
    finally:
        (folder / "metrics.json").write_bytes(stored)
        (folder / "manifest.json").write_bytes(manifest)
        report.write_bytes(of_report)
