"""Moving digits: what the classes do, that the index re-renders the clips, that splits share no image."""

import csv
import errno
import hashlib
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltrace.data import disk, moving_digits
from reeltrace.data.moving_digits import (
    DIRECTIONS,
    SPLITS,
    VISIBLE,
    Settings,
    plan,
    positions,
    render_clip,
    resize_images,
    split_images,
    write,
)
from reeltrace.errors import UserError

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(1, 256, (200, 8, 8), dtype=np.uint8)  # no black pixel: a digit's box can be seen
LABELS = RNG.permutation(np.arange(200) % 10).astype(np.uint8)

DIRECTION = Settings(
    task="direction",
    frames=10,
    size=20,
    digit_size=8,
    speed=(0.4, 1.3),
    videos={"train": 41, "validation": 10, "test": 22},
    image_split={"train": 0.6, "validation": 0.1, "test": 0.3},
    seed=3,
)
DIGIT = replace(DIRECTION, task="digit", speed=(0.8, 3.0))
BOTH = pytest.mark.parametrize("config", [DIRECTION, DIGIT], ids=["direction", "digit"])


def boxes(clip: np.ndarray) -> np.ndarray:
    """(T, 4): first and last row, first and last column of what is not black."""
    found = []
    for frame in clip:
        rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
        found.append([rows[0], rows[-1], columns[0], columns[-1]])
    return np.asarray(found)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "index.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@st.composite
def configurations(draw: st.DrawFn) -> Settings:
    """Possible settings of every kind, small enough to render."""
    task = draw(st.sampled_from(["digit", "direction"]))
    frames = draw(st.integers(2, 14))
    digit_size = draw(st.integers(1, 12))
    free = draw(st.integers(4, 16))
    slowest = moving_digits.TRAVEL / (frames - 1) + 0.001
    fastest = free / (frames - 1) - 0.001 if task == "direction" else 3 * free / (frames - 1)
    slow = draw(st.floats(slowest, fastest))
    fast = draw(st.floats(slow, fastest))
    videos = {split: draw(st.integers(0, 15)) for split in SPLITS}
    return Settings(
        task,
        frames,
        digit_size + free,
        digit_size,
        (slow, fast),
        videos,
        {"train": 0.5, "validation": 0.2, "test": 0.3},
        draw(st.integers(0, 2**32)),
    )


@given(configurations())
@settings(deadline=None, max_examples=60)
def test_every_clip_stays_inside_and_moves(config):
    digits = resize_images(IMAGES, config.digit_size)
    assert digits.min() > 0
    for split, clips in plan(LABELS, config).items():
        assert len(clips) == config.videos[split]
        for row in clips:
            start, velocity = np.asarray(row.start) / 1000, np.asarray(row.velocity) / 1000
            clip = render_clip(
                digits, row.image, tuple(start), tuple(velocity), config.frames, config.size, config.path
            )
            # whole digit in every frame: nothing is cut off, nothing else is drawn
            assert (clip.reshape(config.frames, -1).astype(int).sum(1) == int(digits[row.image].sum())).all()
            box = boxes(clip)
            assert (box[:, [1, 3]] - box[:, [0, 2]] == config.digit_size - 1).all()
            assert np.abs(box - box[0]).max() >= VISIBLE
            speed = np.abs(velocity).max() if config.task == "direction" else np.hypot(*velocity)
            # the speed is rounded to a thousandth of a pixel, and then each component of the velocity
            rounding = (0.5 + 0.5 * 2**0.5) / 1000 + 1e-9
            assert config.speed[0] - rounding <= speed <= config.speed[1] + rounding


@given(configurations())
@settings(deadline=None, max_examples=60)
def test_classes_are_even_and_each_direction_is_one_way(config):
    for clips in plan(LABELS, config).values():
        counts = np.bincount([row.label for row in clips], minlength=len(config.classes))
        assert counts.max() - counts.min() <= 1
        for row in clips:
            if config.task == "digit":
                assert LABELS[row.image] == row.label
            else:
                assert tuple(np.sign(row.velocity)) == DIRECTIONS[config.classes[row.label]]


def test_directions_are_those_of_the_document():
    # (vy, vx), y downwards: left to right, top to bottom, towards down-left, towards down-right
    assert DIRECTIONS == {
        "Horizontal": (0, 1),
        "Vertical": (1, 0),
        "Diagonal Left": (1, -1),
        "Diagonal Right": (1, 1),
    }
    assert DIRECTION.classes == ("Horizontal", "Vertical", "Diagonal Left", "Diagonal Right")
    assert DIGIT.classes == tuple("0123456789")


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=120),
    st.tuples(*[st.floats(0.01, 1)] * 3),
    st.floats(0.2, 1),
    st.integers(0, 99),
)
def test_no_image_is_in_two_splits(labels, weights, used, seed):
    labels = np.asarray(labels)
    fractions = {split: used * w / sum(weights) for split, w in zip(SPLITS, weights, strict=True)}
    dealt = split_images(labels, fractions, seed)
    together = np.concatenate([dealt[split] for split in SPLITS])
    assert len(set(together.tolist())) == len(together)
    assert set(together.tolist()) <= set(range(len(labels)))
    for split, members in dealt.items():
        for digit in range(10):
            # rounded at both ends of its slice
            assert abs((labels[members] == digit).sum() - fractions[split] * (labels == digit).sum()) <= 1 + 1e-9


def test_whole_pool_is_dealt_when_the_fractions_add_up_to_one():
    dealt = split_images(LABELS, DIGIT.image_split, 0)
    assert [len(dealt[split]) for split in SPLITS] == [120, 20, 60]
    assert not np.array_equal(dealt["train"], split_images(LABELS, DIGIT.image_split, 1)["train"])


@BOTH
def test_stored_clips_share_no_image_between_splits(config, tmp_path):
    write(IMAGES, LABELS, config, tmp_path)
    used = {split: {row["image"] for row in rows_of(tmp_path) if row["split"] == split} for split in SPLITS}
    assert all(used.values())
    assert not used["train"] & used["validation"]
    assert not used["train"] & used["test"]
    assert not used["validation"] & used["test"]


@BOTH
def test_every_image_is_used_before_one_is_used_again(config):
    many = replace(config, videos={"train": 300, "validation": 10, "test": 10})
    rows = plan(LABELS, many)["train"]
    for digit in range(10) if config.task == "digit" else [None]:
        images = [row.image for row in rows if digit is None or LABELS[row.image] == digit]
        uses = np.unique(images, return_counts=True)[1]
        assert uses.max() - uses.min() <= 1
        assert len(uses) == (12 if config.task == "digit" else 120)


@BOTH
def test_index_renders_exactly_the_stored_clip(config, tmp_path):
    write(IMAGES, LABELS, config, tmp_path)
    digits = resize_images(IMAGES, config.digit_size)
    rows = rows_of(tmp_path)
    assert len(rows) == sum(config.videos.values())
    for split in SPLITS:
        stored = np.load(tmp_path / f"clips-{split}.npy", allow_pickle=False)
        assert stored.shape == (config.videos[split], config.frames, config.size, config.size)
        assert stored.dtype == np.uint8
        mine = [row for row in rows if row["split"] == split]
        assert [int(row["clip"]) for row in mine] == list(range(len(stored)))
        for row, clip in zip(mine, stored, strict=True):
            assert config.classes[int(row["label"])] == row["class"]
            again = render_clip(
                digits,
                int(row["image"]),
                (float(row["y"]), float(row["x"])),
                (float(row["vy"]), float(row["vx"])),
                config.frames,
                config.size,
                config.path,
            )
            assert np.array_equal(again, clip)


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@BOTH
def test_same_seed_same_bytes_and_another_seed_other_clips(config, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        write(IMAGES, LABELS, replace(config, seed=seed), tmp_path / name)
    first, second, third = (hashes(tmp_path / name) for name in "abc")
    assert set(first) == {"clips-train.npy", "clips-validation.npy", "clips-test.npy", "index.csv"}
    assert first == second
    assert all(first[name] != third[name] for name in first)


def test_clips_are_the_same_on_every_machine(tmp_path):
    """Hashes recorded once: a numpy or Pillow that draws or resizes differently must not go unnoticed."""
    config = replace(DIGIT, digit_size=5, videos={"train": 5, "validation": 1, "test": 1})
    images = (np.arange(200 * 64) * 37 % 251).astype(np.uint8).reshape(200, 8, 8)
    labels = (np.arange(200) % 10).astype(np.uint8)
    write(images, labels, config, tmp_path)
    assert {name: digest[:16] for name, digest in hashes(tmp_path).items()} == RECORDED


RECORDED = {
    "clips-test.npy": "8e7f2f22867626ce",
    "clips-train.npy": "389c0fe9efd4fdf8",
    "clips-validation.npy": "365667822b649140",
    "index.csv": "d7014f5c01312e13",
}


def test_split_does_not_depend_on_the_counts_of_the_others():
    fewer = replace(DIGIT, videos={**DIGIT.videos, "train": 7})
    assert plan(LABELS, DIGIT)["test"] == plan(LABELS, fewer)["test"]


def test_positions_are_rounded_half_up_and_mirrored_at_the_edges():
    assert positions((500, 1499), (0, 0), 1, 9, "straight").tolist() == [[1, 1]]
    assert positions((0, 2000), (1500, -1500), 5, 3, "straight")[:, 0].tolist() == [0, 2, 3, 5, 6]
    # y: 0, 1.5, 3, 4.5 -> 1.5, 6 -> 0; x: 2, 0.5, -1 -> 1, -2.5 -> 2.5, -4 -> 2
    bounced = positions((0, 2000), (1500, -1500), 5, 3, "bounce")
    assert bounced.tolist() == [[0, 2], [2, 1], [3, 1], [2, 3], [0, 2]]


def test_resizing_keeps_a_digit_of_the_right_size_and_a_flat_one_flat():
    assert resize_images(IMAGES, 8) is IMAGES
    flat = np.full((2, 8, 8), 77, dtype=np.uint8)
    assert np.array_equal(resize_images(flat, 16), np.full((2, 16, 16), 77))
    assert resize_images(IMAGES[:3], 5).shape == (3, 5, 5)


def test_rendering_outside_the_frame_is_refused():
    with pytest.raises(UserError, match="leaves a frame"):
        render_clip(IMAGES, 0, (0.0, 0.0), (0.0, 2.0), 10, 20, "straight")
    with pytest.raises(UserError, match="leaves a frame"):
        render_clip(IMAGES, 0, (0.0, 0.0), (0.0, 0.0), 1, 7, "straight")


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (DIRECTION, {"frames": 1}, "frames: 1"),
        (DIRECTION, {"digit_size": 21}, "digit_size: 21 does not fit a frame of side 20"),
        (DIRECTION, {"speed": (0.4, 1.34)}, r"free path of 12; lower the fastest speed to 1\.33"),
        (DIRECTION, {"frames": 11}, "free path of 12"),
        (DIRECTION, {"speed": (0.1, 1.0)}, "make a motion visible"),
        (DIRECTION, {"speed": (1.2, 1.0)}, "slowest <= fastest"),
        (DIRECTION, {"speed": (0.0, 1.0)}, "0 < slowest"),
        (DIGIT, {"digit_size": 17}, "can move 3 pixels; expected at least 4"),
        (DIGIT, {"videos": {"train": -1, "validation": 1, "test": 1}}, "negative count"),
        (DIGIT, {"image_split": {"train": 0.9, "validation": 0.1, "test": 0.1}}, "add up to more than 1"),
        (DIGIT, {"image_split": {"train": 0.9, "validation": 0.1, "test": 0.0}}, "test has no image of digit"),
        (DIRECTION, {"image_split": {"train": 0.9, "validation": 0.0, "test": 0.1}}, "validation has no image of any"),
    ],
)
def test_impossible_settings_are_refused(config, changes, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        write(IMAGES, LABELS, replace(config, **changes), tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_visible_motion_at_all_is_refused_not_searched_for_ever(monkeypatch):
    monkeypatch.setattr(moving_digits, "VISIBLE", 13)  # the free path is 12
    monkeypatch.setattr(Settings, "check", lambda self: None)
    with pytest.raises(UserError, match=r"no motion between 0\.8 and 3 pixels per frame"):
        plan(LABELS, DIGIT)


def test_one_speed_for_all_clips():
    same = replace(DIGIT, speed=(2.0, 2.0))
    velocities = np.asarray([row.velocity for row in plan(LABELS, same)["train"]]) / 1000
    assert np.allclose(np.hypot(*velocities.T), 2.0, atol=0.001)
    assert len({tuple(np.sign(v)) for v in velocities}) >= 4  # in all directions


def test_full_disk_while_writing_clips(tmp_path, monkeypatch):
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(UserError, match=r"clips-train\.npy: the disk is full; the file needs 164,000 bytes"):
        write(IMAGES, LABELS, DIRECTION, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_videos(tmp_path):
    config = replace(DIRECTION, videos={"train": 6000, "validation": 1, "test": 1})
    write(IMAGES, LABELS, DIRECTION, tmp_path)  # imports and caches are not what is measured
    tracemalloc.start()
    write(IMAGES, LABELS, config, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "clips-train.npy").stat().st_size > 24_000_000
    assert peak < 8_000_000  # the plan's rows and one block of clips


def test_blocks_that_do_not_add_up_are_refused(tmp_path):
    block = np.zeros((2, 3), dtype=np.uint8)
    for shape, blocks in (((3, 3), [block]), ((2, 4), [block]), ((2, 3), [block.astype(np.int8)])):
        with pytest.raises(ValueError, match="x\\.npy"):
            disk.save_blocks(tmp_path / "x.npy", shape, np.dtype(np.uint8), blocks)
    disk.save_blocks(tmp_path / "x.npy", (4, 3), np.dtype(np.uint8), [block, block + 1])
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.concatenate([block, block + 1]))


MANY = replace(DIRECTION, videos={"train": 80, "validation": 40, "test": 80})
SIGNS = {name: np.asarray(signs) for name, signs in DIRECTIONS.items()}


@pytest.mark.parametrize("course", ["bounce", "wrap"])
def test_a_digit_may_bounce_or_come_in_again_at_the_other_side(course, tmp_path):
    config = replace(MANY, course=course, speed=(1.0, 3.0))
    write(IMAGES, LABELS, config, tmp_path)
    clips = np.load(tmp_path / "clips-train.npy")
    rows = [row for row in rows_of(tmp_path) if row["split"] == "train"]
    for row, clip in zip(rows, clips, strict=True):
        # no pixel of the digit is lost, wherever it is
        assert (clip.reshape(config.frames, -1).astype(int).sum(1) == int(IMAGES[int(row["image"])].sum())).all()
        assert tuple(np.sign([float(row["vy"]), float(row["vx"])])) == DIRECTIONS[row["class"]]
    if course == "wrap":  # each step is the same one, counted around the frame
        at = positions((19_400, 500), (1000, 0), 3, config.free, "wrap", config.size)
        assert at.tolist() == [[19, 1], [0, 1], [1, 1]]
        assert any((np.diff(np.flatnonzero(frame.any(1))) > 1).any() for clip in clips for frame in clip)
    else:
        assert any((np.diff(boxes(clip)[:, 2]) < 0).any() for clip in clips[[r["class"] == "Horizontal" for r in rows]])


@pytest.mark.parametrize("ways", [("train", "validation"), SPLITS])
def test_a_class_may_move_both_ways_in_some_splits(ways):
    config = replace(MANY, both_ways=ways)
    for split, clips in plan(LABELS, config).items():
        with_it = [np.array_equal(np.sign(row.velocity), SIGNS[config.classes[row.label]]) for row in clips]
        against = [np.array_equal(np.sign(row.velocity), -SIGNS[config.classes[row.label]]) for row in clips]
        assert all(one or other for one, other in zip(with_it, against, strict=True))
        assert 0.25 < np.mean(against) < 0.75 if split in ways else not any(against)
    assert plan(LABELS, config)["test"] == plan(LABELS, MANY)["test"] or "test" in ways


def test_a_digit_may_start_at_the_side_that_it_comes_from():
    free = MANY.free * 1000
    for row in plan(LABELS, replace(MANY, start="border"))["test"]:
        for at, velocity in zip(row.start, row.velocity, strict=True):
            assert velocity == 0 or at == (0 if velocity > 0 else free)


def test_digits_of_several_sizes_take_turns(tmp_path):
    config = replace(MANY, digit_sizes=(4, 8))
    write(IMAGES, LABELS, config, tmp_path)
    for number, clip in enumerate(np.load(tmp_path / "clips-test.npy")):
        box = boxes(clip)
        assert (box[:, [1, 3]] - box[:, [0, 2]] + 1 == config.size_of(number)).all()
    with pytest.raises(UserError, match=r"digit_sizes: expected sides up to digit_size 8, found \[4, 6\]"):
        plan(LABELS, replace(config, digit_sizes=(4, 6)))


def test_a_bounce_too_short_to_be_seen_is_refused_not_searched_for_ever(monkeypatch):
    monkeypatch.setattr(moving_digits, "VISIBLE", 13)  # the free path is 12
    monkeypatch.setattr(Settings, "check", lambda self: None)
    with pytest.raises(UserError, match="no digit that bounces was found"):
        plan(LABELS, replace(MANY, course="bounce"))


def test_a_test_clip_may_be_the_beginning_of_a_longer_file(tmp_path):
    config = replace(MANY, file_frames=19, speed=(0.4, 0.6))
    write(IMAGES, LABELS, config, tmp_path)
    for split in SPLITS:
        clips = np.load(tmp_path / f"clips-{split}.npy")
        assert clips.shape[1] == (19 if split == "test" else 10) == config.frames_of(split)
        for clip in clips:  # nothing leaves the frame, to the last frame of the file
            assert (boxes(clip)[:, [1, 3]] - boxes(clip)[:, [0, 2]] == config.digit_size - 1).all()
    with pytest.raises(UserError, match="file_frames: 9 are fewer than the 10 frames that are seen"):
        plan(LABELS, replace(config, file_frames=9))
    with pytest.raises(UserError, match=r"free path of 12; lower the fastest speed to 0\.667"):
        plan(LABELS, replace(config, speed=(0.4, 0.7)))
