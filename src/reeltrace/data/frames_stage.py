"""The stage `frames`: decode every video of a set once, and pack its frames for memory-mapped reading."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.formats import VIDEO_INDEX
from reeltrace.data.frames import extract
from reeltrace.machine import variables
from reeltrace.machine.affinity import processors

if TYPE_CHECKING:
    from reeltrace.registry.specs import FramesSpec


def run(spec: "FramesSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `shards/`, `frames.csv`, `broken.json` and `about.json` into `work`; see `frames.extract`.

    Decodes on all cores that the process may use, or on as many as REELTRACE_WORKERS says. Returned are facts that may
    differ between two equal runs: workers, rates, memory of the largest worker, and how many shards were there already.
    Another set among the inputs is the one that has the videos.
    """
    folder = inputs[f"data/{spec.key}"]
    names = read_names(folder)
    owner = next((other for name, other in inputs.items() if name != f"data/{spec.key}"), folder)
    videos = owner / "videos" if spec.folder is None else Path(spec.folder).expanduser()
    count = workers()
    with _shown(f"{spec.key}: frames") as progress:
        done = extract(videos, names, work, short_side=spec.short_side, workers=count, progress=progress)
    return {
        "workers": count,
        "frames_per_second": round(done.frames / done.seconds, 1),
        "videos_per_second": round(done.videos / done.seconds, 1),
        "peak_worker_memory_bytes": done.peak_worker_bytes,
        "shards": done.shards,
        "shards_there_already": done.shards_before,
    }


def workers() -> int:
    """How many processes decode: REELTRACE_WORKERS, or the cores that this process may use."""
    if asked := os.environ.get(variables.WORKERS):
        return variables.workers(asked)
    return processors()


def read_names(folder: Path) -> list[str]:
    """The videos of a set's index, paths below `videos/`, in its order. Raises UserError when it is no such index."""
    return [row["video"] for row in VIDEO_INDEX.read(folder, "video")]


@contextlib.contextmanager
def _shown(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal, nothing anywhere else."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
