"""What the report says of a set of finished clips, and one clip of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.artifacts.formats import ABOUT, CLIPS, clips_of
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import SPEC
from reeltrace.errors import CheckFailed
from reeltrace.report.binding import Binder
from reeltrace.report.chains import settings

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec


def describe_set(
    binder: Binder,
    key: str,
    spec: ReportSpec,
    inputs: Mapping[str, Path],
    artifacts: Mapping[str, Any],
    shown: str | None,
) -> dict[str, Any]:
    """A set as report.json holds it, with one test clip of the class `shown` under "pixels": uint8 (T, H, W).

    Raises `CheckFailed` where a file is not what its stage writes.
    """
    folder = inputs[f"data/{key}"]
    about, of_data = read_json(folder / ABOUT), read_json(folder / SPEC)
    row, clip = _clip(folder, shown)
    return {
        "key": key,
        "stand_in": of_data.get("stand_in"),
        "source": about.get("source"),
        "licence": None,
        "citation": None,
        "classes": [str(name) for name in about["classes"]],
        "settings": settings(of_data),
        "clip": {
            "split": "test",
            "clip": int(row["clip"]),
            "class": row["class"],
            "start": [row["y"], row["x"]],
            "velocity": [row["vy"], row["vx"]],
        },
        "manifest_sha256": artifacts[f"data/{key}"]["manifest_sha256"],
        "videos": None,
        "pixels": clip,
    }


def _clip(folder: Path, shown: str | None) -> tuple[dict[str, str], NDArray[np.uint8]]:
    """The first test clip of the class `shown`; of any class where there is none."""
    rows = [row for row in CLIPS.check(folder, *CLIPS.columns) if row["split"] == "test"]
    if not rows:
        raise CheckFailed(f"{folder / CLIPS.name}: no test clip; run its stage again")
    row = next((row for row in rows if row["class"] == shown), rows[0])
    clips = np.load(folder / clips_of("test"), mmap_mode="r")
    return row, np.array(clips[int(row["clip"]) if int(row["clip"]) < len(clips) else rows.index(row)])
