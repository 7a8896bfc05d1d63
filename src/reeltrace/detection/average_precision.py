"""Frame-mAP: the mean over actions of the average precision of boxes, as AVA's evaluation and PASCAL VOC define it.

Of one action, the detections of a key frame are taken from the surest to the least sure. Each belongs to the labelled
box that it overlaps most; it is right where that overlap (intersection over union) is at least 0.5 and no surer one was
right about the same box, else wrong. Over all frames, again from the surest, precision and recall follow; precision
is made to fall only, and the average precision is the area below it over recall. Actions without a label in any frame
have none and are left out of the mean; a labelled frame without a detection counts.

Of equal scores the one that is listed first comes first. The public evaluation leaves their order to a sort that is not
stable, so that there ties may differ.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reeltrace.detection.ava import Frame, Label

Numbers = NDArray[np.float64]
IOU = 0.5


@dataclass(frozen=True)
class Found:
    """Of one action: how many boxes are labelled and detected, and the average precision, a share."""

    labelled: int
    detected: int
    average_precision: float


def evaluate(
    labels: Sequence[Label],
    detections: Sequence[Label],
    excluded: Collection[Frame] = frozenset(),
    iou: float = IOU,
) -> dict[int, Found]:
    """Each action that is labelled somewhere, in order. Frames in `excluded` are left out of both."""
    truth = _by_action(labels, excluded)
    given = _by_action(detections, excluded)
    return {action: _one(truth[action], given.get(action, {}), iou) for action in sorted(truth)}


def mean(found: dict[int, Found]) -> float | None:
    """The mean of the average precisions, a share; None where nothing is labelled."""
    return float(np.mean([each.average_precision for each in found.values()])) if found else None


def intersection_over_union(boxes: Numbers, others: Numbers) -> Numbers:
    """Of every pair of boxes (N, 4) and (M, 4), each x1, y1, x2, y2: (N, M)."""
    upper = np.maximum(boxes[:, None, :2], others[None, :, :2])
    lower = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.clip(lower - upper, 0, None), axis=2)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (boxes, others)]
    shares: Numbers = shared / (areas[0][:, None] + areas[1][None] - shared)
    return shares


def right_ones(boxes: Numbers, truth: Numbers, iou: float = IOU) -> NDArray[np.bool_]:
    """Which of the boxes (N, 4) of one action in one frame, the surest first, are right about `truth` (M, 4): (N,)."""
    right = np.zeros(len(boxes), dtype=bool)
    if not len(boxes) or not len(truth):
        return right
    overlaps = intersection_over_union(boxes, truth)
    nearest = overlaps.argmax(axis=1)
    taken = np.zeros(len(truth), dtype=bool)
    for number, which in enumerate(nearest):
        if overlaps[number, which] >= iou and not taken[which]:
            right[number] = taken[which] = True
    return right


def average_precision(scores: Numbers, right: NDArray[np.bool_], labelled: int) -> float:
    """The area below precision over recall, of detections with these scores, `labelled` boxes being there to find."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    recall = hits / labelled
    precision = hits / np.arange(1, len(order) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * falling))


def _one(truth: dict[Frame, list[Label]], given: dict[Frame, list[Label]], iou: float) -> Found:
    scores, right = [np.zeros(0)], [np.zeros(0, dtype=bool)]
    for frame, detected in sorted(given.items()):
        surest = sorted(detected, key=lambda one: -_score(one))
        boxes = np.array([one.box for one in surest])
        wanted = np.array([one.box for one in truth.get(frame, ())]).reshape(-1, 4)
        scores.append(np.array([_score(one) for one in surest]))
        right.append(right_ones(boxes, wanted, iou))
    labelled = sum(map(len, truth.values()))
    every = np.concatenate(scores)
    return Found(labelled, len(every), average_precision(every, np.concatenate(right), labelled))


def _score(one: Label) -> float:
    return 1.0 if one.score is None else one.score


def _by_action(labels: Sequence[Label], excluded: Collection[Frame]) -> dict[int, dict[Frame, list[Label]]]:
    found: dict[int, dict[Frame, list[Label]]] = {}
    for one in labels:
        if one.frame not in excluded:
            found.setdefault(one.action, {}).setdefault(one.frame, []).append(one)
    return found
