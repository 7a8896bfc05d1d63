"""Whether a video is whole, how it is shown, and what is no video: the verdicts, whoever decodes."""

import contextlib
import re
import struct
from math import ceil
from pathlib import Path

import numpy as np
import pytest

from data.encoded import HEIGHT, KINDS, WIDTH, encode, encode_song, pictures
from data.extracted import Extraction, extracted
from reeltrace.data import containers, decoding
from reeltrace.data.decoding import TOLERANCE, DecodingError, pyav_frames, read_header
from reeltrace.data.frames import DECODERS

FRAMES = 60
KEPT = (2, 10, 25, 40, 50, 65, 80, 87, 91, 94, 96, 98, 100)  # hundredths of a file
REAL = Path(__file__).parents[2].parent / "shared" / "videos"


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> tuple[Extraction, Extraction]:
    """Videos of every kind of container, whole and cut off at many places: read by both decoders, and by PyAV alone."""
    root = tmp_path_factory.mktemp("cut")
    (root / "videos").mkdir()
    for kind in KINDS:
        data = encode(root / f"whole.{kind}.mp4", kind, FRAMES, audio=1.0 if kind == "mkv" else 0.0).read_bytes()
        for kept in KEPT:
            (root / "videos" / f"{kind}-{kept:03d}").write_bytes(data[: len(data) * kept // 100])
    both = extracted(root / "videos", root / "both")
    return both, extracted(root / "videos", root / "alone", decoders={"pyav": DECODERS["pyav"]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_video_is_stored_whole(kind: str, cut: tuple[Extraction, Extraction]) -> None:
    row = cut[0].rows[f"{kind}-100"]
    assert (row["frames"], row["expected"]) == (str(FRAMES), str(FRAMES))
    # a transport stream and a live recording have nothing that tells their length
    assert row["note"] == ("nothing in it tells whether it is whole" if kind in ("ts", "live") else "")


@pytest.mark.parametrize("kept", KEPT[:-1])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "live"])
def test_a_video_that_was_cut_off_does_not_pass_as_whole(
    kind: str, kept: int, cut: tuple[Extraction, Extraction]
) -> None:
    both, _ = cut
    name = f"{kind}-{kept:03d}"
    if kept < (80 if kind == "wmv" else 90):  # which has an index at its end
        assert name in both.broken
    if name in both.broken:
        return
    row = both.rows[name]
    frames, expected = int(row["frames"]), int(row["expected"])
    assert frames >= FRAMES - ceil(TOLERANCE * FRAMES)
    if expected < FRAMES:  # of what states a duration only, the last frames are within what times are rounded to
        assert kind in ("mkv", "webm", "flv", "wmv")
        assert frames >= FRAMES - 2
    said = row["note"].split("; ")
    assert "its end is cut off" in said
    if frames < expected:
        assert said[0] in (f"{FRAMES} frames were announced", f"{expected} frames were expected")
    # No frame is half there. Where the file ends, one may lack some that are shown before it.
    shown, whole = both.frames(name), both.frames(f"{kind}-100")
    apart = np.abs(shown[:, None] - whole[None]).max(axis=(2, 3, 4))  # (frames, FRAMES)
    if kind == "wmv":  # whose packets do not tell that they are cut off
        apart = apart[:-1]
    assert apart.min(axis=1).max() <= decoding.MOST_DIFFERENCE
    assert (np.diff(apart.argmin(axis=1)) > 0).all()


@pytest.mark.parametrize("kind", ["avi", "faststart", "mkv", "webm", "flv"])
def test_what_remains_of_a_cut_video_is_counted_against_what_it_promised(
    kind: str, cut: tuple[Extraction, Extraction]
) -> None:
    both, _ = cut
    for kept in (50, 65, 80):
        said = re.fullmatch(r"only (\d+) of (\d+) frames are there", both.broken[f"{kind}-{kept:03d}"])
        assert said is not None
        assert 0 < int(said[1]) < FRAMES - TOLERANCE * FRAMES
        assert int(said[2]) == FRAMES
    for kind in ("ts", "fragments"):
        assert both.broken[f"{kind}-080"] == "cut off, and nothing in it tells how much is missing"


def test_a_recording_without_a_length_says_so(cut: tuple[Extraction, Extraction]) -> None:
    row = cut[0].rows["live-080"]
    assert 0 < int(row["frames"]) < FRAMES
    assert row["note"] == "nothing in it tells whether it is whole"


def test_the_verdict_does_not_depend_on_who_decodes(cut: tuple[Extraction, Extraction]) -> None:
    both, alone = cut
    assert both.broken.keys() == alone.broken.keys()
    assert both.about["decoders"]["decord"] > 8
    for name, row in both.rows.items():
        assert {**row, "decoder": ""} == {**alone.rows[name], "decoder": ""}
        assert np.abs(both.frames(name) - alone.frames(name)).max() <= decoding.MOST_DIFFERENCE


def test_what_is_missing_is_counted_and_the_tolerance_stated(cut: tuple[Extraction, Extraction]) -> None:
    both, _ = cut
    short = [name for name, row in both.rows.items() if int(row["frames"]) < int(row["expected"])]
    assert len(short) > 5
    assert (both.about["short"], both.about["tolerance"], both.about["schema"]) == (len(short), TOLERANCE, 2)


@pytest.mark.parametrize(
    ("expected", "packets", "empty", "frames", "fine"),
    [
        (60, 60, 0, 60, True),
        (60, 54, 0, 54, True),
        (60, 53, 0, 53, False),
        (60, 60, 0, 54, True),
        (60, 60, 0, 53, False),
        (60, 57, 0, 54, True),
        (60, 57, 0, 53, False),  # three were cut off and four cannot be decoded
        (60, 60, 30, 30, True),  # half of the packets say: once more
        (60, 50, 30, 50, False),  # which does not make up for those that are missing
        (1, 1, 0, 1, True),
        (11, 9, 0, 9, True),  # rounded up to whole frames
        (11, 8, 0, 8, False),
    ],
)
def test_a_tenth_may_be_missing(expected: int, packets: int, empty: int, frames: int, fine: bool) -> None:
    header = decoding.Header(HEIGHT, WIDTH, 25.0, 0, packets, empty, expected, "", "", True)
    if fine:
        header.check(frames)
    else:
        with pytest.raises(DecodingError, match=f"only {frames} of {expected} frames are there"):
            header.check(frames)


def test_sound_that_is_longer_than_the_pictures_is_no_fault(tmp_path: Path) -> None:
    for kind in ("mkv", "flv"):
        header = read_header(encode(tmp_path / kind, kind, 30, audio=3.0))
        assert (header.packets, header.expected) == (30, 30)


def test_frames_that_an_edit_list_leaves_out_are_not_stored(tmp_path: Path) -> None:
    """decord fills them up with the last frame; PyAV does not give them."""
    (tmp_path / "videos").mkdir()
    encode(tmp_path / "videos" / "a.mp4", "mp4", 60, first=-15)
    found = extracted(tmp_path / "videos", tmp_path / "work")
    row = found.rows["a.mp4"]
    assert (row["frames"], row["expected"], row["decoder"], row["note"]) == ("45", "45", "pyav", "")
    assert len(np.unique(found.frames("a.mp4").reshape(45, -1), axis=0)) == 45


# --- containers ---


def test_the_end_of_an_avi_file(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.avi", "avi").read_bytes()
    index = data.index(b"idx1")
    ends = {
        len(data): containers.End.INDEXED,
        len(data) - containers._SLACK: containers.End.INDEXED,
        len(data) - containers._SLACK - 1: containers.End.MISSING,
        index: containers.End.MISSING,
        20: containers.End.MISSING,
        4: containers.End.UNKNOWN,
    }
    for size, end in ends.items():
        (tmp_path / "a.avi").write_bytes(data[:size])
        assert containers.outline_of(tmp_path / "a.avi", "avi").end is end
    (tmp_path / "a.avi").write_bytes(data[:4] + struct.pack("<I", index - 8) + data[8:index])
    assert containers.outline_of(tmp_path / "a.avi", "avi").end is containers.End.THERE  # whole, without an index
    (tmp_path / "a.avi").write_bytes(data[:4] + bytes(4) + data[8:])
    assert (
        containers.outline_of(tmp_path / "a.avi", "avi").end is containers.End.UNKNOWN
    )  # a recording that was not finished
    (tmp_path / "a.avi").write_bytes(data + b"behind the video")
    assert containers.outline_of(tmp_path / "a.avi", "avi").end is containers.End.INDEXED


def test_the_end_of_an_mp4_file(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "fragments")
    data = path.read_bytes()
    assert containers.outline_of(path, "mov,mp4,m4a").end is containers.End.THERE
    for size in (len(data) - 1, len(data) - 3, len(data) // 2, 30):
        path.write_bytes(data[:size])
        assert containers.outline_of(path, "mov,mp4,m4a").end is containers.End.MISSING
    path.write_bytes(data + struct.pack(">I4sQ", 1, b"free", 16))
    assert containers.outline_of(path, "mov,mp4,m4a").end is containers.End.THERE
    path.write_bytes(data + struct.pack(">I4sQ", 1, b"free", 17))
    assert containers.outline_of(path, "mov,mp4,m4a").end is containers.End.MISSING
    path.write_bytes(data + struct.pack(">I4s", 0, b"mdat") + b"up to the end")
    assert containers.outline_of(path, "mov,mp4,m4a").end is containers.End.UNKNOWN


def test_the_end_of_a_transport_stream(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", "ts")
    data = path.read_bytes()
    packets = [data[start : start + 188] for start in range(0, len(data), 188)]
    for kind, pieces in (
        ("plain", packets),
        ("stamped", [b"time" + packet for packet in packets]),
        ("corrected", [packet + bytes(16) for packet in packets]),
    ):
        for lost, end in ((0, containers.End.UNKNOWN), (1, containers.End.MISSING), (100, containers.End.MISSING)):
            whole = b"".join(pieces)
            path.write_bytes(whole[: len(whole) - lost])
            assert containers.outline_of(path, "mpegts").end is end, kind


def test_a_transport_stream_out_of_step_is_cut(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", "ts")
    data = path.read_bytes()
    middle = len(data) // 2
    for changed in (data[:middle] + data[middle + 1 :], data[:middle] + b"?" + data[middle:], data[:188], data[:500]):
        path.write_bytes(changed + bytes(-len(changed) % 188 if len(changed) > 1000 else 0))
        assert containers.outline_of(path, "mpegts").end is containers.End.MISSING


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mpeg4"])
def test_a_transport_stream_cut_between_two_packets_does_not_end_in_half_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    """Cut behind each packet: where it passes, its last picture is whole."""
    monkeypatch.setitem(KINDS, "ts", ("mpegts", codec, {}, 0))
    path = encode(tmp_path / "a.ts", "ts", 20)
    data = path.read_bytes()
    video = [at for at in range(0, len(data), 188) if (data[at + 1] & 0x1F, data[at + 2]) == (1, 0)]
    begins = [at for at in video if data[at + 1] & 0x40]
    assert read_header(path).packets == 20
    passed = set()
    for size in range(188, len(data), 188):
        path.write_bytes(data[:size])
        with contextlib.suppress(DecodingError):
            passed.add(read_header(path).packets)
            assert next((at for at in video if at >= size), begins[0]) in begins, size
    assert len(passed) >= 18


# --- how a video is shown ---


def matrix(path: Path, *values: int) -> Path:
    """The same MP4 file with another display matrix: a, b, c, d in quarters."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    a, b, c, d = (value << 14 for value in values)
    data[start : start + 20] = struct.pack(">5i", a, b, 0, c, d)
    changed = path.with_name(f"{'_'.join(map(str, values))}.mp4")
    changed.write_bytes(data)
    return changed


def test_a_turned_or_mirrored_video_is_stored_as_it_is_shown(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    plain = encode(videos / "plain.mp4", "mp4", 20)
    upright = np.stack(list(pyav_frames(plain, HEIGHT, WIDTH))).astype(int)  # (T, H, W, 3)
    turned = {
        (0, 4, -4, 0): ("turned by 90 degrees", np.rot90(upright, -1, (1, 2))),
        (-4, 0, 0, -4): ("turned by 180 degrees", np.rot90(upright, 2, (1, 2))),
        (0, -4, 4, 0): ("turned by 270 degrees", np.rot90(upright, 1, (1, 2))),
        (-4, 0, 0, 4): ("mirrored", upright[:, :, ::-1]),
        (4, 0, 0, -4): ("mirrored", upright[:, ::-1]),
        (0, 4, 4, 0): ("mirrored and turned", upright.transpose(0, 2, 1, 3)),
        (0, -4, -4, 0): ("mirrored and turned", np.rot90(upright, 2, (1, 2)).transpose(0, 2, 1, 3)),
        (3, 3, -3, 3): ("its rotation is no quarter turn and was not applied", upright),
    }
    names = {values: matrix(plain, *values).name for values in turned}
    found = extracted(videos, tmp_path / "work", short_side=HEIGHT)
    assert found.broken == {}
    assert found.rows["plain.mp4"]["note"] == ""
    for values, (note, frames) in turned.items():
        assert found.rows[names[values]]["note"] == note
        assert np.array_equal(found.frames(names[values]), frames), note


@pytest.mark.parametrize(("degrees", "size"), [(90, (WIDTH, HEIGHT)), (180, (HEIGHT, WIDTH)), (270, (WIDTH, HEIGHT))])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_the_size_is_that_of_the_frame_as_it_is_shown(
    tmp_path: Path, kind: str, degrees: int, size: tuple[int, int]
) -> None:
    header = read_header(encode(tmp_path / "a", kind, 4, turned=degrees))
    assert (header.height, header.width) == size
    assert header.turned == f"turned by {degrees} degrees"


# --- what is no video ---


@pytest.mark.parametrize(("kind", "codec"), [("mp3", "libmp3lame"), ("flac", "flac"), ("mp4", "aac")])
def test_a_cover_in_a_file_of_sound_is_no_video(tmp_path: Path, kind: str, codec: str) -> None:
    with pytest.raises(DecodingError, match="holds a still picture, no video"):
        read_header(encode_song(tmp_path / "a.avi", kind, codec))
    with pytest.raises(DecodingError, match="holds a still picture, no video"):
        list(pyav_frames(tmp_path / "a.avi", 48, 64))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("name", ["a.avi", "a.jpg"])
def test_a_picture_is_no_video(tmp_path: Path, kind: str, name: str) -> None:
    from PIL import Image

    with (tmp_path / name).open("wb") as file:
        Image.fromarray(next(pictures(1))).save(file, format=kind)
    with pytest.raises(DecodingError, match="holds a still picture, no video"):
        read_header(tmp_path / name)


@pytest.mark.parametrize(
    ("size", "fine"), [((32, 256), True), ((256, 32), True), ((32, 260), False), ((260, 32), False)]
)
def test_a_strip_is_no_video(tmp_path: Path, size: tuple[int, int], fine: bool) -> None:
    path = encode(tmp_path / "a.mp4", "mp4", 4, size=size)
    if fine:
        assert (read_header(path).height, read_header(path).width) == size
    else:
        with pytest.raises(DecodingError, match="one side is more than 8 times the other"):
            read_header(path)


# --- real videos ---


def real(folder: Path, *names: str) -> Path:
    """A folder with links to real videos. Skips the test where they are not at hand."""
    videos = folder / "videos"
    videos.mkdir()
    for name in names:
        if not (REAL / name).is_file():
            pytest.skip(f"../shared/videos/{name} is not here")
        (videos / name).symlink_to(REAL / name)
    return videos


def test_real_videos_are_stored_whole(tmp_path: Path) -> None:
    """One as UCF-101 has them, one as Kinetics has them, one whose container counts no frames."""
    sizes = {
        "ucf101-like-mpeg4.avi": (164, 48, 64),
        "kinetics-like-h264.mp4": (280, 48, 64),
        "flipping_a_pancake.mkv": (310, 48, 86),
    }
    videos = real(tmp_path, *sizes)
    found = extracted(videos, tmp_path / "both")
    alone = extracted(videos, tmp_path / "alone", decoders={"pyav": DECODERS["pyav"]})
    assert found.broken == alone.broken == {}
    for name, size in sizes.items():
        row = found.rows[name]
        assert (int(row["frames"]), int(row["height"]), int(row["width"]), row["note"]) == (*size, "")
        assert row["expected"] == row["frames"]
        assert np.abs(found.frames(name) - alone.frames(name)).max() <= decoding.MOST_DIFFERENCE


def test_a_real_video_that_is_damaged_is_never_counted_wrong_in_silence(tmp_path: Path) -> None:
    """decord announces 50 frames and gives up on the way; FFmpeg refuses one of the packets."""
    videos = real(tmp_path, "corrupted.mp4")
    for name, decoders in (("both", DECODERS), ("alone", {"pyav": DECODERS["pyav"]})):
        row = extracted(videos, tmp_path / name, decoders=decoders).rows["corrupted.mp4"]
        assert (row["frames"], row["expected"], row["decoder"]) == ("49", "50", "pyav")
        assert row["note"] == "50 frames were announced"


@pytest.mark.parametrize("kept", [30, 60, 85])
@pytest.mark.parametrize("name", ["ucf101-like-mpeg4.avi", "flipping_a_pancake.mkv", "kinetics-like-h264.mp4"])
def test_a_real_video_that_was_cut_off_is_broken(tmp_path: Path, name: str, kept: int) -> None:
    data = (real(tmp_path, name) / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * kept // 100])
    with pytest.raises(DecodingError) as caught:
        read_header(tmp_path / name)
    if name != "kinetics-like-h264.mp4":  # whose list of frames stands at its end
        whole = 164 if name.startswith("ucf101") else 311  # its sound is a little longer than its 310 frames
        assert f"of {whole} frames are there" in str(caught.value)


def test_a_stream_that_begins_in_the_middle_is_named(tmp_path: Path) -> None:
    """One damaged byte of a packet's address is enough; PyAV ends in an IndexError there."""
    path = encode(tmp_path / "a.ts", "ts", 60)
    data = bytearray(path.read_bytes())
    begins = [at for at in range(0, len(data), 188) if (data[at + 1] & 0x5F, data[at + 2]) == (0x41, 0)]
    assert len(begins) > 50  # packets in which a picture begins
    data[begins[len(begins) // 2] + 2] = 0x80
    path.write_bytes(data)
    with pytest.raises(DecodingError, match="a stream that its beginning does not announce"):
        read_header(path)


@pytest.mark.parametrize("kind", ["mkv", "webm", "flv"])
def test_a_hole_in_the_middle_is_missed(tmp_path: Path, kind: str) -> None:
    """The last frame is there, and says nothing of those that are not."""
    path = encode(tmp_path / f"a.{kind}", kind, 60)
    assert read_header(path).expected == 60
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + data[2 * len(data) // 3 :])
    with pytest.raises(DecodingError, match=r"only \d+ of (59|60|61) frames are there"):
        read_header(path)


def test_gaps_are_counted_where_the_rate_is_steady() -> None:
    steady = [round(number / 30, 3) for number in range(60)]
    assert decoding._left_out(steady) == 0
    assert decoding._left_out(steady[:20] + steady[37:]) == 17
    jittering = [number / 30 + 0.01 * (number % 3) for number in range(60)]
    assert decoding._left_out(jittering[:20] + jittering[37:]) is None
    assert decoding._left_out(steady[:5]) is None
