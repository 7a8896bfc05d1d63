"""Classifiers on features of frames (iqbal2017, section 5.2): their average with a linear layer, and a GRU.

Both take (N, T, C + 1): C features per frame and a last channel that is 1 where there is a frame, 0 where a sequence
is over. Z-normalisation is part of the net, as buffers: a checkpoint holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class _OnFeatures(nn.Module):
    """What both share: the z-normalisation, or none."""

    def __init__(self, features: int, z_norm: bool) -> None:
        super().__init__()
        self.z_norm = z_norm
        if z_norm:
            self.register_buffer("mean", torch.zeros(features))
            self.register_buffer("deviation", torch.ones(features))

    def set_statistics(self, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> None:
        """Take over mean and standard deviation (C,) of the features on the training split."""
        self.mean: Any = torch.from_numpy(mean).to(torch.get_default_dtype())
        self.deviation: Any = torch.from_numpy(deviation).to(torch.get_default_dtype())

    def normalised(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, T, C), zero where there is no frame, and which steps are frames (N, T, 1)."""
        x, there = x[..., :-1], x[..., -1:]
        if self.z_norm:
            x = (x - self.mean) / self.deviation
        return x * there, there


class AveragePool(_OnFeatures):
    """Logits (N, classes) by a linear layer on the mean over the frames."""

    def __init__(self, features: int, classes: int, z_norm: bool) -> None:
        super().__init__(features, z_norm)
        self.fc = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        x, there = self.normalised(x)
        logits: Tensor = self.fc(x.sum(1) / there.sum(1))
        return logits


class GRUClassifier(_OnFeatures):
    """Logits (N, classes) by a linear layer on the state of gated recurrent units after the last frame."""

    def __init__(self, features: int, classes: int, z_norm: bool, units: int) -> None:
        super().__init__(features, z_norm)
        self.gru = nn.GRU(features, units, batch_first=True)
        self.fc = nn.Linear(units, classes)

    def forward(self, x: Tensor) -> Tensor:
        x, there = self.normalised(x)
        states, _ = self.gru(x)
        last = there.sum((1, 2)).long() - 1
        logits: Tensor = self.fc(states[torch.arange(len(x), device=x.device), last])
        return logits


def build_average_pool(description: Mapping[str, Any]) -> AveragePool:
    """The classifier that a description describes, with random weights."""
    return AveragePool(**{name: value for name, value in description.items() if name != "architecture"})


def build_gru(description: Mapping[str, Any]) -> GRUClassifier:
    """The classifier that a description describes, with random weights."""
    return GRUClassifier(**{name: value for name, value in description.items() if name != "architecture"})
