"""Persons of a video and what each does: boxes on key frames, a clip around each, scores of every action, a video.

The net takes the boxes as they are found, on the whole frame scaled as its view says (mahler2020, 6.2.4). The document
has one key frame in ten seconds, that of the surest person; here each second has one, as AVA labels them.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from reeltrace.data.decoding import scaled_size
from reeltrace.detection.ava import Corners, Frame, Label
from reeltrace.detection.clips import Pixels, Source, clips_around, key_frames
from reeltrace.detection.persons import Persons
from reeltrace.errors import UserError
from reeltrace.models.float32 import exact_float32
from reeltrace.recognition.annotate import Box, Said, colour_of, with_boxes, write_video
from reeltrace.recognition.nets import Loaded

SHOWN = 3  # actions that are written at a box, at most


@dataclass(frozen=True)
class Person:
    """A box, shares of the frame's sides, the score of the person in it, and a score between 0 and 1 per action."""

    box: Corners
    score: float
    actions: tuple[float, ...]

    def above(self, threshold: float) -> list[tuple[int, float]]:
        """Its actions, counted from 1, with scores of at least `threshold`; the surest first."""
        found = [(number, score) for number, score in enumerate(self.actions, start=1) if score >= threshold]
        return sorted(found, key=lambda each: -each[1])


Boxes = Mapping[int, Sequence[tuple[Corners, float]]]
"""By the number of a key frame, boxes of persons with their scores."""
Found = dict[int, list[Person]]
"""By the number of a key frame, the persons on it."""


def check_net(loaded: Loaded) -> None:
    """Raises UserError for a net that takes no boxes."""
    if loaded.network != "slowfast" or loaded.config.head != "detect":
        raise UserError(
            f"{loaded.origin}: a network for recognition, {loaded.network}; detection needs a slowfast with head "
            "detect (reeltrace convert --architecture slowfast-detection)"
        )


def find_persons(source: Source, keys: Sequence[int], persons: Persons) -> dict[int, list[tuple[Corners, float]]]:
    """What a detector of persons finds on each key frame."""
    return {number: persons(frame) for number, frame in key_frames(source, keys)}


def detect(source: Source, boxes: Boxes, loaded: Loaded, device: torch.device | None = None) -> Found:
    """Score every action of every box. Key frames without a box cost nothing; they are in what is returned."""
    found: Found = {number: [] for number in sorted(boxes)}
    size = scaled_size(source.height, source.width, loaded.view.side)
    net = loaded.net.to(device or torch.device("cpu"))
    for number, clip in clips_around(source, [number for number, here in boxes.items() if here], loaded.view):
        scores = score(net, clip, [box for box, _ in boxes[number]], size)
        found[number] = [
            Person(box, sure, tuple(row)) for (box, sure), row in zip(boxes[number], scores.tolist(), strict=True)
        ]
    return found


def score(net: nn.Module, clip: Tensor, boxes: Sequence[Corners], size: tuple[int, int]) -> Tensor:
    """Scores (K, classes) of K boxes, shares of the sides, on one clip (1, 3, T, H, W) of `size` (H, W)."""
    device = next(net.parameters()).device
    with torch.inference_mode(), exact_float32():
        logits: Tensor = net(clip.to(device), regions(boxes, size).to(device))
        return logits.float().sigmoid().cpu()


def regions(boxes: Sequence[Corners], size: tuple[int, int], clip: int = 0) -> Tensor:
    """Boxes as the net takes them, (K, 5): the clip's number, then pixels of a frame of `size` (H, W), cut at it."""
    height, width = size
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    corners = torch.tensor(boxes, dtype=torch.float32).view(-1, 4).clamp(0, 1) * scale
    return torch.cat([torch.full((len(corners), 1), float(clip)), corners], dim=1)


def as_detections(found: Found, video: str, times: Mapping[int, float], threshold: float = 0.0) -> Iterator[Label]:
    """Every score of at least `threshold` as AVA writes it; `times` are the timestamps of the key frames in seconds."""
    for number, persons in found.items():
        frame = Frame(video, round(times[number] * 1000))
        for person in persons:
            for action, sure in person.above(threshold):
                yield Label(frame, person.box, action, sure)


def annotate(path: Path, source: Source, found: Found, names: Sequence[str], threshold: float) -> int:
    """Write the video with the boxes of the nearest key frame on each frame (mahler2020, figure 6.5); says how many."""
    return write_video(path, annotated(source, found, names, threshold), source.rate)


def annotated(source: Source, found: Found, names: Sequence[str], threshold: float) -> Iterator[Pixels]:
    """Its frames with boxes on them, and at each box its surest actions."""
    keys = sorted(found)
    for number, frame in enumerate(source.native()):
        if not keys:
            yield frame
            continue
        after = bisect.bisect_left(keys, number)
        nearest = min(keys[max(0, after - 1) : after + 1], key=lambda key: abs(key - number))
        yield with_boxes(frame, [_drawn(each, k, frame, names, threshold) for k, each in enumerate(found[nearest])])


def _drawn(person: Person, number: int, frame: Pixels, names: Sequence[str], threshold: float) -> Box:
    height, width = frame.shape[:2]
    x1, y1, x2, y2 = person.box
    said = [Said(names[action - 1], sure) for action, sure in person.above(threshold)[:SHOWN]]
    return Box(
        (x1 * width, y1 * height, x2 * width, y2 * height), said or [Said("person", person.score)], colour_of(number)
    )
