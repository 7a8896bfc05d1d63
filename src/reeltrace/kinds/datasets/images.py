"""Pools of digit images, which moving digits are drawn from."""

from typing import Literal

from reeltrace.artifacts.formats import ABOUT, IMAGES, LABELS
from reeltrace.kinds.dataset import DatasetEntry, DatasetKind, DataSpec, Making, no_words


class ImagesDataset(DatasetEntry):
    """A pool of digit images."""

    kind: Literal["images"]
    source: Literal["mnist", "sklearn-digits"]


class ImagesSpec(DataSpec):
    """Stage `data`: a pool of digit images."""

    kind: Literal["images"]
    source: Literal["mnist", "sklearn-digits"]


MAKING = Making("reeltrace.data.images_stage", (ABOUT, IMAGES, LABELS))

KIND = DatasetKind(
    name="images",
    params=ImagesDataset,
    spec=ImagesSpec,
    makings=(MAKING,),
    making=lambda spec: MAKING,
    weight=1,
    words=no_words,
    check=None,
    trained=None,
)
