"""Non-Local I3D: a 3D ResNet with non-local blocks (mahler2020, Tables 7.2 and 7.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from reeltrace.models.nonlocal_block import NonLocal
from reeltrace.models.pathway import (
    CLIP_CHANNELS,
    PathwayConfig,
    build_pathway,
    count_pathway,
    smallest_input,
    stage_widths,
)
from reeltrace.models.pooling import MaxPool3d
from reeltrace.models.residual3d import Limits, Pooled, Triple, check_clip, count_linear, initialise


@dataclass(frozen=True)
class NonLocalI3DConfig:
    """The defaults are the public I3D_NLN_8x8_R101 of facebookresearch/SlowFast; R50 has blocks (3, 4, 6, 3).

    `temporal_kernels` repeat along the blocks of a stage; blocks from number `temporal_blocks` on have 1.
    `temporal_pool` max-pools frames after ResStage2. `nonlocal_after` numbers blocks from 0. `head_window` and
    `head_mean` are what `Pooled` calls so; 7 is the public window, 0 a mean over the whole map.
    """

    classes: int = 400
    blocks: Sequence[int] = (3, 4, 23, 3)
    width: int = 64
    stem_kernel: int = 5
    temporal_kernels: Sequence[Sequence[int]] = ((3,), (3, 1), (3, 1), (1, 3))
    temporal_blocks: Sequence[int] = (3, 4, 23, 3)
    temporal_pool: int = 2
    strides: Sequence[int] = (1, 2, 2, 2)
    nonlocal_after: Sequence[Sequence[int]] = ((), (1, 3), (1, 3, 5), ())
    nonlocal_pool: Triple = (1, 2, 2)
    nonlocal_affinity: str = "softmax"
    nonlocal_bias: bool = True
    dropout: float = 0.5
    head_window: int = 0
    head_mean: str = "probabilities"

    def pathway(self) -> PathwayConfig:
        """The same values as those of a single pathway."""
        return PathwayConfig(
            width=self.width,
            blocks=self.blocks,
            stem_kernel=self.stem_kernel,
            temporal_kernels=self.temporal_kernels,
            temporal_blocks=self.temporal_blocks,
            strides=self.strides,
            dilations=(1, 1, 1, 1),
            nonlocal_after=self.nonlocal_after,
            nonlocal_pool=self.nonlocal_pool,
            nonlocal_affinity=self.nonlocal_affinity,
            nonlocal_bias=self.nonlocal_bias,
        )


class NonLocalI3D(nn.Module):
    """Clips (N, 3, T, H, W) to logits (N, classes).

        stem 5 x 7^2 /(1,2,2) > max-pool 1 x 3^2 /(1,2,2) > ResStage2 > max-pool in time > ResStage3
        > ResStage4 > ResStage5 > mean > linear

    With the defaults it takes at least 2 frames of 32 x 32 (`limits`).
    """

    def __init__(self, config: NonLocalI3DConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = build_pathway(config.pathway())
        frames, side = smallest_input(config.pathway())
        self.limits = Limits(CLIP_CHANNELS, config.temporal_pool * frames, side)
        self.temporal_pool = MaxPool3d((config.temporal_pool, 1, 1))
        self.head = Pooled(
            stage_widths(config.width)[-1:], config.classes, config.dropout, config.head_window, config.head_mean
        )
        initialise(self, zero_last_norm=True)
        for module in self.modules():
            if isinstance(module, NonLocal):
                module.start_as_identity()

    def pathways(self) -> dict[str, nn.Sequential]:
        """The stages, ResStage1 to ResStage5, of the only pathway."""
        return {"maps": self.stages}

    def forward(self, clip: Tensor) -> Tensor:
        """Classify clips (N, 3, T, H, W)."""
        check_clip(clip, self.limits)
        x = clip
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number == 1:
                x = self.temporal_pool(x)
        logits: Tensor = self.head(x)
        return logits


def count_by_arithmetic(config: NonLocalI3DConfig) -> int:
    """Parameters of the network of a configuration, from its widths, kernels and blocks, without building it."""
    return count_pathway(config.pathway()) + count_linear(stage_widths(config.width)[-1], config.classes)
