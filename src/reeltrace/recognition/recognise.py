"""Which actions a network sees in a video: probabilities, averaged over clips and crops (mahler2020, section 6.1.3)."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reeltrace.artifacts.files import read_whole, reason_of
from reeltrace.data.decoding import scaled_size
from reeltrace.errors import UserError
from reeltrace.machine.memory import speaks_of_memory
from reeltrace.models.float32 import exact_float32
from reeltrace.recognition.nets import Loaded
from reeltrace.recognition.views import Frames, Views, as_input, open_video, read_clips, squares

TOP = 5
Stream = Callable[[Frames, tuple[int, int]], Tensor]
"""From a clip (T, H, W, 3) and the corner of a square to probabilities (classes,)."""


def stream_of(loaded: Loaded, device: torch.device) -> Stream:
    """A network that sees the frames themselves. Raises UserError for one of another input or without classes."""
    check_use(loaded, channels=3)
    net = loaded.net.to(device)

    def seen(clip: Frames, corner: tuple[int, int]) -> Tensor:
        logits: Tensor = net(as_input(clip, loaded.view, corner).to(device))
        return logits.float().softmax(1)[0].cpu()

    return seen


def choose_device(kind: str, option: str) -> torch.device:
    """`auto` takes a GPU where there is one. Raises UserError, naming the option, for a device that is not there."""
    if kind not in ("auto", "cpu", "cuda"):
        raise UserError(f"{option} {kind}: expected auto, cpu or cuda")
    there = torch.cuda.is_available()
    if kind == "cuda" and not there:
        raise UserError(f"{option} cuda: no CUDA device is available here; use auto or cpu")
    return torch.device("cuda" if there and kind != "cpu" else "cpu")


def check_use(loaded: Loaded, channels: int) -> None:
    """Raises UserError where a network is no recogniser of clips with `channels` channels."""
    found = getattr(loaded.config, "channels", 3)
    if getattr(loaded.config, "head", "classify") != "classify":
        raise UserError(f"{loaded.origin}: a network that detects; `reeltrace detect` uses it")
    if found != channels:
        what = "optical flow, for --flow" if found == 2 else "pictures"
        raise UserError(f"{loaded.origin}: a network on {found} channels, expected {channels}: it sees {what}")


def recognise(path: Path, loaded: Loaded, streams: Sequence[Stream], views: Views) -> NDArray[np.float64]:
    """Probabilities (classes,) of a video: the mean over views, and over streams where there are two.

    One view is computed after the other. Raises UserError where the video cannot be read, a network cannot take the
    view, or memory does not suffice for it.
    """
    header = open_video(path)
    view = loaded.view
    corners = squares(*scaled_size(header.height, header.width, view.side), view.crop, views.crops)
    total: Tensor | None = None
    try:
        with torch.inference_mode(), exact_float32():
            for clip in read_clips(path, header, view, views.clips):
                for corner in corners:
                    for stream in streams:
                        found = stream(clip, corner).double()
                        total = found if total is None else total + found
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not speaks_of_memory(error):
            raise UserError(
                f"{loaded.origin}: the network does not take {view.frames} frames of {view.crop} pixels "
                f"({str(error).splitlines()[0]}); give another --frames or --crop"
            ) from error
        raise UserError(
            f"{path}: memory does not suffice for {view.frames} frames of {view.crop} pixels; give fewer --frames or a "
            "smaller --crop"
        ) from error
    assert total is not None  # there is at least one clip
    mean: NDArray[np.float64] = (total / (views.clips * len(corners) * len(streams))).numpy()
    if not np.isfinite(mean).all():
        raise UserError(f"{loaded.origin}: gives no finite probabilities for {path}; its weights are damaged")
    return mean


def best(probabilities: NDArray[np.float64], count: int = TOP) -> list[int]:
    """The classes of the `count` highest probabilities, the highest first; of equal ones the first class."""
    return [int(number) for number in np.argsort(-probabilities, kind="stable")[:count]]


# --- labels ---


def read_labels(path: Path | None, classes: int) -> list[str]:
    """A name for each class: lines of a text, or a JSON list, or a JSON mapping from names to numbers from 0.

    Without a file "class 0" and so on. Raises UserError where the file has another number of names.
    """
    if path is None:
        return [f"class {number}" for number in range(classes)]
    text = _text(path)
    if path.suffix == ".json":
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UserError(f"{path}: not valid JSON ({error}); correct it") from None
        if isinstance(found, dict) and all(isinstance(n, int) and not isinstance(n, bool) for n in found.values()):
            if sorted(found.values()) != list(range(len(found))):
                raise UserError(f"{path}: its numbers are not 0 to {len(found) - 1}, each once; correct it")
            found = sorted(found, key=lambda name: found[name])
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise UserError(f"{path}: expected a list of names, or a mapping from names to numbers")
        names = [name.strip().strip('"') for name in found]
    else:
        names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != classes:
        raise UserError(f"{path}: {len(names)} names for {classes} classes; give the list of the set it learned")
    return names


def read_truth(path: Path, labels: Sequence[str]) -> dict[str, int]:
    """The class of each video, by its file: a csv with the columns `video` and `label`, a name or a number from 0.

    Raises UserError naming the line.
    """
    rows = csv.DictReader(_text(path).splitlines())
    if rows.fieldnames is None or not {"video", "label"} <= set(rows.fieldnames):
        found = ", ".join(rows.fieldnames or ()) or "nothing"
        raise UserError(f"{path}: found the columns {found}; expected video and label")
    number = {name: at for at, name in enumerate(labels)}
    truth: dict[str, int] = {}
    for row in rows:
        video, label = (row["video"] or "").strip(), (row["label"] or "").strip()
        where = f"{path}:{rows.line_num}"
        of = int(label) if label.isdecimal() and int(label) < len(labels) else number.get(label)
        if not video or of is None:
            raise UserError(f"{where}: label {label!r} of {video!r}: expected a name of --labels, or its number from 0")
        if video in truth:
            raise UserError(f"{where}: {video!r} for the second time; name each video once")
        truth[video] = of
    if not truth:
        raise UserError(f"{path}: names no video; give a line for each")
    return truth


def _text(path: Path) -> str:
    try:
        return read_whole(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as that") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({reason_of(error)}); name another file") from None


# --- a set ---


@dataclass(frozen=True)
class Guess:
    """One video of a set: its class, and the classes that the network holds for likely, the likeliest first."""

    video: str
    truth: int
    guesses: list[int]


@dataclass(frozen=True)
class Score:
    """Of a set: how many videos were recognised, how many of them at first and within five guesses, and those that
    could not be read, each with the reason."""

    total: int
    top1: int
    top5: int
    left_out: Mapping[str, str]


def recognise_set(
    folder: Path, truth: Mapping[str, int], probabilities: Callable[[Path], NDArray[np.float64]]
) -> Iterator[Guess | tuple[str, str]]:
    """The guesses for each video of a set, or its name and why it cannot be read; in the order of `truth`.

    Raises UserError where not one of the videos is in the folder.
    """
    if not any((folder / video).is_file() for video in truth):
        first = next(iter(truth))
        raise UserError(f"{folder}: holds none of the {len(truth)} videos, the first of which is {first}")
    for video, of in truth.items():
        try:
            open_video(folder / video)
        except UserError as error:
            yield video, str(error)
            continue
        yield Guess(video, of, best(probabilities(folder / video)))


def score(found: Sequence[Guess | tuple[str, str]]) -> Score:
    """Counts of a set."""
    guesses = [each for each in found if isinstance(each, Guess)]
    return Score(
        total=len(guesses),
        top1=sum(each.guesses[0] == each.truth for each in guesses),
        top5=sum(each.truth in each.guesses[:TOP] for each in guesses),
        left_out=dict(each for each in found if not isinstance(each, Guess)),
    )
