"""What the report says of a set of videos: source, sides, decoders, what is broken or short, and one clip of it.

Read from the artifacts with csv and numpy alone; the room that decodes and trains is not imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.artifacts.cuts import clip_frames, middle, uniform_starts
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import ABOUT, BROKEN_VIDEOS, FRAMES, METRICS, SHARDS, VIDEO_INDEX
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import SPEC
from reeltrace.artifacts.video_sets import CHANNELS, SIDES, Noted, read_about_frames, read_about_set, read_broken
from reeltrace.errors import CheckFailed
from reeltrace.registry.datasets import Clip
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import settings

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec

USES = ("train", "validation", "test", "missing")
MOST_NOTED = 40  # stored videos whose notes the report shows, those first that lack most; about.json has all


def describe_set(
    binder: Binder,
    key: str,
    spec: ReportSpec,
    inputs: Mapping[str, Path],
    artifacts: Mapping[str, Any],
    shown: str | None,
) -> dict[str, Any]:
    """A set of videos as report.json holds it, with the pixels of one test clip under "pixels": uint8 (T, H, W, 3).

    That clip is of the first test video, whatever class is asked for.
    Every number in it is registered with the binder. Raises `CheckFailed` where a file is not what its stage writes.
    """
    data, frames = inputs[f"data/{key}"], inputs[f"frames/{key}"]
    run = _seen_by(key, spec)
    about, view = read_about_set(data), read_json(inputs[run] / SPEC)["video"]
    stored = {row["video"]: row for row in FRAMES.check(frames, *FRAMES.columns)}
    broken = read_broken(frames)
    split = f"split{view['split']}"

    def add(identity: str, printed: object, title: str, folder: Path, file: str, pointer: str, **more: Any) -> str:
        name = f"datasets/{key}/{identity}"
        path = f"results/{spec.scale}/{folder.parent.name}/{folder.name}/{file}"
        trace = {"artifact": path, "pointer": pointer, "sha256": sha256_file(folder / file)}
        binder.add(Number(name, str(printed), f"{key}: {title}", trace, **more))
        return name

    add("videos", about["videos"], "videos", data, ABOUT, "/videos")
    sides = {side: int(about["counts"][split][side]) for side in SIDES}
    for side, number in sides.items():
        add(f"side/{side}", number, f"official {split}, {side}", data, ABOUT, f"/counts/{split}/{side}")
    used = {use: int(read_json(inputs[run] / METRICS)["videos"][use]) for use in USES}
    for use, number in used.items():
        add(f"used/{use}", number, f"videos of {split} as used, {use}", inputs[run], METRICS, f"/videos/{use}")
    packed = read_about_frames(frames)
    add("frames", packed["frames"], "stored frames", frames, ABOUT, "/frames")
    add("broken", packed["broken"], "videos that could not be decoded", frames, ABOUT, "/broken")
    decoders = {str(name): int(number) for name, number in packed["decoders"].items()}
    for decoder, number in decoders.items():
        add(f"decoder/{decoder}", number, f"videos decoded by {decoder}", frames, ABOUT, f"/decoders/{decoder}")
    names = []
    for place, entry in enumerate(broken):
        title = "a video that could not be decoded"
        names.append(add(f"broken/{place}", entry["video"], title, frames, BROKEN_VIDEOS, f"/{place}/video"))
        why = " ".join(str(entry["reason"]).split())
        add(f"broken/{place}/reason", why, "Reason", frames, BROKEN_VIDEOS, f"/{place}/reason", chain=names[-1])
    add("short", packed["short"], "stored videos that lack frames", frames, ABOUT, "/short")
    add("tolerance", packed["tolerance"], "share of its frames that a video may lack", frames, ABOUT, "/tolerance")
    places = most_lacking(packed["noted"])
    for number in places:
        noted, of = packed["noted"][number], f"noted/{number}"
        chain = add(of, noted["video"], "a stored video with a note", frames, ABOUT, f"/noted/{number}/video")
        add(f"{of}/frames", noted["frames"], "Frames stored", frames, ABOUT, f"/noted/{number}/frames", chain=chain)
        add(f"{of}/expected", noted["expected"], "Expected", frames, ABOUT, f"/noted/{number}/expected", chain=chain)
        note = " ".join(str(noted["note"]).split())
        add(f"{of}/note", note, "Note", frames, ABOUT, f"/noted/{number}/note", chain=chain)
    row, clip = shown_clip(data, frames, stored, view)
    return {
        "key": key,
        "stand_in": _stand_in(key, spec, inputs),
        "source": about["source"],
        "licence": about["licence"],
        "citation": about["citation"],
        "classes": [str(name) for name in about["classes"]],
        "settings": {**settings(read_json(data / SPEC)), **settings(read_json(frames / SPEC))},
        "clip": {
            "split": "test",
            "video": row["video"],
            "class": row["class"],
            "frames": f"{view['clip']['frames']} frames, {_every(view['clip']['stride'])}",
        },
        "manifest_sha256": artifacts[f"data/{key}"]["manifest_sha256"],
        "videos": {
            "count": int(about["videos"]),
            "split": int(view["split"]),
            "sides": sides,
            "used": used,
            "frames": int(packed["frames"]),
            "decoders": decoders,
            "broken": [{"video": str(e["video"]), "reason": str(e["reason"])} for e in broken],
            "short": int(packed["short"]),
            "tolerance": float(packed["tolerance"]),
            "noted": [{"place": number, **packed["noted"][number]} for number in places],
            "noted_in_all": len(packed["noted"]),
            "frames_manifest_sha256": artifacts[f"frames/{key}"]["manifest_sha256"],
        },
        "pixels": clip,
    }


def most_lacking(noted: Sequence[Noted]) -> list[int]:
    """The places of at most MOST_NOTED notes, those of videos first that lack the largest share of their frames."""
    lacking = [1 - entry["frames"] / max(1, entry["expected"]) for entry in noted]
    return sorted(range(len(noted)), key=lambda place: (-lacking[place], place))[:MOST_NOTED]


def _seen_by(key: str, spec: ReportSpec) -> str:
    """A run on the set: they all see its own split in the same way.

    The first by name, as a spec read back has its runs sorted; runs on another split or on frames come last.
    """
    runs = {name: run for name, run in spec.runs.items() if run.dataset == key}

    def rank(name: str) -> tuple[bool, bool, bool, str]:
        run = runs[name]
        return run.split is not None, run.every is not None, run.evaluation == ("original",), name

    first = min(runs, key=rank)
    return f"train/{first}-s{spec.seeds[0]}"


def _every(stride: int) -> str:
    return "consecutive" if stride == 1 else f"every {stride}{ {2: 'nd', 3: 'rd'}.get(stride, 'th') }"


def _stand_in(key: str, spec: ReportSpec, inputs: Mapping[str, Path]) -> str | None:
    """What the set is made of in place of the official ones, as the tables over it say."""
    said = (read_json(inputs[f"aggregate/{table}"] / SPEC)["stand_in"].get(key) for table in spec.tables)
    return "; ".join(dict.fromkeys(str(sentence) for sentence in said if sentence)) or None


def shown_clip(
    data: Path, frames: Path, stored: Mapping[str, Mapping[str, str]], view: Mapping[str, Any]
) -> tuple[dict[str, str], NDArray[np.uint8]]:
    """The middle clip of the first test video in the index, cut as in testing: its row, and uint8 (T, H, W, 3)."""
    rows = VIDEO_INDEX.check(data, "video", "class", f"split{view['split']}")
    row = next((r for r in rows if r[f"split{view['split']}"] == "test" and r["video"] in stored), None)
    if row is None:
        raise CheckFailed(f"{data / VIDEO_INDEX.name}: no test video that could be decoded; run its stage again")
    place = {name: int(stored[row["video"]][name]) for name in ("offset", "frames", "height", "width")}
    path = frames / SHARDS / Path(stored[row["video"]]["shard"]).name
    shape = (place["frames"], place["height"], place["width"], CHANNELS)
    try:
        video = np.memmap(path, np.uint8, "r", place["offset"], shape)
    except (FileNotFoundError, ValueError):
        raise CheckFailed(f"{path}: missing or too short for {row['video']}; run its stage again") from None
    clip = Clip.model_validate(view["clip"])
    (start,) = uniform_starts(place["frames"], clip, 1)
    top, left = middle(place["height"], place["width"], clip)
    chosen = clip_frames(place["frames"], start, clip)
    return row, np.array(video[chosen, top : top + clip.crop, left : left + clip.crop])
