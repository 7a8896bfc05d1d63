"""Decoding a whole set of videos once, into packed frames.

The videos, in the order of the index, are cut into shards by the size of their files alone. A shard is one flat file of
uint8 frames, one video after the other, and the unit of work: worker processes take one shard at a time, and a killed
extraction goes on with the shards that are missing. The bytes depend on nothing else: not on the number of workers, not
on what was killed when.

Decoders are native code, which may hang or crash: each worker reports what it does, and one that stays silent too long,
or dies, is replaced. The video it was at is given to the next decoder, or else reported as broken.
"""

import importlib
import logging
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from reeltrace.artifacts.formats import ABOUT, BROKEN_VIDEOS, FRAMES
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import SCRATCH
from reeltrace.artifacts.video_sets import AboutFrames, Broken, Row, count_frames
from reeltrace.data.decoding import TOLERANCE, DecodingError, read_header, scaled_size
from reeltrace.data.disk import writing
from reeltrace.errors import CheckFailed, UserError
from reeltrace.machine import process_memory

log = logging.getLogger(__name__)

SCHEMA = 2
SHARD_BYTES = 4 * 2**20  # of encoded video in one shard, unless a single video has more
TIME_LIMIT = 60.0  # seconds that a decoder may take for the next HEARTBEAT frames
HEARTBEAT = 64
BUFFER = 2**20  # bytes that are written at once: by single frames it takes half as long again
DECODERS: dict[str, str] = {
    "decord": "reeltrace.data.decoding:decord_frames",
    "pyav": "reeltrace.data.decoding:pyav_frames",
}


@dataclass(frozen=True)
class Extracted:
    """What an extraction did: videos and frames in the store, broken ones, and how much of it was there before."""

    videos: int
    frames: int
    broken: int
    shards: int
    shards_before: int
    seconds: float
    peak_worker_bytes: int


@dataclass(frozen=True)
class _Shard:
    """A run of consecutive videos. `given_up` names, per video, decoders that hung or died on it, and how."""

    number: int
    videos: tuple[str, ...]
    given_up: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.number:05d}.bin"


@dataclass(frozen=True)
class _Setup:
    """What every worker is told once."""

    videos: Path
    work: Path
    short_side: int
    decoders: dict[str, str]


def extract(
    videos_folder: Path,
    videos: Sequence[str],
    work: Path,
    *,
    short_side: int,
    workers: int,
    time_limit: float = TIME_LIMIT,
    shard_bytes: int = SHARD_BYTES,
    decoders: Mapping[str, str] = DECODERS,
    progress: Callable[[int, int], None] | None = None,
) -> Extracted:
    """Decode `videos` (paths below `videos_folder`) into `work`: `shards/`, `frames.csv`, `broken.json`, `about.json`.

    Each video's short side becomes `short_side` pixels. `decoders` maps a name, in order of preference, to
    "module:function", imported by the workers (see `decoding.Decoder`). `progress` is called with the videos that are
    done and all videos. Whole shards that an earlier call left in `work` are kept.

    A video that cannot be decoded stops nothing: it is listed in `broken.json`. Raises UserError for a full disk and
    for a listed video that is not there.
    """
    began = time.monotonic()
    shards = _cut(videos_folder, videos, shard_bytes)
    (work / "shards").mkdir(parents=True, exist_ok=True)
    _remove_parts(work)
    setup = _Setup(videos_folder, work, short_side, dict(decoders))
    there = [shard for shard in shards if _finished(work, shard) is not None]
    found = {shard.number for shard in there}
    waiting = [shard for shard in shards if shard.number not in found]
    if there:
        log.info("frames: %d of %d shards were there already", len(there), len(shards))
    done = sum(len(shard.videos) for shard in there)
    if progress is not None:
        progress(done, len(videos))
    peak = 0
    if waiting:
        try:
            with _Crew(setup, min(workers, len(waiting)), time_limit) as crew:
                for shard, memory in crew.run(waiting):
                    done, peak = done + len(shard.videos), max(peak, memory)
                    if progress is not None:
                        progress(done, len(videos))
        finally:
            _remove_parts(work)  # on a full disk they are what fills it
    rows, broken = _collect(work, shards)
    _write(work, rows, broken, short_side)
    for entry in broken:
        log.warning("%s: not decoded: %s", entry["video"], entry["reason"])
    seconds = time.monotonic() - began
    frames = sum(row["frames"] for row in rows)
    return Extracted(len(rows), frames, len(broken), len(shards), len(there), seconds, peak)


def _cut(folder: Path, videos: Sequence[str], shard_bytes: int) -> list[_Shard]:
    runs: list[list[str]] = []
    size = 0
    for video in videos:
        try:
            own = (folder / video).stat().st_size
        except FileNotFoundError:
            raise UserError(f"{folder / video}: not there, though the index lists it; make the dataset again") from None
        if not runs or size + own > shard_bytes:
            runs.append([])
            size = 0
        runs[-1].append(video)
        size += own
    return [_Shard(number, tuple(run)) for number, run in enumerate(runs)]


def _remove_parts(work: Path) -> None:
    for part in (work / "shards").glob(".*.part"):
        part.unlink()


def _note(work: Path, shard: _Shard) -> Path:
    return work / SCRATCH / "shards" / f"{shard.number:05d}.json"


def _finished(work: Path, shard: _Shard) -> dict[str, Any] | None:
    """What a worker wrote about a shard, if the shard is whole."""
    note = _note(work, shard)
    if not note.is_file():
        return None
    try:
        found: dict[str, Any] = read_json(note)
    except CheckFailed:
        return None
    path = work / "shards" / shard.name
    size = path.stat().st_size if path.is_file() else 0
    return found if size == found["bytes"] and found["videos"] == list(shard.videos) else None


def _collect(work: Path, shards: Sequence[_Shard]) -> tuple[list[Row], list[Broken]]:
    rows: list[Row] = []
    broken: list[Broken] = []
    for shard in shards:
        found = _finished(work, shard)
        assert found is not None, shard.name
        rows += found["rows"]
        broken += found["broken"]
    return rows, broken


def _write(work: Path, rows: Sequence[Row], broken: Sequence[Broken], short_side: int) -> None:
    FRAMES.write(work, ([row[name] for name in FRAMES.columns] for row in rows))  # type: ignore[literal-required]
    write_json(work / BROKEN_VIDEOS, list(broken))
    counted = count_frames(rows, len(broken), DECODERS)
    about: AboutFrames = {"schema": SCHEMA, "short_side": short_side, "tolerance": TOLERANCE, **counted}
    write_json(work / ABOUT, about)


# --- the workers, seen from the parent ---


class _Worker:
    """One worker process and what it is doing."""

    def __init__(self, setup: _Setup) -> None:
        context = multiprocessing.get_context("spawn")  # forked, it would inherit locks of libraries' threads
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, setup, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()
        self.shard: _Shard | None = None
        self.video, self.decoder = "", ""
        self.heard = time.monotonic()

    def give(self, shard: _Shard) -> None:
        self.shard, self.video, self.decoder = shard, "", ""
        self.heard = time.monotonic()
        with suppress(OSError):  # a worker that is gone is noticed when it does not answer
            self.connection.send(shard)

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class _Crew:
    """Workers that are replaced when they hang or die."""

    def __init__(self, setup: _Setup, workers: int, time_limit: float) -> None:
        self.setup, self.time_limit = setup, time_limit
        self.workers = [_Worker(setup) for _ in range(max(1, workers))]

    def __enter__(self) -> "_Crew":
        return self

    def __exit__(self, *exc: object) -> None:
        for worker in self.workers:
            worker.stop()

    def run(self, shards: Sequence[_Shard]) -> Iterator[tuple[_Shard, int]]:
        """Each shard when it is whole, and the largest resident size of its worker in bytes."""
        waiting = list(reversed(shards))
        for worker in self.workers:
            if waiting:
                worker.give(waiting.pop())
        while any(worker.shard for worker in self.workers):
            busy = {worker.connection: worker for worker in self.workers if worker.shard}
            patience = min(worker.heard for worker in busy.values()) + self.time_limit - time.monotonic()
            for ready in wait(list(busy), timeout=max(0.0, patience)):
                worker = busy[cast("Connection", ready)]
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    self._replace(worker, _death(worker.process.exitcode))
                    continue
                worker.heard = time.monotonic()
                if message[0] == "at":
                    _, worker.video, worker.decoder = message
                elif message[0] == "failed":
                    raise UserError(message[1])
                elif message[0] == "error":
                    raise RuntimeError(f"in a worker process:\n{message[1]}")
                elif message[0] == "done":
                    assert worker.shard is not None
                    yield worker.shard, message[1]
                    worker.shard = None
                    if waiting:
                        worker.give(waiting.pop())
            now = time.monotonic()
            for worker in list(self.workers):
                if worker.shard and now - worker.heard >= self.time_limit:
                    self._replace(worker, f"no answer within {self.time_limit:g} s")

    def _replace(self, worker: _Worker, how: str) -> None:
        """End a worker, and let another do its shard without what it did last."""
        shard = worker.shard
        assert shard is not None
        worker.stop()
        self.workers.remove(worker)
        if not worker.video:
            raise UserError(f"frames: a worker process could not start ({how}); see the log of the stage")
        log.info("%s: %s: %s", worker.video, worker.decoder, how)
        given_up = {video: dict(names) for video, names in shard.given_up.items()}
        given_up.setdefault(worker.video, {})[worker.decoder] = how
        fresh = _Worker(self.setup)
        self.workers.append(fresh)
        fresh.give(_Shard(shard.number, shard.videos, given_up))


def _death(code: int | None) -> str:
    return f"the decoder crashed (signal {-code})" if code is not None and code < 0 else "the decoder ended the process"


# --- a worker, seen from inside ---


def _serve(connection: Connection, setup: _Setup, parent: int) -> None:
    """Do shards until the parent hangs up."""
    _die_with(parent)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # FFmpeg writes what it thinks of a damaged file there; the parent says it in one line
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):
        while True:
            shard = connection.recv()
            try:
                _do(connection, setup, shard)
            except UserError as error:
                connection.send(("failed", str(error)))
            except ConnectionError:
                raise  # the parent hung up
            except OSError as error:
                place = setup.work / "shards" / shard.name
                said = f"{place}: cannot be written ({error.strerror}); correct that, then run the same command again"
                connection.send(("failed", said))
            except Exception:
                connection.send(("error", traceback.format_exc()))


def _die_with(parent: int) -> None:
    """Ask the kernel to end this process when its parent ends, however it ends."""
    with suppress(OSError, AttributeError):
        import ctypes
        import signal

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def _do(connection: Connection, setup: _Setup, shard: _Shard) -> None:
    final = setup.work / "shards" / shard.name
    part = final.with_name(f".{shard.name}.part")
    rows: list[Row] = []
    broken: list[Broken] = []
    with writing(part, None), part.open("wb", buffering=BUFFER) as file:
        for video in shard.videos:
            start = file.tell()
            try:
                rows.append(_decode(connection, setup, shard, video, file))
            except _Broken as reason:
                file.seek(start)
                file.truncate()
                broken.append({"video": video, "reason": str(reason)})
            _begin_to_write_back(file, start)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    part.replace(final) if size else part.unlink()
    write_json(_note(setup.work, shard), {"bytes": size, "videos": list(shard.videos), "rows": rows, "broken": broken})
    connection.send(("done", process_memory.peak()))


def _begin_to_write_back(file: BinaryIO, start: int) -> None:
    """Let the disk take what was written since `start` while the next video is decoded, not all at once at the end."""
    file.flush()
    if hasattr(os, "posix_fadvise"):  # Linux begins to write such pages; until they are on the disk they stay in memory
        os.posix_fadvise(file.fileno(), start, file.tell() - start, os.POSIX_FADV_DONTNEED)


class _Broken(Exception):
    """No decoder could read this video."""


def _decode(connection: Connection, setup: _Setup, shard: _Shard, video: str, file: Any) -> Row:
    """Append the frames of one video to the shard, by the first decoder that manages."""
    given_up = shard.given_up.get(video, {})
    path, start = setup.videos / video, file.tell()
    if "header" in given_up:
        raise _Broken(f"header: {given_up['header']}")
    connection.send(("at", video, "header"))
    try:
        header = read_header(path)
    except DecodingError as error:
        raise _Broken(str(error) if path.stat().st_size else "the file is empty") from error
    height, width = scaled_size(header.height, header.width, setup.short_side)
    reasons = []
    others = []  # what decoders counted that miscount
    names = list(setup.decoders)
    for name in names:
        if name in given_up:
            reasons.append(f"{name}: {given_up[name]}")
            continue
        if header.careful and name != names[-1]:
            reasons.append(f"{name}: {header.careful}")
            continue
        connection.send(("at", video, name))
        count = 0
        try:
            for frame in _named(setup.decoders[name])(path, height, width):
                if frame.shape != (height, width, 3):
                    raise DecodingError(f"a frame of {frame.shape}, expected {(height, width, 3)}")
                file.write(np.ascontiguousarray(frame).data)  # PyAV pads the rows of some sizes
                count += 1
                if count % HEARTBEAT == 0:
                    connection.send(("at", video, name))
            if count == 0:
                raise DecodingError("no frame can be decoded")
            if count != header.packets and name != names[-1]:
                others.append((name, count))
                raise DecodingError(f"{count} frames of {header.packets} packets")
            header.check(count)
        except DecodingError as error:
            reasons.append(f"{name}: {error}")
            file.seek(start)
            file.truncate()
            continue
        return {
            "video": video,
            "shard": shard.name,
            "offset": start,
            "frames": count,
            "height": height,
            "width": width,
            "decoder": name,
            "fps": header.fps,
            "note": header.note(count, [f"{other} gives {given} frames" for other, given in others if given != count]),
            "expected": header.expected,
        }
    raise _Broken("; ".join(reasons))


def _named(place: str) -> Callable[[Path, int, int], Iterator[Any]]:
    module, _, function = place.partition(":")
    found: Callable[[Path, int, int], Iterator[Any]] = getattr(importlib.import_module(module), function)
    return found
