"""The stage `data` for a pool of digit images."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reeltrace.artifacts.formats import ABOUT, IMAGES, LABELS
from reeltrace.artifacts.json_values import write_json
from reeltrace.data.disk import save_array
from reeltrace.data.pool import DIGIT_CLASSES, array_sha256

if TYPE_CHECKING:
    from reeltrace.kinds.datasets.images import ImagesSpec

SCHEMA = 1


def run(spec: "ImagesSpec", inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write one pool into `work`: `images.npy` uint8 (N, H, W), `labels.npy` uint8 (N,), `about.json`.

    The returned facts (which route served a download) may differ between runs.
    """
    # Imported here: neither source needs what the other one does.
    if spec.source == "mnist":
        from reeltrace.data import downloads, mnist

        pool, about = mnist.load(downloads.place()), mnist.ABOUT
    else:
        from reeltrace.data import digits

        pool, about = digits.load(), digits.ABOUT
    save_array(work / IMAGES, pool.images)
    save_array(work / LABELS, pool.labels)
    counts = np.bincount(pool.labels, minlength=10)
    write_json(
        work / ABOUT,
        {
            "schema": SCHEMA,
            "kind": "images",
            "source": about.source,
            "licence": about.licence,
            "citation": about.citation,
            "classes": list(DIGIT_CLASSES),
            "counts": dict(zip(DIGIT_CLASSES, counts.tolist(), strict=True)),
            "count": len(pool.images),
            "height": pool.images.shape[1],
            "width": pool.images.shape[2],
            "images_sha256": array_sha256(pool.images),
            "labels_sha256": array_sha256(pool.labels),
        },
    )
    return {"served": pool.served}
