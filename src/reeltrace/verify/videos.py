"""What `verify` recomputes of sets of videos: sides and classes, stored frames, and what a run used of them."""

from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import ABOUT, BROKEN_VIDEOS, FRAMES, METRICS, PREDICTIONS, SHARDS, VIDEO_INDEX
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.runs import LABEL
from reeltrace.artifacts.video_sets import (
    check_frames,
    count_frames,
    count_sides,
    read_about_frames,
    read_broken,
    video_bytes,
)
from reeltrace.errors import Problem
from reeltrace.verify.problems import TAMPERED, differing, is_input


def sides(folder: Path) -> list[Problem]:
    """What a set of videos says of itself is what its index says."""
    if not (folder / VIDEO_INDEX.name).is_file():
        return []  # which has been said
    about = read_json(folder / ABOUT)
    splits = sorted(about["counts"])
    rows = VIDEO_INDEX.check(folder, "video", "class", "label", *splits)
    found: dict[str, Any] = {
        "videos": len(rows),
        "classes": [name for _, name in sorted({(int(row["label"]), row["class"]) for row in rows})],
        "counts": count_sides(splits, [[row[split] for split in splits] for row in rows]),
    }
    return differing(folder, about, found, VIDEO_INDEX.name)


def stored(folder: Path, results: Path) -> list[Problem]:
    """A frame store's own account is what its index says, and each video of the set is in it or listed as broken."""
    about, broken, rows = read_about_frames(folder), read_broken(folder), check_frames(folder)
    sizes: dict[str, int] = {}
    for row in rows:
        if row["offset"] != sizes.get(row["shard"], 0):
            found = f"{row['video']} does not begin where the video before it ends"
            return [Problem(TAMPERED, str(folder / FRAMES.name), found)]
        sizes[row["shard"]] = sizes.get(row["shard"], 0) + video_bytes(row)
    counted = count_frames(rows, len(broken), about["decoders"])
    problems = differing(folder, about, counted, f"{FRAMES.name} and {BROKEN_VIDEOS}")
    shards = folder / SHARDS
    for shard, size in sizes.items():
        if shards.is_dir() and (shards / shard).is_file() and (shards / shard).stat().st_size != size:
            problems.append(Problem(TAMPERED, str(shards / shard), f"{FRAMES.name} says that it holds {size} bytes"))
    data = results / "data" / folder.name
    if (data / VIDEO_INDEX.name).is_file() and is_input(folder, data):
        indexed = sorted(row["video"] for row in VIDEO_INDEX.check(data, "video"))
        if indexed != sorted([*(row["video"] for row in rows), *(entry["video"] for entry in broken)]):
            found = f"with {BROKEN_VIDEOS} it does not hold each video of {data.name}/{VIDEO_INDEX.name} once"
            problems.append(Problem(TAMPERED, str(folder / FRAMES.name), found))
    return problems


def used(folder: Path, results: Path, spec: Any, metrics: Any, predictions: dict[str, Any]) -> list[Problem]:
    """The labels are those of the test videos that could be decoded, and every video of the split is counted."""
    data, frames = (results / stage / spec["dataset"] for stage in ("data", "frames"))
    read = ((data, VIDEO_INDEX), (frames, FRAMES))
    if not all((other / table.name).is_file() and is_input(folder, other) for other, table in read):
        return []
    side = f"split{spec['video']['split']}"
    there = {row["video"] for row in FRAMES.check(frames, *FRAMES.columns)}
    rows = [row for row in VIDEO_INDEX.check(data, "video", "label", side) if row[side] in ("train", "test")]
    stored = [row for row in rows if row["video"] in there]
    problems = []
    if [int(row["label"]) for row in stored if row[side] == "test"] != predictions[LABEL].tolist():
        path = folder / PREDICTIONS
        problems.append(Problem(TAMPERED, str(path), f"its labels are not those of {data.name}/{VIDEO_INDEX.name}"))
    counted = metrics["videos"]
    expected = {
        "train and validation": (counted["train"] + counted["validation"], sum(row[side] == "train" for row in stored)),
        "test": (counted["test"], sum(row[side] == "test" for row in stored)),
        "missing": (counted["missing"], len(rows) - len(stored)),
    }
    return problems + [
        Problem(TAMPERED, str(folder / METRICS), f"/videos: {name} is {found}, index and frames give {right}")
        for name, (found, right) in expected.items()
        if found != right
    ]
