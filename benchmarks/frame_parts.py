"""Where the time of an extracted frame goes, and what other ways to its pixels would take and change.

    python benchmarks/frame_parts.py [VIDEO ...] [--short-sides 128 32] [--turns 7]

Processor time per frame of a video, by default of a drawn one as UCF-101 has them: for each step alone, the least of
some turns, bound to one core. The second table holds filters of FFmpeg, run by PyAV, against those that both decoders
use, which stand first: what they take, and how far each pixel is from theirs, in levels of 255. "Planes" stay in YUV,
which nothing here stores.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import decord
import numpy as np
from av.filter import Graph
from cold_report import at_least
from numpy.typing import NDArray

from reeltrace.data import standin
from reeltrace.data.decoding import decord_frames, pyav_frames, read_header, scaled_size
from reeltrace.data.frames import BUFFER
from reeltrace.machine import processor

Filters = tuple[tuple[str, str], ...]
RGB = (("format", "pix_fmts=rgb24"),)
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--short-sides", type=int, nargs="+", default=[128, 32])
    parser.add_argument("--turns", type=at_least(1), default=7)
    asked = parser.parse_args()
    if sys.platform != "linux":
        sys.exit("frame_parts.py: the times of threads are read from /proc, which only Linux has")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    decord.logging.set_level(decord.logging.QUIET)
    print(f"{processor.name()} ({' '.join(processor.features() or ())}); PyAV {av.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn.avi"
        if not asked.videos:
            action = standin.videos("ucf101", classes=1, groups=3, clips_per_group=1)[0]
            drawn.write_bytes(standin.encode(standin.render("ucf101", action, (180, 180), 1), 25))
        for path in asked.videos or [drawn]:
            for side in asked.short_sides:
                show(path, side, asked.turns, Path(folder))


def show(path: Path, side: int, turns: int, folder: Path) -> None:
    """Both tables of one video at one size."""
    header = read_header(path)
    size = height, width = scaled_size(header.height, header.width, side)
    frames = list(decoded(path))
    print(f"\n{path.name}: {len(frames)} frames, {header.width}x{header.height} to {width}x{height}")

    def each(what: Callable[[], object]) -> float:
        return least(what, turns) / len(frames)

    chosen, *others = ways(height, width).items()
    wanted = list(filtered(frames, chosen[1]))
    pixels = stacked(wanted)
    threads = decord_threads(path, size, turns)
    print(f"{'step':50}{'us':>7}")
    for name, microseconds in (
        ("count packets, look at the container", each(lambda: read_header(path))),
        ("PyAV: decode", each(lambda: exhaust(decoded(path)))),
        ("PyAV: scale and convert", each(lambda: exhaust(filtered(frames, chosen[1])))),
        ("  scale the planes, convert nothing", each(lambda: exhaust(filtered(frames, chosen[1][:1])))),
        ("PyAV: copy to numpy", each(lambda: exhaust(frame.to_ndarray() for frame in wanted))),
        ("PyAV: all", each(lambda: exhaust(pyav_frames(path, *size)))),
        ("decord: decode, scale and convert (its thread)", threads[0]),
        ("decord: hand packets over, copy frames", threads[1]),
        ("decord: all", each(lambda: exhaust(decord_frames(path, *size)))),
        ("write", each(lambda: write(folder / "written", pixels))),
        ("sha256, for the manifest", each(lambda: hashlib.sha256(pixels.data).digest())),
    ):
        print(f"{name:50}{microseconds:7.1f}")
    print(f"{'scale and convert by':50}{'us':>7}{'most':>6}{'mean':>6}{'> 2 levels':>12}")
    for name, filters in (chosen, *others):
        took = each(lambda filters=filters: exhaust(filtered(frames, filters)))
        found = stacked(filtered(frames, filters))
        if found.shape != pixels.shape:
            print(f"{name:50}{took:7.1f}")
            continue
        apart = np.abs(found.astype(np.int16) - pixels)
        print(f"{name:50}{took:7.1f}{apart.max():6}{apart.mean():6.2f}{(apart > 2).mean():12.2%}")


def ways(height: int, width: int) -> dict[str, Filters]:
    """The filters that both decoders use, then others: other formats between scaling and RGB, other kernels."""
    kernels = ("bilinear", "area", "fast_bilinear", "neighbor")
    scale = {kernel: ("scale", f"w={width}:h={height}:flags={kernel}") for kernel in kernels}
    convert = ("scale", "flags=bilinear"), *RGB
    between = ("yuv420p", "yuv422p", "yuv444p", "rgb0", "gbrp")
    exact = ("scale", scale["bilinear"][1] + "+accurate_rnd"), ("format", "pix_fmts=yuv422p")
    return {
        "bilinear, to rgb24": (scale["bilinear"], *RGB),
        **{
            f"bilinear, to {it}, to rgb24": (scale["bilinear"], ("format", f"pix_fmts={it}"), *convert)
            for it in between
        },
        "bilinear, to yuv422p, to rgb24, accurate_rnd": (*exact, ("scale", "flags=bilinear+accurate_rnd"), *RGB),
        **{f"{kernel}, to rgb24": (scale[kernel], *RGB) for kernel in kernels[1:]},
        "neighbor, planes": (scale["neighbor"], ("format", "pix_fmts=yuv420p")),
    }


def exhaust(frames: Iterable[object]) -> None:
    deque(frames, maxlen=0)


def least(what: Callable[[], object], turns: int) -> float:
    """Microseconds of processor time that a call takes, the least of some."""
    times = []
    for _ in range(turns):
        began = time.process_time()
        what()
        times.append(time.process_time() - began)
    return 1e6 * min(times)


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    """The frames of a video as they are, by PyAV, one thread."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        yield from container.decode(stream)


def filtered(frames: list[av.VideoFrame], filters: Filters) -> Iterator[av.VideoFrame]:
    """Frames after some filters."""
    graph, first = Graph(), frames[0]
    graph.threads = 1
    last = graph.add_buffer(width=first.width, height=first.height, format=first.format, time_base=Fraction(1, 1000))
    for name, how in (*filters, ("buffersink", "")):
        context = graph.add(name, how) if how else graph.add(name)
        last.link_to(context)
        last = context
    graph.configure()
    for frame in frames:
        graph.push(frame)
        yield last.pull()


def stacked(frames: Iterable[av.VideoFrame]) -> NDArray[np.uint8]:
    return np.stack([frame.to_ndarray() for frame in frames])


def decord_threads(path: Path, size: tuple[int, int], turns: int) -> tuple[float, float]:
    """Microseconds per frame of the thread that decodes, and of the one that asks; the turn with the least of both."""
    found = []
    for _ in range(turns):
        reader = decord.VideoReader(str(path), height=size[0], width=size[1], num_threads=1)
        before = nanoseconds()
        for first in range(0, len(reader), BATCH):
            reader.get_batch(range(first, min(first + BATCH, len(reader))))
        spent = {thread: time - before.get(thread, 0) for thread, time in nanoseconds().items()}
        asks = spent.pop(os.getpid())
        found.append((sum(spent.values()) / 1000 / len(reader), asks / 1000 / len(reader)))
        del reader  # its thread with it
    return min(found, key=sum)


def nanoseconds() -> dict[int, int]:
    """Processor time of each thread of this process."""
    threads = Path("/proc/self/task").iterdir()
    return {int(path.name): int((path / "schedstat").read_text().split()[0]) for path in threads}


def write(path: Path, frames: NDArray[np.uint8]) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=BUFFER) as file:
        for frame in frames:
            file.write(frame.data)


if __name__ == "__main__":
    main()
