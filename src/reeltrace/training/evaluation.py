"""Evaluation: logits of a test set under transforms, and what is read off them. Nothing here trains or writes files.

Everything is computed in the type of the model's weights (float32), without autocast and without TF32: a reported
accuracy then owes nothing to either, and on these nets a whole evaluation costs less than one epoch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NotRequired, Protocol, TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from reeltrace.data.store import CHANNELS, ClipStore, one_channel, to_float
from reeltrace.data.transforms import TRANSFORMS
from reeltrace.models.float32 import exact_float32
from reeltrace.training.residence import moved

# Of no influence on the result but for the last bits of a logit: it depends on the device and the size of a clip, and
# not on the batch size of training, so that an edit of the protocol's does not touch evaluation.
BATCH = 32  # clips on a CPU, and the least on a GPU
PIXELS = 2**22  # of one channel, in a batch on a GPU: those of 128 clips of 32^3


class Clips(Protocol):
    """A split of a dataset as training and evaluation see it: stored clips, or clips cut out of longer videos."""

    @property
    def split(self) -> str:
        """Its name, for messages."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names in the order of labels."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,): the class of each clip."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows and columns of each clip."""

    @property
    def normalise(self) -> tuple[Sequence[float], Sequence[float]] | None:
        """Mean and standard deviation of the three channels; None where pixels are only scaled to [0, 1]."""

    @property
    def videos(self) -> NDArray[np.int64] | None:
        """(N,): the number of the video that each clip is cut out of; None where clips stand for themselves."""

    @property
    def missing(self) -> int:
        """How many videos of this split could not be decoded."""

    @property
    def clip_bytes(self) -> int:
        """Bytes that one clip takes in a batch, at most."""

    def __len__(self) -> int:
        """Number of clips."""

    def batch(self, indices: Sequence[int]) -> Tensor:
        """The clips with these indices for evaluation: uint8 (B, 3, T, H, W), always the same."""

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """The same for training, where place and time of the cut may be drawn."""


class Score(TypedDict):
    """How a net did on a set of clips: `top1` in percent, `loss` the mean cross entropy.

    Where clips are cut out of videos the score is that of videos, and `clip` is that of single clips.
    """

    correct: int
    total: int
    top1: float
    loss: float
    clip: NotRequired[Score]


class Equivariance(TypedDict):
    """How far a net is from not noticing a transform g.

    `relative_error` is the mean over clips of |f(g x) - f(x)| / |f(x)| on logits; `agreement` the percentage of clips
    whose predicted class stays the same.
    """

    relative_error: float
    agreement: float


def to_input(pixels: Tensor, clips: Clips, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a net is given of uint8 clips (B, 3, T, H, W): scaled to [0, 1] and normalised as the set says.

    Of grey clips one channel (B, 1, T, H, W) is enough; the net sees it three times. Features, which are no pixels,
    stay as they are.
    """
    if pixels.is_floating_point():
        return pixels.to(dtype)
    x = to_float(pixels, dtype).expand(-1, CHANNELS, -1, -1, -1)
    if clips.normalise is None:
        return x
    x = x.contiguous() if x.stride(1) == 0 else x  # three channels that differ do not fit into the memory of one
    mean, std = (torch.tensor(values, dtype=dtype, device=x.device).view(3, 1, 1, 1) for values in clips.normalise)
    return x.sub_(mean).div_(std)


def channels_last(x: Tensor) -> Tensor:
    """Clips (B, C, T, H, W) in the order of memory that convolutions are fastest in; other batches as they are."""
    return x.contiguous(memory_format=torch.channels_last_3d) if x.dim() == 5 else x


def batch_of(clips: Clips, device: torch.device) -> int:
    """How many clips of a set are evaluated at once."""
    pixels = math.prod(clips.shape)  # 0 where the clips differ in length
    return max(BATCH, PIXELS // pixels) if device.type == "cuda" and pixels else BATCH


def evaluate(model: nn.Module, clips: Clips, transforms: Iterable[str], batch: int | None = None) -> dict[str, Tensor]:
    """Logits (N, classes) of all clips of a split, in index order, under each named transform; on the CPU.

    One pass: each batch (B, C, T, H, W) is read and scaled once, and each transform is a view on it, of longer clips of
    the whole before its first frames are seen. The model is left in the mode it was in.
    """
    names = tuple(transforms)
    weight = next(model.parameters())
    clips = moved(clips, weight.device)
    batch = batch or batch_of(clips, weight.device)
    frames = clips.seen if isinstance(clips, ClipStore) else None
    logits: dict[str, list[Tensor]] = {name: [] for name in names}
    training = model.training
    model.eval()
    with torch.no_grad(), exact_float32():
        for start in range(0, len(clips), batch):
            pixels = one_channel(clips.batch(range(start, min(start + batch, len(clips))))).to(weight.device)
            seen = to_input(pixels, clips, weight.dtype)
            for name in names:
                shown = TRANSFORMS[name](seen)
                logits[name].append(model(channels_last(shown if frames is None else shown[:, :, :frames])))
    model.train(training)
    return {name: torch.cat(parts).cpu() for name, parts in logits.items()}


def score(logits: Tensor, labels: Tensor) -> Score:
    """The score of logits (N, classes) against labels (N,); the loss is summed in float64."""
    correct = int((logits.argmax(1) == labels).sum())
    total = len(labels)
    loss = F.cross_entropy(logits.double(), labels, reduction="sum").item() / total
    return {"correct": correct, "total": total, "top1": 100 * correct / total, "loss": loss}


def score_split(logits: Tensor, clips: Clips) -> Score:
    """The score of the logits (N, classes) of all clips of a split: of its videos, if the clips are cut out of such."""
    labels = torch.from_numpy(clips.labels)
    if clips.videos is None:
        return score(logits, labels)
    by_video, video_labels = average_over_clips(logits, clips)
    return {**score(by_video, video_labels), "clip": score(logits, labels)}


def average_over_clips(logits: Tensor, clips: Clips) -> tuple[Tensor, Tensor]:
    """Log of the mean probability over the clips of each video, float64 (V, classes), and the videos' labels (V,).

    The order of clips within a video is of no influence but for the last bits.
    """
    assert clips.videos is not None
    video = torch.from_numpy(clips.videos)
    count = int(video.max()) + 1 if len(video) else 0
    sums = torch.zeros(count, logits.shape[1], dtype=torch.float64).index_add_(0, video, logits.double().softmax(1))
    labels = torch.zeros(count, dtype=torch.int64).scatter_(0, video, torch.from_numpy(clips.labels))
    mean = sums / torch.bincount(video, minlength=count).unsqueeze(1)
    # clamped, or a probability that has vanished is an infinite loss
    return mean.clamp_min(torch.finfo(torch.float64).tiny).log(), labels


def equivariance(original: Tensor, transformed: Tensor) -> Equivariance:
    """Compare logits (N, classes) of clips and of the same clips transformed."""
    before, after = original.double(), transformed.double()
    error = (after - before).norm(dim=1) / before.norm(dim=1)
    agreement = (before.argmax(1) == after.argmax(1)).double().mean()
    return {"relative_error": error.mean().item(), "agreement": 100 * agreement.item()}
