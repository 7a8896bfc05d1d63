"""How fast frames are extracted, beside ffmpeg and PyAV on the same files, and how much memory that takes.

    python benchmarks/frame_extraction.py [--videos 48] [--copies 4] [--rounds 5] [--json figures.json]

Needs the program `ffmpeg` (Debian: `apt-get install ffmpeg`). Draws and encodes a set of videos as UCF-101 has them,
and lists each several times under other names, so that starting a process counts as little as it does in a real set.
Every round runs each contestant once, in an order that turns from round to round; the tables show medians.

Contestants with one worker are bound to one core, with their threads and the processes they start; so is ffmpeg.
Ours are whole calls of `extract`: start of the worker, frames written and synced, index. "PyAV alone" is the loop that
its documentation shows, which writes the same bytes into one file, unsynced, and survives nothing.
"Busy" is frames per second of processor time, user and system, of all processes: what other work on the machine, and
waiting for the disk, disturb least.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import av

from reeltrace.data import standin
from reeltrace.data.decoding import scaled_size
from reeltrace.data.frames import DECODERS, extract

CORES = sorted(os.sched_getaffinity(0))
HEIGHT, WIDTH = 240, 320
PYAV = {"pyav": DECODERS["pyav"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=48, help="different videos: a multiple of 4, 12 to 100")
    parser.add_argument("--copies", type=int, default=4, help="how often each is listed")
    parser.add_argument("--frames", type=int, default=180, help="frames of a video")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--short-sides", type=int, nargs="+", default=[128, 32])
    parser.add_argument("--no-memory", action="store_true", help="leave the second table out")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.exit("frame_extraction.py: the program ffmpeg is not installed; on Debian: apt-get install ffmpeg")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        figures = {"speed": speed(Path(folder), asked)}
        if not asked.no_memory:
            figures["memory"] = memory(Path(folder), asked)
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


# --- speed ---


def speed(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    videos = folder / "videos"
    names = make_videos(videos, asked)
    total = asked.videos * asked.copies * asked.frames
    size = sum((videos / name).stat().st_size for name in names) / len(names) / asked.frames
    print(f"{len(names)} videos of {asked.frames} frames, {WIDTH}x{HEIGHT}, MPEG-4, {size / 1000:.1f} kB a frame")
    contestants: dict[str, Callable[[], None]] = {
        "ffmpeg, a process per file": lambda: ffmpeg_each(videos, names),
        "ffmpeg, one process for all": lambda: ffmpeg_all(videos, names),
    }
    for side in asked.short_sides:
        contestants[f"ours {side}"] = on_one_core(lambda side=side: ours(folder, names, side, 1))
        contestants[f"ours {side}, {len(CORES)} workers"] = lambda side=side: ours(folder, names, side, len(CORES))
        contestants[f"ours {side}, PyAV only"] = on_one_core(lambda side=side: ours(folder, names, side, 1, PYAV))
        contestants[f"PyAV alone {side}"] = on_one_core(lambda side=side: pyav_alone(videos, names, side))
    for name in list(contestants)[:2]:
        contestants[name] = on_one_core(contestants[name])
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    busy: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants)
    for number in range(asked.rounds):
        for name in order[number % len(order) :] + order[: number % len(order)]:
            began, used = time.perf_counter(), sum(os.times()[:4])
            contestants[name]()
            seconds[name].append(time.perf_counter() - began)
            busy[name].append(sum(os.times()[:4]) - used)
    workers = {name: len(CORES) if name.endswith("workers") else 1 for name in order}
    rates = {name: [total / workers[name] / each for each in seconds[name]] for name in order}
    rates_busy = {name: [total / each for each in busy[name]] for name in order}
    print(f"\n{'frames a second and core':34}{'median':>8}{'lowest':>8}{'highest':>8}{'busy':>8}")
    for name in order:
        print(
            f"{name:34}{median(rates[name]):8.0f}{min(rates[name]):8.0f}{max(rates[name]):8.0f}"
            f"{median(rates_busy[name]):8.0f}"
        )
    print(f"\n{'ratio within a round':60}{'median':>8}{'lowest':>8}{'highest':>8}{'busy':>8}")
    ratios: dict[str, tuple[float, ...]] = {}
    for side in asked.short_sides:
        for one, other in (
            (f"ours {side}", "ffmpeg, a process per file"),
            (f"ours {side}, {len(CORES)} workers", "ffmpeg, a process per file"),
            (f"ours {side}", "ffmpeg, one process for all"),
            (f"ours {side}", f"PyAV alone {side}"),
            (f"ours {side}", f"ours {side}, PyAV only"),
        ):
            found = [a / b for a, b in zip(rates[one], rates[other], strict=True)]
            found_busy = [a / b for a, b in zip(rates_busy[one], rates_busy[other], strict=True)]
            name = f"{one} : {other}"
            ratios[name] = median(found), median(found_busy)
            print(f"{name:60}{ratios[name][0]:8.2f}{min(found):8.2f}{max(found):8.2f}{ratios[name][1]:8.2f}")
        one, other = f"ours {side}, {len(CORES)} workers", f"PyAV alone {side}"
        found = [len(CORES) * a / b for a, b in zip(rates[one], rates[other], strict=True)]
        name = f"{one} together : {other}"
        ratios[name] = (median(found),)
        print(f"{name:60}{median(found):8.2f}{min(found):8.2f}{max(found):8.2f}{'':>8}")
    return {
        "rates": {name: median(rates[name]) for name in order},
        "busy": {name: median(rates_busy[name]) for name in order},
        "ratios": ratios,
    }


def make_videos(folder: Path, asked: argparse.Namespace) -> list[str]:
    """Encode the different videos, link their copies, and return all names."""
    folder.mkdir()
    names = []
    drawn = standin.videos("ucf101", classes=4, groups=asked.videos // 4, clips_per_group=1)
    for number, video in enumerate(drawn):
        first = folder / f"{number:03d}.avi"
        first.write_bytes(standin.encode(standin.render("ucf101", video, (asked.frames, asked.frames), 1), 25))
        names.append(first.name)
        for copy in range(1, asked.copies):
            os.link(first, folder / f"{number:03d}-{copy}.avi")
            names.append(f"{number:03d}-{copy}.avi")
    return sorted(names)


def on_one_core(what: Callable[[], None]) -> Callable[[], None]:
    """The same, with this process and those that it starts bound to one core."""

    def bound() -> None:
        os.sched_setaffinity(0, {CORES[-1]})
        try:
            what()
        finally:
            os.sched_setaffinity(0, CORES)

    return bound


def ours(folder: Path, names: list[str], side: int, workers: int, decoders: dict[str, str] = DECODERS) -> None:
    work = folder / "work"
    work.mkdir()
    done = extract(folder / "videos", names, work, short_side=side, workers=workers, decoders=decoders)
    shutil.rmtree(work)
    if done.broken or done.videos != len(names):
        raise RuntimeError(f"{done.broken} videos could not be decoded")


def pyav_alone(videos: Path, names: list[str], side: int) -> None:
    """Decode and scale as PyAV's documentation does, one thread, into one file."""
    height, width = scaled_size(HEIGHT, WIDTH, side)
    with tempfile.TemporaryFile(dir=videos.parent) as file:
        for name in names:
            with av.open(str(videos / name)) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                for frame in container.decode(stream):
                    file.write(frame.to_ndarray(format="rgb24", width=width, height=height).tobytes())


def ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *arguments, "-f", "null", "-"], check=True)


def ffmpeg_each(videos: Path, names: list[str]) -> None:
    for name in names:
        ffmpeg("-i", str(videos / name))


def ffmpeg_all(videos: Path, names: list[str]) -> None:
    """All files as one input: one start, one decoder."""
    listed = videos.parent / "files.txt"
    listed.write_text("".join(f"file '{videos / name}'\n" for name in names))
    ffmpeg("-f", "concat", "-safe", "0", "-i", str(listed))


# --- memory ---


def memory(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Peak memory of a worker, for few and many videos, short and long ones."""
    side = asked.short_sides[0]
    videos = folder / "videos"
    names = sorted(path.name for path in videos.iterdir())
    few = names[: max(1, len(names) // 10)]
    action = standin.videos("ucf101", classes=2, groups=3, clips_per_group=1)[0]
    lengths = {f"1 video of {n} frames": n for n in (asked.frames, 5 * asked.frames, 10 * asked.frames)}
    for n in lengths.values():
        pictures = standin.render("ucf101", action, (n, n), 1)
        (folder / f"{n}.avi").write_bytes(standin.encode(pictures, 25))
    cases: dict[str, tuple[Path, list[str]]] = {
        f"{len(few)} videos of {asked.frames} frames": (videos, few),
        f"{len(names)} videos of {asked.frames} frames": (videos, names),
        **{title: (folder, [f"{n}.avi"]) for title, n in lengths.items()},
    }
    print(f"\n{f'peak memory of a worker, short side {side}':50}{'MiB':>6}{'frames, MiB':>14}  decoders")
    found: dict[str, float] = {}
    for title, (place, listed) in cases.items():
        work = folder / "work"
        work.mkdir()
        done = extract(place, listed, work, short_side=side, workers=1)
        about: dict[str, Any] = json.loads((work / "about.json").read_text())
        shutil.rmtree(work)
        found[title] = done.peak_worker_bytes / 2**20
        used = ", ".join(f"{name} {number}" for name, number in about["decoders"].items() if number)
        print(f"{title:50}{found[title]:6.0f}{about['bytes'] / 2**20:14.0f}  {used}")
    return found


if __name__ == "__main__":
    main()
