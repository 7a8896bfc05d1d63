"""A stem and four stages of bottleneck blocks: a pathway of SlowFast, and all of a non-local I3D but its classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from reeltrace.errors import UserError
from reeltrace.models.nonlocal_block import NonLocal, count_nonlocal
from reeltrace.models.residual3d import (
    EXPANSION,
    ConvNorm,
    Triple,
    bottleneck,
    check_stages,
    count_conv_norm,
    spatial_pool,
)

CLIP_CHANNELS = 3
SMALLEST_SIDE = 32  # of a clip, where nothing is left to pool below it


@dataclass(frozen=True)
class PathwayConfig:
    """One pathway. Values with four entries are those of ResStage2 to ResStage5.

    `temporal_kernels` repeat along the blocks of a stage; blocks from number `temporal_blocks` on have 1.
    `nonlocal_after` numbers blocks from 0, as the public configurations do.
    """

    width: int
    blocks: Sequence[int]
    stem_kernel: int
    temporal_kernels: Sequence[Sequence[int]]
    temporal_blocks: Sequence[int]
    strides: Sequence[int]
    dilations: Sequence[int]
    nonlocal_after: Sequence[Sequence[int]]
    nonlocal_pool: Triple
    nonlocal_affinity: str
    nonlocal_bias: bool


def stage_widths(width: int) -> list[int]:
    """Channels that the stem and the four stages give out."""
    return [width, *(EXPANSION * width * 2**stage for stage in range(4))]


def block_kernels(pattern: Sequence[int], blocks: int, temporal_blocks: int) -> list[int]:
    """Temporal kernel of each block of a stage."""
    return [pattern[i % len(pattern)] if i < temporal_blocks else 1 for i in range(blocks)]


def smallest_input(config: PathwayConfig) -> tuple[int, int]:
    """The fewest frames and the smallest side of a clip that leave every non-local block something to pool."""
    frames, side, stride = 1, SMALLEST_SIDE, 4
    for number, after in enumerate(config.nonlocal_after):
        stride *= config.strides[number]
        if after:
            frames = max(frames, config.nonlocal_pool[0])
            side = max(side, stride * max(config.nonlocal_pool[1:]))
    return frames, side


def build_pathway(config: PathwayConfig, extra_inputs: Sequence[int] = (0, 0, 0, 0)) -> nn.Sequential:
    """The five stages of a pathway, in order.

    `extra_inputs` are the channels that lateral connections add to the input of ResStage2 to ResStage5.
    UserError if a value does not fit.
    """
    for name in ("blocks", "temporal_kernels", "temporal_blocks", "strides", "dilations", "nonlocal_after"):
        check_stages(name, getattr(config, name))
    kernels = [config.stem_kernel, *(kernel for pattern in config.temporal_kernels for kernel in pattern)]
    if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels) or not all(config.temporal_kernels):
        raise UserError(
            f"temporal kernels must be odd (their padding keeps sizes) and each stage needs one, found "
            f"{config.stem_kernel} in the stem and {[list(pattern) for pattern in config.temporal_kernels]}"
        )
    widths = stage_widths(config.width)
    stem = nn.Sequential(
        ConvNorm(CLIP_CHANNELS, config.width, (config.stem_kernel, 7, 7), (1, 2, 2)),
        spatial_pool(),
    )
    stages = [_stage(config, number, widths[number] + extra_inputs[number]) for number in range(4)]
    return nn.Sequential(stem, *stages)


def _stage(config: PathwayConfig, number: int, in_channels: int) -> nn.Sequential:
    blocks, inner = config.blocks[number], config.width * 2**number
    after = set(config.nonlocal_after[number])
    if not after <= set(range(blocks)):
        raise UserError(
            f"nonlocal_after of ResStage{number + 2}: found {sorted(after)}, expected numbers from 0 to {blocks - 1}"
        )
    kernels = block_kernels(config.temporal_kernels[number], blocks, config.temporal_blocks[number])
    parts: list[nn.Module] = []
    for block, kernel in enumerate(kernels):
        first = block == 0
        stride = config.strides[number] if first else 1
        parts.append(
            bottleneck(in_channels if first else EXPANSION * inner, inner, kernel, stride, config.dilations[number])
        )
        if block in after:
            parts.append(
                NonLocal(EXPANSION * inner, config.nonlocal_affinity, config.nonlocal_pool, config.nonlocal_bias)
            )
    return nn.Sequential(*parts)


def count_pathway(config: PathwayConfig, extra_inputs: Sequence[int] = (0, 0, 0, 0)) -> int:
    """Parameters of a pathway, by arithmetic on its configuration; `extra_inputs` as in `build_pathway`."""
    total = count_conv_norm(CLIP_CHANNELS, config.width, 49 * config.stem_kernel)
    channels = config.width
    for stage in range(4):
        inner = config.width * 2**stage
        channels += extra_inputs[stage]
        kernels = block_kernels(config.temporal_kernels[stage], config.blocks[stage], config.temporal_blocks[stage])
        for block, kernel in enumerate(kernels):
            total += count_conv_norm(channels, inner, kernel) + count_conv_norm(inner, inner, 9)
            total += count_conv_norm(inner, EXPANSION * inner, 1)
            if channels != EXPANSION * inner or (block == 0 and config.strides[stage] != 1):
                total += count_conv_norm(channels, EXPANSION * inner, 1)
            channels = EXPANSION * inner
        total += len(set(config.nonlocal_after[stage])) * count_nonlocal(channels, config.nonlocal_bias)
    return total
