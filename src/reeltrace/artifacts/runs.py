"""What the files of a run hold: scores in `metrics.json`, the arrays of `predictions.npz`, `scores.json`."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Checkpoint = Literal["best", "last"]
CHECKPOINTS: tuple[Checkpoint, ...] = ("best", "last")
# Arrays of predictions: the class of each test clip or video; of videos also that of each clip, and whose clip it is.
LABEL, CLIP_LABEL, VIDEO = "label", "clip_label", "video"


def predicted(checkpoint: str, transform: str, *, clips: bool = False) -> str:
    """The array of classes that a checkpoint predicts under a transform; of videos, with `clips`, of their clips."""
    return f"{'clip_' if clips else ''}{checkpoint}_{transform}"


def on_test(checkpoint: str, transform: str, *within: str) -> tuple[str, ...]:
    """The path of a score on the test set in `metrics.json`; `within` names a part of it, as "clip" and "top1" do."""
    return checkpoint, "test", transform, *within


def score_for_dvc(metrics: Mapping[str, Any], name: str) -> Any:
    """A value of `scores.json`: the best checkpoint's epoch, its top-1 in validation, or under the transform `name`."""
    best = metrics["best"]
    if name == "epoch":
        return best["epoch"]
    return best["validation"]["top1"] if name == "validation" else best["test"][name]["top1"]


def scores_for_dvc(metrics: Mapping[str, Any], transforms: Iterable[str]) -> dict[str, Any]:
    """All of `scores.json`: flat, for `dvc metrics`."""
    return {name: score_for_dvc(metrics, name) for name in ("epoch", "validation", *transforms)}
