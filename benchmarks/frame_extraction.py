"""How fast frames are extracted, beside ffmpeg and PyAV on the same files, and how much memory that takes.

    python benchmarks/frame_extraction.py [--videos 48] [--copies 4] [--rounds 5] [--json figures.json]
    python benchmarks/frame_extraction.py --brief

Needs the program `ffmpeg` (Debian: `apt-get install ffmpeg`). Draws and encodes a set of videos as UCF-101 has them,
and lists each several times under other names, so that starting a process counts as little as it does in a real set.
Every round runs each contestant once, in an order that turns from round to round; the tables show medians.

Contestants with one worker are bound to one core, with their threads and the processes they start; so is ffmpeg.
Ours are whole calls of `extract`: start of the worker, frames written and synced, index. "PyAV alone" is the loop that
its documentation shows, which writes the same bytes into one file, unsynced, and survives nothing.
"Busy" is frames per second of processor time, user and system, of all processes: what other work on the machine, and
waiting for the disk, disturb least.

`--files` takes real files instead of drawn ones; ffmpeg reads all as one input, so they must be of one kind. "ffmpeg,
scaled as ours" scales and converts as we do, and throws the frames away.
`--brief` compares with one ffmpeg for all files alone, takes less than a minute, and prints a JSON record for each row:
{what, ours, peer, ratio, goal, met}, in frames per second of processor time.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import av
from cold_report import at_least

from reeltrace.data import standin
from reeltrace.data.decoding import read_header, scaled_size
from reeltrace.data.frames import DECODERS, extract
from reeltrace.machine import processor

CORES = sorted(os.sched_getaffinity(0))
GOAL = 0.9  # of the rate of one ffmpeg that decodes and does nothing else
PATIENCE = 20.0  # seconds after which a brief run begins no further round
PYAV = {"pyav": DECODERS["pyav"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=48, help="different videos: a multiple of 4, 12 to 100")
    parser.add_argument("--copies", type=at_least(1), default=4, help="how often each is listed")
    parser.add_argument("--frames", type=int, default=180, help="frames of a drawn video")
    parser.add_argument("--files", type=Path, nargs="+", help="these videos instead of drawn ones")
    parser.add_argument("--rounds", type=at_least(1), default=5)
    parser.add_argument("--short-sides", type=int, nargs="+", default=[128, 32])
    parser.add_argument("--brief", action="store_true", help="a record for each goal, in less than a minute")
    parser.add_argument("--no-memory", action="store_true", help="leave the second table out")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        sys.exit("frame_extraction.py: the program ffmpeg is not installed; on Debian: apt-get install ffmpeg")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        if asked.brief:
            brief(Path(folder), asked)
            return
        figures = {"speed": speed(Path(folder), asked)}
        if not asked.no_memory:
            figures["memory"] = memory(Path(folder), asked)
    if asked.json is not None:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n")


# --- speed ---


def speed(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    videos = folder / "videos"
    names = make_videos(videos, asked)
    total, size, said = described(videos, names)
    print(f"{about_machine()}\n{said}")
    contestants: dict[str, Callable[[], None]] = {
        "ffmpeg, a process per file": on_one_core(lambda: ffmpeg_each(videos, names)),
        "ffmpeg, one process for all": on_one_core(lambda: ffmpeg_all(videos, names)),
    }
    for side in asked.short_sides:
        contestants[f"ffmpeg, scaled as ours {side}"] = on_one_core(
            lambda side=side: ffmpeg_all(videos, names, scaled_size(*size, side))
        )
        contestants[f"ours {side}"] = on_one_core(lambda side=side: ours(folder, names, side, 1))
        contestants[f"ours {side}, {len(CORES)} workers"] = lambda side=side: ours(folder, names, side, len(CORES))
        contestants[f"ours {side}, PyAV only"] = on_one_core(lambda side=side: ours(folder, names, side, 1, PYAV))
        contestants[f"PyAV alone {side}"] = on_one_core(
            lambda side=side: pyav_alone(videos, names, scaled_size(*size, side))
        )
    order = list(contestants)
    seconds, busy = in_turns(contestants, asked.rounds)
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
            (f"ffmpeg, scaled as ours {side}", "ffmpeg, one process for all"),
            (f"ours {side}", f"ffmpeg, scaled as ours {side}"),
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


def brief(folder: Path, asked: argparse.Namespace) -> None:
    """Few videos against one ffmpeg for all of them: a record per row."""
    asked.videos = 12
    asked.copies = max(1, 72 // len(asked.files or range(asked.videos)))
    videos = folder / "videos"
    names = make_videos(videos, asked)
    total, size, said = described(videos, names)
    print(f"{about_machine()}\n{said}", file=sys.stderr)
    contestants = {"null": on_one_core(lambda: ffmpeg_all(videos, names))}
    rows = []
    for side in asked.short_sides:
        height, width = scaled_size(*size, side)
        contestants[f"ours {side}"] = on_one_core(lambda side=side: ours(folder, names, side, 1))
        contestants[f"scaled {side}"] = on_one_core(
            lambda height=height, width=width: ffmpeg_all(videos, names, (height, width))
        )
        what = f"frames extracted at {width}x{height}"
        rows.append((f"{what} : ffmpeg -f null, which only decodes", f"ours {side}", "null"))
        rows.append((f"{what} : ffmpeg that scales them as we do", f"ours {side}", f"scaled {side}"))
    _, busy = in_turns(contestants, asked.rounds, PATIENCE)
    records = []
    for what, one, other in rows:
        ratio = median(b / a for a, b in zip(busy[one], busy[other], strict=True))
        record = {
            "what": what,
            "ours": round(total / median(busy[one])),
            "peer": round(total / median(busy[other])),
            "ratio": round(ratio, 3),
            "goal": f">= {GOAL:g}",
            "met": ratio >= GOAL,
        }
        print(json.dumps(record), flush=True)
        records.append(record)
    if asked.json is not None:
        asked.json.write_text(json.dumps({"rows": records}, indent=2) + "\n")


def in_turns(
    contestants: dict[str, Callable[[], None]], rounds: int, patience: float = float("inf")
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds, and seconds of processor time, of each contestant in each round; no round begins after `patience`."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    busy: dict[str, list[float]] = {name: [] for name in contestants}
    order, start = list(contestants), time.perf_counter()
    for number in range(rounds):
        if number and time.perf_counter() - start > patience:
            break
        for name in order[number % len(order) :] + order[: number % len(order)]:
            began, used = time.perf_counter(), sum(os.times()[:4])
            contestants[name]()
            seconds[name].append(time.perf_counter() - began)
            busy[name].append(sum(os.times()[:4]) - used)
    return seconds, busy


def make_videos(folder: Path, asked: argparse.Namespace) -> list[str]:
    """Write the different videos, link their copies, and return all names."""
    folder.mkdir()
    names = []
    for number, (suffix, data) in enumerate(different_videos(asked)):
        first = folder / f"{number:03d}{suffix}"
        first.write_bytes(data)
        names.append(first.name)
        for copy in range(1, asked.copies):
            names.append(f"{number:03d}-{copy}{suffix}")
            os.link(first, folder / names[-1])
    return sorted(names)


def different_videos(asked: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    """Suffix and bytes of the videos that were given, or of drawn ones."""
    for path in asked.files or ():
        yield path.suffix, path.read_bytes()
    drawn = standin.videos("ucf101", classes=4, groups=asked.videos // 4, clips_per_group=1)
    for video in () if asked.files else drawn:
        yield ".avi", standin.encode(standin.render("ucf101", video, (asked.frames, asked.frames), 1), 25)


def described(videos: Path, names: list[str]) -> tuple[int, tuple[int, int], str]:
    """Frames of all videos, height and width of the first, and what they are in words."""
    headers = [read_header(videos / name) for name in names]
    total, first = sum(header.packets for header in headers), headers[0]
    with av.open(str(videos / names[0])) as container:
        codec = container.streams.video[0].codec_context.name
    size = sum((videos / name).stat().st_size for name in names) / total
    said = f"{len(names)} videos, {total} frames, {first.width}x{first.height}, {codec}, {size / 1000:.1f} kB a frame"
    return total, (first.height, first.width), said


def about_machine() -> str:
    """The processor, what it can do, and the versions that decode."""
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    can = " ".join(processor.features() or ())
    return f"{processor.name()}, {len(CORES)} cores ({can}); PyAV {av.__version__}, ffmpeg {version}"


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


def pyav_alone(videos: Path, names: list[str], size: tuple[int, int]) -> None:
    """Decode and scale as PyAV's documentation does, one thread, into one file."""
    height, width = size
    with tempfile.TemporaryFile(dir=videos.parent) as file:
        for name in names:
            with av.open(str(videos / name)) as container:
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                for frame in container.decode(stream):
                    file.write(frame.to_ndarray(format="rgb24", width=width, height=height).tobytes())


def ffmpeg(*arguments: str) -> None:
    end = "-an", "-f", "null", "-"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *arguments, *end], check=True)


def ffmpeg_each(videos: Path, names: list[str]) -> None:
    for name in names:
        ffmpeg("-i", str(videos / name))


def ffmpeg_all(videos: Path, names: list[str], size: tuple[int, int] | None = None) -> None:
    """All files as one input: one start, one decoder. With a height and width frames are scaled as ours are."""
    scale = f"scale={size[1]}:{size[0]}:flags=bilinear,format=rgb24" if size else "null"
    listed = videos.parent / "files.txt"
    listed.write_text("".join(f"file '{videos / name}'\n" for name in names))
    ffmpeg("-f", "concat", "-safe", "0", "-i", str(listed), "-vf", scale)


# --- memory ---


def memory(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Peak memory of a worker, for few and many videos, short and long ones."""
    side = asked.short_sides[0]
    videos = folder / "videos"
    names = sorted(path.name for path in videos.iterdir())
    few, each = names[: max(1, len(names) // 10)], "" if asked.files else f" of {asked.frames} frames"
    action = standin.videos("ucf101", classes=2, groups=3, clips_per_group=1)[0]
    lengths = {f"1 video of {n} frames": n for n in (asked.frames, 5 * asked.frames, 10 * asked.frames)}
    for n in lengths.values():
        pictures = standin.render("ucf101", action, (n, n), 1)
        (folder / f"{n}.avi").write_bytes(standin.encode(pictures, 25))
    cases: dict[str, tuple[Path, list[str]]] = {
        f"{len(few)} videos{each}": (videos, few),
        f"{len(names)} videos{each}": (videos, names),
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
