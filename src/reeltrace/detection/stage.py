"""The `measure` stage for detection: frame-mAP of a net on a set of videos that the user has in AVA's format."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import write_json
from reeltrace.data.decoding import scaled_size
from reeltrace.detection import ava
from reeltrace.detection.ava import Corners, Frame, Label
from reeltrace.detection.average_precision import IOU, evaluate, mean
from reeltrace.detection.clips import Source, clips_around, open_source
from reeltrace.detection.detect import check_net, score
from reeltrace.errors import UserError, known_names
from reeltrace.kinds.measurements.detection import DETECTIONS
from reeltrace.measure.latency import choose_device
from reeltrace.recognition.nets import Loaded, load_net

if TYPE_CHECKING:
    from reeltrace.kinds.measurements.detection import AvaFiles, DetectionMeasurement
    from reeltrace.registry.specs import MeasureSpec

SCHEMA = 1
VIDEOS = (".mp4", ".mkv", ".avi", ".webm", ".mov", ".m4v")
_CUT = re.compile(r"(?P<video>.+)_(?P<first>\d{6})_(?P<last>\d{6})")  # how a clip of Kinetics is called
_MOST_MISSING = 3  # videos that a message names


@dataclass(frozen=True)
class Place:
    """A file or a folder of images that holds a part of a video: from the timestamp `begins` on, in seconds."""

    path: Path
    begins: float


def run(spec: MeasureSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `metrics.json` and `detections.csv`. Needs no inputs: all files are the user's.

    Where no checkpoint or no set is named, `left_out` says so and there is no number. Raises UserError for a file that
    is missing or does not fit, and for a video that is missing: a part of a set gives another number.
    """
    asked = cast("DetectionMeasurement", spec.measurement)
    place = f"measurements.{spec.key}"
    missing = [name for name in ("checkpoint", "set") if getattr(asked, name) is None]
    if asked.checkpoint is None or asked.set is None:
        ava.write_detections(work / DETECTIONS, ())
        write_json(work / METRICS, {"schema": SCHEMA, "left_out": f"{place} names no {' and no '.join(missing)}"})
        return {}
    device = choose_device(asked.device)
    torch.set_num_threads(asked.threads)
    loaded = load_net(Path(asked.checkpoint))
    check_net(loaded)
    metrics, detections = measure(asked.set, loaded, device, f"params.yaml: {place}.set")
    ava.write_detections(work / DETECTIONS, detections)
    net = {"path": asked.checkpoint, "sha256": sha256_file(Path(asked.checkpoint)), "view": asdict(loaded.view)}
    write_json(work / METRICS, {"schema": SCHEMA, "net": net, **metrics})
    return {}


def measure(files: AvaFiles, loaded: Loaded, device: torch.device, where: str) -> tuple[dict[str, Any], list[Label]]:
    """What metrics.json holds of a set, and every detection. `where` names the set in what is said of a mistake."""
    actions = None if files.actions is None else ava.read_actions(Path(files.actions))
    classes = loaded.config.classes
    labels = ava.read_labels(Path(files.labels), actions)
    if (most := max([*(actions or ()), *(label.action for label in labels.labels)], default=0)) > classes:
        raise UserError(f"{where}: action {most} is beyond the {classes} classes of {loaded.origin}")
    excluded = frozenset() if files.excluded is None else ava.read_excluded(Path(files.excluded))
    frames = sorted(labels.frames - excluded)
    if not any(label.frame not in excluded for label in labels.labels):
        raise UserError(f"{where}.labels: {files.labels} has no label of an action that counts")
    boxes = _boxes(files, labels.labels)
    places = _places(files, frames, where)
    counted = sorted(actions) if actions is not None else list(range(1, classes + 1))
    detections: list[Label] = []
    seen: list[dict[str, Any]] = []
    for path, here in places.items():
        source = open_source(path.path, files.rate)
        detections += _of_video(source, path, here, boxes, loaded, device, counted)
        seen.append({"path": path.path.name, "frames": source.frames, "key_frames": len(here), **_hash(path.path)})
    found = evaluate(labels.labels, detections, excluded)
    average = mean(found)
    assert average is not None  # there is a label
    names = ava.names_of(actions, classes)
    return {
        "iou": IOU,
        "frame_map": {
            "mean": average,
            "percent": 100 * average,
            "of": f"{len(frames):,} key frames of {Path(files.labels).name}",
            "departs": None if files.boxes else "the boxes are the labelled ones, none that a person detector found",
        },
        "key_frames": len(frames),
        "labelled": sum(each.labelled for each in found.values()),
        "boxes": files.boxes or "as labelled",
        "actions": {str(action): {"name": names[action - 1], **asdict(each)} for action, each in found.items()},
        "videos": seen,
    }, detections


def _of_video(
    source: Source,
    place: Place,
    frames: Iterable[Frame],
    boxes: Mapping[Frame, list[Corners]],
    loaded: Loaded,
    device: torch.device,
    counted: list[int],
) -> Iterator[Label]:
    at: dict[int, list[Frame]] = {}
    for frame in frames:
        if boxes.get(frame):
            at.setdefault(source.at(frame.seconds - place.begins), []).append(frame)
    size = scaled_size(source.height, source.width, loaded.view.side)
    net = loaded.net.to(device)
    for number, clip in clips_around(source, list(at), loaded.view):
        for frame in at[number]:
            rows = score(net, clip, boxes[frame], size).tolist()
            for box, row in zip(boxes[frame], rows, strict=True):
                yield from (Label(frame, box, action, row[action - 1]) for action in counted)


def _boxes(files: AvaFiles, labels: Iterable[Label]) -> dict[Frame, list[Corners]]:
    if files.boxes is None:
        return {frame: list(dict.fromkeys(one.box for one in each)) for frame, each in ava.by_frame(labels).items()}
    given = ava.read_boxes(Path(files.boxes), files.persons)
    return {frame: [box for box, _ in each] for frame, each in given.items()}


def _places(files: AvaFiles, frames: Iterable[Frame], where: str) -> dict[Place, list[Frame]]:
    """Where each key frame is to be found. Raises UserError that names the first videos that are not there."""
    folder = Path(files.videos)
    if not folder.is_dir():
        raise UserError(f"{where}.videos: {folder} is no folder; name the one that holds the videos")
    whole: dict[str, Path] = {}
    cut: dict[str, list[tuple[int, int, Path]]] = {}
    for path in sorted(folder.iterdir()):
        if not (path.is_dir() or path.suffix.lower() in VIDEOS):
            continue
        name = path.name if path.is_dir() else path.stem
        if match := _CUT.fullmatch(name):
            cut.setdefault(match["video"], []).append((int(match["first"]), int(match["last"]), path))
        whole[name] = path
    found: dict[Place, list[Frame]] = {}
    missing: list[str] = []
    for frame in frames:
        part = next((each for each in cut.get(frame.video, ()) if each[0] <= frame.seconds <= each[1]), None)
        if part is not None:
            found.setdefault(Place(part[2], float(part[0])), []).append(frame)
        elif frame.video in whole:
            found.setdefault(Place(whole[frame.video], files.begins), []).append(frame)
        elif frame.video not in missing:
            missing.append(frame.video)
    if missing:
        shown = ", ".join(missing[:_MOST_MISSING]) + (", ..." if len(missing) > _MOST_MISSING else "")
        there = known_names(missing[0], sorted(whole)) if whole else "it has none"
        raise UserError(f"{where}.videos: {folder} lacks {len(missing)} labelled videos: {shown}; {there}")
    return found


def _hash(path: Path) -> dict[str, Any]:
    return {} if path.is_dir() else {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
