"""Many shards: a store keeps few of them mapped, and reads the same whatever was mapped before."""

from pathlib import Path

import numpy as np
import pytest

from reeltrace.data import frame_store
from reeltrace.data.frame_store import FrameStore

SHARDS, FRAMES, HEIGHT, WIDTH = 40, 3, 4, 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One video per shard; every value tells its shard."""
    (tmp_path / "shards").mkdir()
    lines = ["video,shard,offset,frames,height,width,decoder,fps,note"]
    for number in range(SHARDS):
        pixels = np.full((FRAMES, HEIGHT, WIDTH, 3), number, np.uint8)
        (tmp_path / "shards" / f"{number:05d}.bin").write_bytes(pixels.tobytes())
        lines.append(f"{number}.avi,{number:05d}.bin,0,{FRAMES},{HEIGHT},{WIDTH},pyav,25.0,")
    (tmp_path / "frames.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def mapped(folder: Path) -> set[str]:
    """The shards that this process has mapped now, as the kernel tells."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.rsplit("/", 1)[1] for line in lines if str(folder) in line}


def test_few_shards_are_mapped_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "MOST_MAPS", 5)
    store = FrameStore.open(folder)
    assert mapped(folder) == set()
    order = np.random.default_rng(0).integers(0, SHARDS, 400)
    for video in order:
        clip = store.read(int(video), np.arange(FRAMES), 1, 2, 2, 3)
        assert clip.shape == (FRAMES, 2, 3, 3)
        assert (clip == video).all()
        assert 1 <= len(mapped(folder)) <= 5
    for video in (1, 2, 3, 4, 5, 1, 6):  # 2 is the one that was not read for longest
        store.read(video, np.arange(1), 0, 0, 1, 1)
    assert mapped(folder) == {f"{number:05d}.bin" for number in (3, 4, 5, 1, 6)}


def test_the_limit_leaves_room_for_other_files() -> None:
    assert frame_store.MOST_MAPS <= 512  # half of what a process may have open where nothing else is set
