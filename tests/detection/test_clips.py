"""Key frames and clips: the frames that they should be, at the ends of a video and at any rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reeltrace.detection import clips
from reeltrace.detection.clips import around, clips_around, key_frames, key_seconds, open_source
from reeltrace.errors import UserError
from reeltrace.recognition.nets import View

PLAIN = View(8, 2, 32, 32, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_a_clip_is_around_its_key_frame() -> None:
    public = replace(PLAIN, frames=64)
    assert around(300, 30, public) == list(range(236, 364, 2))
    assert around(150, 15, public) == list(range(118, 182))
    assert around(600, 60, public) == list(range(472, 728, 4))


@pytest.mark.parametrize("keys", [[20], [0, 39], [10, 12, 14], [3, 30], [0, 10, 20, 30, 39]])
def test_clips_are_those_of_all_frames_at_once(video: Path, keys: list[int]) -> None:
    source = replace(open_source(video), rate=30.0)  # so that the stride is in frames
    every = np.stack(list(source.read(32, 42)))
    found = dict(clips_around(source, keys[::-1], PLAIN))
    assert list(found) == keys
    for key, clip in found.items():
        places = np.clip(around(key, 30, PLAIN), 0, 39)
        assert clip.shape == (1, 3, 8, 32, 42)
        torch.testing.assert_close(clip[0], torch.from_numpy(every[places]).permute(3, 0, 1, 2) / 255)


def test_a_video_shorter_than_a_clip(video: Path) -> None:
    source = replace(open_source(video), rate=600.0)
    ((key, clip),) = clips_around(source, [20], PLAIN)
    shown = [round(float(value)) for value in clip[0, 0].mean((1, 2)) * 255]
    assert key == 20 and shown[0] == pytest.approx(10, abs=3) and shown[-1] == pytest.approx(205, abs=3)


def test_few_frames_are_kept(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more than the clip's own and the last one: each frame that is read asks how many are still there."""
    alive: set[int] = set()

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    most = 0

    def read(source: clips.Source, height: int, width: int) -> object:
        nonlocal most
        for number in range(400):
            frame = np.full((height, width, 3), number % 250, np.uint8).view(Counted)
            alive.add(id(frame))
            most = max(most, len(alive))
            yield frame
            del frame

    monkeypatch.setattr(clips.Source, "read", read)
    source = clips.Source(video, 32, 42, 30.0, 400)
    assert len(list(clips_around(source, [50, 200, 201, 380], PLAIN))) == 4
    assert most <= 2 * PLAIN.frames + 3


def test_key_frames_are_whole_seconds(video: Path) -> None:
    source = open_source(video)
    assert (source.rate, source.frames, source.height, source.width) == (10, 40, 48, 64)
    assert key_seconds(source) == [1.0, 2.0, 3.0]
    assert key_seconds(source, 1.5) == [1.5, 3.0]
    assert key_seconds(replace(source, frames=7)) == [0.35]
    assert [source.at(seconds) for seconds in (0, 1.0, 3.96, 100)] == [0, 10, 39, 39]
    shown = {number: float(frame.mean()) for number, frame in key_frames(source, [30, 10])}
    assert list(shown) == [10, 30] and shown[10] == pytest.approx(60, abs=3) and shown[30] == pytest.approx(160, abs=3)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for number in range(5):
        Image.fromarray(np.full((40, 60, 3), 50 * number, np.uint8)).save(tmp_path / f"walk_{number:06}.png")
    source = open_source(tmp_path, rate=2)
    assert (source.frames, source.height, source.width, source.rate) == (5, 40, 60, 2)
    assert [int(frame[0, 0, 0]) for frame in source.native()] == [0, 50, 100, 150, 200]
    assert next(source.read(20, 30)).shape == (20, 30, 3)
    (tmp_path / "walk_000003.png").write_bytes(b"no")
    with pytest.raises(UserError, match=r"walk_000003.png: not an image"):
        list(source.native())


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.mp4").write_bytes(b"nothing of the sort")
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "one" / "1.png")
    for name, message in (
        ("none.mp4", r"none.mp4: no such file"),
        ("some.mp4", r"some.mp4: cannot be decoded"),
        ("empty", r"empty: no images in it"),
        ("one", r"one: images do not tell how many .* give the rate"),
    ):
        with pytest.raises(UserError, match=message):
            open_source(tmp_path / name)
