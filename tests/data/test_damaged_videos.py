"""Videos that are damaged in the middle or lack a part, by kind of container: none is counted wrong in silence.

And as many that are not damaged, though their frames come late, unevenly or with a pause: these are whole.
"""

import csv
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.encoded import KINDS, encode
from data.extracted import Extraction, extracted
from reeltrace.data.decoding import DecodingError, pyav_frames, read_header
from reeltrace.data.frames import extract

FRAMES = 60
STEADY = list(range(FRAMES))
NOTHING_TELLS = "nothing in it tells whether it is whole"


def zeroed(data: bytes) -> bytes:
    """Zeros in the middle third."""
    third = len(data) // 3
    return data[:third] + bytes(third) + data[2 * third :]


def without_the_middle(data: bytes) -> bytes:
    third = len(data) // 3
    return data[:third] + data[2 * third :]


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def zeroed_at_the_end(data: bytes) -> bytes:
    """As what a download that reserved its space and stopped leaves behind."""
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def without_the_last_byte(data: bytes) -> bytes:
    return data[:-1]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "zeroed": zeroed,
    "middle": without_the_middle,
    "half": half,
    "end": zeroed_at_the_end,
    "byte": without_the_last_byte,
}

# w: whole, without a word (but that nothing tells it); n: stored, with a note; b: broken. A live recording may end
# anywhere, the last byte of an AVI file may be padding, and that of an FLV file is no part of a frame.
TABLE = """
            zeroed  middle  half  end  byte
avi         b       b       b     b    w
mp4         b       b       b     b    n
faststart   b       b       b     b    n
fragments   b       b       b     b    b
pieces      b       b       b     b    b
mov         b       b       b     b    b
mkv         b       b       b     b    n
webm        b       b       b     b    n
ts          b       b       b     b    b
flv         b       b       b     b    w
wmv         b       b       b     b    n
gif         b       b       b     b    b
live        b       b       w     b    w
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]
VERDICTS = {(kind, damage): row[at] for kind, *row in ROWS for at, damage in enumerate(DAMAGES)}


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Extraction:
    root = tmp_path_factory.mktemp("damaged")
    (root / "videos").mkdir()
    for kind in KINDS:
        data = encode(root / kind, kind, FRAMES).read_bytes()
        for name, damage in DAMAGES.items():
            (root / "videos" / f"{kind}-{name}").write_bytes(damage(data))
    return extracted(root / "videos", root / "work")


def verdict(found: Extraction, video: str) -> str:
    if video in found.broken:
        return "b"
    return "w" if found.rows[video]["note"] in ("", NOTHING_TELLS) else "n"


def test_the_table_is_complete() -> None:
    assert {kind for kind, _ in VERDICTS} == set(KINDS)


@pytest.mark.parametrize(("kind", "damage"), VERDICTS)
def test_a_damaged_video_is_named(kind: str, damage: str, damaged: Extraction) -> None:
    video = f"{kind}-{damage}"
    said = damaged.broken.get(video) or damaged.rows[video]["note"]
    assert verdict(damaged, video) == VERDICTS[kind, damage], said
    if video in damaged.rows and kind != "live":
        assert int(damaged.rows[video]["frames"]) >= FRAMES - 1


@pytest.mark.parametrize(
    ("kind", "codec", "damage"),
    [("mxf", "mpeg2video", half), ("mxf", "mpeg2video", without_the_middle), ("rm", "rv10", zeroed_at_the_end)],
)
def test_a_container_that_states_its_duration_is_held_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, codec: str, damage: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setitem(KINDS, kind, (kind, codec, {}, 0))
    data = encode(tmp_path / "whole", kind, FRAMES).read_bytes()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "damaged").write_bytes(damage(data))
    found = extracted(tmp_path / "videos", tmp_path / "work")
    assert re.match(r"only \d\d of (59|60) frames are there", found.broken["damaged"])


# --- one kind of container at a time ---


def refused(path: Path, data: bytes) -> str:
    """Why a file with these bytes is broken."""
    path.write_bytes(data)
    with pytest.raises(DecodingError) as caught:
        read_header(path)
    return str(caught.value)


def boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, begin and end of each outermost box of an MP4 file."""
    place = 0
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        yield name, place, place + length
        place += length


def changed(data: bytes, name: bytes, offset: int, value: int) -> bytes:
    """The same bytes with another number of four bytes, `offset` behind the name of a box."""
    at = data.index(name) + 4 + offset
    return data[:at] + struct.pack(">I", value) + data[at + 4 :]


def test_an_avi_file_lacks_what_its_index_lists(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "avi")
    assert refused(path, zeroed(path.read_bytes())).endswith("of 60 frames are there")


def test_a_table_that_lists_fewer_frames_than_it_announces_is_damaged(tmp_path: Path) -> None:
    for kind in ("mp4", "faststart", "mov"):
        data = encode(tmp_path / "a.mp4", kind).read_bytes()
        said = refused(tmp_path / "a.mp4", changed(data, b"stsz", 8, 10))
        assert said == "only 10 of 60 frames are there"


def test_an_edit_list_that_leaves_out_what_the_duration_counts_is_damaged(tmp_path: Path) -> None:
    data = encode(tmp_path / "a.mp4", "mp4").read_bytes()
    said = refused(tmp_path / "a.mp4", changed(data, b"elst", 8, 160))  # of 2400 thousandths
    assert said.endswith("of 60 frames are there")


@pytest.mark.parametrize("kind", ["fragments", "pieces"])
def test_a_fragment_without_its_list_is_missed(tmp_path: Path, kind: str) -> None:
    path = encode(tmp_path / "a.mp4", kind)
    data = path.read_bytes()
    lists = [(begin, end) for name, begin, end in boxes(data) if name == b"moof"]
    assert len(lists) >= 4
    for begin, end in (lists[1], lists[-1]):
        # the places of the frames after it are counted from the beginning of the file: the last one is cut off, too;
        # where none comes after it, the bytes tell how many there were
        assert re.fullmatch("only 4[78] of (59|60) frames are there", refused(path, data[:begin] + data[end:]))
        assert re.fullmatch(
            "only 48 of (59|60) frames are there", refused(path, data[: begin + 4] + b"free" + data[begin + 8 :])
        )
        # a list of nothing: its frames are bytes that no list speaks of
        traf = data.index(b"traf", begin)
        assert "frames are there" in refused(path, data[:traf] + b"free" + data[traf + 4 :])


def test_a_gif_without_its_trailer_is_cut_off(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.gif", "gif")
    data = path.read_bytes()
    assert data[-1:] == b";"
    assert read_header(path).note(FRAMES) == ""
    path.write_bytes(data + b"\0\0behind")
    assert read_header(path).note(FRAMES) == ""
    assert refused(path, data[:-1]) == "cut off, and nothing in it tells how much is missing"
    assert refused(path, half(data)) == "cut off, and nothing in it tells how much is missing"
    early = data.index(b"\x21\xf9\x04", len(data) // 2)  # what FFmpeg passes by in silence: a trailer before its time
    said = refused(path, data[:early] + b";" + data[early + 1 :])
    assert said == "damaged inside, and nothing in it tells how much is missing"


def test_a_matroska_file_without_a_duration_says_where_its_segment_ends(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", "mkv")
    data = path.read_bytes().replace(bytes.fromhex("4489"), bytes.fromhex("ec89"), 1)
    data = data.replace(bytes.fromhex("ec8988"), bytes.fromhex("ec4008"), 1)  # no duration, but a void as long
    path.write_bytes(data)
    header = read_header(path)
    assert (header.packets, header.note(FRAMES)) == (FRAMES, "")
    assert refused(path, half(data)) == "cut off, and nothing in it tells how much is missing"


@pytest.mark.parametrize("kind", ["flv", "wmv"])
def test_a_part_that_is_skipped_in_silence_is_noted(tmp_path: Path, kind: str) -> None:
    """What is zeroed within a tag or a packet leaves their chain whole."""
    path = encode(tmp_path / "a", kind)
    data = path.read_bytes()
    notes = set()
    for at in range(len(data) * 4 // 10, len(data) * 6 // 10, len(data) // 50):
        path.write_bytes(data[:at] + bytes(40) + data[at + 40 :])
        try:
            header = read_header(path)
        except DecodingError:
            continue
        if header.packets < FRAMES:
            notes.add(header.note(header.packets))
    assert notes, "nothing was skipped"
    assert "" not in notes


def test_a_transport_stream_without_some_of_its_packets_is_missed(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", "ts")
    data = path.read_bytes()
    for lost in (29, 61):
        assert refused(path, data[: 188 * 60] + data[188 * (60 + lost) :]).endswith("of 60 frames are there")


def test_two_transport_streams_in_a_row_are_stored(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.ts", "ts")
    path.write_bytes(path.read_bytes() * 2)
    header = read_header(path)
    assert (header.packets, header.expected) == (2 * FRAMES - 1, 2 * FRAMES)  # the last one may go on
    assert "its packets do not follow one another" in header.note(header.packets)


# --- what is not damaged ---

TIMES: dict[str, dict[str, Any]] = {
    "late": {"first": 100},
    "early": {"first": -15},
    "uneven": {"times": [number * number // 8 + 3 * number for number in STEADY]},
    "pause": {"times": [number + (50 if number > 30 else 0) for number in STEADY]},
    "sound": {"audio": 5.0},
}


@pytest.mark.parametrize("how", TIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_video_with_uneven_times_is_whole(tmp_path: Path, kind: str, how: str) -> None:
    if how == "sound" and kind in ("gif", "wmv", "webm"):
        pytest.skip("holds no such sound")
    if how == "early" and kind in ("flv", "avi"):
        pytest.skip("takes no times before zero as they are")
    path = encode(tmp_path / "a", kind, FRAMES, **TIMES[how])
    frames = sum(1 for _ in pyav_frames(path, 24, 32))
    header = read_header(path)
    left_out = 15 if how == "early" and kind in ("mp4", "faststart", "mov") else 0  # by an edit list
    assert (frames, header.expected) == (FRAMES - left_out, FRAMES - left_out)
    header.check(frames)
    notes = {part for part in header.note(frames).split("; ") if part and part != NOTHING_TELLS}
    if kind == "avi":  # which counts the steps in time without a frame
        notes = {note for note in notes if not note.endswith("frames were announced")}
    if how == "pause" and kind in ("flv", "wmv", "live"):  # what looks like a pause may be a hole
        assert notes == {"it pauses, or lacks 50 frames"}
    else:
        assert notes == set()


# --- two decoders ---


def repeating_frames(path: Path, height: int, width: int) -> Iterator[Any]:
    """A decoder that gives the last frame twice."""
    frame = np.zeros((height, width, 3), np.uint8)
    for frame in pyav_frames(path, height, width):
        yield frame
    yield frame


def test_what_the_decoders_count_differently_is_named(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "work").mkdir()
    encode(tmp_path / "videos" / "a.avi", "avi", 20)
    decoders = {
        "repeating": "data.test_damaged_videos:repeating_frames",
        "pyav": "reeltrace.data.decoding:pyav_frames",
    }
    extract(tmp_path / "videos", ["a.avi"], tmp_path / "work", short_side=24, workers=1, decoders=decoders)
    with (tmp_path / "work" / "frames.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["frames"], row["decoder"], row["note"]) == ("20", "pyav", "repeating gives 21 frames")


@pytest.mark.parametrize(("kind", "kept"), [("avi", 91), ("mkv", 96), ("flv", 96)])
def test_a_video_that_lacks_a_frame_is_decoded_packet_by_packet(tmp_path: Path, kind: str, kept: int) -> None:
    """On what is damaged the decoders may differ by a frame; then one of them decides, with or without the other."""
    (tmp_path / "videos").mkdir()
    path = encode(tmp_path / "videos" / "a", kind)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * kept // 100])
    row = extracted(tmp_path / "videos", tmp_path / "work").rows["a"]
    assert int(row["frames"]) < int(row["expected"]) == FRAMES
    assert row["decoder"] == "pyav"
