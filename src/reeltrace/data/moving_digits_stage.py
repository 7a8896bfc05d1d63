"""The stage `data` for moving digits, which are made from a pool of digit images."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.artifacts.formats import ABOUT, IMAGES, LABELS, SEEN
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.data import moving_digits
from reeltrace.data.pool import array_sha256
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from reeltrace.kinds.datasets.moving_digits import MovingDigitsSpec

SCHEMA = 1


def run(spec: "MovingDigitsSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write one dataset into `work`: `clips-<split>.npy` uint8 (N, T, H, W), `index.csv`, `about.json`.

    `inputs` names the pool, "data/<images>".
    """
    pool = inputs[f"data/{spec.images}"]
    images, labels = load_pool(pool)
    settings = moving_digits.Settings(
        task=spec.task,
        frames=spec.frames,
        size=spec.size,
        digit_size=spec.digit_size,
        speed=(spec.speed[0], spec.speed[1]),
        videos={split: getattr(spec.videos, split) for split in moving_digits.SPLITS},
        image_split={split: getattr(spec.image_split, split) for split in moving_digits.SPLITS},
        seed=spec.seed,
        course=spec.course,
        start=spec.start,
        both_ways=spec.both_ways,
        digit_sizes=spec.digit_sizes,
        file_frames=spec.file_frames,
    )
    clips = moving_digits.write(images, labels, settings, work)
    dealt = moving_digits.split_images(labels, settings.image_split, settings.seed)
    write_json(
        work / ABOUT,
        {
            "schema": SCHEMA,
            "kind": "moving-digits",
            "task": spec.task,
            "classes": list(settings.classes),
            "counts": {
                split: {name: sum(row.label == label for row in rows) for label, name in enumerate(settings.classes)}
                for split, rows in clips.items()
            },
            "images": {split: len(members) for split, members in dealt.items()},
            "frames": spec.frames,
            "size": spec.size,
            "digit_size": spec.digit_size,
            "speed": list(settings.speed),
            "path": settings.path,
            "seed": spec.seed,
            "source": read_json(pool / ABOUT)["source"],
            "images_sha256": array_sha256(images),
            **({} if spec.file_frames is None else {SEEN: {"test": spec.frames}}),
        },
    )
    return {}


def load_pool(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (N, H, W) and labels (N,) of a finished image pool. Raises UserError when they are missing or
    disagree.
    """
    arrays = []
    for name, axes in ((IMAGES, 3), (LABELS, 1)):
        path = folder / name
        try:
            array = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; make the image pool first") from None
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"{path}: not a readable array ({error}); make the image pool again") from error
        if array.dtype != np.uint8 or array.ndim != axes:
            raise UserError(f"{path}: {array.dtype}{array.shape}, expected uint8 with {axes} axes; make the pool again")
        arrays.append(array)
    images, labels = arrays
    if len(images) != len(labels):
        raise UserError(f"{folder}: {len(images)} images and {len(labels)} labels; make the image pool again")
    return images, labels
