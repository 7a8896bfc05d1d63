"""Recurrent Convolutional Networks (singh2019supp): a 2D ResNet whose 3x3 convolutions carry a state through time.

A recurrent unit computes h_t from a 3x3 convolution of its input at time t (w_xh) and a 1x1 convolution of its own
state one frame earlier (w_hh). Nothing looks ahead: the net is causal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.weights import Names

HiddenInit = Literal["random", "identity"]
BLOCKS = (2, 2, 2, 2)  # per stage: ResNet-18; (3, 4, 6, 3) is ResNet-34


class RecurrentConv(nn.Module):
    """Frames (N, T, C_in, H, W) to states (N, T, C_out, H', W'), one after the other.

    h_1 = w_xh * x_1, and h_t = w_xh * x_t + w_hh * h_(t-1); with `halve` the sum of two is divided by two.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, init: HiddenInit, halve: bool) -> None:
        super().__init__()
        self.input = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.hidden = nn.Conv2d(out_channels, out_channels, 1, bias=False)
        self.halve = halve
        nn.init.kaiming_normal_(self.input.weight, mode="fan_out", nonlinearity="relu")
        if init == "identity":
            with torch.no_grad():
                self.hidden.weight.copy_(torch.eye(out_channels)[:, :, None, None])
        elif init == "random":
            nn.init.kaiming_normal_(self.hidden.weight, mode="fan_out", nonlinearity="relu")
        else:
            raise UserError(f"w_hh: unknown initialisation {init!r}; expected random or identity")

    def forward(self, x: Tensor) -> Tensor:
        """States of all steps."""
        count, steps = x.shape[:2]
        driven = self.input(x.flatten(0, 1)).unflatten(0, (count, steps))  # all frames in one call
        state = driven[:, 0]
        states = [state]
        for step in range(1, steps):
            state = driven[:, step] + self.hidden(state)
            if self.halve:
                state = state / 2
            states.append(state)
        return torch.stack(states, dim=1)


class _Block(nn.Module):
    """ResNet's basic block with recurrent units in place of its two 3x3 convolutions."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, init: HiddenInit, halve: bool) -> None:
        super().__init__()
        self.conv1 = RecurrentConv(in_channels, out_channels, stride, init, halve)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = RecurrentConv(out_channels, out_channels, 1, init, halve)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        branch = self.relu(_each(self.bn1, self.conv1(x)))
        branch = _each(self.bn2, self.conv2(branch))
        shortcut = x if self.downsample is None else _each(self.downsample, x)
        out: Tensor = self.relu(branch + shortcut)
        return out


def _each(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer for images to each frame of (N, T, C, H, W)."""
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])  # type: ignore[no-any-return]


class RCN(nn.Module):
    """Clips (N, 3, T, H, W) to logits (N, classes), averaged over the frames.

    `widths` are those of the four stages (64, 128, 256, 512). `hidden_init` is that of w_hh, `halve` whether a unit
    halves its sum. With w_hh = 0 and no halving it is the 2D net, frame by frame; `weights.load_images` takes
    that net's weights.
    """

    image_names = Names(renamed={".input.weight": ".weight"}, own=(".hidden.",))

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        hidden_init: HiddenInit = "identity",
        halve: bool = False,
        *,
        stem_kernel: int = 7,
        stem_stride: int = 2,
        max_pool: bool = True,
        in_channels: int = 3,
        blocks: Sequence[int] = BLOCKS,
    ) -> None:
        super().__init__()
        if len(widths) != 4:
            raise UserError(f"rcn takes four widths, found {len(widths)}: {list(widths)}")
        if len(blocks) != 4:
            raise UserError(f"rcn takes blocks of four stages, found {len(blocks)}: {list(blocks)}")
        self.widths = list(widths)
        self.conv1 = nn.Conv2d(in_channels, widths[0], stem_kernel, stem_stride, padding=stem_kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1) if max_pool else nn.Identity()
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        channels = widths[0]
        for stage, width in enumerate(widths):
            parts = []
            for place in range(blocks[stage]):
                parts.append(_Block(channels, width, 2 if stage and place == 0 else 1, hidden_init, halve))
                channels = width
            setattr(self, f"layer{stage + 1}", nn.Sequential(*parts))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    @property
    def units(self) -> list[RecurrentConv]:
        """The recurrent units from input to output: the 16 layers of the document's figures, 32 of a ResNet-34."""
        return [module for module in self.modules() if isinstance(module, RecurrentConv)]

    def begin_untrained(self) -> None:
        """A net of this depth trains from random weights as they are."""

    def frame_logits(self, x: Tensor) -> Tensor:
        """Logits (N, T, classes) after each frame of clips (N, 3, T, H, W); those at t know frames 1 to t only."""
        frames = x.transpose(1, 2)
        states = _each(self.conv1, frames)
        states = _each(self.maxpool, self.relu(_each(self.bn1, states)))
        for stage in range(4):
            states = getattr(self, f"layer{stage + 1}")(states)
        logits: Tensor = self.fc(_each(self.avgpool, states).flatten(2))
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Classify clips (N, 3, T, H, W) by the mean of their frames' logits."""
        return self.frame_logits(x).mean(1)


def build(description: Mapping[str, Any]) -> RCN:
    """The net that a description describes, with random weights."""
    return RCN(**{name: value for name, value in description.items() if name != "architecture"})


def hidden_statistics(net: RCN) -> list[dict[str, float]]:
    """Per recurrent unit: mean and standard deviation of w_hh, and of its diagonal (singh2019supp, figures 1 and 2)."""
    found = []
    for unit in net.units:
        weight = unit.hidden.weight.detach().double().flatten(1)
        diagonal = weight.diagonal()
        found.append(
            {
                "mean": weight.mean().item(),
                "std": weight.std(correction=0).item(),
                "diagonal_mean": diagonal.mean().item(),
                "diagonal_std": diagonal.std(correction=0).item(),
            }
        )
    return found
