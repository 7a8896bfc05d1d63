"""The 4-layer 3D CNN of basu2021, section 4.1 and Tables 1 and 2, for any group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.group_conv import GroupBatchNorm3d, GroupConv3d, GroupPool
from reeltrace.models.group_nets import build_group_net
from reeltrace.models.groups import Group
from reeltrace.models.pooling import AvgPool3d, MaxPool3d
from reeltrace.models.widths import group_width


class CNN4(nn.Module):
    """Clips (N, C, T, H, W) to logits (N, classes).

    `widths` are the four convolutions' widths in the plain network (64, 128, 128, 128); a group network has
    `group_width` of them. Submodules carry the names of Table 2, where the 1x1x1 convolution, printed as a
    second "conv3", is `conv4`. Each convolution is followed by batch normalisation (if asked for) and ReLU:

        conv1 3x3x3 > maxPool 3x3x3 /2 > conv2 3x3x3 > conv3 3x3x3 > smoothing 2x2x2 /2 > conv4 1x1x1
        > adaptiveAvg > groupPool > fc

    For a 32x32x32 clip: 32 > 16 > 16 > 16 > 8 > 8 > 1. Equivariance is exact for sizes n with n mod 4 = 3
    along the axes that the group moves: max pooling needs an odd size, average pooling an even one. It is
    close elsewhere.
    """

    def __init__(
        self,
        group: Group,
        classes: int,
        widths: Sequence[int] = (64, 128, 128, 128),
        batch_norm: bool = True,
        bias: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) != 4:
            raise UserError(f"cnn4 takes four widths, found {len(widths)}: {list(widths)}")
        c1, c2, c3, c4 = (group_width(width, group.order) for width in widths)

        def norm(channels: int) -> nn.Module:
            return GroupBatchNorm3d(group, channels) if batch_norm else nn.Identity()

        self.group = group
        self.conv1 = GroupConv3d(group, in_channels, c1, 3, padding=1, bias=bias, lifting=True)
        self.norm1 = norm(c1)
        self.maxPool = MaxPool3d(3, stride=2, padding=1)
        self.conv2 = GroupConv3d(group, c1, c2, 3, padding=1, bias=bias)
        self.norm2 = norm(c2)
        self.conv3 = GroupConv3d(group, c2, c3, 3, padding=1, bias=bias)
        self.norm3 = norm(c3)
        self.smoothing = AvgPool3d(2)
        self.conv4 = GroupConv3d(group, c3, c4, 1, bias=bias)
        self.norm4 = norm(c4)
        self.adaptiveAvg = nn.AdaptiveAvgPool3d(1)
        self.groupPool = GroupPool(group)
        self.fc = nn.Linear(c4, classes)
        self.relu = nn.ReLU()  # not in place: what a group normalises is a view, of which autograd would make copies

    @property
    def widths(self) -> list[int]:
        """Group channels of the four convolutions, as printed in Table 1."""
        return [conv.out_channels for conv in (self.conv1, self.conv2, self.conv3, self.conv4)]

    def forward(self, x: Tensor) -> Tensor:
        """Classify clips (N, C, T, H, W)."""
        x = self.maxPool(self.relu(self.norm1(self.conv1(x))))
        x = self.relu(self.norm2(self.conv2(x)))
        x = self.relu(self.norm3(self.conv3(x)))
        x = self.relu(self.norm4(self.conv4(self.smoothing(x))))
        logits: Tensor = self.fc(self.groupPool(self.adaptiveAvg(x)).flatten(1))
        return logits


def build(description: Mapping[str, Any]) -> nn.Module:
    """The net that a description describes, with random weights."""
    return build_group_net(CNN4, description)
