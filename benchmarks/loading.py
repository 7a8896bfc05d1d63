"""How long a trainer waits for its batches, and how many clips a second can be read.

    python benchmarks/loading.py [--videos 48] [--frames 180] [--epochs 3] [--brief] [--json figures.json]

Draws and encodes a set of videos, extracts its frames with a short side of 32 and of 128 pixels, and trains the 4-layer
net on them as the `quick` and the `paper` scale do (the latter with small batches: on a CPU a step is long). Printed
is the share of the training time in which the loop waited for a batch, and the clips per second that reading alone
gives, without loader processes and with two.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from cold_report import at_least

from reeltrace.data import frames_stage, videos_stage
from reeltrace.data.clips import open_videos
from reeltrace.kinds.datasets.videos import VideosSpec
from reeltrace.registry.reading import load
from reeltrace.registry.specs import FramesSpec, TrainSpec
from reeltrace.training import loop
from reeltrace.training.loading import Loader

CLASSES, GROUPS = 4, 12
WAITED = 1.0  # percent of the time of training, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=at_least(1), default=48, help="videos in the set, a multiple of 48")
    parser.add_argument("--frames", type=at_least(2), default=180, help="frames of a video")
    parser.add_argument("--epochs", type=at_least(1), default=3)
    parser.add_argument("--brief", action="store_true", help="the quick scale without loader processes alone")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    asked = parser.parse_args()
    if asked.brief:
        asked.epochs = max(asked.epochs, 12)  # the first reads what nobody has read yet
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), asked)


def compare(folder: Path, asked: argparse.Namespace) -> None:
    clips_per_group = max(1, asked.videos // (CLASSES * GROUPS))
    generated = {"groups": GROUPS, "clips_per_group": clips_per_group, "frames": (asked.frames, asked.frames)}
    data = folder / "data"
    data.mkdir()
    videos_stage.run(
        VideosSpec.model_validate(
            {"stage": "data", "key": "bench", "scale": "quick", "kind": "videos", "layout": "ucf101"}
            | {"classes": CLASSES, "generated": generated | {"seed": 1}}
        ),
        {},
        data,
    )
    print(f"{CLASSES * GROUPS * clips_per_group} videos of {asked.frames} frames, 320x240, MPEG-4")
    print(f"{'':8}{'clip':>14}{'batch':>7}{'loaders':>9}{'waited':>9}{'trained':>12}{'read alone':>13}")
    rows = []
    for scale, batch_size in (("quick", None), ("paper", 4))[: 1 if asked.brief else 2]:
        registry = load(scale=scale)  # type: ignore[arg-type]
        base = registry.train_spec("ucf-cnn4-z3", 0)
        short_side = registry.frames_spec("ucf101").short_side
        frames = folder / f"frames-{short_side}"
        frames.mkdir()
        frames_stage.run(
            FramesSpec(stage="frames", key="bench", scale=base.scale, short_side=short_side),
            {"data/bench": data},
            frames,
        )
        for loaders in (0, 2)[: 1 if asked.brief else 2]:
            protocol = {"epochs": asked.epochs, "milestones": (), "batch_size": batch_size or base.protocol.batch_size}
            spec = base.model_copy(
                update={
                    "classes": CLASSES,
                    "protocol": base.protocol.model_copy(update=protocol),
                    "device": base.device.model_copy(update={"kind": "cpu", "threads": 1, "loaders": loaders}),
                }
            )
            rows.append(measure(spec, data, frames, folder / f"{scale}-{loaders}"))
    if asked.json:
        asked.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


def measure(spec: TrainSpec, data: Path, frames: Path, work: Path) -> dict[str, Any]:
    """Print a row, and return it with the goal."""
    assert spec.video is not None
    clips, validation, _ = open_videos(spec.video, data, frames)
    work.mkdir()
    trained = loop.train(spec, clips, validation, work, "bench")
    loader, began, read = Loader(spec, clips), time.perf_counter(), 0
    while time.perf_counter() - began < 3:
        read += sum(len(labels) for _, labels in loader.epoch(1 + read))
    rate = read / (time.perf_counter() - began)
    shape = "x".join(map(str, clips.shape))
    waited = 100 * trained.waited / sum(trained.seconds)
    print(
        f"{spec.scale:8}{shape:>14}{spec.protocol.batch_size:7d}{spec.device.loaders:9d}"
        f"{waited:8.2f}%"
        f"{len(clips) * len(trained.seconds) / sum(trained.seconds):8.1f}/s{rate:12.1f}/s",
        flush=True,
    )
    return {
        "what": f"waiting for batches, {spec.scale}, {spec.device.loaders} loaders, percent of training",
        "ours": waited,
        "peer": None,
        "ratio": None,
        "goal": f"< {WAITED:g}",
        "met": waited < WAITED,
    }


if __name__ == "__main__":
    main()
