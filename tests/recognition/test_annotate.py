"""What is drawn on frames: where it lies, that it can be told from the picture, and the video that comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from reeltrace.data.decoding import pyav_frames, read_header
from reeltrace.errors import UserError
from reeltrace.recognition import annotate
from reeltrace.recognition.annotate import Box, Frame, Said


def grey(height: int = 120, width: int = 160, value: int = 128) -> Frame:
    return np.full((height, width, 3), value, np.uint8)


def changed(before: Frame, after: Frame) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what differs."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_words_lie_in_the_upper_left_and_leave_the_frame_that_was_given_alone() -> None:
    frame = grey()
    drawn = annotate.with_words(frame, [Said("jumping", 0.5), Said("running", 0.25)])
    assert (frame == 128).all() and drawn.shape == frame.shape and drawn.dtype == np.uint8
    left, top, right, bottom = changed(frame, drawn)
    assert (left, top) == (0, 0) and right < 160 and bottom < 60
    assert (drawn > 200).all(axis=2).any()  # letters that are lighter than the picture


def test_the_bar_of_a_share_is_as_long_as_the_share() -> None:
    def length(share: float) -> int:
        drawn = annotate.with_words(grey(height=240, width=320), [Said("a", share)])
        return int((drawn == annotate._BAR).all(axis=2).sum(axis=1).max())

    assert length(0.0) <= 1
    assert length(1.0) == pytest.approx(2 * length(0.5), abs=2) and length(0.5) > 10


def test_words_that_are_too_long_are_cut_in_the_middle_and_keep_their_share() -> None:
    font = annotate._font(11)
    whole = annotate._written(Said("playing a very long instrument of brass", 0.5))
    cut = annotate._fitting(font, whole, 120)
    assert font.getlength(cut) <= 120 < font.getlength(whole)
    assert cut.startswith("playing") and cut.endswith("50.0 %") and "…" in cut
    assert annotate._written(Said("a\nb")) == "a b"


def test_a_box_has_its_edges_and_its_words_above_or_inside() -> None:
    frame = grey(240, 320)
    drawn = annotate.with_boxes(frame, [Box((100, 120, 200, 220), [Said("stand", 0.9)], (255, 0, 0))])
    for row, column in ((120, 150), (220, 150), (170, 100), (170, 200)):
        assert tuple(drawn[row, column]) == (255, 0, 0)
    assert tuple(drawn[170, 150]) == (128, 128, 128)  # nothing inside
    assert (drawn[100:119, 105:150] != 128).any()  # above
    high = annotate.with_boxes(frame, [Box((100, 2, 200, 220), [Said("stand", 0.9)], (255, 0, 0))])
    assert (high[6:20, 105:150] != 128).any() and (high[:2] == 128).all()


def test_words_stand_where_they_hide_no_other_box_and_no_other_words() -> None:
    """Of two boxes one above the other, the lower one's words go inside it; beside words that are there, elsewhere."""
    frame, said = grey(240, 320), [Said("stand", 0.9)]
    upper, lower = (100, 40, 200, 118), (100, 122, 200, 230)
    alone = annotate.with_boxes(frame, [Box(upper, [], (255, 0, 0)), Box(lower, [], (0, 255, 0))])
    drawn = annotate.with_boxes(frame, [Box(upper, [], (255, 0, 0)), Box(lower, said, (0, 255, 0))])
    assert np.array_equal(drawn[:122], alone[:122]) and (drawn[126:140, 105:150] != 128).any()
    twice = annotate.with_boxes(frame, [Box(lower, said, (255, 0, 0)), Box((101, 122, 201, 230), said, (0, 255, 0))])
    once = annotate.with_boxes(frame, [Box(lower, said, (255, 0, 0))])
    above = slice(100, 121)
    assert np.array_equal(twice[above], once[above]) and (once[above, 105:150] != 128).any()


def test_a_box_beyond_the_frame_is_cut_to_it() -> None:
    drawn = annotate.with_boxes(grey(), [Box((-50, -10, 900, 900), [], (0, 255, 0))])
    assert tuple(drawn[0, 0]) == tuple(drawn[119, 159]) == (0, 255, 0)


def test_a_sheet_has_a_row_per_video() -> None:
    rows = [([grey(60, 80, 10), grey(60, 80, 20)], [Said("one")]), ([grey(120, 160, 30)], [])]
    sheet = annotate.contact_sheet(rows)
    assert sheet.shape == (60 + 6 + 60, 80 + 6 + 80, 3)
    assert (sheet[30, 80:86] == 255).all() and (sheet[60:66] == 255).all()
    assert tuple(sheet[50, 100]) == (20, 20, 20) and tuple(sheet[100, 40]) == (30, 30, 30)
    assert (sheet[66:, 86:] == 255).all()


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".avi", "mpeg4")])
def test_frames_become_a_video_of_their_number_rate_and_colours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, codec: str
) -> None:
    monkeypatch.setattr(annotate, "CODECS", (codec,))
    path = tmp_path / f"out{suffix}"
    frames = [np.full((49, 65, 3), (200, 20 * n, 40), np.uint8) for n in range(9)]
    assert annotate.write_video(path, iter(frames), Fraction(30000, 1001)) == 9
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    header = read_header(path)
    assert (header.height, header.width, header.packets) == (48, 64, 9) and header.fps == pytest.approx(29.97, abs=0.01)
    read = list(pyav_frames(path, 48, 64))
    assert len(read) == 9
    assert np.abs(read[4].astype(int) - (200, 80, 40)).mean() < 8
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_a_video_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[Frame]:
        yield grey()
        raise UserError("the source broke off")

    with pytest.raises(UserError, match="broke off"):
        annotate.write_video(tmp_path / "out.mp4", failing(), 25)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"suffix '.txt'; expected one of .mp4"):
        annotate.write_video(tmp_path / "out.txt", [grey()], 25)
    with pytest.raises(UserError, match="no frame to write"):
        annotate.write_video(tmp_path / "out.mp4", [], 25)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="not a folder"):
        annotate.write_video(tmp_path / "file" / "out.mp4", [grey()], 25)
