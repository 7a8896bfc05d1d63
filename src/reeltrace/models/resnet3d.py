"""The 3D ResNet-18 of Hara et al. (basu2021, section 4.1, second baseline), for any group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.group_conv import GroupBatchNorm3d, GroupConv3d, GroupPool
from reeltrace.models.group_nets import build_group_net
from reeltrace.models.groups import Group
from reeltrace.models.pooling import Halve, MaxPool3d, SymmetricMaxPool3d
from reeltrace.models.widths import group_width

Downsampling = Literal["strided", "smoothed"]


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions around a shortcut.

    Takes (N, S*C_in, T, H, W) to (N, S*C_out, T/stride, H/stride, W/stride), rounded up. The shortcut is the identity,
    or a 1x1x1 convolution with the stride and normalisation where the shape changes (type B). With `smoothed`
    downsampling a convolution has stride 1 and its outputs are thinned out by `pooling.Halve`.
    """

    def __init__(
        self,
        group: Group,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        batch_norm: bool = True,
        bias: bool = False,
        downsampling: Downsampling = "strided",
    ) -> None:
        super().__init__()
        smoothed = downsampling == "smoothed" and stride != 1
        step = 1 if smoothed else stride
        self.conv1 = GroupConv3d(group, in_channels, out_channels, 3, step, padding=1, bias=bias)
        self.halve: nn.Module = Halve(stride) if smoothed else nn.Identity()
        self.norm1 = _norm(group, out_channels, batch_norm)
        self.conv2 = GroupConv3d(group, out_channels, out_channels, 3, padding=1, bias=bias)
        self.norm2 = _norm(group, out_channels, batch_norm)
        self.relu = nn.ReLU()  # not in place: what a group normalises is a view, of which autograd would make copies
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            # Of a 1x1x1 convolution thinning out its input gives the same as thinning out its output, for less.
            self.downsample = nn.Sequential(
                GroupConv3d(group, in_channels, out_channels, 1, step, bias=bias),
                _norm(group, out_channels, batch_norm),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Residual plus shortcut, then ReLU."""
        residual = self.relu(self.norm1(self.halve(self.conv1(x))))
        residual = self.norm2(self.conv2(residual))
        out: Tensor = self.relu(residual + self.downsample(self.halve(x)))
        return out


class ResNet18(nn.Module):
    """Clips (N, C, T, H, W) to logits (N, classes).

    `widths` are those of the four stages in the plain network (64, 128, 256, 512); a group network has
    `group_width` of them. With the defaults:

        stem 7x7x7 /(1,2,2) > maxPool 3x3x3 /2 > layer1 > layer2 /2 > layer3 /2 > layer4 /2
        > adaptiveAvg > groupPool > fc

    Each stage is two `BasicBlock`s. Without max pooling and with a (3, 7, 7) stem, the Z3 network is
    torchvision's `r3d_18`. With `strided` downsampling equivariance is exact where every strided layer sees an odd
    size: with the defaults, T mod 16 = 1 for a group that moves time, H = W with H mod 32 = 1 for one that moves the
    frame. At other sizes there is none to speak of: the strides of 2, 4, 8 and 16 add up to a shift of 15 frames, and
    at 32 x 32 x 32 the logits of an untrained net differ by 1.5 times their spread. With `smoothed` downsampling
    (convolutions of stride 1, their outputs averaged in pairs, and max pooling over windows of 2) it is exact at every
    size.
    """

    def __init__(
        self,
        group: Group,
        classes: int,
        widths: Sequence[int] = (64, 128, 256, 512),
        batch_norm: bool = True,
        bias: bool = False,
        in_channels: int = 3,
        stem_kernel: Sequence[int] = (7, 7, 7),
        stem_stride: Sequence[int] = (1, 2, 2),
        max_pool: bool = True,
        downsampling: Downsampling = "strided",
    ) -> None:
        super().__init__()
        if len(widths) != 4:
            raise UserError(f"resnet18 takes four widths, found {len(widths)}: {list(widths)}")
        kernel = _three("stem_kernel", stem_kernel)
        if any(extent % 2 == 0 for extent in kernel):
            raise UserError(f"stem_kernel must be odd along each axis (its padding keeps sizes), found {kernel}")
        if downsampling not in ("strided", "smoothed"):
            raise UserError(f"downsampling must be strided or smoothed, found {downsampling!r}")
        smoothed = downsampling == "smoothed"
        thinned = _three("stem_stride", stem_stride)
        if smoothed and max(thinned) > 2:
            raise UserError(
                f"stem_stride must be 1 or 2 along each axis where downsampling is smoothed, found {thinned}"
            )
        w1, w2, w3, w4 = (group_width(width, group.order) for width in widths)

        def stage(c_in: int, c_out: int, stride: int) -> nn.Sequential:
            return nn.Sequential(
                BasicBlock(group, c_in, c_out, stride, batch_norm, bias, downsampling),
                BasicBlock(group, c_out, c_out, 1, batch_norm, bias, downsampling),
            )

        self.group = group
        self.widths = [w1, w2, w3, w4]
        self.stem = GroupConv3d(
            group,
            in_channels,
            w1,
            kernel,
            (1, 1, 1) if smoothed else thinned,
            padding=(kernel[0] // 2, kernel[1] // 2, kernel[2] // 2),
            bias=bias,
            lifting=True,
        )
        self.halve: nn.Module = Halve(thinned) if smoothed else nn.Identity()
        self.norm = _norm(group, w1, batch_norm)
        self.relu = nn.ReLU()  # not in place: what a group normalises is a view, of which autograd would make copies
        pool: nn.Module = SymmetricMaxPool3d() if smoothed else MaxPool3d(3, stride=2, padding=1)
        self.maxPool = pool if max_pool else nn.Identity()
        self.layer1 = stage(w1, w1, 1)
        self.layer2 = stage(w1, w2, 2)
        self.layer3 = stage(w2, w3, 2)
        self.layer4 = stage(w3, w4, 2)
        self.adaptiveAvg = nn.AdaptiveAvgPool3d(1)
        self.groupPool = GroupPool(group)
        self.fc = nn.Linear(w4, classes)
        for module in self.modules():
            if isinstance(module, GroupConv3d):
                module.reset_parameters("fan_out")  # as Hara et al. and torchvision initialise this network

    def forward(self, x: Tensor) -> Tensor:
        """Classify clips (N, C, T, H, W)."""
        x = self.maxPool(self.relu(self.norm(self.halve(self.stem(x)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.groupPool(self.adaptiveAvg(x)).flatten(1))
        return logits


def build(description: Mapping[str, Any]) -> nn.Module:
    """The net that a description describes, with random weights."""
    return build_group_net(ResNet18, description)


def _norm(group: Group, channels: int, batch_norm: bool) -> nn.Module:
    return GroupBatchNorm3d(group, channels) if batch_norm else nn.Identity()


def _three(what: str, values: Sequence[int]) -> tuple[int, int, int]:
    if len(values) != 3 or any(value < 1 for value in values):
        raise UserError(f"{what} takes three whole numbers (T, H, W), each at least 1, found {list(values)}")
    t, h, w = values
    return t, h, w
