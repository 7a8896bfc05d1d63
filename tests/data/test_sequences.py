"""Sequences of frames: each sampled frame once, in order, and the pixels of the video."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from data.test_clips import clip_of, store_of
from reeltrace.data.clips import VideoClips
from reeltrace.data.sequences import FrameSequences, sequence_starts


def sequences_of(counts: list[int], frames: int, every: int, **changes: object) -> FrameSequences:
    sizes = [(count, 8, 9) for count in counts]
    number = np.arange(len(sizes))
    videos = VideoClips(store_of(sizes), "test", ("a", "b"), number, number % 2, clip_of(**changes), 3, None, 0)
    return FrameSequences.cut(videos, frames, every)


@given(st.integers(1, 200), st.integers(1, 7), st.integers(1, 20))
def test_sequences_take_each_sampled_frame_at_most_once(count: int, frames: int, every: int) -> None:
    cut = sequences_of([count], frames, every)
    seen = cut.batch(range(len(cut)))[:, 0, :, 0, 0]  # the first channel tells the frame
    assert seen.shape == (len(cut), frames)
    sampled = list(range(0, count, every))
    if len(sampled) >= frames:
        assert seen.flatten().tolist() == [t % 256 for t in sampled[: len(cut) * frames]]
        assert len(sampled) - seen.numel() < frames
    else:
        assert seen.tolist() == [[sampled[step % len(sampled)] for step in range(frames)]]


def test_videos_keep_their_labels_and_numbers() -> None:
    cut = sequences_of([8, 3, 12], 2, 2)
    assert cut.videos.tolist() == [0, 0, 1, 2, 2, 2]
    assert cut.labels.tolist() == [0, 0, 1, 0, 0, 0]
    assert sequence_starts(8, 2, 2) == [0, 4]
    assert cut.shape == (2, 6, 6)


def test_test_squares_come_from_the_middle_and_training_squares_from_where_the_set_says() -> None:
    cut = sequences_of([8], 2, 1)
    batch = cut.batch([0])
    assert (batch[0, 1, 0, 0, 0], batch[0, 2, 0, 0, 0]) == (1, 1)  # (8 - 6) // 2 and (9 - 6) // 2
    assert torch.equal(cut.draw(torch.tensor([0]), torch.Generator().manual_seed(1)), batch)
    loose = sequences_of([8], 2, 1, place="random")
    tops = {
        int(loose.draw(torch.tensor([0]), torch.Generator().manual_seed(seed))[0, 1, 0, 0, 0]) for seed in range(30)
    }
    assert tops == {0, 1, 2}


def test_an_index_that_is_not_there_is_refused() -> None:
    with pytest.raises(IndexError, match=r"0\.\.3"):
        sequences_of([8], 2, 1).batch([4])
