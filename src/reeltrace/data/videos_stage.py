"""The stage `data` for sets of videos: UCF-101 and HMDB-51 from their official archives, or stand-ins for them."""

import contextlib
import functools
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import ABOUT, VIDEO_INDEX
from reeltrace.artifacts.json_values import write_json
from reeltrace.artifacts.names import SCRATCH
from reeltrace.artifacts.video_sets import about_set
from reeltrace.data import declared, downloads, standin
from reeltrace.data.archives import unpack
from reeltrace.data.downloads import Source, UnreachableError
from reeltrace.data.official_splits import UCF_FOLDER, Layout, Splits, by_spelling, read_splits
from reeltrace.errors import UserError
from reeltrace.machine.affinity import processors

if TYPE_CHECKING:
    from reeltrace.kinds.datasets.videos import VideosSpec

log = logging.getLogger(__name__)

# The archives of each set: the videos, from the first that can be had, and the split lists.
VIDEOS: dict[Layout, tuple[str, ...]] = {"ucf101": ("ucf101-videos", "ucf101-videos-zip"), "hmdb51": ("hmdb51-videos",)}
LISTS: dict[Layout, str] = {"ucf101": "ucf101-splits", "hmdb51": "hmdb51-splits"}
NAMES: dict[Layout, str] = {"ucf101": "UCF-101", "hmdb51": "HMDB-51"}
_Progress = Callable[[int, int], None]


def run(spec: "VideosSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write one set of videos into `work`: `videos/`, `splits/`, `index.csv` and `about.json`.

    The folders are laid out as the official archives unpack. `index.csv` has a row per video, sorted by label and path:
    its path below `videos/`, class, label from 0, side in each official split (train, test or unused), bytes, sha256.
    Returned is where the archives came from. A killed run is continued from what lies in `work`.

    Raises UserError when an archive cannot be had or unpacked, or when the lists and the videos do not agree.
    """
    assert spec.layout != "listed"  # the work of `listed_stage`
    if spec.generated is not None:
        facts, source = _generate(spec, work), None
    else:
        facts, source = _bring(spec.layout, work)
    videos = work / "videos"
    names = [path.relative_to(videos).as_posix() for path in videos.rglob("*.avi") if path.is_file()]
    splits = read_splits(spec.layout, work / "splits", names, spec.classes)
    size = _write_index(work, splits)
    about = about_set(
        spec.layout,
        standin.SOURCE[spec.layout] if source is None else NAMES[spec.layout],
        standin.LICENCE if source is None else source.licence,
        standin.CITATION if source is None else source.citation,
        splits.classes,
        splits.sides.values(),
        size,
    )
    write_json(work / ABOUT, about)
    return facts


def _generate(spec: "VideosSpec", work: Path) -> dict[str, Any]:
    assert spec.generated is not None and spec.layout != "listed"
    with _shown(f"{spec.key}: drawing") as progress:
        standin.generate(
            spec.layout,
            work,
            classes=spec.classes,
            groups=spec.generated.groups,
            clips_per_group=spec.generated.clips_per_group,
            frames=spec.generated.frames,
            seed=spec.generated.seed,
            threads=drawing_threads(),
            progress=progress,
        )
    return {}


def drawing_threads() -> int:
    """How many videos are drawn at a time: OMP_NUM_THREADS, to which Snakemake sets the threads of a job, or the cores
    that this process may use.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    return processors()


def _bring(layout: Layout, work: Path) -> tuple[dict[str, Any], Source]:
    """Download, check and unpack the official archives; which addresses served, and the source of the videos."""
    lists = downloads.obtain(declared.source(LISTS[layout]), downloads.place())
    videos, source = _first_reachable([declared.source(key) for key in VIDEOS[layout]])
    with _shown(f"{layout}: split lists") as progress:
        unpack(lists.path, work / "splits", progress)
    with _shown(f"{layout}: videos") as progress:
        if layout == "hmdb51":
            _unpack_nested(videos.path, work, progress)
        elif source.name.endswith(".zip"):
            _unpack_flat(videos.path, work, progress)
        else:
            unpack(videos.path, work / "videos", progress)
    return {"served": {"videos": videos.served, "splits": lists.served}}, source


def _first_reachable(wanted: list[Source]) -> tuple[downloads.Fetched, Source]:
    """The first of several archives of the same videos that is there or can be had."""
    reasons = []
    here = [source for source in wanted if (downloads.place() / source.name).exists()]
    for source in [*here, *(source for source in wanted if source not in here)]:
        try:
            return downloads.obtain(source, downloads.place()), source
        except UnreachableError as error:
            reasons.append(str(error))
    raise UnreachableError("; or else: ".join(reasons))


def _unpack_nested(archive: Path, work: Path, progress: _Progress | None) -> None:
    """HMDB-51: an archive per class, inside one archive. A class that was unpacked whole is not unpacked again."""
    scratch = work / SCRATCH / "classes"
    marks = work / SCRATCH / "unpacked"
    marks.mkdir(parents=True, exist_ok=True)
    if not (marks / "all").exists():
        inner = unpack(archive, scratch)
        odd = [path for path in inner if path.suffix.lower() != ".rar"]
        if odd:
            raise UserError(f"{archive}: entry {odd[0]}: expected one archive per class, <class>.rar; bring it again")
        (marks / "all").touch()
    waiting = sorted(scratch.rglob("*.rar"))
    for number, path in enumerate(waiting, 1):
        unpack(path, work / "videos", place=functools.partial(_in_class, archive, path))
        path.unlink()
        if progress is not None:
            progress(number, len(waiting))


def _in_class(archive: Path, inner: Path, path: PurePosixPath) -> PurePosixPath:
    """Where a file of a class's archive goes: to its own path, if that is in the folder of the class."""
    if len(path.parts) != 2 or path.parts[0] != inner.stem:
        raise UserError(f"{archive}: {inner.name}: entry {path}: expected {inner.stem}/<video>.avi; bring it again")
    return path


def _unpack_flat(archive: Path, work: Path, progress: _Progress | None) -> None:
    """UCF-101's second archive has all videos in one folder: each goes into the folder of its class.

    It also writes v_HandstandPushups where the lists and the first archive have v_HandStandPushups. A file gets the
    name that the lists give it, so that the set does not depend on which archive it came from.
    """
    folder = work / "splits" / UCF_FOLDER
    index = folder / "classInd.txt"
    try:
        lines = [line.split() for line in index.read_text(encoding="utf-8").splitlines() if line.strip()]
        classes = {line[1].casefold(): line[1] for line in lines}
        listed = {
            PurePosixPath(line.split()[0]).name
            for path in folder.glob("t*list*.txt")
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        }
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise UserError(f"{index}: not a list of classes ({error}); bring the official split files") from error
    spelled = by_spelling(listed)

    def place(path: PurePosixPath) -> PurePosixPath:
        parts = path.stem.split("_")  # v_<Class>_gNN_cNN
        target = classes.get(parts[1].casefold()) if len(parts) == 4 and parts[0] == "v" else None
        if target is None or path.suffix != ".avi":
            raise UserError(f"{archive}: entry {path}: expected v_<Class>_gNN_cNN.avi of a class of classInd.txt")
        names = spelled.get(path.name.casefold(), [])
        return PurePosixPath("UCF-101", target, names[0] if len(names) == 1 else path.name)

    unpack(archive, work / "videos", progress, place)


def _write_index(work: Path, splits: Splits) -> int:
    """Write `index.csv`; the number of bytes of all videos."""
    total = 0
    order = sorted(splits.labels, key=lambda video: (splits.labels[video], video))
    rows = []
    for video in order:
        path, label = work / "videos" / video, splits.labels[video]
        size = path.stat().st_size
        total += size
        rows.append([video, splits.classes[label], label, *splits.sides[video], size, sha256_file(path)])
    VIDEO_INDEX.write(work, rows)
    return total


@contextlib.contextmanager
def _shown(title: str) -> Iterator[_Progress | None]:
    """A progress bar on a terminal, nothing anywhere else."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
