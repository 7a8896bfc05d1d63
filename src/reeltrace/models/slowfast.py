"""SlowFast with non-local blocks, for classification and for detection (mahler2020, chapter 5, Table 5.1, 6.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.nonlocal_block import NonLocal
from reeltrace.models.pathway import (
    CLIP_CHANNELS,
    PathwayConfig,
    build_pathway,
    count_pathway,
    smallest_input,
    stage_widths,
)
from reeltrace.models.residual3d import (
    ConvNorm,
    Limits,
    Pooled,
    Triple,
    check_clip,
    check_stages,
    count_conv_norm,
    count_linear,
    initialise,
)

HEADS = ("classify", "detect")
SLOW_FRAMES = ("strided", "spread")
STEM_STRIDE = 4  # of the first convolution and the pooling after it, in space


@dataclass(frozen=True)
class SlowFastConfig:
    """The defaults are the public SLOWFAST_NLN_16x8_R101_50_50 of facebookresearch/SlowFast with 400 classes.

    Values with four entries are those of ResStage2 to ResStage5; `stem_kernels` and `nonlocal_after` name the
    slow pathway first. `temporal_kernels` repeat along the blocks of a stage; blocks from number
    `temporal_blocks` on have 1. `nonlocal_after` numbers blocks from 0 and speaks of the slow pathway. The
    fast pathway sees `alpha` frames for one of the slow pathway and has 1/`beta_inverse` of its channels; a
    lateral connection gives `lateral_ratio` times the channels of the fast one. `slow_frames` says which ones the slow
    pathway sees: "strided", every `alpha`-th from the first, or "spread" evenly from the first to the last, rounded
    down, as the public networks have them. `head_window` and `head_mean` are what `Pooled` calls so: 7 is the public
    window, 0 a mean over the whole map. With head "detect" RoIAlign takes
    `roi_sampling` points along each side of a bin (0: as many as the bin has cells of the map, which the public
    configurations of AVA have) and, `roi_aligned`, shifts regions by half a cell of the map (not in those of AVA).
    """

    classes: int = 400
    head: str = "classify"
    blocks: Sequence[int] = (3, 4, 23, 3)
    width: int = 64
    alpha: int = 4
    beta_inverse: int = 8
    lateral_kernel: int = 5
    lateral_ratio: int = 2
    stem_kernels: Sequence[int] = (1, 5)
    slow_temporal_kernels: Sequence[Sequence[int]] = ((1,), (1,), (3,), (3,))
    fast_temporal_kernels: Sequence[Sequence[int]] = ((3,), (3,), (3,), (3,))
    slow_temporal_blocks: Sequence[int] = (3, 4, 6, 3)
    fast_temporal_blocks: Sequence[int] = (3, 4, 6, 3)
    strides: Sequence[int] = (1, 2, 2, 2)
    dilations: Sequence[int] = (1, 1, 1, 1)
    nonlocal_after: Sequence[Sequence[int]] = ((), (), (6, 13, 20), ())
    nonlocal_pool: Triple = (1, 2, 2)
    nonlocal_affinity: str = "dot_product"
    nonlocal_bias: bool = True
    dropout: float = 0.5
    slow_frames: str = "strided"
    head_window: int = 0
    head_mean: str = "probabilities"
    roi_sampling: int = 2
    roi_aligned: bool = False

    def slow(self) -> PathwayConfig:
        """The slow pathway."""
        return self._pathway(
            self.width,
            self.stem_kernels[0],
            self.slow_temporal_kernels,
            self.slow_temporal_blocks,
            self.nonlocal_after,
        )

    def fast(self) -> PathwayConfig:
        """The fast pathway."""
        return self._pathway(
            self.width // self.beta_inverse,
            self.stem_kernels[1],
            self.fast_temporal_kernels,
            self.fast_temporal_blocks,
            ((), (), (), ()),
        )

    def lateral_widths(self) -> list[tuple[int, int]]:
        """Channels in and out of the four lateral connections, after ResStage1 to ResStage4."""
        return [(c, c * self.lateral_ratio) for c in stage_widths(self.width // self.beta_inverse)[:4]]

    def _pathway(
        self,
        width: int,
        stem_kernel: int,
        temporal_kernels: Sequence[Sequence[int]],
        temporal_blocks: Sequence[int],
        nonlocal_after: Sequence[Sequence[int]],
    ) -> PathwayConfig:
        return PathwayConfig(
            width=width,
            blocks=self.blocks,
            stem_kernel=stem_kernel,
            temporal_kernels=temporal_kernels,
            temporal_blocks=temporal_blocks,
            strides=self.strides,
            dilations=self.dilations,
            nonlocal_after=nonlocal_after,
            nonlocal_pool=self.nonlocal_pool,
            nonlocal_affinity=self.nonlocal_affinity,
            nonlocal_bias=self.nonlocal_bias,
        )


class Detection(nn.Module):
    """Detector head (mahler2020, 6.2.1 and Figure 6.3): maps of both pathways and boxes to logits (K, classes).

        maps (N, C, T, H, W) > mean over T > RoIAlign: (K, C, 7, 7) > max over the bins: (K, C) \\
                                                        the same of the other pathway: (K, C') > dropout > linear

    `stride` is how many pixels of the clip a cell of the maps stands for. RoIAlign takes `sampling`^2 points of each
    bin: the document's four with 2. The sigmoid belongs to the loss, and to whoever prints scores.
    """

    BINS = 7

    def __init__(
        self,
        channels: Sequence[int],
        classes: int,
        dropout: float,
        stride: int,
        sampling: int = 2,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.sampling, self.aligned = stride, sampling, aligned
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(sum(channels), classes)

    def forward(self, boxes: Tensor, *maps: Tensor) -> Tensor:
        """Classify `boxes` (K, 5): the clip's number in the batch, x1, y1, x2, y2 in pixels of the clip."""
        # Here, because torchvision takes a second to import and only detection needs it.
        from torchvision.ops import roi_align  # type: ignore[import-untyped]

        regions = []
        for one in maps:
            mean = one.mean(2)
            still = mean if mean.dtype == torch.float64 else mean.float()  # bfloat16 has no thirds of a pixel
            scale = 1 / self.stride
            regions.append(
                roi_align(still, boxes.to(still), self.BINS, scale, sampling_ratio=self.sampling, aligned=self.aligned)
            )
        features = torch.cat([region.amax((2, 3)) for region in regions], dim=1)
        logits: Tensor = self.fc(self.dropout(features))
        return logits


class SlowFast(nn.Module):
    """Clips (N, 3, T, H, W) to logits (N, classes); with head "detect", clips and boxes to logits (K, classes).

        clip every alpha-th frame > slow: stem > ResStage2 > ResStage3 > ResStage4 > ResStage5 \\
                                        lateral ^   lateral ^   lateral ^   lateral ^            > mean > head
        clip every frame          > fast: stem > ResStage2 > ResStage3 > ResStage4 > ResStage5 /

    A lateral connection is a `lateral_kernel` x 1^2 convolution of stride alpha in time on the fast pathway's maps,
    with normalisation and ReLU, set beside the maps of the slow pathway. With the defaults it takes at
    least 4 frames of 32 x 32 (`limits`).
    """

    def __init__(self, config: SlowFastConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        laterals = config.lateral_widths()
        self.slow = build_pathway(config.slow(), [added for _, added in laterals])
        frames, side = smallest_input(config.slow())
        self.limits = Limits(CLIP_CHANNELS, config.alpha * frames, side)
        self.fast = build_pathway(config.fast())
        self.laterals = nn.ModuleList(
            ConvNorm(channels, added, (config.lateral_kernel, 1, 1), (config.alpha, 1, 1))
            for channels, added in laterals
        )
        channels = [stage_widths(pathway.width)[-1] for pathway in (config.slow(), config.fast())]
        self.head: nn.Module = (
            Pooled(channels, config.classes, config.dropout, config.head_window, config.head_mean)
            if config.head == "classify"
            else Detection(
                channels,
                config.classes,
                config.dropout,
                STEM_STRIDE * prod(config.strides),
                config.roi_sampling,
                config.roi_aligned,
            )
        )
        initialise(self, zero_last_norm=True)
        for module in self.modules():
            if isinstance(module, NonLocal):
                module.start_as_identity()

    def pathways(self) -> dict[str, nn.Sequential]:
        """The stages, ResStage1 to ResStage5, of both pathways."""
        return {"slow": self.slow, "fast": self.fast}

    def of_slow(self, clip: Tensor) -> Tensor:
        """What the slow pathway sees of clips (N, 3, T, H, W): (N, 3, T / alpha, H, W)."""
        if self.config.slow_frames == "strided":
            return clip[:, :, :: self.config.alpha]
        frames = clip.shape[2]
        if frames % self.config.alpha:
            raise UserError(
                f"input: found clips of {frames} frames, expected a multiple of alpha, {self.config.alpha}, where the "
                "frames of the slow pathway are spread"
            )
        places = torch.linspace(0, frames - 1, frames // self.config.alpha).long()  # in float32, as the public ones
        return clip.index_select(2, places.to(clip.device))

    def forward(self, clip: Tensor, boxes: Tensor | None = None) -> Tensor:
        """Logits (N, classes) of clips (N, 3, T, H, W); of a detection network logits (K, classes) of `boxes` (K, 5).

        A box is the number of its clip in the batch, x1, y1, x2, y2 in pixels of the clip, which is whole: not a crop
        that the box reaches out of. Boxes hold for the whole clip. Raises UserError for a box of no clip.
        """
        check_clip(clip, self.limits)
        if (boxes is not None) != isinstance(self.head, Detection):
            raise UserError(
                f"input: found a clip {'without' if boxes is None else 'with'} boxes for a network with head "
                f"{self.config.head!r}: expected boxes (K, 5) with head 'detect' and none with 'classify'"
            )
        if boxes is not None:
            _check_boxes(boxes, len(clip))
        slow, fast = self.of_slow(clip), clip
        for number, (slow_stage, fast_stage) in enumerate(zip(self.slow, self.fast, strict=True)):
            slow, fast = slow_stage(slow), fast_stage(fast)
            if number < len(self.laterals):
                slow = torch.cat([slow, self.laterals[number](fast)], dim=1)
        if boxes is not None:
            logits: Tensor = self.head(boxes, slow, fast)
        else:
            logits = self.head(slow, fast)
        return logits


def _check_boxes(boxes: Tensor, clips: int) -> None:
    """RoIAlign reads beside the maps, silently, where a box names a clip that is not there."""
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise UserError(f"input: found boxes {tuple(boxes.shape)}: expected (K, 5), clip, x1, y1, x2, y2")
    if not boxes.is_meta and len(boxes) and not bool(((boxes[:, 0] >= 0) & (boxes[:, 0] < clips)).all()):
        raise UserError(f"input: found a box of clip {int(boxes[:, 0].max())} (or below 0) in a batch of {clips} clips")


def _check(config: SlowFastConfig) -> None:
    if config.head not in HEADS:
        raise UserError(f"unknown head {config.head!r} of slowfast: expected {' or '.join(HEADS)}")
    if config.slow_frames not in SLOW_FRAMES:
        raise UserError(f"unknown slow_frames {config.slow_frames!r} of slowfast: expected {' or '.join(SLOW_FRAMES)}")
    check_stages("stem_kernels", config.stem_kernels, 2)
    if config.width % config.beta_inverse:
        raise UserError(
            f"width {config.width} of the slow pathway cannot be divided by beta_inverse {config.beta_inverse}: "
            "the fast pathway needs a whole number of channels"
        )
    if config.lateral_kernel % 2 == 0:
        raise UserError(f"lateral_kernel must be odd (its padding keeps sizes), found {config.lateral_kernel}")


def build(description: Mapping[str, Any]) -> SlowFast:
    """The network of a description {"architecture", "classes", "config"}, as a training describes it.

    Raises UserError for a value that the configuration does not have, or that does not fit.
    """
    values = {**description["config"], "classes": description["classes"]}
    known = [field.name for field in fields(SlowFastConfig)]
    for name in values:
        if name not in known:
            raise UserError(f"unknown value {name!r} of slowfast: expected one of {', '.join(known)}")
    try:
        return SlowFast(SlowFastConfig(**{name: _as_tuples(value) for name, value in values.items()}))
    except (TypeError, ValueError, IndexError, ZeroDivisionError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise UserError(f"no slowfast can be built so ({why}); correct the config of the model") from error


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def count_by_arithmetic(config: SlowFastConfig) -> int:
    """Parameters of the network of a configuration, from its widths, kernels and blocks, without building it."""
    slow, fast, laterals = config.slow(), config.fast(), config.lateral_widths()
    total = count_pathway(slow, [added for _, added in laterals]) + count_pathway(fast)
    total += sum(count_conv_norm(channels, added, config.lateral_kernel) for channels, added in laterals)
    return total + count_linear(stage_widths(slow.width)[-1] + stage_widths(fast.width)[-1], config.classes)
