"""Sets of videos, from stand-ins and from miniatures of the official archives behind a server that may misbehave."""

import csv
import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PROJECT, environment
from data import miniature
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.protocol import outputs_in
from reeltrace.data import declared, downloads, standin, videos_stage
from reeltrace.data.official_splits import Layout
from reeltrace.errors import UserError
from reeltrace.kinds.datasets.videos import VideosSpec

CLASSES, GROUPS = 3, 8
ARCHIVES: dict[Layout, tuple[str, str]] = {
    "ucf101": ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip"),
    "hmdb51": ("hmdb51_org.rar", "test_train_splits.rar"),
}


def spec_of(layout: Layout, **changes: Any) -> VideosSpec:
    return VideosSpec.model_validate(
        {"stage": "data", "key": layout, "scale": "paper", "kind": "videos", "layout": layout, "classes": CLASSES}
        | {"generated": None, **changes}
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By layout the folder of a small set, as its archives unpack; `served` the archives themselves."""
    root = tmp_path_factory.mktemp("made")
    folders: dict[str, Path] = {"served": root / "served"}
    folders["served"].mkdir()
    for layout in ARCHIVES:
        folders[layout] = root / layout
        standin.generate(
            layout, root / layout, classes=CLASSES, groups=GROUPS, clips_per_group=1, frames=(4, 5), seed=3
        )
        miniature.archives(layout, root / layout, folders["served"])
    miniature.flat_zip(root / "ucf101", folders["served"] / "UCF101_videos.zip")
    return folders


class Place:
    """Declared sources that point to the test's server, a folder for downloads, and no patience."""

    def __init__(self, server: Any, answer: Any, made: dict[str, Path], folder: Path) -> None:
        self.server, self.answer = server, answer
        self.downloads, self.declared = folder / "downloads", folder / "declared.yaml"
        self.declared.write_text(declared.DECLARED.read_text())
        miniature.declare(self.declared, server.url("/"), made["served"])
        for path in made["served"].iterdir():
            self.serve(path.name, answer(path.read_bytes()))

    def serve(self, name: str, *answers: Any) -> None:
        self.server.script[f"/{name}"] = list(answers)


@pytest.fixture
def place(server: Any, answer: Any, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    found = Place(server, answer, made, tmp_path)
    monkeypatch.setattr(declared, "DECLARED", found.declared)
    monkeypatch.setattr(declared.read, "__defaults__", (found.declared,))
    monkeypatch.setenv("REELTRACE_DOWNLOADS", str(found.downloads))
    obtain = downloads.obtain
    monkeypatch.setattr(
        downloads, "obtain", lambda source, folder: obtain(source, folder, timeout=2, attempts=3, backoff=0.01)
    )
    return found


def bring(layout: Layout, work: Path) -> dict[str, Any]:
    work.mkdir(exist_ok=True)
    return videos_stage.run(spec_of(layout), {}, work)


def check(layout: Layout, work: Path, made: dict[str, Path]) -> None:
    """The set in `work` is the whole one."""
    assert outputs_in(work) == ["about.json", "index.csv", "splits/", "videos/"]
    for part in ("videos", "splits"):
        assert miniature.files_below(work / part) == miniature.files_below(made[layout] / part)


@pytest.mark.parametrize("layout", ARCHIVES)
def test_archives_become_a_set(layout: Layout, place: Place, made: dict[str, Path], tmp_path: Path) -> None:
    facts = bring(layout, tmp_path / "work")
    check(layout, tmp_path / "work", made)
    videos, lists = ARCHIVES[layout]
    assert facts["served"] == {"videos": place.server.url(f"/{videos}"), "splits": place.server.url(f"/{lists}")}
    with (tmp_path / "work" / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == CLASSES * GROUPS
    assert [(int(row["label"]), row["video"]) for row in rows] == sorted((int(r["label"]), r["video"]) for r in rows)
    sides = standin.sides(layout, GROUPS, 3)
    by_path = {
        video.path.relative_to("videos").as_posix(): video
        for video in standin.videos(layout, classes=CLASSES, groups=GROUPS, clips_per_group=1)
    }
    for row in rows:
        path, video = tmp_path / "work" / "videos" / row["video"], by_path[row["video"]]
        assert (row["class"], int(row["label"])) == (video.action.name, video.label)
        assert (int(row["bytes"]), row["sha256"]) == (path.stat().st_size, sha256_file(path))
        names = ["unused", "train", "test"]
        assert [row[f"split{split}"] for split in (1, 2, 3)] == [names[sides[s][video.group]] for s in (1, 2, 3)]
    about = json.loads((tmp_path / "work" / "about.json").read_text())
    assert about["classes"] == list(standin.class_names(layout, CLASSES))
    assert about["videos"] == len(rows)
    for split in (1, 2, 3):
        counts = about["counts"][f"split{split}"]
        assert counts == {side: sum(row[f"split{split}"] == side for row in rows) for side in counts}
    source = declared.source(f"{layout}-videos")
    assert (about["licence"], about["citation"]) == (source.licence, source.citation)


@pytest.mark.parametrize("layout", ARCHIVES)
def test_a_stand_in_takes_the_same_path(layout: Layout, made: dict[str, Path], tmp_path: Path) -> None:
    generated = {"groups": GROUPS, "clips_per_group": 1, "frames": (4, 5), "seed": 3}
    videos_stage.run(spec_of(layout, generated=generated), {}, tmp_path)
    check(layout, tmp_path, made)
    about = json.loads((tmp_path / "about.json").read_text())
    assert "stand-in" in about["source"]
    assert about["licence"] == standin.LICENCE


@pytest.mark.parametrize("trouble", ["dropped", "missing", "wrong", "growing", "no ranges"])
@pytest.mark.parametrize("layout", ARCHIVES)
def test_a_server_in_trouble(layout: Layout, trouble: str, place: Place, made: dict[str, Path], tmp_path: Path) -> None:
    """What can be made good is; what cannot is one line that names the file, and the next run completes."""
    name = ARCHIVES[layout][0]
    data = (made["served"] / name).read_bytes()
    answer, fine = place.answer, place.answer(data)
    half = len(data) // 2
    troubles = {
        "dropped": [answer(data, cut=half), fine],
        "missing": [answer(status=404)],
        "wrong": [answer(bytes(len(data)))],
        "growing": [answer(data + b"more", length=False)],
        "no ranges": [answer(data, cut=half, ranges=False), answer(data, ranges=False)],
    }
    place.serve(name, *troubles[trouble])
    place.serve("UCF101_videos.zip", answer(status=404))
    work = tmp_path / "work"
    if trouble in ("dropped", "no ranges"):
        bring(layout, work)
    else:
        with pytest.raises(UserError) as caught:
            bring(layout, work)
        said = str(caught.value)
        assert name in said
        assert {"missing": "404", "wrong": "sha256 is", "growing": "more than the expected"}[trouble] in said
        assert "place the file by hand" in said
        assert "\n" not in said
        assert not (place.downloads / name).exists()
        assert not (work / "videos").exists()
        assert not (work / "index.csv").exists()
        place.serve(name, fine)
        bring(layout, work)
    check(layout, work, made)


def test_the_second_archive_serves_where_the_first_cannot_be_had(
    place: Place, made: dict[str, Path], tmp_path: Path
) -> None:
    place.serve("UCF101.rar", place.answer(status=404))
    facts = bring("ucf101", tmp_path / "work")
    assert facts["served"]["videos"].endswith("/UCF101_videos.zip")
    check("ucf101", tmp_path / "work", made)
    place.serve("UCF101.rar", place.answer((made["served"] / "UCF101.rar").read_bytes()))
    (place.downloads / "UCF101_videos.zip").unlink()
    assert bring("ucf101", tmp_path / "other")["served"]["videos"].endswith("/UCF101.rar")
    for name in ("index.csv", "about.json"):  # whichever archive served, the set is the same to the byte
        assert (tmp_path / "work" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_second_archive_s_other_spelling_makes_the_same_set(
    place: Place, made: dict[str, Path], tmp_path: Path
) -> None:
    """As with v_HandstandPushups in the second archive and v_HandStandPushups in the lists and the first one."""
    videos = miniature.files_below(made["ucf101"] / "videos")
    assert any("_BounceBall_" in name for name in videos)
    flat = {
        f"UCF101/{name.rpartition('/')[2]}".replace("_BounceBall_", "_Bounceball_"): videos[name] for name in videos
    }
    miniature.zipped(flat, tmp_path / "flat.zip")
    redeclare(place, "UCF101_videos.zip", (tmp_path / "flat.zip").read_bytes())
    place.serve("UCF101.rar", place.answer(status=404))
    bring("ucf101", tmp_path / "work")
    check("ucf101", tmp_path / "work", made)


def test_files_placed_by_hand_need_no_server(place: Place, made: dict[str, Path], tmp_path: Path) -> None:
    place.downloads.mkdir()
    for name in ARCHIVES["hmdb51"]:
        (place.downloads / name).write_bytes((made["served"] / name).read_bytes())
    place.server.script.clear()
    facts = bring("hmdb51", tmp_path / "work")
    assert set(facts["served"].values()) == {"already there"}
    assert place.server.asked == []
    check("hmdb51", tmp_path / "work", made)
    (place.downloads / "hmdb51_org.rar").write_bytes(b"another file")
    with pytest.raises(UserError, match=r"hmdb51_org\.rar: this is not the declared file"):
        bring("hmdb51", tmp_path / "again")


def redeclare(place: Place, name: str, data: bytes) -> None:
    """Serve and declare other bytes under an archive's name: what is inside is the archive's fault, not the line's."""
    text = place.declared.read_text()
    key = next(s for s in declared.read(place.declared).values() if s.name == name)
    assert isinstance(key, downloads.Source)
    text = text.replace(key.sha256, hashlib.sha256(data).hexdigest()).replace(
        f"bytes: {key.bytes}", f"bytes: {len(data)}"
    )
    place.declared.write_text(text)
    place.serve(name, place.answer(data))


@pytest.mark.parametrize("trouble", ["gone", "wrong", "a page", "cut"])
def test_each_archive_has_a_second_source_and_the_hash_decides(
    trouble: str, place: Place, made: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the first address of an archive of HMDB-51 serves instead, and the second serves the archive."""
    entries = yaml.safe_load(place.declared.read_text())
    for key in ("hmdb51-videos", "hmdb51-splits"):
        name = entries[key]["name"]
        data = (made["served"] / name).read_bytes()
        entries[key]["urls"].insert(0, place.server.url(f"/first/{name}"))
        entries[key]["bytes"] = None  # nobody has published it: the hash has to decide
        first = {
            "gone": place.answer(status=404),
            "wrong": place.answer(bytes(len(data))),
            "a page": place.answer(b"<html>our new home page</html>"),
            "cut": place.answer(data, cut=len(data) // 2, ranges=False),
        }[trouble]
        place.server.script[f"/first/{name}"] = [first]
    place.declared.write_text(yaml.safe_dump(entries, sort_keys=False))
    facts = bring("hmdb51", tmp_path / "work")
    check("hmdb51", tmp_path / "work", made)
    for part, key in (("videos", "hmdb51-videos"), ("splits", "hmdb51-splits")):
        name = entries[key]["name"]
        assert facts["served"][part] == place.server.url(f"/{name}")
        (line,) = [text for text in caplog.messages if text.startswith(f"{name} from {place.server.url('/first/')}")]
        assert {"gone": "404", "wrong": "sha256 is", "a page": "sha256 is", "cut": "after 3 attempts"}[trouble] in line
        assert line.endswith("; asking the next address")
        assert "\n" not in line


@pytest.mark.parametrize("layout", ARCHIVES)
@pytest.mark.parametrize("where", ["outer", "inner"])
def test_an_archive_that_wants_out_is_refused(
    layout: Layout, where: str, place: Place, made: dict[str, Path], tmp_path: Path
) -> None:
    name = ARCHIVES[layout][0]
    videos = miniature.files_below(made[layout] / "videos")
    evil = miniature.rar({**videos, "../../evil.avi": b"evil"})
    redeclare(place, name, miniature.rar({"walk.rar": evil}) if layout == "hmdb51" and where == "inner" else evil)
    with pytest.raises(UserError, match="leads through other folders"):
        bring(layout, tmp_path / "work")
    assert not list(tmp_path.rglob("evil.avi"))
    assert not (tmp_path / "work" / "videos").exists()


def test_what_a_class_archive_may_hold(place: Place, made: dict[str, Path], tmp_path: Path) -> None:
    for members, said in (
        ({"notes.txt": b"x"}, "expected one archive per class"),
        ({"walk.rar": miniature.rar({"run/x_0.avi": b"x"})}, r"expected walk/<video>\.avi"),
    ):
        redeclare(place, "hmdb51_org.rar", miniature.rar(members))
        with pytest.raises(UserError, match=said):
            bring("hmdb51", tmp_path / f"work{len(said)}")
        assert not (tmp_path / f"work{len(said)}" / "videos").exists()
        (place.downloads / "hmdb51_org.rar").unlink()


@pytest.mark.parametrize("layout", ARCHIVES)
def test_a_listed_video_that_is_not_in_the_archive_is_named(
    layout: Layout, place: Place, made: dict[str, Path], tmp_path: Path
) -> None:
    videos = miniature.files_below(made[layout] / "videos")
    gone = sorted(videos)[0]
    del videos[gone]
    by_class = {name.partition("/")[0] for name in videos}
    data = miniature.rar(videos)
    if layout == "hmdb51":
        data = miniature.rar(
            {f"{c}.rar": miniature.rar({n: d for n, d in videos.items() if n.startswith(f"{c}/")}) for c in by_class}
        )
    redeclare(place, ARCHIVES[layout][0], data)
    with pytest.raises(UserError, match=r"\.txt:\d+: video .* is listed but not there") as caught:
        bring(layout, tmp_path / "work")
    assert gone in str(caught.value)


def test_another_number_of_classes_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(UserError, match="3 classes are listed, 4 expected"):
        videos_stage.run(spec_of("ucf101", classes=4), {}, tmp_path / "work")


@pytest.mark.parametrize("layout", ARCHIVES)
def test_a_killed_run_is_continued_to_the_same_set(
    layout: Layout, place: Place, made: dict[str, Path], tmp_path: Path
) -> None:
    """Killed while it unpacks: a rerun downloads nothing again and ends with what an uninterrupted run has."""
    place.downloads.mkdir()
    for name in ARCHIVES[layout]:
        (place.downloads / name).write_bytes((made["served"] / name).read_bytes())
    code = (
        "import sys, time; from pathlib import Path\n"
        "from reeltrace.data import archives, declared, videos_stage\n"
        "from reeltrace.kinds.datasets.videos import VideosSpec\n"
        "declared.read.__defaults__ = (Path(sys.argv[1]),)\n"
        "save = archives._save\n"
        "def slowly(*given):\n    time.sleep(0.02); return save(*given)\n"
        "archives._save = slowly\n"
        f"spec = VideosSpec(stage='data', key='x', scale='paper', kind='videos', layout={layout!r}, "
        f"classes={CLASSES}, generated=None)\n"
        "videos_stage.run(spec, {}, Path(sys.argv[2]))\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(place.declared), str(work)],
        env={**environment(PROJECT), "REELTRACE_DOWNLOADS": str(place.downloads)},
    )
    deadline = time.monotonic() + 60
    while len(list(work.glob("videos/**/*.avi"))) < 4:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (work / "index.csv").exists()
    landed = miniature.files_below(work / "videos")
    assert {n: d for n, d in landed.items() if not n.startswith(".")}.items() < miniature.files_below(
        made[layout] / "videos"
    ).items()
    place.server.asked.clear()
    bring(layout, work)
    assert place.server.asked == []
    check(layout, work, made)
    bring(layout, tmp_path / "whole")
    assert (tmp_path / "whole" / "index.csv").read_bytes() == (work / "index.csv").read_bytes()
    assert (tmp_path / "whole" / "about.json").read_bytes() == (work / "about.json").read_bytes()


# --- what is declared ---


def test_the_declared_sources_are_the_published_ones() -> None:
    found = declared.read()
    pins = {entry.name: entry.sha256[:8] for entry in found.values() if isinstance(entry, downloads.Source)}
    assert {name: pins[name] for names in ARCHIVES.values() for name in names} | {
        "UCF101_videos.zip": pins["UCF101_videos.zip"]
    } == {
        "UCF101.rar": "ca8dfadb",
        "UCF101TrainTestSplits-RecognitionTask.zip": "5c0d1a53",
        "UCF101_videos.zip": "dabf56f5",
        "hmdb51_org.rar": "9e714a0d",
        "test_train_splits.rar": "229c94f8",
    }
    assert all(len(entry.urls) > 1 for key, entry in found.items() if key.startswith("hmdb51"))  # type: ignore[union-attr]
    assert all(
        url.startswith("https://") for e in found.values() if e.name in pins for url in e.urls if "101" in e.name
    )  # type: ignore[union-attr]


def test_the_page_on_files_brought_by_hand_names_each_with_its_hash_and_size() -> None:
    page = (PROJECT / "docs" / "videos.md").read_text()
    rows = {cells[0].strip("` "): cells for line in page.splitlines() if len(cells := line.strip("|").split("|")) == 4}
    found = [entry for entry in declared.read().values() if isinstance(entry, downloads.Source)]
    assert len(found) == 9
    for entry in found:
        _, _, size, sha256 = (cell.strip("` ") for cell in rows[entry.name])
        assert sha256 == entry.sha256
        assert size == f"{entry.bytes:,}" if entry.bytes is not None else size.startswith("about ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  sha256: ca8dfadb", "  sha256: Ca8dfadb", "ucf101-videos: source UCF101.rar: sha256 must be"),
        ("  bytes: 113943", "  bytes: many", "ucf101-splits: bytes: found 'many'"),
        ("  name: UCF101.rar", "  name: ../UCF101.rar", "ucf101-videos: source name"),
        ("  name: UCF101.rar", "  nmae: UCF101.rar", "ucf101-videos: name: missing"),
        ("  urls:\n    - https://www.crcv.ucf.edu/data/UCF101/UCF101.rar", "  urls: none", "urls: found 'none'"),
        ("  licence: CC BY 4.0", "  licence: 4.0", "hmdb51-videos: licence: found 4.0"),
        ("https://www.crcv.ucf.edu/data/UCF101/UCF101.rar", "ftp://x/UCF101.rar", "is not an http"),
        ("ucf101-videos:", "ucf101-videos: 3\nother:", "ucf101-videos: found 3"),
        ("mnist-images:", "- x\nmnist-images:", "not readable"),
        ("mnist-labels:", "mnist-images:", "key 'mnist-images' appears twice"),
        ("  bytes: 113943", "  bytes: 113943\n  urls: [https://x/y]", "key 'urls' appears twice"),
    ],
)
def test_a_mistake_in_the_declared_sources_is_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = declared.DECLARED.read_text()
    assert old in text
    path = tmp_path / "declared.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        declared.read(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
