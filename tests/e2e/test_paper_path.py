"""The real files' path at the paper scale: miniatures of the official archives, served on the loopback address.

Same names and nesting as the official files, real MPEG-4 AVI files inside; Snakemake downloads, unpacks, reads the
splits, extracts frames and trains one epoch.
"""

import csv
import functools
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import git, run_in, snakemake
from data import miniature
from invented import make_workspace
from reeltrace.data import standin

pytestmark = pytest.mark.slow
CLASSES = 3
SETS = {"ucf101": "films-plain", "hmdb51": "shorts-plain"}


class Served:
    """A folder on an HTTP server; `asked` lists the paths that were asked for."""

    def __init__(self, folder: Path) -> None:
        asked: list[str] = []
        self.asked = asked

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                super().do_GET()

            def log_message(self, *args: Any) -> None:
                pass

        handler = functools.partial(Handler, directory=str(folder))
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def draw(kind: standin.Kind, folder: Path) -> None:
    """A miniature of one set, in the layout of its official archive."""
    standin.generate(kind, folder, classes=CLASSES, groups=8, clips_per_group=1, frames=(20, 24), seed=5)


def place_by_hand(workspace: Path, served: Path) -> None:
    """Put both archives of HMDB-51 where downloads are kept."""
    (workspace / "downloads").mkdir()
    for name in ("hmdb51_org.rar", "test_train_splits.rar"):
        shutil.copy(served / name, workspace / "downloads" / name)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """The four official archives in miniature, and the server that has them."""
    root = tmp_path_factory.mktemp("official")
    folder = root / "served"
    folder.mkdir()
    for kind in ("ucf101", "hmdb51"):
        made = root / kind
        draw(kind, made)
        miniature.archives(kind, made, folder)
    server = Served(folder)
    yield folder, server
    server.stop()


def reduced(folder: Path) -> dict[str, Any]:
    """The paper scale as it is, but for what would take weeks: widths, epochs, seeds, and the number of classes."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    runs = yaml.safe_load((folder / "documents/nobody2024/experiments.yaml").read_text())["runs"]
    params |= {"datasets": {}, "models": {}, "protocols": {}}
    params["scale"] = "paper"
    params["seeds"]["paper"] = [0]
    params["device"]["kind"]["paper"] = "cpu"
    params["device"]["threads"]["paper"] = 1
    for name in SETS:
        clip = {"frames": 8, "stride": 1, "crop": 40, "size": 40, "place": "center"}
        params["datasets"][name] = {"classes": CLASSES, "short_side": 48, "test_clips": 2, "clip": clip}
    for run in SETS.values():
        params["models"][runs[run]["model"]] = {"widths": [4, 4, 4, 4]}
        params["protocols"][runs[run]["protocol"]] = {"epochs": 1, "milestones": [], "batch_size": 8}
    return params


@pytest.fixture
def workspace(tmp_path: Path, archives: tuple[Path, Served]) -> Path:
    folder = make_workspace(tmp_path / "project")
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(reduced(folder), sort_keys=False))
    served, server = archives
    miniature.declare(folder / "src/reeltrace/data/declared.yaml", server.url, served)
    git(folder, "init", "-q")
    run_in(folder, "reeltrace", "sync")
    return folder


def targets() -> list[str]:
    return [f"results/paper/train/{run}-s0/manifest.json" for run in SETS.values()]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_from_archives_to_one_epoch(workspace: Path, archives: tuple[Path, Served]) -> None:
    served, server = archives
    server.asked.clear()
    snakemake(workspace, *targets())
    assert sorted(server.asked) == sorted(f"/{path.name}" for path in served.iterdir())
    for name, run in SETS.items():
        results = workspace / "results/paper"
        about = read(results / "data" / name / "about.json")
        assert len(about["classes"]) == CLASSES
        assert about["licence"]
        assert about["citation"]
        assert "stand-in" not in about["source"]
        with (results / "data" / name / "index.csv").open(newline="") as file:
            index = list(csv.DictReader(file))
        with (results / "frames" / name / "frames.csv").open(newline="") as file:
            frames = {row["video"]: row for row in csv.DictReader(file)}
        assert {row["video"] for row in index} == set(frames)
        assert len(frames) == CLASSES * 8
        assert all(20 <= int(row["frames"]) <= 24 and row["height"] == "48" for row in frames.values())
        assert read(results / "frames" / name / "broken.json") == []
        metrics = read(results / "train" / f"{run}-s0" / "metrics.json")
        sides = [row["split1"] for row in index]
        assert metrics["videos"]["test"] == sides.count("test")
        assert metrics["videos"]["train"] + metrics["videos"]["validation"] == sides.count("train")
        assert set(metrics["best"]["test"]) == {"original", "treverse", "r90", "r180", "r270"}
    # everything is there: nothing is downloaded, unpacked or decoded again
    server.asked.clear()
    assert "Nothing to be done" in snakemake(workspace, *targets())
    assert server.asked == []


def test_an_archive_placed_by_hand_is_not_downloaded(workspace: Path, archives: tuple[Path, Served]) -> None:
    served, server = archives
    place_by_hand(workspace, served)
    server.asked.clear()
    snakemake(workspace, "results/paper/data/hmdb51/manifest.json")
    assert server.asked == []


def test_a_set_whose_archive_is_gone_does_not_stop_the_other(
    workspace: Path, archives: tuple[Path, Served], tmp_path: Path
) -> None:
    served, _ = archives
    hidden = tmp_path / "UCF101.rar"
    (served / "UCF101.rar").rename(hidden)
    try:
        wanted = [f"results/paper/frames/{name}/manifest.json" for name in SETS]
        done = run_in(workspace, "snakemake", "--cores", "2", "--keep-going", *wanted, code=1)
        assert (workspace / "results/paper/frames/hmdb51/manifest.json").is_file()
        log = (workspace / "results/paper/logs/data-ucf101.log").read_text()
        assert "UCF101.rar could not be downloaded" in log, done.stderr
        assert "404" in log
        assert "place the file by hand" in log
        assert not (workspace / "results/paper/data/ucf101/manifest.json").exists()
    finally:
        hidden.rename(served / "UCF101.rar")
    snakemake(workspace, *wanted)


def test_a_broken_video_of_an_archive_is_named_and_left_out_once_it_is_allowed(
    workspace: Path, archives: tuple[Path, Served], tmp_path: Path
) -> None:
    served, made = tmp_path / "served", tmp_path / "made"
    shutil.copytree(archives[0], served)
    draw("hmdb51", made)
    broken = min((made / "videos").rglob("*.avi"))
    broken.write_text("no video, for all its name")
    miniature.archives("hmdb51", made, served)
    miniature.declare(workspace / "src/reeltrace/data/declared.yaml", archives[1].url, served)
    place_by_hand(workspace, served)

    target = "results/paper/train/shorts-plain-s0/manifest.json"
    run_in(workspace, "snakemake", "--cores", "2", target, code=1)
    log = (workspace / "results/paper/logs/train-shorts-plain-s0.log").read_text()
    assert broken.name in log
    assert "broken_videos" in log
    manifest = workspace / "results/paper/frames/hmdb51/manifest.json"
    before = manifest.read_bytes()
    [entry] = read(manifest.with_name("broken.json"))
    assert Path(entry["video"]).name == broken.name

    path = workspace / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["datasets"]["hmdb51"]["broken_videos"] = 1
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    snakemake(workspace, target)
    assert manifest.read_bytes() == before
    assert (workspace / target).is_file()
