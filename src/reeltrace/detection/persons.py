"""Boxes of persons on a frame, by a Faster R-CNN of torchvision whose weights are in a file of the user's.

mahler2020, 6.2.4.1 has a ResNeXt-101-FPN of detectron2 that was tuned on AVA; torchvision has none, and any detector
with the classes of COCO serves. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reeltrace.artifacts.files import reason_of, sha256_file
from reeltrace.detection.ava import Corners
from reeltrace.detection.clips import Pixels
from reeltrace.errors import UserError
from reeltrace.models import weights

NETS = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
)
PERSON = 1  # of COCO's classes, of which 0 is the background
SMALLEST = 2.0  # pixels of a box's side
_HASHED = 8  # hexadecimal digits of the sha256 that torchvision's files have in their names

Persons = Callable[[Pixels], list[tuple[Corners, float]]]
"""From a frame (H, W, 3), RGB, to boxes of persons, shares of its sides, with scores; the surest first."""


def detector(file: Path | None, net: str = NETS[0], least: float = 0.8, most: int = 20) -> Persons:
    """A detector of persons: up to `most` boxes per frame with scores of at least `least`.

    Without a file its weights are drawn, and the boxes mean nothing. Raises UserError for a file that does not fit.
    """
    model = _build(net, file)

    def persons(frame: Pixels) -> list[tuple[Corners, float]]:
        height, width = frame.shape[:2]
        pixels = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = model([pixels])[0]
        boxes = []
        for box, label, score in zip(
            found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), strict=True
        ):
            x1, y1, x2, y2 = box
            if (label == PERSON or file is None) and score >= least and min(x2 - x1, y2 - y1) >= SMALLEST:
                boxes.append(((x1 / width, y1 / height, x2 / width, y2 / height), float(score)))
        return sorted(boxes, key=lambda each: -each[1])[:most]

    return persons


def _build(name: str, file: Path | None) -> Any:
    from torchvision.models import detection  # type: ignore[import-untyped]  # takes a second

    if name not in NETS:
        raise UserError(f"no net for persons is named {name!r}; expected one of {', '.join(NETS)}")
    lowest = {} if file is not None else {"box_score_thresh": 0.0, "box_detections_per_img": 5}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = getattr(detection, name)(weights=None, weights_backbone=None, **lowest).eval()
    if file is not None:
        weights.load(model, _state(file), f"{file}: weights of another net than {name}")
        if name == NETS[0]:  # its published weights were trained without, as torchvision knows when it loads them
            for module in model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eps = 0.0
    return model


def _state(file: Path) -> weights.State:
    """The weights in a file. One that torchvision wrote in the old format has its hash in its name."""
    try:
        named = file.stem.rpartition("-")[2]
        hashed = len(named) >= _HASHED and sha256_file(file).startswith(named.lower())
        return weights.read_state(file, hashed=hashed)
    except FileNotFoundError:
        raise UserError(
            f"{file}: no such file; name torchvision's weights of the net for persons, give the boxes, or --random"
        ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({reason_of(error)}); correct that") from None
    except ValueError as error:
        raise UserError(f"{file}: not a file of weights ({error}); give a state dict saved by torch.save") from error
