"""`reeltrace detect`: persons and their actions in one video, from files that the user names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.detection import ava
from reeltrace.detection.clips import Source, key_seconds, open_source
from reeltrace.detection.detect import Found, annotate, as_detections, check_net, detect, find_persons
from reeltrace.detection.persons import NETS, Persons, detector
from reeltrace.errors import UserError, known_names
from reeltrace.recognition.annotate import SUFFIXES
from reeltrace.recognition.nets import Loaded, load_net, random_net

# A small net for trying, with drawn weights: seconds for a video on a laptop.
TRIED: dict[str, Any] = {
    "head": "detect",
    "classes": 80,
    "blocks": (1, 1, 1, 1),
    "width": 16,
    "nonlocal_after": ((), (), (), ()),
    "strides": (1, 2, 2, 1),
    "dilations": (1, 1, 1, 2),
}


@dataclass(frozen=True)
class Asked:
    """What the command was given: see the options of `reeltrace detect`."""

    video: Path
    checkpoint: Path | None = None
    person_detector: Path | None = None
    person_net: str = NETS[0]
    boxes: Path | None = None
    labels: Path | None = None
    output: Path | None = None
    csv: Path | None = None
    threshold: float = 0.5
    persons: float = 0.8
    every: float = 1.0
    begins: float = 0.0
    rate: float | None = None
    random: bool = False


def run(asked: Asked, note: Callable[[str], None]) -> Iterator[str]:
    """Do it, and say in lines what was found; `note` is told what is odd. Raises UserError for what cannot be done."""
    _check(asked)
    loaded = _net(asked)
    actions = None if asked.labels is None else ava.read_actions(asked.labels)
    classes = loaded.config.classes
    if actions and max(actions) > classes:
        raise UserError(f"{asked.labels}: names action {max(actions)}; the net has {classes} classes")
    names = ava.names_of(actions, classes)
    source = open_source(asked.video, asked.rate)
    if source.note:
        note(f"{asked.video}: {source.note}")
    times, boxes = _boxes(asked, source)
    found = detect(source, boxes, loaded)
    if asked.csv is not None:
        stamps = {number: asked.begins + seconds for number, seconds in times.items()}
        ava.write_detections(asked.csv, as_detections(found, asked.video.stem, stamps))
    if asked.output is not None:
        annotate(asked.output, source, found, names, asked.threshold)
    if asked.random:
        yield "drawn weights: the scores mean nothing"
    yield from _said(found, times, names, asked.threshold)


def _check(asked: Asked) -> None:
    if asked.checkpoint is None and not asked.random:
        raise UserError(
            "--checkpoint: no net is named; give one that reeltrace convert has written (docs/detection.md), or try "
            "with --random"
        )
    if asked.checkpoint is not None and asked.random:
        raise UserError("--random: draws the weights of a net, and --checkpoint names some; leave one of them out")
    if asked.boxes is not None and asked.person_detector is not None:
        raise UserError("--boxes: says where the persons are, and so would --person-detector; leave one of them out")
    if asked.boxes is None and asked.person_detector is None and not asked.random:
        raise UserError(
            "--person-detector: nothing says where the persons are; name torchvision's weights of "
            f"{asked.person_net}, or give --boxes"
        )
    if asked.output is not None and asked.output.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{asked.output}: found the suffix {asked.output.suffix!r}; expected one of {', '.join(SUFFIXES)}"
        )
    for name, value, least, most in (
        ("threshold", asked.threshold, 0.0, 1.0),
        ("persons", asked.persons, 0.0, 1.0),
        ("every", asked.every, 0.05, 3600.0),
        ("begins", asked.begins, 0.0, 1e6),
    ):
        if not least <= value <= most:
            raise UserError(f"--{name}: found {value:g}; expected {least:g} to {most:g}")


def _net(asked: Asked) -> Loaded:
    loaded = random_net("slowfast", **TRIED) if asked.checkpoint is None else load_net(asked.checkpoint)
    check_net(loaded)
    return loaded


def _boxes(asked: Asked, source: Source) -> tuple[dict[int, float], dict[int, list[tuple[ava.Corners, float]]]]:
    """The key frames with their times in the video, and the boxes on each."""
    if asked.boxes is None:
        times = {source.at(seconds): seconds for seconds in key_seconds(source, asked.every)}
        return times, find_persons(source, list(times), _persons(asked))
    given = ava.read_boxes(asked.boxes, asked.persons)
    here = {frame: boxes for frame, boxes in given.items() if frame.video == asked.video.stem}
    if not here:
        names = sorted({frame.video for frame in given})
        raise UserError(
            f"{asked.boxes}: no box of a video {asked.video.stem!r}"
            + (f"; {known_names(asked.video.stem, names)}" if names else "")
        )
    times = {}
    boxes: dict[int, list[tuple[ava.Corners, float]]] = {}
    for frame, each in sorted(here.items()):
        seconds = frame.seconds - asked.begins
        if not 0 <= seconds <= source.frames / source.rate:
            raise UserError(
                f"{asked.boxes}: timestamp {frame.timestamp} of {frame.video} lies outside of the video; say with "
                "--begins at which timestamp it begins"
            )
        times[source.at(seconds)] = seconds
        boxes[source.at(seconds)] = each
    return times, boxes


def _persons(asked: Asked) -> Persons:
    if asked.person_detector is not None:
        return detector(asked.person_detector, asked.person_net, asked.persons)
    return detector(None, NETS[-1], 0.0)


def _said(found: Found, times: dict[int, float], names: list[str], threshold: float) -> Iterator[str]:
    for number, persons in found.items():
        yield f"{times[number]:.1f} s: {len(persons) or 'no'} person{'' if len(persons) == 1 else 's'}"
        for each in persons:
            x1, y1, x2, y2 = each.box
            doing = ", ".join(f"{names[action - 1]} {sure:.2f}" for action, sure in each.above(threshold)[:5])
            yield f"  {x1:.2f} {y1:.2f} {x2:.2f} {y2:.2f} ({each.score:.2f}): {doing or f'nothing above {threshold:g}'}"
