"""Evaluation: logits of a test set under transforms, and what is read off them. Nothing here trains or writes files.

Everything is computed in the type of the model's weights (float32), without autocast: a reported accuracy then owes
nothing to bfloat16, and on these nets a whole evaluation costs less than one epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltrace.data.store import ClipStore, to_float
from reeltrace.data.transforms import TRANSFORMS

# Of no influence on the result but for the last bits of a logit: it is a constant, and not the batch size of training,
# so that an edit of the protocol's batch size does not touch evaluation.
BATCH = 32


class Score(TypedDict):
    """How a net did on a set of clips: `top1` in percent, `loss` the mean cross entropy."""

    correct: int
    total: int
    top1: float
    loss: float


class Equivariance(TypedDict):
    """How far a net is from not noticing a transform g.

    `relative_error` is the mean over clips of |f(g x) - f(x)| / |f(x)| on logits; `agreement` the percentage of clips
    whose predicted class stays the same.
    """

    relative_error: float
    agreement: float


def evaluate(model: nn.Module, clips: ClipStore, transforms: Iterable[str], batch: int = BATCH) -> dict[str, Tensor]:
    """Logits (N, classes) of all clips of a split, in index order, under each named transform; on the CPU.

    One pass: each batch (B, C, T, H, W) is read and scaled once, and each transform is a view on it. The model is left
    in the mode it was in.
    """
    names = tuple(transforms)
    weight = next(model.parameters())
    logits: dict[str, list[Tensor]] = {name: [] for name in names}
    training = model.training
    model.eval()
    with torch.no_grad():
        for start in range(0, len(clips), batch):
            pixels = clips.batch(range(start, min(start + batch, len(clips)))).to(weight.device)
            seen = to_float(pixels, weight.dtype)
            for name in names:
                view = TRANSFORMS[name](seen).contiguous(memory_format=torch.channels_last_3d)
                logits[name].append(model(view).cpu())
    model.train(training)
    return {name: torch.cat(parts) for name, parts in logits.items()}


def score(logits: Tensor, labels: Tensor) -> Score:
    """The score of logits (N, classes) against labels (N,); the loss is summed in float64."""
    correct = int((logits.argmax(1) == labels).sum())
    total = len(labels)
    loss = F.cross_entropy(logits.double(), labels, reduction="sum").item() / total
    return {"correct": correct, "total": total, "top1": 100 * correct / total, "loss": loss}


def equivariance(original: Tensor, transformed: Tensor) -> Equivariance:
    """Compare logits (N, classes) of clips and of the same clips transformed."""
    before, after = original.double(), transformed.double()
    error = (after - before).norm(dim=1) / before.norm(dim=1)
    agreement = (before.argmax(1) == after.argmax(1)).double().mean()
    return {"relative_error": error.mean().item(), "agreement": 100 * agreement.item()}
