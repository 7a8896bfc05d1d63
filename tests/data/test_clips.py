"""Clips out of videos: their sides and groups, the hold-out, where a clip is cut, and what the tensor holds."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltrace.artifacts.cuts import clip_frames, last_start, rising, span, uniform_starts
from reeltrace.data.clips import Video, VideoClips, group_of, hold_out, read_index
from reeltrace.data.frame_store import FrameStore
from reeltrace.errors import UserError
from reeltrace.registry.datasets import Clip

HEADER = "video,class,label,split1,split2,split3,bytes,sha256\n"


class InMemory(FrameStore):
    """A frame store whose shards are no files; a copy in another process has them, too."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__


def store_of(sizes: list[tuple[int, int, int]]) -> FrameStore:
    """The pixel at (t, y, x) of a video tells t, y and x."""
    videos = [np.stack(np.indices(size), axis=3).astype(np.uint8) for size in sizes]
    counts, heights, widths = (np.array(values) for values in zip(*sizes, strict=True))
    names = tuple(f"{number}.avi" for number in range(len(sizes)))
    offsets = np.cumsum([0, *(video.size for video in videos[:-1])])
    shard = np.concatenate([video.ravel() for video in videos])
    return InMemory(Path(), names, counts, heights, widths, ("0.bin",) * len(sizes), offsets, {"0.bin": shard})


def clip_of(**changes: object) -> Clip:
    return Clip(**{"frames": 4, "stride": 2, "crop": 6, "size": 6, "place": "center", **changes})  # type: ignore[arg-type]


def clips_of(sizes: list[tuple[int, int, int]], per_video: int = 1, **changes: object) -> VideoClips:
    number = np.arange(len(sizes))
    return VideoClips(store_of(sizes), "test", ("a", "b"), number, number % 2, clip_of(**changes), per_video, None, 0)


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("UCF-101/Archery/v_Archery_g08_c02.avi", "08"),
        ("UCF-101/HandstandPushups/v_HandStandPushups_g01_c04.avi", "01"),
        ("wave/A_film_wave_u_cm_np1_fr_med_3.avi", "A_film_wave_u_cm_np1_fr_med"),
        ("wave/A_film_wave_u_cm_np1_fr_med_12.avi", "A_film_wave_u_cm_np1_fr_med"),
    ],
)
def test_groups_are_read_off_the_names(path: str, group: str) -> None:
    assert group_of(path) == group


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1, max_size=80),
    st.floats(0.01, 0.9),
)
def test_no_group_is_on_both_sides_and_every_class_is_validated(drawn: list[tuple[int, int]], fraction: float) -> None:
    rows = [Video(f"{number}.avi", label, "train", str(group)) for number, (group, label) in enumerate(drawn)]
    train, validation = hold_out(rows, fraction)
    assert sorted([*train, *validation]) == sorted(rows)
    assert {row.label for row in validation} == {row.label for row in rows}
    assert not {row.group for row in train} & {row.group for row in validation}


def test_one_group_in_ten_is_held_out_in_each_class() -> None:
    ucf = [
        Video(f"{group}_{clip}_{label}.avi", label, "train", f"{group:02d}")
        for group in range(8, 28)
        for clip in range(3)
        for label in range(10)
    ]
    _, validation = hold_out(ucf, 0.1)
    assert {row.group for row in validation} == {"17", "27"}
    hmdb = [row._replace(group=f"Scene_{row.group}_class{row.label}") for row in ucf]
    _, validation = hold_out(hmdb, 0.1)
    assert {row.group for row in validation} == {f"Scene_{g}_class{label}" for g in (17, 27) for label in range(10)}


def test_an_index_gives_sides_and_classes(tmp_path: Path) -> None:
    index = tmp_path / "index.csv"
    lines = ["A/v_A_g01_c01.avi,A,0,test,train,train,1,x", "B/v_B_g09_c01.avi,B,1,train,test,unused,1,x"]
    index.write_text(HEADER + "\n".join(lines) + "\n")
    rows, classes = read_index(index.parent, 1)
    assert classes == ("A", "B")
    assert rows == [Video("A/v_A_g01_c01.avi", 0, "test", "01"), Video("B/v_B_g09_c01.avi", 1, "train", "09")]
    assert [row.side for row in read_index(index.parent, 3)[0]] == ["train", "unused"]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        HEADER + "a.avi,A,x,train,train,train,1,x\n",
        HEADER + "a.avi,B,1,train,train,train,1,x\n",
        HEADER + "a.avi,A,0,tarin,train,train,1,x\n",
        HEADER + "a.avi,A,0,train,train,train,1,x\nb.avi,B,0,train,train,train,1,x\n",
    ],
)
def test_another_file_is_no_index(tmp_path: Path, text: str) -> None:
    index = tmp_path / "index.csv"
    index.write_text(text)
    with pytest.raises(UserError, match="not an index of videos"):
        read_index(index.parent, 1)


@given(st.integers(1, 60), st.integers(2, 9), st.integers(1, 4), st.integers(1, 6))
def test_uniform_clips_begin_at_the_beginning_and_end_at_the_end(
    count: int, frames: int, stride: int, number: int
) -> None:
    clip = clip_of(frames=frames, stride=stride)
    starts = uniform_starts(count, clip, number)
    assert starts == sorted(starts)
    assert len(starts) == number
    if number > 1:
        assert (starts[0], starts[-1]) == (0, last_start(count, clip))
        gaps = np.diff(starts)
        assert max(gaps) - min(gaps) <= 2
    if count >= span(clip):
        assert clip_frames(count, starts[-1], clip)[-1] <= count - 1
        assert all((np.diff(clip_frames(count, start, clip)) == stride).all() for start in starts)
    assert all(0 <= frame < count for start in starts for frame in clip_frames(count, start, clip))
    assert all(list(rising(count, start, clip)) == clip_frames(count, start, clip).tolist() for start in starts)


def test_a_video_shorter_than_a_clip_begins_again() -> None:
    assert clip_frames(3, 0, clip_of(frames=5, stride=1)).tolist() == [0, 1, 2, 0, 1]
    assert clip_frames(1, 0, clip_of(frames=3)).tolist() == [0, 0, 0]
    pixels = clips_of([(3, 8, 10)], frames=5, stride=1).batch([0])
    assert pixels[0, 0, :, 0, 0].tolist() == [0, 1, 2, 0, 1]


def test_a_test_clip_is_cut_from_the_middle() -> None:
    clips = clips_of([(20, 8, 10), (11, 12, 7)], per_video=3)
    assert (len(clips), clips.labels.tolist(), clips.videos.tolist()) == (6, [0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1])
    pixels = clips.batch([0, 1, 2, 5])
    assert pixels.shape == (4, 3, 4, 6, 6)
    assert pixels.dtype == torch.uint8
    assert pixels[:, 0, :, 0, 0].tolist() == [[0, 2, 4, 6], [6, 8, 10, 12], [13, 15, 17, 19], [4, 6, 8, 10]]
    assert [pixels[0, 1, 0, :, 0].tolist(), pixels[0, 2, 0, 0].tolist()] == [[*range(1, 7)], [*range(2, 8)]]
    assert [pixels[3, 1, 0, :, 0].tolist(), pixels[3, 2, 0, 0].tolist()] == [[*range(3, 9)], [*range(6)]]
    assert torch.equal(clips.batch([2, 0])[1], pixels[0])


def test_training_clips_reach_every_time_and_place_and_no_other() -> None:
    clips = clips_of([(9, 8, 10)], place="random")
    drawn = clips.draw(torch.zeros(600, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert {(int(clip[0, 0, 0, 0]), int(clip[1, 0, 0, 0]), int(clip[2, 0, 0, 0])) for clip in drawn} == {
        (time, top, left) for time in range(3) for top in range(3) for left in range(5)
    }
    middle = clips_of([(9, 8, 10)]).draw(torch.zeros(40, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert {(int(c[1, 0, 0, 0]), int(c[2, 0, 0, 0])) for c in middle} == {(1, 2)}
    assert len({int(c[0, 0, 0, 0]) for c in middle}) == 3


def test_what_is_drawn_depends_on_the_generator_alone() -> None:
    clips = clips_of([(30, 9, 9), (5, 9, 9)], place="random")
    indices = torch.tensor([0, 1, 0, 0])
    one, two = (clips.draw(indices, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, clips.draw(indices, torch.Generator().manual_seed(8)))
    assert torch.equal(one, pickle.loads(pickle.dumps(clips)).draw(indices, torch.Generator().manual_seed(7)))


def test_a_clip_may_be_smaller_than_its_crop() -> None:
    whole = clips_of([(8, 12, 12)], crop=12, size=12).batch([0])
    small = clips_of([(8, 12, 12)], crop=12, size=4).batch([0])
    assert small.shape == (1, 3, 4, 4, 4)
    assert small.dtype == torch.uint8
    assert small[0, 0, :, 0, 0].tolist() == whole[0, 0, :, 0, 0].tolist()
    assert small[0, 2, 0, 1].tolist() == pytest.approx([1, 4, 7, 10], abs=1)
    assert torch.equal(small[:, 2].transpose(2, 3), small[:, 1])


def test_a_clip_that_is_not_there_is_refused() -> None:
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match=r"0\.\.2"):
            clips_of([(8, 12, 12)], per_video=3).batch([wrong])
