"""Scores of videos: the mean probability over their clips, and the clips' own score beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reeltrace.training.evaluation import average_over_clips, score, score_split, to_input


class Cut:
    """A split whose clips are cut out of videos; only what scores need."""

    split, classes, shape, normalise = "test", ("a", "b", "c"), (8, 16, 16), None

    def __init__(self, labels: Sequence[int], videos: Sequence[int] | None) -> None:
        self.labels = np.asarray(labels, dtype=np.int64)
        self.videos = None if videos is None else np.asarray(videos, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Sequence[int]) -> Tensor:
        raise AssertionError

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        raise AssertionError


def test_a_video_is_scored_by_the_mean_probability_of_its_clips() -> None:
    clips = Cut([0, 0, 1, 1], [0, 0, 1, 1])
    logits = torch.tensor([[3.0, 0, 0], [0, 1, 0], [0, 2, 0], [0, 2, 0]])
    found = score_split(logits, clips)
    assert (found["correct"], found["total"], found["top1"]) == (2, 2, 100.0)
    assert (found["clip"]["correct"], found["clip"]["total"]) == (3, 4)
    mean = logits.double().softmax(1).reshape(2, 2, 3).mean(1)
    averaged, labels = average_over_clips(logits, clips)
    assert torch.allclose(averaged.exp(), mean, atol=1e-12)
    assert labels.tolist() == [0, 1]
    assert found["loss"] == pytest.approx(-(mean[0, 0].log() + mean[1, 1].log()).item() / 2)


@given(st.permutations(range(6)))
def test_the_order_of_clips_does_not_matter(order: list[int]) -> None:
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels, videos = np.array([0, 0, 0, 2, 2, 2]), np.array([0, 0, 0, 1, 1, 1])
    straight, _ = average_over_clips(logits, Cut(labels, videos))
    turned, _ = average_over_clips(logits[order], Cut(labels[order], videos[order]))
    assert torch.allclose(straight, turned, atol=1e-12)


def test_clips_that_stand_for_themselves_are_scored_one_by_one() -> None:
    logits, labels = torch.eye(3), [0, 1, 0]
    assert score_split(logits, Cut(labels, None)) == score(logits, torch.tensor(labels))


def test_pixels_are_scaled_and_normalised_as_the_set_says() -> None:
    pixels = torch.arange(2 * 3 * 2 * 2 * 2, dtype=torch.uint8).reshape(2, 3, 2, 2, 2)
    clips = Cut([0], None)
    assert torch.equal(to_input(pixels, clips), pixels / 255)
    clips.normalise = ((0.1, 0.2, 0.3), (0.5, 1.0, 2.0))
    seen = to_input(pixels, clips, torch.float64)
    for channel, (mean, std) in enumerate(zip(*clips.normalise, strict=True)):
        assert torch.allclose(seen[:, channel], (pixels[:, channel].double() / 255 - mean) / std)
    assert pixels[0, 0, 0, 0, 1] == 1
