"""The costs and sizes that mahler2020 prints, counted."""

from typing import Any

import torch
from torch import nn

from reeltrace.kinds.network import build_video, video_config
from reeltrace.measure.multiply_adds import count_multiply_adds
from reeltrace.measure.shapes import stage_shapes


def meta(architecture: str, **values: Any) -> nn.Module:
    with torch.device("meta"):
        return build_video(video_config(architecture, values))


def test_printed_costs_per_view() -> None:
    """Section 7.1.1 and Table 7.2: 234 and 17480 / 115 = 152 giga multiply-adds."""
    pooled_in_time = count_multiply_adds(meta("slowfast", nonlocal_pool=(2, 2, 2)), (1, 3, 64, 256, 256))
    assert round(pooled_in_time.total / 1e9) == 234
    assert round(count_multiply_adds(meta("r2plus1d"), (1, 3, 32, 112, 112)).total / 1e9) == 17480 // 115


def test_stage_sizes_are_those_of_table_5_1() -> None:
    """Slow 8 x S^2 and fast 32 x S^2, from 32 frames of 224 x 224 with alpha = 4."""
    assert stage_shapes(meta("slowfast"), (1, 3, 32, 224, 224)) == {
        f"ResStage{number}": {"slow": [8, side, side], "fast": [32, side, side]}
        for number, side in zip(range(1, 6), (56, 56, 28, 14, 7), strict=True)
    }
