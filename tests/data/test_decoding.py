"""What decord gets wrong and PyAV then does: packets without a frame, undecodable ones, videos too long for memory."""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from reeltrace.data import decoding, standin
from reeltrace.data.decoding import DecodingError, decord_frames, pyav_frames
from reeltrace.data.frames import extract

HEIGHT, WIDTH, RATE = 48, 64, 25


def pictures(count: int) -> Iterator[NDArray[np.uint8]]:
    """A bright square on a slope: a new place in each of 1,200 frames."""
    slope = np.linspace(0, 120, WIDTH, dtype=np.uint8)
    for number in range(count):
        picture = np.repeat(np.tile(slope, (HEIGHT, 1))[:, :, None], 3, axis=2)
        top, left = divmod(number % 1200, 40)
        picture[top : top + 16, left : left + 16] = (250, 200, 30)
        yield picture


@pytest.fixture(scope="module")
def whole() -> bytes:
    return standin.encode(pictures(40), RATE)


def packets(data: bytes) -> list[tuple[int, int]]:
    """Where the data of each packet lies, and its length, by the index of the file."""
    index, movie = data.index(b"idx1"), data.index(b"movi")
    entries = struct.iter_unpack("<4sIII", data[index + 8 : index + 8 + struct.unpack_from("<I", data, index + 4)[0]])
    return [(movie + offset + 8, length) for _, _, offset, length in entries]


def not_coded(data: bytes, numbers: list[int]) -> bytes:
    """The same file, but some packets hold an MPEG-4 picture that says "not coded": a packet without a frame."""
    changed, places = bytearray(data), packets(data)
    for number in numbers:
        start, length = places[number]
        # predicted, no second passed, marker, time in 25ths, marker, not coded; then stuffing
        bits = f"0101{number % RATE:05b}10" + "01111"
        vop = b"\0\0\1\xb6" + int(bits, 2).to_bytes(2, "big")
        changed[start : start + length] = vop.ljust(length, b"\0")
    return bytes(changed)


def emptied(data: bytes, numbers: list[int]) -> bytes:
    """The same file with nothing but zeros in some packets."""
    changed, places = bytearray(data), packets(data)
    for number in numbers:
        start, length = places[number]
        changed[start : start + length] = bytes(length)
    return bytes(changed)


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "x.avi"
    path.write_bytes(data)
    return path


def rows_of(folder: Path, data: bytes) -> list[str]:
    """The line of `frames.csv` that a file gets, without its header."""
    (folder / "videos").mkdir()
    saved(folder / "videos", data)
    (folder / "work").mkdir()
    extract(folder / "videos", ["x.avi"], folder / "work", short_side=32, workers=1)
    return (folder / "work" / "frames.csv").read_text().splitlines()[1].split(",")


@pytest.mark.parametrize("numbers", [[20], [38], [15, 16, 17, 30]])
def test_frames_that_decord_makes_up_are_not_stored(tmp_path: Path, whole: bytes, numbers: list[int]) -> None:
    path = saved(tmp_path, not_coded(whole, numbers))
    there = 40 - len(numbers)
    with pytest.raises(DecodingError, match="equals an earlier one"):
        list(decord_frames(path, 32, 42))
    frames = list(pyav_frames(path, 32, 42))
    assert len(frames) == there
    row = rows_of(tmp_path, path.read_bytes())
    assert (row[3], row[6], row[8]) == (str(there), "pyav", "40 frames were announced")


def test_decord_itself_does_repeat_frames(tmp_path: Path, whole: bytes) -> None:
    """Why the check is there. Should this fail, a newer decord may need none."""
    import decord

    reader = decord.VideoReader(str(saved(tmp_path, not_coded(whole, [15, 16, 17]))), num_threads=1)
    frames = [reader.next().asnumpy().tobytes() for _ in range(len(reader))]
    assert (len(frames), len(set(frames))) == (40, 37)


@pytest.mark.parametrize("count", [1, 64, 65, 150])
def test_batches_hold_the_frames_that_decord_gives_one_by_one(tmp_path: Path, count: int) -> None:
    import decord

    path = saved(tmp_path, standin.encode(pictures(count), RATE))
    reader = decord.VideoReader(str(path), width=42, height=32, num_threads=1)
    singly = [reader.next().asnumpy().tobytes() for _ in range(len(reader))]
    frames = list(decord_frames(path, 32, 42))
    assert [frame.tobytes() for frame in frames] == singly
    kept = frames[0]
    del frames
    again = [frame.tobytes() for frame in decord_frames(path, 32, 42)]  # takes memory anew
    assert again == singly
    assert kept.tobytes() == singly[0]


def test_frames_to_which_decord_adds_channels_are_not_stored(tmp_path: Path, whole: bytes) -> None:
    """It takes a padded row of 64 bytes for 16 pixels of four."""
    import decord

    path = saved(tmp_path, whole)
    assert decord.VideoReader(str(path), width=16, height=12, num_threads=1).next().shape != (12, 16, 3)
    with pytest.raises(DecodingError, match="decord cannot read it"):
        list(decord_frames(path, 12, 16))
    assert {frame.shape for frame in pyav_frames(path, 12, 16)} == {(12, 16, 3)}


def test_a_video_that_stands_still_at_its_end_is_stored_whole(tmp_path: Path) -> None:
    moving = list(pictures(20))
    row = rows_of(tmp_path, standin.encode(iter(moving + [moving[-1]] * 30), RATE))
    assert (row[3], row[8]) == ("50", "")


@pytest.mark.parametrize("numbers", [[0, 1], [20, 21, 22], [38, 39]])
def test_what_is_left_of_a_damaged_video_is_stored(tmp_path: Path, whole: bytes, numbers: list[int]) -> None:
    path = saved(tmp_path, emptied(whole, numbers))
    said = set()
    for _ in range(2):
        with pytest.raises(DecodingError) as caught:
            list(decord_frames(path, 32, 42))
        said.add(str(caught.value))
    assert said == {"decord cannot read it"}  # always the same words: what is written about it must not vary
    row = rows_of(tmp_path, path.read_bytes())
    assert (row[3], row[6], row[8]) == (str(40 - len(numbers)), "pyav", "40 frames were announced")


def test_a_video_of_changing_size_is_stored_at_one_size(tmp_path: Path) -> None:
    """Two raw streams of different sizes, one after the other."""
    parts = []
    for height in (48, 64):
        target = io.BytesIO()
        with av.open(target, "w", format="mpeg1video") as container:
            stream = container.add_stream("mpeg1video", rate=25)
            stream.height, stream.width, stream.pix_fmt = height, 64, "yuv420p"
            for picture in pictures(10):
                frame = np.vstack([picture, picture[: height - 48]])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        parts.append(target.getvalue())
    frames = list(pyav_frames(saved(tmp_path, b"".join(parts)), 24, 32))
    assert len(frames) >= 19  # the decoder may drop the last one before the change
    assert {frame.shape for frame in frames} == {(24, 32, 3)}


def test_long_videos_are_for_pyav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bytes) -> None:
    path = saved(tmp_path, whole)
    needed = 40 * 32 * 42 * 3 + len(whole)
    monkeypatch.setattr(decoding, "DECORD_BYTES", needed)
    assert len(list(decord_frames(path, 32, 42))) == 40
    monkeypatch.setattr(decoding, "DECORD_BYTES", needed - 1)
    with pytest.raises(DecodingError, match="its 40 frames would take decord too much memory"):
        list(decord_frames(path, 32, 42))


def test_memory_is_bounded_on_both_sides_of_the_limit(tmp_path: Path) -> None:
    """Up to the limit decord may hold the video, beyond it PyAV holds a frame."""
    side, size = 96, 96 * 128 * 3
    peaks = {}
    for name, count in (("short", 20), ("medium", 1600), ("long", 2400)):
        assert (count * size > decoding.DECORD_BYTES) == (name == "long")
        (tmp_path / name / "videos").mkdir(parents=True)
        saved(tmp_path / name / "videos", standin.encode(pictures(count), RATE))
        done = extract(tmp_path / name / "videos", ["x.avi"], tmp_path / name, short_side=side, workers=1)
        assert done.frames == count
        peaks[name] = done.peak_worker_bytes
    assert peaks["medium"] - peaks["short"] < decoding.DECORD_BYTES + 8 * 2**20
    assert peaks["long"] - peaks["short"] < 8 * 2**20 < 2400 * size / 8
