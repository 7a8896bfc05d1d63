"""AVA's files: labels and detections as csv, timestamps that are left out, and the list of actions.

A line of csv is a label or a detection of one action: video, timestamp in seconds, x1, y1, x2, y2 as shares of the
frame's width and height, action (from 1) and, where there is an eighth value, in a file of labels the number of the
person and in a file of detections the score. AVA-Kinetics has decimals in its timestamps, no persons, and lines of
two values for frames without a label.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reeltrace.artifacts.files import atomic_write, read_whole, reason_of
from reeltrace.errors import UserError

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2, shares of width and height
MOST_ACTIONS = 100_000
_LABELS, _SCORED, _EMPTY = 7, 8, 2  # values in a line
_SLACK = 0.01  # by which AVA's own boxes may leave the frame


@dataclass(frozen=True, order=True)
class Frame:
    """A key frame: a video and a timestamp, in milliseconds so that 0902, 902 and 902.000 are the same one."""

    video: str
    milliseconds: int

    @property
    def seconds(self) -> float:
        """The timestamp."""
        return self.milliseconds / 1000

    @property
    def timestamp(self) -> str:
        """As AVA writes it: `0902`, and `12.345` where it is no whole second."""
        whole, rest = divmod(self.milliseconds, 1000)
        return f"{whole:04d}" if not rest else f"{self.milliseconds / 1000:.3f}"


@dataclass(frozen=True)
class Label:
    """One action in one box of a key frame, as labelled (`score` None) or as found."""

    frame: Frame
    box: Corners
    action: int
    score: float | None = None


@dataclass(frozen=True)
class Labels:
    """What a file of labels says: the labels, and every frame it speaks of, those without a label too."""

    labels: tuple[Label, ...]
    frames: frozenset[Frame]


def read_labels(path: Path, actions: Iterable[int] | None = None) -> Labels:
    """A file of labels. Those of other actions than `actions` (None: all are known) are left out, as AVA does it.

    Raises UserError with the number of the line that is not one.
    """
    labels, frames = [], set()
    known = None if actions is None else frozenset(actions)
    for where, row in _rows(path):
        if len(row) == _EMPTY or (len(row) >= _LABELS and not any(row[_EMPTY:])):
            frames.add(_frame(where, row))
            continue
        if len(row) not in (_LABELS, _SCORED):
            raise UserError(f"{where}: {len(row)} values; expected video, timestamp, x1, y1, x2, y2, action, person")
        frame = _frame(where, row)
        frames.add(frame)
        action = _action(where, row[6])
        if known is None or action in known:
            labels.append(Label(frame, _box(where, row[2:6]), action))
    return Labels(tuple(labels), frozenset(frames))


def read_detections(path: Path, actions: Iterable[int] | None = None) -> tuple[Label, ...]:
    """A file of detections, whose eighth value is the score; of `actions` alone. Raises UserError as `read_labels`."""
    known = None if actions is None else frozenset(actions)
    found = []
    for where, row in _rows(path):
        if len(row) != _SCORED:
            raise UserError(f"{where}: {len(row)} values; expected video, timestamp, x1, y1, x2, y2, action, score")
        score = _number(where, "score", row[7])
        if not 0 <= score <= 1:
            raise UserError(f"{where}: score {row[7]}; expected 0 to 1")
        action = _action(where, row[6])
        if known is None or action in known:
            found.append(Label(_frame(where, row), _box(where, row[2:6]), action, score))
    return tuple(found)


def read_boxes(path: Path, least: float = 0.0) -> dict[Frame, list[tuple[Corners, float]]]:
    """Boxes of persons by key frame, each with its score, from a file of labels or of detections.

    Lines of several actions in the same place are one box. Without an action (empty, or -1) a line is a person alone,
    as files of person detectors have it. A box below the score `least` is left out; without a score it has 1.
    """
    found: dict[Frame, dict[Corners, float]] = {}
    for where, row in _rows(path):
        if len(row) == _EMPTY:
            found.setdefault(_frame(where, row), {})
            continue
        if len(row) not in (6, _LABELS, _SCORED):
            raise UserError(f"{where}: {len(row)} values; expected video, timestamp, x1, y1, x2, y2, action, score")
        here = found.setdefault(_frame(where, row), {})
        score = _number(where, "score", row[7]) if len(row) == _SCORED else 1.0
        if score >= least:
            box = _box(where, row[2:6])
            here[box] = max(score, here.get(box, 0.0))
    return {frame: list(boxes.items()) for frame, boxes in found.items()}


def write_detections(path: Path, detections: Iterable[Label]) -> None:
    """Write detections as AVA's evaluation takes them: boxes with three decimals, scores with six."""
    with atomic_write(path, "w") as file:
        file.write(written(detections))


def written(detections: Iterable[Label]) -> str:
    """The text of a file of detections, or of labels where there is no score."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for one in detections:
        score = [] if one.score is None else [f"{one.score:.6f}"]
        box = [f"{value:.3f}" for value in one.box]
        lines.writerow([one.frame.video, one.frame.timestamp, *box, one.action, *score])
    return text.getvalue()


def read_excluded(path: Path) -> frozenset[Frame]:
    """A file of timestamps that are left out: lines of video, timestamp."""
    found = set()
    for where, row in _rows(path):
        if len(row) != _EMPTY:
            raise UserError(f"{where}: {len(row)} values; expected video, timestamp")
        found.add(_frame(where, row))
    return frozenset(found)


def read_actions(path: Path) -> dict[int, str]:
    """The list of actions, name by number, from AVA's pbtxt (`item`s or `label`s) or csv (id, name; headings or none).

    Raises UserError where it holds none, or one twice.
    """
    text = _text(path)
    found: dict[int, str] = {}
    pairs = _of_pbtxt(path, text) if re.search(r"^\s*(item|label)\s*\{", text, re.MULTILINE) else _of_csv(path)
    for where, number, name in pairs:
        if number in found:
            raise UserError(f"{where}: action {number} a second time; it is {found[number]!r} already")
        if not name:
            raise UserError(f"{where}: action {number} has no name")
        found[number] = name
    if not found:
        raise UserError(f"{path}: no action in it; expected AVA's list as pbtxt or as csv with id and name")
    return found


def by_frame(labels: Iterable[Label]) -> dict[Frame, list[Label]]:
    """Labels by their key frame, in the order of the frames."""
    found: dict[Frame, list[Label]] = {}
    for label in labels:
        found.setdefault(label.frame, []).append(label)
    return dict(sorted(found.items()))


def targets(labels: Sequence[Label], classes: int) -> tuple[list[Corners], list[list[float]]]:
    """The boxes of one key frame, each once, and for each a list of 0 and 1 by class: action n is class n - 1.

    Raises UserError for an action beyond the classes.
    """
    boxes: dict[Corners, list[float]] = {}
    for label in labels:
        if label.action > classes:
            raise UserError(f"action {label.action} of {label.frame.video}: the net has {classes} classes")
        boxes.setdefault(label.box, [0.0] * classes)[label.action - 1] = 1.0
    return list(boxes), list(boxes.values())


def _text(path: Path) -> str:
    try:
        return read_whole(path).decode()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; correct its name") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({reason_of(error)}); correct that") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); name another file") from None


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The values of each line that is not blank, and where it stands."""
    reader = csv.reader(io.StringIO(_text(path)), strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(f"{path}: line {reader.line_num}: not csv ({error})") from None
        if row:
            yield f"{path}: line {reader.line_num}", [value.strip() for value in row]


def _number(where: str, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{where}: {what} is {text!r}; expected a number")
    return value


def _frame(where: str, row: Sequence[str]) -> Frame:
    if not row[0]:
        raise UserError(f"{where}: no video is named")
    seconds = _number(where, "timestamp", row[1])
    if not 0 <= seconds < 1e7:
        raise UserError(f"{where}: timestamp {row[1]}; expected seconds from 0")
    return Frame(row[0], round(seconds * 1000))


def _box(where: str, values: Sequence[str]) -> Corners:
    x1, y1, x2, y2 = (_number(where, name, text) for name, text in zip(("x1", "y1", "x2", "y2"), values, strict=True))
    if not (x1 < x2 and y1 < y2):
        raise UserError(f"{where}: box {', '.join(values)} has no area; expected x1 < x2 and y1 < y2")
    if min(x1, y1) < -_SLACK or max(x2, y2) > 1 + _SLACK:
        raise UserError(f"{where}: box {', '.join(values)} leaves the frame; expected shares of its sides, 0 to 1")
    return x1, y1, x2, y2


def _action(where: str, text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ACTIONS:
        raise UserError(f"{where}: action is {text!r}; expected a whole number from 1")
    return int(text)


def _of_pbtxt(path: Path, text: str) -> Iterator[tuple[str, int, str]]:
    name, number, began = "", None, 0
    for line, words in enumerate(text.splitlines(), start=1):
        if re.match(r"\s*(item|label)\s*\{", words):
            name, number, began = "", None, line
        if match := re.search(r'\bname:\s*"((?:[^"\\]|\\.)*)"', words):
            name = re.sub(r"\\(.)", r"\1", match[1])
        if match := re.search(r"\b(?:label_)?id:\s*(-?\d+)", words):
            number = _action(f"{path}: line {line}", match[1])
        if re.search(r"\}\s*$", words) and began:
            if number is None:
                raise UserError(f"{path}: line {began}: an action without id")
            yield f"{path}: line {began}", number, name
            began = 0
    if began:
        raise UserError(f"{path}: line {began}: an action that does not end; the file is cut off")


def _of_csv(path: Path) -> Iterator[tuple[str, int, str]]:
    for order, (where, row) in enumerate(_rows(path)):
        if order == 0 and not row[0].isdecimal():
            continue  # headings
        if not 2 <= len(row) <= 3:
            raise UserError(
                f"{where}: {len(row)} values; expected id, name (in quotes where it has a comma) and a type"
            )
        yield where, _action(where, row[0]), row[1]


def names_of(actions: Mapping[int, str] | None, classes: int) -> list[str]:
    """A name for each class of a net: that of action n for class n - 1, or its number where none is known."""
    return [(actions or {}).get(number, f"action {number}") for number in range(1, classes + 1)]
