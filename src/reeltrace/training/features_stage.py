"""The stage `features`: one pass of a backbone over every frame of a set, for all classifiers on its features."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from reeltrace.artifacts.files import explain_full_disk
from reeltrace.artifacts.formats import ABOUT
from reeltrace.artifacts.json_values import write_json
from reeltrace.data.features import BLOCKS
from reeltrace.data.frame_store import FrameStore
from reeltrace.data.store import to_float
from reeltrace.errors import UserError
from reeltrace.kinds.architectures.stills import describe_backbone
from reeltrace.models.backbones import build
from reeltrace.models.st_resnet import StResNet
from reeltrace.training.backbones import take_weights
from reeltrace.training.loop import choose_device, make_repeatable
from reeltrace.training.precision import arithmetic

if TYPE_CHECKING:
    from reeltrace.registry.specs import FeaturesSpec

SCHEMA = 1
BATCH = 128  # frames


def run(spec: FeaturesSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `block2.npy`, `block3.npy` and `block4.npy`, float16 (frames, C), and `about.json` into `work`.

    The rows are the frames of the store, video by video in its order; a frame's features are a stage's output averaged
    over the square in the middle of the frame. `inputs` names "frames/<set>" and "pretrain/<backbone>".
    """
    device = choose_device(spec.device.kind)
    make_repeatable(device, spec.device.threads)
    store = FrameStore.open(inputs[f"frames/{spec.dataset}"])
    small = [name for name, h, w in zip(store.names, store.heights, store.widths, strict=True) if min(h, w) < spec.crop]
    if small:
        raise UserError(
            f"{store.folder}: {small[0]} is stored smaller than the crop of {spec.crop}; lower clip.crop of the "
            "dataset in params.yaml"
        )
    net = build({**describe_backbone(spec.backbone), "classes": 1})
    assert isinstance(net, StResNet)
    take_weights(net, inputs[f"pretrain/{spec.backbone_name}"])
    net = net.to(device).eval()
    total = int(store.counts.sum())
    began, arrays = time.perf_counter(), {}
    mean, std = (
        torch.tensor(values, device=device).view(3, 1, 1)
        for values in (spec.backbone.normalise.mean, spec.backbone.normalise.std)
    )
    row = 0
    with explain_full_disk(work), torch.no_grad():
        for video in range(len(store)):
            for start in range(0, int(store.counts[video]), BATCH):
                numbers = np.arange(start, min(start + BATCH, int(store.counts[video])), dtype=np.int64)
                frames = store.read(video, numbers, *_middle(store, video, spec.crop), spec.crop, spec.crop)
                x = to_float(torch.from_numpy(frames).permute(0, 3, 1, 2).to(device), torch.float32)
                if spec.size != spec.crop:
                    x = torch.nn.functional.interpolate(x, (spec.size, spec.size), mode="bilinear", antialias=True)
                for block, values in net.blocks_of((x - mean) / std).items():
                    if block not in arrays:
                        arrays[block] = np.lib.format.open_memmap(
                            work / f"{block}.npy", mode="w+", dtype=np.float16, shape=(total, values.shape[1])
                        )
                    arrays[block][row : row + len(numbers)] = values.cpu().numpy().astype(np.float16)
                row += len(numbers)
        for array in arrays.values():
            array.flush()
    seconds = time.perf_counter() - began
    write_json(
        work / ABOUT,
        {
            "schema": SCHEMA,
            "videos": len(store),
            "frames": total,
            "arithmetic": arithmetic("float32", "float32", device),
            "channels": {block: int(arrays[block].shape[1]) for block in BLOCKS},
        },
    )
    return {"frames_per_second": round(total / seconds, 1)}


def _middle(store: FrameStore, video: int, crop: int) -> tuple[int, int]:
    return (int(store.heights[video]) - crop) // 2, (int(store.widths[video]) - crop) // 2
