"""What the plain video residual networks share: convolutions with normalisation, residual blocks, the classifier.

SlowFast, the non-local I3D and R(2+1)D are put together from these. Kernels, strides and dilations are written
(T, H, W); padding always keeps the size that the stride asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from reeltrace.errors import UserError
from reeltrace.models.conv3d import Conv3d
from reeltrace.models.pooling import MaxPool3d

Triple = tuple[int, int, int]

EXPANSION = 4  # a bottleneck gives out four times the channels of its inner convolution
HEAD_MEANS = ("probabilities", "logits")


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation and, unless `relu` is off, ReLU.

    (N, C_in, T, H, W) to (N, C_out, T/stride, H/stride, W/stride), rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Triple,
        stride: Triple = (1, 1, 1),
        dilation: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        t, h, w = kernel
        spread = (1, dilation, dilation)
        self.conv = Conv3d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=(t // 2, h // 2 * dilation, w // 2 * dilation),
            dilation=spread,
            bias=False,
        )
        self.norm = nn.BatchNorm3d(out_channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, normalise, rectify."""
        out: Tensor = self.relu(self.norm(self.conv(x)))
        return out


class Residual(nn.Module):
    """ReLU of a branch plus a shortcut: the identity, or a strided 1x1x1 convolution where the shape changes."""

    def __init__(self, branch: nn.Module, in_channels: int, out_channels: int, stride: Triple) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels or stride != (1, 1, 1):
            self.shortcut = ConvNorm(in_channels, out_channels, (1, 1, 1), stride, relu=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, T, H, W) to (N, C_out, T', H', W')."""
        out: Tensor = self.branch(x)
        out += self.shortcut(x)
        rectified: Tensor = self.relu(out)
        return rectified


def bottleneck(in_channels: int, inner: int, temporal_kernel: int, stride: int = 1, dilation: int = 1) -> Residual:
    """Residual block of T x 1^2, 1 x 3^2 and 1 x 1^2 convolutions, to four times `inner` channels.

    The brackets of mahler2020, Table 5.1. Stride and dilation act on space and sit on the 1 x 3^2 convolution.
    """
    out_channels = EXPANSION * inner
    branch = nn.Sequential(
        ConvNorm(in_channels, inner, (temporal_kernel, 1, 1)),
        ConvNorm(inner, inner, (1, 3, 3), (1, stride, stride), dilation),
        ConvNorm(inner, out_channels, (1, 1, 1), relu=False),
    )
    return Residual(branch, in_channels, out_channels, (1, stride, stride))


def spatial_pool() -> MaxPool3d:
    """The max pooling that ends a stem: 1 x 3^2, stride 1, 2^2."""
    return MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))


class Pooled(nn.Module):
    """Classifier: mean over time and space, dropout, linear. Maps (N, C, T, H, W) of each pathway to (N, classes).

    With a `window` the mean in space is one of squares of that side, at every place of the map. Each place is
    classified, and then comes the mean over places: of "probabilities", whose logarithm is given, or of "logits".
    So do the public networks, which were trained on maps of one such square (7 x 7 at a crop of 224), at larger crops.
    On a map that is no larger than a window the two are the same.
    """

    def __init__(
        self, channels: Sequence[int], classes: int, dropout: float, window: int = 0, mean: str = HEAD_MEANS[0]
    ) -> None:
        super().__init__()
        if mean not in HEAD_MEANS:
            raise UserError(f"unknown head_mean {mean!r}: expected {' or '.join(HEAD_MEANS)}")
        self.window, self.mean = window, mean
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(sum(channels), classes)

    def forward(self, *maps: Tensor) -> Tensor:
        """Pool each pathway's maps, put them side by side, classify."""
        if self.window and max(maps[0].shape[-2:]) > self.window:
            return self._by_place(maps)
        features = torch.cat([one.mean((2, 3, 4)) for one in maps], dim=1)
        logits: Tensor = self.fc(self.dropout(features))
        return logits

    def _by_place(self, maps: Sequence[Tensor]) -> Tensor:
        window = [min(self.window, side) for side in maps[0].shape[-2:]]
        features = torch.cat([avg_pool2d(one.mean(2), window, stride=1) for one in maps], dim=1)  # (N, C, places...)
        logits: Tensor = self.fc(self.dropout(features.flatten(2).transpose(1, 2)))  # (N, places, classes)
        if self.mean == "logits":
            return logits.mean(1)
        return torch.log_softmax(logits.float(), dim=2).logsumexp(1) - math.log(logits.shape[1])


class Limits(NamedTuple):
    """The smallest clip that a network can take."""

    channels: int
    frames: int
    side: int


def check_clip(clip: Tensor, limits: Limits) -> None:
    """UserError unless `clip` is (N, C, T, H, W) with the network's channels and at least its smallest size."""
    shape = tuple(clip.shape)
    if clip.ndim != 5:
        raise UserError(f"input: found shape {shape}, expected a batch of clips (N, C, T, H, W)")
    _, channels, frames, height, width = shape
    if channels != limits.channels:
        raise UserError(f"input: found clips of {channels} channels, expected {limits.channels}: change the clips")
    if frames < limits.frames or min(height, width) < limits.side:
        raise UserError(
            f"input: found clips of {frames} frames of {height} x {width}, expected at least {limits.frames} of "
            f"{limits.side} x {limits.side}: take longer or larger clips"
        )


def check_stages(what: str, values: Sequence[object], stages: int = 4) -> None:
    """UserError unless there is one value per residual stage."""
    if len(values) != stages:
        raise UserError(f"{what} takes {stages} values, one per residual stage, found {len(values)}: {list(values)}")


def initialise(network: nn.Module, zero_last_norm: bool) -> None:
    """Random weights as the public implementations draw them: He (fan out), linear layers N(0, 0.01).

    With `zero_last_norm` each residual branch starts as zero (the scale of its last normalisation), as
    SlowFast and the non-local networks are trained. Filters are laid out with the channels innermost.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    if zero_last_norm:
        for module in network.modules():
            if isinstance(module, Residual):
                norms = [part for part in module.branch.modules() if isinstance(part, nn.BatchNorm3d)]
                nn.init.zeros_(norms[-1].weight)
    network.to(memory_format=torch.channels_last_3d)


def count_conv_norm(in_channels: int, out_channels: int, kernel: int) -> int:
    """Parameters of a convolution of `kernel` points without bias and of its normalisation, by arithmetic."""
    return in_channels * out_channels * kernel + 2 * out_channels


def count_linear(in_channels: int, out_channels: int) -> int:
    """Parameters of a linear layer, by arithmetic."""
    return in_channels * out_channels + out_channels
