"""How far untrained group nets are from equivariant: what is measured, on which clips, and how it is shown."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from reeltrace.artifacts.formats import METRICS
from reeltrace.artifacts.json_values import read_json
from reeltrace.kinds.measurements.equivariance import KIND, EquivarianceMeasurement
from reeltrace.measure.equivariance_stage import errors_of, measure, moving_patterns, run
from reeltrace.registry.specs import MeasureSpec

STEM = {"stem_kernel": [3, 3, 3], "stem_stride": [1, 1, 1], "max_pool": False}


def net(group: str, downsampling: str) -> dict[str, Any]:
    return {"architecture": "resnet18", "group": group, "widths": [4, 4, 4, 4], "batch_norm": True, "bias": False} | {
        "options": {**STEM, "downsampling": downsampling}
    }


def entry(**changes: Any) -> EquivarianceMeasurement:
    nets = {name: net(*name.split("-")) for name in ("t2-strided", "t2-smoothed", "p43d-smoothed")}
    values = {"kind": "equivariance", "document": "nobody2024", "nets": nets, "sizes": [[8, 8, 8], [9, 9, 9]]}
    return EquivarianceMeasurement.model_validate({**values, "clips": 3, "classes": 2, "seed": 0, **changes})


def test_strided_nets_are_exact_at_odd_sizes_and_smoothed_ones_at_all(tmp_path: Path) -> None:
    spec = MeasureSpec(stage="measure", key="nobody2024-symmetry", scale="smoke", measurement=entry())
    run(spec, {}, tmp_path)
    found = read_json(tmp_path / METRICS)
    assert found["clips"] == 3
    for name, by_size in found["nets"].items():
        group, how = name.split("-")
        for size, errors in by_size.items():
            assert len(errors["by_element"]) == {"t2": 1, "p43d": 3}[group]
            exact = how == "smoothed" or size == "9x9x9"
            assert errors["largest"] == max(errors["by_element"])
            assert (errors["largest"] == 0) is exact
            assert exact or errors["largest"] > 0.01
    one = {"nets": {"t2-strided": net("t2", "strided")}, "sizes": [[8, 8, 8]]}
    assert measure(entry(**one))["t2-strided"]["8x8x8"] == found["nets"]["t2-strided"]["8x8x8"]


class FirstAndLastFrame(nn.Module):
    """Logits by hand: the means of the first and of the last frame."""

    def forward(self, clips: Tensor) -> Tensor:
        return torch.stack([clips[:, 0, 0].mean((1, 2)), clips[:, 0, -1].mean((1, 2))], 1)


def test_an_error_is_the_change_over_the_spread_between_clips() -> None:
    first, last = torch.tensor([0.0, 1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0])
    clips = torch.stack([first, last], 1)[:, None, :, None, None].expand(3, 3, 2, 4, 4)
    assert errors_of(FirstAndLastFrame(), "t2", clips) == [pytest.approx(3.0)]  # each changes by 3; their spread is 1
    assert errors_of(FirstAndLastFrame(), "p43d", clips) == [0, 0, 0]


@pytest.mark.parametrize("size", [(5, 9, 12), (1, 1, 1)])
def test_clips_are_a_pattern_that_moves_within_the_frame(size: tuple[int, int, int]) -> None:
    clips = moving_patterns(2, size, 4)
    assert clips.shape == (2, 3, *size)
    assert torch.equal(clips[:, 0], clips[:, 2])
    assert clips.min() >= 0 and clips.max() <= 1
    sums = clips.sum((1, 3, 4))
    assert sums[0, 0] != sums[1, 0]
    torch.testing.assert_close(sums, sums[:, :1].expand_as(sums))  # all of the pattern is in every frame
    assert torch.equal(clips, moving_patterns(2, size, 4))
    assert not torch.equal(clips, moving_patterns(2, size, 5))


def test_a_chain_says_how_each_net_is_built() -> None:
    words = KIND.words(entry().model_dump(mode="json"))
    assert words["t2-smoothed"] == (
        "resnet18, group t2, base widths 4, 4, 4, 4; stem 3x3x3 at stride 1x1x1, no max-pool, smoothed"
    )
    assert words["clips"] == "3 drawn by seed 0, 8x8x8, 9x9x9"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"clips": 1}, "greater than or equal to 2"),
        ({"nets": {}}, "at least 1 item"),
        ({"nets": {"a": {**net("t2", "strided"), "architecture": "rcn"}}}, "does not match any of the expected tags"),
    ],
)
def test_entries_that_cannot_be_measured_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        entry(**changes)
