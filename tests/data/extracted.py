"""What came of a set of videos."""

import csv
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reeltrace.data.frame_store import FrameStore
from reeltrace.data.frames import DECODERS, extract


class Extraction(NamedTuple):
    """What came of a set: rows of `frames.csv` and reasons of `broken.json` by video, `about.json`, the frames."""

    rows: dict[str, dict[str, str]]
    broken: dict[str, str]
    about: dict[str, Any]
    store: FrameStore

    def frames(self, video: str) -> NDArray[np.int64]:
        at = self.store.names.index(video)
        count, height, width = (int(of[at]) for of in (self.store.counts, self.store.heights, self.store.widths))
        return self.store.read(at, np.arange(count), 0, 0, height, width).astype(np.int64)


def extracted(videos: Path, work: Path, short_side: int = 48, decoders: dict[str, str] = DECODERS) -> Extraction:
    work.mkdir()
    names = sorted(path.name for path in videos.iterdir())
    extract(videos, names, work, short_side=short_side, workers=2, decoders=decoders)
    with (work / "frames.csv").open(newline="") as file:
        rows = {row["video"]: row for row in csv.DictReader(file)}
    broken = {entry["video"]: entry["reason"] for entry in json.loads((work / "broken.json").read_text())}
    return Extraction(rows, broken, json.loads((work / "about.json").read_text()), FrameStore.open(work))
