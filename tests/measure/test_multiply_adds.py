"""Two counts of multiply-adds that must agree, and the sizes of mahler2020, Table 5.1."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nets import build_model
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.network import build_video, video_config
from reeltrace.measure.multiply_adds import count_multiply_adds
from reeltrace.measure.shapes import stage_shapes
from reeltrace.models.groups import GROUPS
from reeltrace.models.nonlocal_block import MatrixProduct

R152 = {"block": "bottleneck", "blocks": (3, 8, 36, 3)}
DETECTION = {"classes": 80, "head": "detect", "strides": (1, 2, 2, 1), "dilations": (1, 1, 1, 2)}


def meta(architecture: str, **values: Any) -> nn.Module:
    with torch.device("meta"):
        return build_video(video_config(architecture, values))


def test_a_network_by_hand() -> None:
    class Toy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3d(4, 6, (3, 1, 1), stride=(1, 2, 2), padding=(1, 0, 0), groups=2)
            self.product = MatrixProduct()
            self.fc = nn.Linear(6, 5)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.conv(x).flatten(2)
            y: Tensor = self.fc(self.product(maps, maps.transpose(1, 2)).mean(1))
            return y

    positions = 7 * 4 * 3
    network = Toy()
    counted = count_multiply_adds(network, (2, 4, 7, 8, 6))
    assert counted.layers == {"conv": 2 * positions * 6 * 2 * 3, "product": 2 * 6 * 6 * positions, "fc": 2 * 6 * 5}
    assert counted.attention == counted.layers["product"]
    assert counted.without_attention == counted.layers["conv"] + counted.layers["fc"]
    assert counted.parts() == counted.layers
    assert network.training and not network.fc.weight.is_meta, "the network itself is left as it was"


@pytest.mark.parametrize("side", [224, 256])
@pytest.mark.parametrize(
    ("architecture", "values", "frames"),
    [
        ("slowfast", {}, 64),
        ("slowfast", {"nonlocal_pool": (2, 2, 2)}, 64),
        ("slowfast", DETECTION, 32),
        ("nonlocal_i3d", {}, 8),
        ("nonlocal_i3d", {"blocks": (3, 4, 6, 3)}, 8),
        ("r2plus1d", {}, 8),
        ("r2plus1d", R152, 8),
    ],
)
def test_both_counts_agree_at_full_size(architecture: str, values: dict[str, Any], frames: int, side: int) -> None:
    """The comparison is inside; here: nothing but attention differs between the counts with and without it."""
    network = meta(architecture, **values)
    boxes = [(5, 5)] if values.get("head") == "detect" else []
    counted = count_multiply_adds(network, (1, 3, frames, side, side), *boxes)
    assert counted.total == counted.attention + counted.without_attention
    assert (counted.attention > 0) == (architecture != "r2plus1d")


def test_attention_is_the_pairs_of_positions() -> None:
    counted = count_multiply_adds(meta("slowfast"), (1, 3, 64, 256, 256))
    positions, pooled, channels = 16 * 16 * 16, 16 * 8 * 8, 512
    assert counted.attention == 3 * 2 * positions * pooled * channels
    assert set(counted.parts()) == {"slow", "fast", "laterals", "head"}


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_group_convolutions_count_as_expanded(group: str) -> None:
    with torch.device("meta"):
        model = build_model("cnn4", group, 4, widths=(8, 8, 8, 8))
    counted = count_multiply_adds(model, (1, 3, 8, 16, 16))
    order, (w1, *_) = GROUPS[group].order, model.widths  # type: ignore[misc]
    assert counted.layers["conv1"] == 8 * 16 * 16 * 27 * 3 * w1 * order


def test_a_layer_without_formula_is_refused() -> None:
    with pytest.raises(UserError, match=r"no formula for its layer 1 \(ConvTranspose3d\)"):
        count_multiply_adds(nn.Sequential(nn.Identity(), nn.ConvTranspose3d(1, 1, 1)), (1, 1, 1, 1, 1))


def test_counts_that_differ_are_refused() -> None:
    class Hidden(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) @ self.weight

    with pytest.raises(CheckFailed, match=r"the shapes of its layers give 48, torch counts 72.0"):
        count_multiply_adds(nn.Sequential(Hidden(4, 3)), (3, 4))


def test_counting_a_full_network_takes_less_than_two_seconds() -> None:
    began = time.process_time()
    count_multiply_adds(meta("slowfast"), (1, 3, 64, 256, 256))
    assert time.process_time() - began < 2


def test_stage_sizes_of_detection_and_of_one_pathway() -> None:
    detection = stage_shapes(meta("slowfast", **DETECTION), (1, 3, 32, 224, 224), (1, 5))
    assert detection["ResStage5"] == {"slow": [8, 14, 14], "fast": [32, 14, 14]}
    i3d = stage_shapes(meta("nonlocal_i3d"), (1, 3, 8, 224, 224))
    assert [i3d[f"ResStage{n}"]["maps"] for n in (1, 2, 3)] == [[8, 56, 56], [8, 56, 56], [4, 28, 28]]
    factored = stage_shapes(meta("r2plus1d"), (1, 3, 32, 112, 112))
    assert list(factored.values()) == [{"maps": s} for s in ([32, 56, 56],) * 2] + [
        {"maps": s} for s in ([16, 28, 28], [8, 14, 14], [4, 7, 7])
    ]
