"""Training of a detection net on labelled boxes: a sigmoid and a cross-entropy per action (mahler2020, 6.2.3).

Steps of stochastic gradient descent with momentum, the rate rising linearly and then falling by half a cosine. The
document takes 1,000 steps for the rise and a weight decay of 1e-7, and begins with the weights of a net for
recognition in all but the head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from reeltrace.detection.ava import Label, targets
from reeltrace.detection.detect import regions
from reeltrace.errors import UserError
from reeltrace.models import weights

HEAD = "head."


@dataclass(frozen=True)
class Schedule:
    """How it is trained: `steps` of `batch` clips at `rate`, which is reached after `warm_up` steps from a tenth."""

    steps: int
    batch: int
    rate: float
    warm_up: int = 1000
    momentum: float = 0.9
    weight_decay: float = 1e-7

    def rate_at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.rate * (0.1 + 0.9 * step / self.warm_up)
        share = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1 + math.cos(math.pi * share))


Labelled = tuple[Tensor, Sequence[Label]]
"""A clip (1, 3, T, H, W) and the labels of its key frame."""


def fit(net: nn.Module, samples: Sequence[Labelled], schedule: Schedule, seed: int = 0) -> list[float]:
    """Train `net`, in place, on clips of one size; returned is the loss of each step.

    Clips are drawn in a new order each time all of them were seen. Raises UserError where there are none, or where no
    box is labelled.
    """
    if not samples or not any(labels for _, labels in samples):
        raise UserError("nothing to train on: no clip has a labelled box")
    device = next(net.parameters()).device
    descent = torch.optim.SGD(
        net.parameters(), lr=schedule.rate, momentum=schedule.momentum, weight_decay=schedule.weight_decay
    )
    order = torch.Generator().manual_seed(seed)
    waiting: list[int] = []
    losses = []
    net.train()
    for step in range(schedule.steps):
        while len(waiting) < schedule.batch:
            waiting += torch.randperm(len(samples), generator=order).tolist()
        chosen = [samples[number] for number in waiting[: schedule.batch]]
        waiting = waiting[schedule.batch :]
        for group in descent.param_groups:
            group["lr"] = schedule.rate_at(step)
        loss = loss_of(net, chosen, device)
        descent.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        descent.step()
        losses.append(float(loss.detach()))
    net.eval()
    return losses


def loss_of(net: nn.Module, chosen: Sequence[Labelled], device: torch.device) -> Tensor:
    """The mean over boxes and actions of the binary cross-entropy; a zero that needs gradients where no box is."""
    classes = net.head.fc.out_features  # type: ignore[union-attr]  # of a detection net
    clips = torch.cat([clip for clip, _ in chosen]).to(device)
    size = (int(clips.shape[-2]), int(clips.shape[-1]))
    boxes, wanted = [torch.zeros(0, 5)], [torch.zeros(0, int(classes))]  # type: ignore[arg-type]
    for number, (_, labels) in enumerate(chosen):
        here, values = targets(labels, int(classes))  # type: ignore[arg-type]
        boxes.append(regions(here, size, clip=number))
        wanted.append(torch.tensor(values).view(len(here), -1) if here else torch.zeros(0, int(classes)))  # type: ignore[arg-type]
    logits = net(clips, torch.cat(boxes).to(device))
    if not len(logits):
        return logits.sum()  # type: ignore[no-any-return]
    return binary_cross_entropy_with_logits(logits.float(), torch.cat(wanted).to(device))


def begin_with(net: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Give a detection net the weights of a net for recognition in all but its head (mahler2020, 6.2.3).

    Raises UserError, beginning with `where`, at the first that does not fit; the net is untouched then.
    """
    own = net.state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith(HEAD)}
    weights.load(net, {**kept, **{name: value for name, value in own.items() if name.startswith(HEAD)}}, where)
