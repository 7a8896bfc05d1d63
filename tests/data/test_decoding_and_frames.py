"""Frames out of real files: both decoders, damaged files, decoders that hang or crash, and what a kill leaves."""

import csv
import json
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import PROJECT, environment
from data.miniature import files_below
from reeltrace.artifacts.protocol import outputs_in
from reeltrace.data import standin
from reeltrace.data.decoding import (
    MEAN_DIFFERENCE,
    MOST_DIFFERENCE,
    DecodingError,
    decord_frames,
    pyav_frames,
    read_header,
    scaled_size,
)
from reeltrace.data.frame_store import FrameStore
from reeltrace.data.frames import DECODERS, Extracted, extract
from reeltrace.errors import UserError

SHORT_SIDE = 32
ACTION = standin.videos("ucf101", classes=2, groups=3, clips_per_group=1)[0]
BAD = "data.bad_decoders"  # decoders that misbehave as their name says


def encoded(frames: int, seed: int = 1) -> bytes:
    return standin.encode(standin.render("ucf101", ACTION, (frames, frames), seed), 25)


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A real MPEG-4 AVI of 60 frames."""
    return encoded(60)


def over_reporting(data: bytes, announced: int, index: bool) -> bytes:
    """The same file with a header that announces more frames, and without its index if asked for."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.index(b"avih") + 8 + 16, announced)
    struct.pack_into("<I", changed, data.index(b"strh") + 8 + 32, announced)
    return bytes(changed if index else changed[: data.index(b"idx1")])


def make(folder: Path, files: dict[str, bytes]) -> list[str]:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return sorted(files)


def run(videos: Path, names: list[str], work: Path, **options: Any) -> Extracted:
    work.mkdir(exist_ok=True)
    return extract(videos, names, work, short_side=SHORT_SIDE, **{"workers": 1, **options})


def read(work: Path) -> tuple[dict[str, dict[str, str]], dict[str, str], dict[str, Any]]:
    """Rows of `frames.csv` by video, reasons of `broken.json` by video, `about.json`."""
    with (work / "frames.csv").open(newline="") as file:
        rows = {row["video"]: row for row in csv.DictReader(file)}
    broken = {entry["video"]: entry["reason"] for entry in json.loads((work / "broken.json").read_text())}
    return rows, broken, json.loads((work / "about.json").read_text())


def outputs(work: Path) -> dict[str, bytes]:
    kept = tuple(outputs_in(work))
    return {name: data for name, data in files_below(work).items() if name.startswith(kept)}


def pixels(work: Path, video: str) -> NDArray[np.uint8]:
    store = FrameStore.open(work)
    at = store.names.index(video)
    count, height, width = (int(values[at]) for values in (store.counts, store.heights, store.widths))
    return store.read(at, np.arange(count), 0, 0, height, width)


# --- decoders ---


@pytest.mark.parametrize(
    ("size", "short", "scaled"),
    [
        ((240, 320), 128, (128, 170)),
        ((240, 424), 128, (128, 226)),
        ((320, 240), 32, (42, 32)),
        ((240, 240), 32, (32, 32)),
        ((100, 101), 99, (99, 100)),
        ((16, 1000), 8, (8, 500)),
    ],
)
def test_the_short_side_is_what_was_asked_and_the_long_one_is_even(
    size: tuple[int, int], short: int, scaled: tuple[int, int]
) -> None:
    assert scaled_size(*size, short) == scaled


@pytest.mark.parametrize("kind", ["ucf101", "hmdb51"])
@pytest.mark.parametrize("short_side", [32, 128, 240])
def test_both_decoders_agree_frame_for_frame(kind: standin.Kind, short_side: int, tmp_path: Path) -> None:
    for number, video in enumerate(standin.videos(kind, classes=6, groups=3, clips_per_group=1)[::4]):
        path = tmp_path / f"{number}.avi"
        path.write_bytes(standin.encode(standin.render(kind, video, (30, 30), 2), standin.RATE[kind]))
        header = read_header(path)
        size = scaled_size(header.height, header.width, short_side)
        one, other = (np.stack(list(decode(path, *size))).astype(int) for decode in (decord_frames, pyav_frames))
        assert one.shape == other.shape == (30, *size, 3)
        difference = np.abs(one - other)
        assert difference.max() <= MOST_DIFFERENCE
        assert difference.mean() <= MEAN_DIFFERENCE
        assert difference.max() == 0 or short_side < 240  # at the size of the file they are equal
        assert np.abs(one[1:] - one[:-1]).max() > MOST_DIFFERENCE  # frames differ from each other by more


def test_a_header_tells_what_the_file_holds(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "x.avi"
    path.write_bytes(over_reporting(whole, 400, index=True))
    header = read_header(path)
    assert (header.height, header.width, header.fps) == (240, 320, 25.0)
    assert (header.announced, header.packets) == (400, 60)
    for data in (b"", b"text", b"RIFF" * 100):
        path.write_bytes(data)
        with pytest.raises(DecodingError):
            read_header(path)


@pytest.mark.parametrize("decoder", DECODERS)
def test_frames_are_those_of_the_video_in_order(decoder: str, tmp_path: Path) -> None:
    """Grey pictures, each a little lighter on the left and darker on the right than the one before."""
    levels = range(20, 220, 3)
    pictures = [np.full((240, 320, 3), level, dtype=np.uint8) for level in levels]
    for picture, level in zip(pictures, levels, strict=True):
        picture[:, 160:] = 240 - level
    names = make(tmp_path / "videos", {"a.avi": standin.encode(iter(pictures), 25)})
    run(tmp_path / "videos", names, tmp_path / "work", decoders={decoder: DECODERS[decoder]})
    stored = pixels(tmp_path / "work", "a.avi").astype(int)
    assert stored.shape == (len(levels), 32, 42, 3)
    assert np.abs(stored[:, :, :18].mean((1, 2, 3)) - levels).max() < 3
    assert np.abs(stored[:, :, 24:].mean((1, 2, 3)) - (240 - np.array(levels))).max() < 3
    assert np.ptp(stored[:, :, :18], axis=(1, 2, 3)).max() < 8  # grey, and even


# --- what goes wrong with files ---


def test_damaged_files_are_named_and_everything_else_is_done(tmp_path: Path, whole: bytes) -> None:
    videos = tmp_path / "videos"
    names = make(
        videos,
        {
            "a/fine.avi": whole,
            "a/half.avi": whole[: len(whole) // 2],
            "a/nearly.avi": whole[: len(whole) * 95 // 100],
            "a/header-only.avi": whole[:3000],
            "a/one-frame.avi": standin.encode(iter([next(standin.render("ucf101", ACTION, (4, 4), 1))]), 25),
            "a/over-indexed.avi": over_reporting(whole, 400, index=True),
            "a/over.avi": over_reporting(whole, 400, index=False),
            "b/text.avi": b"This is no video.\n" * 200,
            "b/zero.avi": b"",
            "b/zzz-fine.avi": encoded(7, seed=3),
        },
    )
    done = run(videos, names, tmp_path / "work", workers=2)
    rows, broken, about = read(tmp_path / "work")
    assert rows.keys() == set(names) - broken.keys()
    assert set(broken) == {"a/half.avi", "a/header-only.avi", "a/over.avi", "b/text.avi", "b/zero.avi"}
    assert broken["b/zero.avi"] == "the file is empty"
    assert broken["a/half.avi"] == "only 30 of 60 frames are there"
    assert broken["a/over.avi"] == "only 60 of 400 frames are there"
    assert all(len(reason.splitlines()) == 1 and str(tmp_path) not in reason for reason in broken.values())
    counts = {name: int(row["frames"]) for name, row in rows.items()}
    assert {name: counts[name] for name in ("a/fine.avi", "a/one-frame.avi", "b/zzz-fine.avi")} == {
        "a/fine.avi": 60,
        "a/one-frame.avi": 1,
        "b/zzz-fine.avi": 7,
    }
    assert 54 <= counts["a/nearly.avi"] < 60
    assert rows["a/nearly.avi"]["note"] == "60 frames were announced; its end is cut off"
    assert rows["a/nearly.avi"]["expected"] == "60"
    # its index, which is there, lists 60: what its header announces is an error
    over = rows["a/over-indexed.avi"]
    assert (over["frames"], over["expected"], over["note"]) == ("60", "60", "400 frames were announced")
    assert rows["a/fine.avi"]["note"] == ""
    assert np.array_equal(pixels(tmp_path / "work", "a/over-indexed.avi"), pixels(tmp_path / "work", "a/fine.avi"))
    assert about["videos"] == len(names)
    assert about["broken"] == done.broken == 5
    assert about["frames"] == done.frames == sum(counts.values())
    assert about["bytes"] == sum(path.stat().st_size for path in (tmp_path / "work" / "shards").iterdir())


def test_a_file_that_decord_miscounts_goes_to_pyav(tmp_path: Path, whole: bytes) -> None:
    names = make(tmp_path / "videos", {"a.avi": whole})
    decoders = {"decord": f"{BAD}:one_too_many", "pyav": DECODERS["pyav"]}
    run(tmp_path / "videos", names, tmp_path / "work", decoders=decoders)
    rows, broken, about = read(tmp_path / "work")
    assert (rows["a.avi"]["decoder"], rows["a.avi"]["frames"], broken) == ("pyav", "60", {})
    assert about["decoders"] == {"decord": 0, "pyav": 1}


def test_without_decord_pyav_does_everything(tmp_path: Path, whole: bytes) -> None:
    names = make(tmp_path / "videos", {"a.avi": whole, "b.avi": encoded(9)})
    decoders = {"decord": f"{BAD}:not_installed", "pyav": DECODERS["pyav"]}
    run(tmp_path / "videos", names, tmp_path / "work", decoders=decoders)
    assert read(tmp_path / "work")[2]["decoders"] == {"decord": 0, "pyav": 2}


# --- what goes wrong with decoders ---


@pytest.mark.parametrize(
    ("bad", "said"),
    [("hang", "no answer within 2 s"), ("crash", "crashed (signal 11)"), ("leave", "ended the process")],
)
def test_a_decoder_that_hangs_or_dies_is_replaced(tmp_path: Path, whole: bytes, bad: str, said: str) -> None:
    names = make(tmp_path / "videos", {"a.avi": encoded(8), "b-bad.avi": whole, "c.avi": encoded(9)})
    decoders = {"decord": f"{BAD}:{bad}", "pyav": DECODERS["pyav"]}
    run(tmp_path / "videos", names, tmp_path / "work", decoders=decoders, time_limit=2.0)
    rows, broken, _ = read(tmp_path / "work")
    assert broken == {}
    assert {name: (row["decoder"], row["frames"]) for name, row in rows.items()} == {
        "a.avi": ("decord", "8"),
        "b-bad.avi": ("pyav", "60"),
        "c.avi": ("decord", "9"),
    }
    both = {"decord": f"{BAD}:{bad}", "pyav": f"{BAD}:{bad}"}
    run(tmp_path / "videos", names, tmp_path / "both", decoders=both, time_limit=2.0)
    rows, broken, _ = read(tmp_path / "both")
    assert set(rows) == {"a.avi", "c.avi"}
    assert set(broken) == {"b-bad.avi"}
    assert broken["b-bad.avi"].count(said) == 2


def test_a_slow_decoder_is_no_hanging_one(tmp_path: Path) -> None:
    names = make(tmp_path / "videos", {"a.avi": encoded(140)})
    decoders = {"decord": f"{BAD}:slow", "pyav": DECODERS["pyav"]}
    run(tmp_path / "videos", names, tmp_path / "work", decoders=decoders, time_limit=2.5)
    assert read(tmp_path / "work")[0]["a.avi"]["decoder"] == "decord"


# --- repeatable, resumable ---


def many(folder: Path) -> list[str]:
    """Twelve short videos, one of them broken."""
    files = {f"{number:02d}.avi": encoded(5 + number, seed=number) for number in range(11)}
    return make(folder, {**files, "05b.avi": b"no video"})


def test_the_bytes_do_not_depend_on_the_workers_nor_on_the_day(tmp_path: Path) -> None:
    names = many(tmp_path / "videos")
    for name, workers in (("one", 1), ("again", 1), ("three", 3)):
        done = run(tmp_path / "videos", names, tmp_path / name, workers=workers, shard_bytes=60_000)
        assert done.shards > 3
    assert outputs(tmp_path / "one") == outputs(tmp_path / "again") == outputs(tmp_path / "three")


def test_shards_that_are_there_are_not_decoded_again(tmp_path: Path) -> None:
    names = many(tmp_path / "videos")
    first = run(tmp_path / "videos", names, tmp_path / "work", shard_bytes=60_000)
    before = outputs(tmp_path / "work")
    victim = tmp_path / "work" / "shards" / "00001.bin"
    victim.write_bytes(victim.read_bytes()[:-1])
    told: list[tuple[int, int]] = []
    second = run(
        tmp_path / "videos",
        names,
        tmp_path / "work",
        shard_bytes=60_000,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (first.shards_before, second.shards_before) == (0, first.shards - 1)
    assert outputs(tmp_path / "work") == before
    assert told[0][0] > 0
    assert told[-1] == (12, 12)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_extraction_is_continued_and_leaves_no_process(tmp_path: Path) -> None:
    names = make(tmp_path / "videos", {f"{number:02d}.avi": encoded(40, seed=number) for number in range(24)})
    run(tmp_path / "videos", names, tmp_path / "whole", shard_bytes=200_000)
    code = (
        "import sys; from pathlib import Path; from reeltrace.data.frames import extract\n"
        "if __name__ == '__main__':\n"
        "    videos = Path(sys.argv[1]); names = sorted(path.name for path in videos.iterdir())\n"
        "    extract(videos, names, Path(sys.argv[2]), short_side=32, workers=2, shard_bytes=200_000)\n"
    )
    script = tmp_path / "extract.py"
    script.write_text(code)
    work = tmp_path / "work"
    work.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "videos"), str(work)], env=environment(PROJECT)
    )
    deadline = time.monotonic() + 60
    while not list(work.glob("scratch/shards/*.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)
    workers = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (work / "frames.csv").exists()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "workers outlive the process that started them"
        time.sleep(0.01)
    done = run(tmp_path / "videos", names, work, shard_bytes=200_000)
    assert 0 < done.shards_before < done.shards
    assert outputs(work) == outputs(tmp_path / "whole")
    assert not list((work / "shards").glob(".*"))


def test_a_full_disk_is_one_line_and_a_rerun_completes(tmp_path: Path) -> None:
    names = make(tmp_path / "videos", {"a.avi": encoded(6), "b-bad.avi": encoded(40)})
    decoders = {"decord": f"{BAD}:disk_full", "pyav": DECODERS["pyav"]}
    work = tmp_path / "work"
    with pytest.raises(UserError, match="the disk is full") as caught:
        run(tmp_path / "videos", names, work, decoders=decoders, shard_bytes=30_000)
    assert "00001.bin" in str(caught.value)
    assert not list((work / "shards").glob(".*"))
    assert not (work / "frames.csv").exists()
    done = run(tmp_path / "videos", names, work, shard_bytes=30_000)
    assert done.shards_before == 1
    assert len(read(work)[0]) == 2


def test_a_file_larger_than_allowed_ends_in_one_line(tmp_path: Path) -> None:
    """A real limit of the system, in the place of a full disk: the worker may write 100,000 bytes per file."""
    names = make(tmp_path / "videos", {"a.avi": encoded(60)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"00000\.bin.*too large"):
            run(tmp_path / "videos", names, tmp_path / "work")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list((tmp_path / "work").rglob("*.part"))


def test_a_video_that_is_listed_and_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    with pytest.raises(UserError, match=r"missing\.avi: not there"):
        run(tmp_path / "videos", ["missing.avi"], tmp_path / "work")


def test_memory_holds_the_bytes_of_one_video_not_its_frames_nor_other_videos(tmp_path: Path) -> None:
    """decord keeps the packets of the video that it reads (see DECORD_BYTES); nothing keeps frames."""
    names = make(tmp_path / "short", {"a.avi": encoded(30)})
    small = run(tmp_path / "short", names, tmp_path / "one").peak_worker_bytes
    loop, long = encoded(30), encoded(1500)
    names = make(tmp_path / "long", {"a.avi": long, **{f"b{number}.avi": loop for number in range(40)}})
    large = run(tmp_path / "long", names, tmp_path / "two").peak_worker_bytes
    allowed = len(long) + 5 * 2**20
    frames = 2700 * 32 * 42 * 3
    assert large - small < allowed < frames, (small, large, len(long))


# --- the store ---


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    names = make(tmp_path / "videos", {"a.avi": encoded(9), "b.avi": encoded(12, seed=2)})
    run(tmp_path / "videos", names, tmp_path / "work")
    return FrameStore.open(tmp_path / "work")


def test_a_store_cuts_what_was_asked(store: FrameStore) -> None:
    assert (store.names, len(store), store.counts.tolist()) == (("a.avi", "b.avi"), 2, [9, 12])
    full = store.read(1, np.arange(12), 0, 0, 32, 42)
    cut = store.read(1, np.array([11, 0, 0]), 3, 5, 20, 24)
    assert np.array_equal(cut, full[[11, 0, 0], 3:23, 5:29])
    for rising in (range(2, 11, 3), range(9, 12), range(4, 4)):
        out = np.zeros((len(rising), 20, 24, 3), dtype=np.uint8)
        assert store.read(1, rising, 3, 5, 20, 24, out) is out
        assert np.array_equal(out, full[list(rising), 3:23, 5:29])
        store.read(1, rising, 3, 5, 20, 24)[:] = 0
    cut[:] = 0  # a copy: the store is not touched
    assert np.array_equal(store.read(1, np.arange(12), 0, 0, 32, 42), full)
    assert np.array_equal(pickle.loads(pickle.dumps(store)).read(1, np.arange(12), 0, 0, 32, 42), full)


@pytest.mark.parametrize(
    ("frames", "top", "left"), [([12], 0, 0), ([-1], 0, 0), ([0], 1, 0), ([0], 0, 1), ([0], -1, 0)]
)
def test_what_a_video_does_not_have_is_refused(store: FrameStore, frames: list[int], top: int, left: int) -> None:
    with pytest.raises(IndexError, match=r"b\.avi"):
        store.read(1, np.array(frames), top, left, 32, 42)
    with pytest.raises(IndexError, match=r"b\.avi"):
        store.read(1, range(frames[0], frames[0] + 1), top, left, 32, 42)


def test_a_store_that_does_not_hold_what_it_says_is_refused(store: FrameStore) -> None:
    shard = store.folder / "shards" / "00000.bin"
    data = shard.read_bytes()
    shard.write_bytes(data[:-1])
    with pytest.raises(UserError, match=r"00000\.bin: .* do not hold b\.avi"):
        FrameStore.open(store.folder)
    shard.unlink()
    with pytest.raises(UserError, match=r"00000\.bin: no such file"):
        FrameStore.open(store.folder)
    (store.folder / "frames.csv").write_text("video,shard\na.avi,00000.bin\n")
    with pytest.raises(UserError, match="not an index of frames"):
        FrameStore.open(store.folder)
    (store.folder / "frames.csv").unlink()
    with pytest.raises(UserError, match="no such file; extract the frames first"):
        FrameStore.open(store.folder)


def test_workers_are_counted_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from reeltrace.data.frames_stage import workers

    monkeypatch.setenv("REELTRACE_WORKERS", "3")
    assert workers() == 3
    for wrong in ("0", "many", "-1", "\u00b2"):
        monkeypatch.setenv("REELTRACE_WORKERS", wrong)
        with pytest.raises(UserError, match="REELTRACE_WORKERS"):
            workers()
    monkeypatch.delenv("REELTRACE_WORKERS")
    assert workers() == len(os.sched_getaffinity(0))
