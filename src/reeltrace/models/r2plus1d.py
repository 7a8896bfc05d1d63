"""R(2+1)D: 3D ResNets whose convolutions are factored into space and time (mahler2020, Tables 7.2 and 7.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.residual3d import (
    EXPANSION,
    ConvNorm,
    Limits,
    Pooled,
    Residual,
    check_clip,
    check_stages,
    count_conv_norm,
    count_linear,
    initialise,
    spatial_pool,
)

RGB = 3
BLOCKS = ("basic", "bottleneck")
RULES = ("convolution", "block")


def intermediate_channels(in_channels: int, out_channels: int, t: int = 3, d: int = 3) -> int:
    """Channels between the 1 x d^2 and the t x 1^2 convolution that replace one of t x d^2.

    The largest number with which the two have no more weights than the one: floor(t d^2 C_in C_out / (d^2 C_in
    + t C_out)), the rule of the R(2+1)D paper.
    """
    return t * d * d * in_channels * out_channels // (d * d * in_channels + t * out_channels)


def factored(
    in_channels: int,
    between: int,
    out_channels: int,
    stride: int = 1,
    relu: bool = True,
    t: int = 3,
    d: int = 3,
    temporal_stride: int | None = None,
) -> nn.Sequential:
    """1 x d^2 and t x 1^2 convolution, each normalised and with ReLU (the last unless `relu` is off).

    The stride acts on space in the first and on time in the second; `temporal_stride` is `stride` unless given.
    """
    in_time = stride if temporal_stride is None else temporal_stride
    return nn.Sequential(
        ConvNorm(in_channels, between, (1, d, d), (1, stride, stride)),
        ConvNorm(between, out_channels, (t, 1, 1), (in_time, 1, 1), relu=relu),
    )


@dataclass(frozen=True)
class R2Plus1DConfig:
    """The defaults are R(2+1)D-34 of the public implementation facebookresearch/VMZ.

    `blocks` counts the blocks of the four stages: (2, 2, 2, 2) is depth 18, (3, 4, 6, 3) with basic blocks 34,
    (3, 8, 36, 3) with bottlenecks 152. `stem_between` are the channels between the two convolutions of the
    stem; None follows the rule. `rule` says for what `intermediate_channels` is taken: each "convolution", or
    once per "block" from its input and output, as torchvision does. `max_pool` ends the stem with pooling in space.
    `channels` are those of a clip: 3 of a picture, 2 of optical flow. `norm_eps` is what normalisations add to the
    variance; that of the public implementation is 1e-3.
    """

    classes: int = 400
    block: str = "basic"
    blocks: Sequence[int] = (3, 4, 6, 3)
    width: int = 64
    stem_kernel: int = 3
    stem_between: int | None = 45
    rule: str = "convolution"
    max_pool: bool = False
    dropout: float = 0.0
    channels: int = RGB
    norm_eps: float = 1e-5

    def stem_channels(self) -> int:
        """Channels between the two convolutions of the stem."""
        if self.stem_between is not None:
            return self.stem_between
        return intermediate_channels(self.channels, self.width, self.stem_kernel, 7)


class R2Plus1D(nn.Module):
    """Clips (N, 3, T, H, W), or (N, 2, T, H, W) of optical flow, to logits (N, classes).

        stem 1 x 7^2 /(1,2,2), t x 1^2 > stage 1 > stage 2 /2 > stage 3 /2 > stage 4 /2 > mean > linear

    Stage 2 to 4 halve time and space. At depth 18 with `rule` "block" this is torchvision's `r2plus1d_18`.
    """

    def __init__(self, config: R2Plus1DConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.limits = Limits(config.channels, 1, 1)
        stem = factored(
            config.channels, config.stem_channels(), config.width, 2, t=config.stem_kernel, d=7, temporal_stride=1
        )
        if config.max_pool:
            stem.append(spatial_pool())
        make: Callable[[int, int, int, str], Residual] = _basic if config.block == "basic" else _bottleneck
        channels, stages = config.width, []
        for number, blocks in enumerate(config.blocks):
            planes, stage = config.width * 2**number, nn.Sequential()
            for block in range(blocks):
                stage.append(make(channels, planes, 2 if number and block == 0 else 1, config.rule))
                channels = planes * (1 if config.block == "basic" else EXPANSION)
            stages.append(stage)
        self.stages = nn.Sequential(stem, *stages)
        self.head = Pooled([channels], config.classes, config.dropout)
        initialise(self, zero_last_norm=False)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.eps = config.norm_eps

    def pathways(self) -> dict[str, nn.Sequential]:
        """The stem and the four stages of the only pathway."""
        return {"maps": self.stages}

    def forward(self, clip: Tensor) -> Tensor:
        """Classify clips (N, `channels`, T, H, W)."""
        check_clip(clip, self.limits)
        logits: Tensor = self.head(self.stages(clip))
        return logits


def _basic(in_channels: int, planes: int, stride: int, rule: str) -> Residual:
    first = intermediate_channels(in_channels, planes)
    second = first if rule == "block" else intermediate_channels(planes, planes)
    branch = nn.Sequential(
        factored(in_channels, first, planes, stride),
        factored(planes, second, planes, relu=False),
    )
    return Residual(branch, in_channels, planes, (stride, stride, stride))


def _bottleneck(in_channels: int, planes: int, stride: int, rule: str) -> Residual:
    between = intermediate_channels(in_channels if rule == "block" else planes, planes)
    branch = nn.Sequential(
        ConvNorm(in_channels, planes, (1, 1, 1)),
        factored(planes, between, planes, stride),
        ConvNorm(planes, EXPANSION * planes, (1, 1, 1), relu=False),
    )
    return Residual(branch, in_channels, EXPANSION * planes, (stride, stride, stride))


def _check(config: R2Plus1DConfig) -> None:
    if config.block not in BLOCKS:
        raise UserError(f"unknown block {config.block!r} of r2plus1d: expected {' or '.join(BLOCKS)}")
    if config.rule not in RULES:
        raise UserError(f"unknown rule {config.rule!r} of r2plus1d: expected {' or '.join(RULES)}")
    if not 0 < config.norm_eps < 1:
        raise UserError(f"norm_eps must be above 0 and below 1, found {config.norm_eps}")
    check_stages("blocks", config.blocks)
    if config.stem_kernel < 1 or config.stem_kernel % 2 == 0:
        raise UserError(f"stem_kernel must be odd (its padding keeps sizes), found {config.stem_kernel}")


def _factored(in_channels: int, between: int, out_channels: int) -> int:
    return count_conv_norm(in_channels, between, 9) + count_conv_norm(between, out_channels, 3)


def count_by_arithmetic(config: R2Plus1DConfig) -> int:
    """Parameters of the network of a configuration, from its widths, kernels and blocks, without building it."""
    between = config.stem_channels()
    total = count_conv_norm(config.channels, between, 49) + count_conv_norm(between, config.width, config.stem_kernel)
    channels = config.width
    for stage, blocks in enumerate(config.blocks):
        planes = config.width * 2**stage
        for block in range(blocks):
            by_block = config.rule == "block"
            own = intermediate_channels(channels if by_block else planes, planes)
            if config.block == "basic":
                first = intermediate_channels(channels, planes)
                out = planes
                total += _factored(channels, first, planes) + _factored(planes, own, planes)
            else:
                out = EXPANSION * planes
                total += (
                    count_conv_norm(channels, planes, 1)
                    + _factored(planes, own, planes)
                    + count_conv_norm(planes, out, 1)
                )
            if channels != out or (stage > 0 and block == 0):
                total += count_conv_norm(channels, out, 1)
            channels = out
    return total + count_linear(channels, config.classes)
