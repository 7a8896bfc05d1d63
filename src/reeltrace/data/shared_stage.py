"""The stage `data` for a set that has the videos of another one, to be stored at another size: it takes the index.

The videos stay where the other set has them; stage `frames` reads them there.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.formats import ABOUT, VIDEO_INDEX

if TYPE_CHECKING:
    from reeltrace.kinds.datasets.videos import VideosSpec


def run(spec: "VideosSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `index.csv` and `about.json`, those of the set `spec.videos_of`: the same videos, classes and splits."""
    for name in (ABOUT, VIDEO_INDEX.name):
        shutil.copyfile(inputs[f"data/{spec.videos_of}"] / name, work / name)
    return {}
