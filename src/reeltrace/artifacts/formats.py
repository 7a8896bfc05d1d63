"""What files of artifacts are called and, of tables, which columns they have: said once, read and written here.

Nothing here imports torch. A name that only one stage writes and reads for itself is not here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO, cast

from reeltrace.artifacts.files import atomic_write
from reeltrace.errors import CheckFailed, UserError

ABOUT = "about.json"  # what a dataset, frames, features or a backbone are
METRICS = "metrics.json"  # what a run or a measurement found
SCORES = "scores.json"  # of a run, flat, for DVC
PREDICTIONS = "predictions.npz"
HISTORY = "history.jsonl"
BEST, LAST = "best.pt", "last.pt"  # checkpoints of a run
HIDDEN = "hidden.npz"  # what a recurrent net carries through time
WEIGHTS = "weights.pt"  # of a backbone
TIMING = "timing.json"
READINGS = "readings.json"
CELLS, CURVES = "cells.json", "curves.csv"  # of a table
HTML, JSON = "report.html", "report.json"
SEEN = "seen"  # of about.json: by split how many frames of a clip a net sees, where that is not all
IMAGES, LABELS = "images.npy", "labels.npy"  # of a pool of images
BROKEN_VIDEOS = "broken.json"  # videos that could not be read
VIDEOS, SPLITS, SHARDS = "videos", "splits", "shards"  # folders


def clips_of(split: str) -> str:
    """The file of the finished clips of a split."""
    return f"clips-{split}.npy"


@dataclass(frozen=True)
class Table:
    """A CSV file with a line of headings. `what` it is and how it is had stand in messages."""

    name: str
    columns: tuple[str, ...]
    what: str
    missing: str
    wrong: str

    def write(self, folder: Path, rows: Iterable[Sequence[Any]]) -> None:
        """Write the file into `folder`: it arrives whole, its lines end in a line feed."""
        with atomic_write(folder / self.name, "w") as file:
            writer = csv.writer(cast("TextIO", file), lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows(rows)

    def read(self, folder: Path, *columns: str) -> list[dict[str, str]]:
        """Its rows; each has at least `columns`. Raises `UserError`, with the remedy, where it is missing or none."""
        path = folder / self.name
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; {self.missing}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise self.refuse(folder, error) from error
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        short = next((n for n, row in enumerate(rows, start=2) if None in row.values()), None)
        if lacking or short:
            raise self.refuse(folder, f"no column {lacking[0]}" if lacking else f"line {short} is too short")
        return rows

    def refuse(self, folder: Path, why: object) -> UserError:
        """The error for a file that is no such table."""
        return UserError(f"{folder / self.name}: not {self.what} ({why}); {self.wrong}")

    def check(self, folder: Path, *columns: str) -> list[dict[str, str]]:
        """As `read`, for who checks a finished artifact: raises `CheckFailed`."""
        try:
            return self.read(folder, *columns)
        except UserError as error:
            raise CheckFailed(str(error)) from None


OFFICIAL_SPLITS = (1, 2, 3)
CLIPS = Table(
    "index.csv",
    ("split", "clip", "label", "class", "image", "y", "x", "vy", "vx"),
    "an index of clips in order",
    "make the dataset first",
    "make the dataset again",
)
VIDEO_INDEX = Table(
    "index.csv",
    ("video", "class", "label", *(f"split{split}" for split in OFFICIAL_SPLITS), "bytes", "sha256"),
    "an index of videos",
    "make the dataset first",
    "make the dataset again",
)
LISTED_INDEX = replace(VIDEO_INDEX, columns=VIDEO_INDEX.columns[:-1])  # of the user's own videos, which nobody hashed
FRAMES = Table(
    "frames.csv",
    ("video", "shard", "offset", "frames", "height", "width", "decoder", "fps", "note", "expected"),
    "an index of frames",
    "extract the frames first",
    "extract the frames again",
)
