"""What `about.json` and `broken.json` hold of sets of videos and of their frames; their tables are in `formats`.

Writers call these functions with what they have, `verify` with what the tables say, and both must be equal.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypedDict

from reeltrace.artifacts.formats import ABOUT, BROKEN_VIDEOS, FRAMES, OFFICIAL_SPLITS
from reeltrace.artifacts.json_values import read_json

Side = Literal["train", "test", "unused"]
SIDES: tuple[Side, ...] = ("train", "test", "unused")
SPLIT_NAMES = tuple(f"split{split}" for split in OFFICIAL_SPLITS)  # columns of the index, keys of counts
CHANNELS = 3  # bytes of a stored pixel: red, green, blue


class AboutSet(TypedDict):
    """A set of videos: `classes` in the order of labels, `counts` of videos by split and side."""

    schema: int
    kind: Literal["videos"]
    layout: str
    source: str
    licence: str
    citation: str
    classes: list[str]
    counts: dict[str, dict[str, int]]
    videos: int
    bytes: int


class Row(TypedDict):
    """One decoded video: `offset` in bytes within its shard; `expected` frames are what its container promises."""

    video: str
    shard: str
    offset: int
    frames: int
    height: int
    width: int
    decoder: str
    fps: float
    note: str
    expected: int


class Broken(TypedDict):
    """One video that nobody could decode, or of which too much is missing."""

    video: str
    reason: str


class Noted(TypedDict):
    """What the account of frames says of a video with a note."""

    video: str
    frames: int
    expected: int
    note: str


class CountedFrames(TypedDict):
    """What is stored of a set; `short` videos lack some of what their files promise."""

    videos: int
    broken: int
    short: int
    noted: list[Noted]
    frames: int
    bytes: int
    decoders: dict[str, int]


class AboutFrames(CountedFrames):
    """The frames of a set, and how they were made: `tolerance` is the share of its frames that a video may lack."""

    schema: int
    short_side: int
    tolerance: float


def about_set(
    layout: str,
    source: str,
    licence: str,
    citation: str,
    classes: Iterable[str],
    sides: Collection[Sequence[str]],
    size: int,
) -> AboutSet:
    """The account of a set whose videos take `size` bytes; `sides` has those of each video, one for each split."""
    return {
        "schema": 1,
        "kind": "videos",
        "layout": layout,
        "source": source,
        "licence": licence,
        "citation": citation,
        "classes": list(classes),
        "counts": count_sides(SPLIT_NAMES, sides),
        "videos": len(sides),
        "bytes": size,
    }


def count_sides(splits: Sequence[str], sides: Collection[Sequence[str]]) -> dict[str, dict[str, int]]:
    """How many videos are on each side of each split; `sides` has those of each video, in the order of `splits`."""
    columns = {split: [of[place] for of in sides] for place, split in enumerate(splits)}
    return {split: {side: column.count(side) for side in SIDES} for split, column in columns.items()}


def count_frames(rows: Sequence[Row], broken: int, decoders: Iterable[str]) -> CountedFrames:
    """What the account of frames counts."""
    return {
        "videos": len(rows) + broken,
        "broken": broken,
        "short": sum(row["frames"] < row["expected"] for row in rows),
        "noted": [
            {"video": row["video"], "frames": row["frames"], "expected": row["expected"], "note": row["note"]}
            for row in rows
            if row["note"]
        ],
        "frames": sum(row["frames"] for row in rows),
        "bytes": sum(video_bytes(row) for row in rows),
        "decoders": {name: sum(row["decoder"] == name for row in rows) for name in decoders},
    }


def video_bytes(row: Row) -> int:
    """What the frames of a video take in their shard."""
    return row["frames"] * row["height"] * row["width"] * CHANNELS


def row_of(line: Mapping[str, str]) -> Row:
    """A line of `frames.csv`. Raises `KeyError` and `ValueError` where it is none."""
    return {
        "video": line["video"],
        "shard": line["shard"],
        "offset": int(line["offset"]),
        "frames": int(line["frames"]),
        "height": int(line["height"]),
        "width": int(line["width"]),
        "decoder": line["decoder"],
        "fps": float(line["fps"]),
        "note": line["note"],
        "expected": int(line["expected"]),
    }


def read_about_set(folder: Path) -> AboutSet:
    """The account of a set, as it stands there. Raises `CheckFailed` where it is missing or no JSON."""
    found: AboutSet = read_json(folder / ABOUT)
    return found


def read_about_frames(folder: Path) -> AboutFrames:
    """The account of the frames of a set, as it stands there. Raises as `read_about_set` does."""
    found: AboutFrames = read_json(folder / ABOUT)
    return found


def read_broken(folder: Path) -> list[Broken]:
    """The videos of a set that could not be read. Raises as `read_about_set` does."""
    found: list[Broken] = read_json(folder / BROKEN_VIDEOS)
    return found


def check_frames(folder: Path) -> list[Row]:
    """The lines of `frames.csv` of a finished artifact. Raises `CheckFailed` where it is none, `ValueError`."""
    return [row_of(line) for line in FRAMES.check(folder, *FRAMES.columns)]
