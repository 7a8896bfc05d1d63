"""SlowFast of mahler2020, trained on clips."""

from collections.abc import Mapping
from typing import Any, Literal

from reeltrace.kinds.architecture import Architecture, Least
from reeltrace.kinds.words import plain
from reeltrace.registry.models import Entry

WIDTH = 64  # of the slow pathway where an entry does not say


class SlowFastModel(Entry):
    """The net: `config` holds the values in which it differs from the public configuration, but for the classes."""

    architecture: Literal["slowfast"]
    config: dict[str, Any]


def _words(model: Mapping[str, Any]) -> str:
    return "; ".join(["slowfast", *(f"{key} {plain(value)}" for key, value in model["config"].items())])


def _describe(entry: SlowFastModel, backbone: None, classes: int) -> dict[str, Any]:
    return {**entry.model_dump(mode="json"), "classes": classes}


def _least(entry: SlowFastModel, backbone: None, classes: int) -> Least:
    """The widest convolutions of the last stage's first block alone, and the maps of the slow stem."""
    width = entry.config.get("width", WIDTH)
    width = width if isinstance(width, int) and 0 < width < 2**20 else 1  # what is no width is refused when it is built
    alpha = entry.config.get("alpha", 4)
    return Least(9 * (8 * width) ** 2, width, (alpha if isinstance(alpha, int) and alpha > 0 else 1, 2, 2))


KIND = Architecture(
    name="slowfast",
    params=SlowFastModel,
    title="SlowFast",
    words=_words,
    stage="reeltrace.training.stage",
    net="reeltrace.models.slowfast:build",
    describe=_describe,
    fed="clips",
    backbone=None,
    further=None,
    in_runs=True,
    augmented=True,
    transformed=False,
    bfloat16=True,
    conforms=True,
    work=lambda entry, videos: 4,
    least=_least,
)
