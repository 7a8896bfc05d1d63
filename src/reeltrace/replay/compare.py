"""Whether what a replay made is what an artifact holds: to the byte, or to the tolerance of another machine.

On the machine, and in the arithmetic, that made an artifact, evaluation gives every bit again. Elsewhere sums are added
in another order: logits differ in their last digits, and the class of a clip may change where two of them are equal but
for those. Then one clip in `CLIPS_PER_FLIP` (and always one) may have another class, and losses may differ by
`RELATIVE`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reeltrace.artifacts.formats import ABOUT, BEST, HISTORY, LAST, METRICS, PREDICTIONS, WEIGHTS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.protocol import tree_entry

CLIPS_PER_FLIP = 200
RELATIVE = 1e-3
NEAR = 0.01  # of features, which are float16
ARITHMETIC = "arithmetic"
TOLERANCE = f"losses to {RELATIVE:g}, the class of one clip in {CLIPS_PER_FLIP}, and of one where there are fewer"
OF_CHECKPOINTS = (BEST, LAST, WEIGHTS)


@dataclass(frozen=True)
class Difference:
    """A file of an artifact, and what is wrong with it."""

    file: str
    found: str


def same_arithmetic(folder: Path, work: Path) -> bool:
    """Whether the artifact was made in the arithmetic of here; what records none is the same everywhere."""
    for name in (METRICS, ABOUT):
        if (work / name).is_file():
            made, again = read_json(folder / name), read_json(work / name)
            if isinstance(again, dict) and ARITHMETIC in again:
                return isinstance(made, dict) and made.get(ARITHMETIC) == again[ARITHMETIC]
    return True


def compare(folder: Path, work: Path, outputs: tuple[str, ...], *, exactly: bool) -> Iterator[Difference]:
    """What differs between an artifact and its replay, file by file; without `exactly` beyond the tolerance alone."""
    for name in outputs:
        made, again = folder / name, work / name
        if name.endswith("/"):
            if tree_entry(made) != tree_entry(again):
                yield Difference(name, "a replay makes other files")
        elif made.read_bytes() != again.read_bytes():
            yield from _of_file(name, made, again, exactly)


def _of_file(name: str, made: Path, again: Path, exactly: bool) -> Iterator[Difference]:
    if name.endswith(".json"):
        before = read_json(made)
        clips = _clips(made.parent)
        for where, old, new in _different(before, read_json(again)):
            if exactly or not _near(where, old, new, clips):
                yield Difference(name, f"{where} is {_short(old)}, a replay gives {_short(new)}")
                return
        if exactly and before == read_json(again):
            yield Difference(name, "its values are those of a replay, its bytes are not")
    elif name.endswith((".npz", ".npy")):
        yield from _of_arrays(name, made, again, exactly)
    elif name == HISTORY:
        yield Difference(name, "its lines are not as training writes them")
    elif name in OF_CHECKPOINTS:
        yield Difference(name, "the weights, written again, give other bytes")
    elif exactly:
        yield Difference(name, "a replay gives other bytes")


def _of_arrays(name: str, made: Path, again: Path, exactly: bool) -> Iterator[Difference]:
    old, new = _arrays(made), _arrays(again)
    if old.keys() != new.keys():
        yield Difference(name, f"its arrays are {', '.join(sorted(old))}, a replay gives {', '.join(sorted(new))}")
        return
    for key in sorted(old):
        before, after = old[key], new[key]
        if before.shape != after.shape or before.dtype != after.dtype:
            yield Difference(name, f"{key} is {before.dtype}{before.shape}, a replay gives {after.dtype}{after.shape}")
            return
        different = before != after
        if not exactly and name.endswith(".npy"):  # features; what is taken from weights is the same everywhere
            different = ~np.isclose(before, after, rtol=NEAR, atol=NEAR)
        allowed = flips(len(before)) if not exactly and before.dtype.kind == "i" else 0
        if (count := int(different.sum())) > allowed:
            yield Difference(name, f"{key} differs in {count} of {before.size} places from what a replay gives")
            return
    if exactly:
        yield Difference(name, "its arrays are those of a replay, its bytes are not")


def _arrays(path: Path) -> dict[str, Any]:
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        return {path.stem: loaded}
    with loaded:
        return {name: loaded[name] for name in loaded.files}


def flips(clips: int) -> int:
    """How many of so many clips may have another class on another machine."""
    return max(1, clips // CLIPS_PER_FLIP)


def _clips(folder: Path) -> int:
    """The fewest clips or videos that a share of this artifact may be of; 1 where it predicts nothing."""
    if not (folder / PREDICTIONS).is_file():
        return 1
    return max(1, min(len(array) for array in _arrays(folder / PREDICTIONS).values()))


def _different(old: Any, new: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each place where two JSON values differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from _different(old.get(key), new.get(key), f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _different(left, right, f"{where}/{number}")
    elif old != new or type(old) is not type(new):
        yield where or "/", old, new


def _near(where: str, old: Any, new: Any, clips: int) -> bool:
    """Whether two values at a place differ as those of two machines may; accuracies by the clips that may flip."""
    if where.startswith(f"/{ARITHMETIC}"):
        return True
    name = where.rpartition("/")[2]
    if name == "correct":
        return isinstance(old, int) and abs(old - new) <= flips(clips)
    if not (isinstance(old, float) and isinstance(new, float) and math.isfinite(old)):
        return False
    share = 100 * flips(clips) / clips
    if name == "agreement":
        return abs(old - new) <= 2 * share  # of either transform a clip
    if name == "top1" or where.count("/") == 1:  # the latter is what scores.json repeats
        return abs(old - new) <= share
    return abs(old - new) <= RELATIVE * max(1.0, abs(new))


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 60 else f"{text[:57]}..."
