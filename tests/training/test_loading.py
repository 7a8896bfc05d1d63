"""Batches on their way to the trainer: own memory, few bytes, and room for them on the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reeltrace.data.clips import open_videos
from reeltrace.data.features import open_video_features
from reeltrace.data.frame_store import FrameStore
from reeltrace.data.sequences import open_sequences
from reeltrace.data.store import CHANNELS, ClipStore
from reeltrace.errors import UserError
from reeltrace.models.float32 import tf32_in_use, use_tf32
from reeltrace.registry.datasets import VideoView
from reeltrace.registry.specs import FrameView, TrainSpec
from reeltrace.training import loading, loop
from reeltrace.training.evaluation import Clips, evaluate, to_input
from reeltrace.training.loading import Loader, read_ahead
from training.test_video_stage import VIEW, make

SpecOf = Callable[..., TrainSpec]
KINDS = ("moving digits", "videos", "videos resized", "sequences", "features", "pooled features")
MB = 10**6


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("sets")
    made = make(root)
    folders = made["data/tiny"], made["frames/tiny"]
    frames = int(FrameStore.open(made["frames/tiny"]).counts.sum())
    (root / "features").mkdir()
    np.save(root / "features" / "block4.npy", np.random.default_rng(0).random((frames, 6)).astype(np.float16))
    view = VideoView.model_validate(VIEW)
    small = VideoView.model_validate({**VIEW, "clip": {**VIEW["clip"], "size": 9}})
    return {
        "videos": open_videos(view, *folders)[0],
        "videos resized": open_videos(small, *folders)[0],
        "sequences": open_sequences(view, FrameView(frames=2, every=2), *folders)[0],
        "features": open_video_features(view, "block4", False, *folders, root / "features")[0],
        "pooled features": open_video_features(view, "block4", True, *folders, root / "features")[0],
    }


@pytest.fixture
def clips_of(sets: dict[str, Any], datasets: dict[str, Path]) -> Callable[[str], Clips]:
    return lambda kind: ClipStore.open(datasets["direction"], "train") if kind == "moving digits" else sets[kind]


def pinned(batch: torch.Tensor) -> torch.Tensor:
    """What `pin_memory` does on a GPU: memory of the same sizes and strides, which is then written to."""
    return torch.empty_strided(batch.shape, batch.stride(), dtype=batch.dtype).copy_(batch)


@pytest.mark.parametrize(
    ("kind", "augment"),
    [*((kind, None) for kind in KINDS), *((kind, how) for kind in KINDS[:4] for how in ("treverse", "rotate"))],
)
def test_batches_own_their_memory(
    kind: str, augment: str | None, clips_of: Callable[[str], Clips], spec_of: SpecOf
) -> None:
    clips = clips_of(kind)
    change = None if augment is None else {"kind": augment, "probability": 0.5}
    seen: list[list[torch.Tensor]] = []
    for loaders in (0, 2):
        loader = Loader(spec_of(augment=change, protocol={"batch_size": 5}, device={"loaders": loaders}), clips)
        for epoch in (1, 1):
            batches = [batch for batch, _ in loader.epoch(epoch)]
            assert sum(map(len, batches)) == len(clips)
            assert all(torch.equal(pinned(batch), batch) for batch in batches)
            seen.append([batch.clone() for batch in batches])
            for batch in batches:
                batch.fill_(0)  # whoever writes into a batch writes into no other, and not into the set
    assert all(torch.equal(a, b) for other in seen[1:] for a, b in zip(seen[0], other, strict=True))
    assert any(batch.any() for batch in seen[0])


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_the_same_however_many_are_read_in_a_row(
    kind: str, clips_of: Callable[[str], Clips], spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips, spec = clips_of(kind), spec_of(protocol={"batch_size": 3})
    seen = []
    for batches in (0, 1, 2, 1000):
        monkeypatch.setattr(loading, "AT_ONCE", batches * 3 * clips.clip_bytes)
        seen.append(list(Loader(spec, clips).epoch(1)))
    assert len(seen[0]) > 2
    for other in seen[1:]:
        for (one, its_labels), (two, labels) in zip(seen[0], other, strict=True):
            assert torch.equal(one, two) and torch.equal(its_labels, labels)


def test_an_expanded_clip_is_what_pinning_refuses(datasets: dict[str, Path]) -> None:
    with pytest.raises(RuntimeError, match="single memory location"):
        pinned(ClipStore.open(datasets["direction"], "train").batch([0, 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_as_small_as_the_set_says(kind: str, clips_of: Callable[[str], Clips], spec_of: SpecOf) -> None:
    clips = clips_of(kind)
    loader = Loader(spec_of(protocol={"batch_size": len(clips)}), clips)
    ((batch, labels),) = loader.epoch(1)
    assert batch.untyped_storage().nbytes() == clips.clip_bytes * len(clips)
    assert len(labels) == len(clips)


def test_a_net_sees_a_grey_channel_three_times(datasets: dict[str, Path]) -> None:
    clips = ClipStore.open(datasets["direction"], "train")
    three = clips.batch([0, 1, 2])
    assert torch.equal(to_input(three[:, :1], clips), to_input(three, clips))
    assert to_input(three[:, :1], clips).shape[1] == CHANNELS

    class Normalised:
        normalise = ((0.1, 0.2, 0.3), (0.5, 0.6, 0.7))

    x = to_input(three[:, :1], Normalised())  # type: ignore[arg-type]
    expected = [(three[:, 0] / 255 - mean) / std for mean, std in zip(*Normalised.normalise, strict=True)]
    assert torch.allclose(x, torch.stack(expected, 1), atol=1e-6)


# --- memory


@pytest.mark.parametrize(
    ("loaders", "batch", "free", "expected"),
    [
        (4, 38 * MB, None, (4, 4)),
        (4, 38 * MB, 17 * 38 * MB, (4, 4)),
        (4, 38 * MB, 17 * 38 * MB - 1, (4, 3)),
        (4, 38 * MB, 5 * 38 * MB, (4, 1)),
        (4, 38 * MB, 4 * 38 * MB, (3, 1)),
        (4, 38 * MB, 64 * MB, (0, 1)),
        (4, 1, 10**9, (4, 4)),
        (0, 38 * MB, 0, (0, 4)),
    ],
)
def test_as_many_batches_are_read_ahead_as_memory_holds(
    loaders: int, batch: int, free: int | None, expected: tuple[int, int]
) -> None:
    found = read_ahead(loaders, batch, free)
    assert found == expected
    if free is not None and found[0]:
        assert (found[0] * found[1] + 1) * batch <= free


def fake_memory(monkeypatch: pytest.MonkeyPatch, memory: int | None, shared: int) -> None:
    status = os.statvfs("/")
    values = [*status[:2], shared // 4096, shared // 4096, shared // 4096, *status[5:]]
    fake = os.statvfs_result([4096, 4096, *values[2:]])
    monkeypatch.setattr(os, "statvfs", lambda path: fake)
    monkeypatch.setattr(loading, "available_memory", lambda: memory)


def test_a_container_with_little_shared_memory_is_no_hindrance_or_is_told(
    sets: dict[str, Any], spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loading, "processors", lambda: 2)
    clips, spec = sets["videos"], spec_of(protocol={"batch_size": 4}, device={"loaders": 2})
    batch = 4 * 3 * 7 * 15 * 15
    fake_memory(monkeypatch, memory=10**9, shared=4096)
    assert loading._plan(spec, clips, anonymous=True) == (2, loading.READ_AHEAD)
    assert capsys.readouterr().err == ""

    fake_memory(monkeypatch, memory=10**9, shared=2 * 4 * batch // 4096 * 4096)
    assert loading._plan(spec, clips, anonymous=False) == (2, 1)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "2 loaders with 4 batches of 0.0 MB each want 0.2 MB of shared memory in /dev/shm" in said
    assert "2 with 1 each" in said
    assert "--shm-size" in said

    fake_memory(monkeypatch, memory=3 * batch, shared=10**9)
    assert loading._plan(spec, clips, anonymous=True)[0] == 0
    said = capsys.readouterr().err
    assert "the trainer reads each batch itself" in said
    assert "device.loaders" in said
    assert "free some memory" in said
    fake_memory(monkeypatch, memory=None, shared=10**9)
    assert loading._plan(spec, clips, anonymous=True) == (2, loading.READ_AHEAD)


def test_more_loaders_than_processors_are_told_in_one_line(
    sets: dict[str, Any], spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loading, "processors", lambda: 2)
    spec = spec_of(protocol={"batch_size": 4}, device={"loaders": 64})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        Loader(spec, sets["videos"])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "device.loaders in params.yaml asks for 64 processes, this one may use 2 processors" in said


SMALL = """
import sys
from pathlib import Path
import numpy as np
from reeltrace.data.store import ClipStore
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import loading

spec, anonymous = TrainSpec.model_validate_json(sys.argv[1]), sys.argv[2] == "anonymous"
pixels = np.random.default_rng(0).integers(0, 255, (40, 8, 100, 100), dtype=np.uint8)  # 0.08 MB each
clips = ClipStore(Path("."), "train", pixels, np.zeros(40, dtype=np.int64), ("a",))
if not anonymous:
    loading._anonymous = lambda: False
loader = loading.Loader(spec, clips)
total = 0
for epoch in (1, 2):
    total += sum(int(batch.sum(dtype=__import__("torch").int64)) for batch, _ in loader.epoch(epoch))
assert total == 2 * int(pixels.sum(dtype=np.int64))
print("read all")
"""


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounts need root and unshare")
@pytest.mark.parametrize("how", ["anonymous", "named"])
def test_batches_pass_through_a_small_dev_shm(how: str, spec_of: SpecOf) -> None:
    """A /dev/shm of 1 MB in a mount namespace of its own; 2 loaders with 4 batches of 0.32 MB each want 2.9."""
    mounting = "mount -t tmpfs -o size=1m tmpfs /dev/shm"
    if subprocess.run(["unshare", "-m", "sh", "-c", mounting], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a process mount")
    spec = spec_of(protocol={"batch_size": 4}, device={"loaders": 2})
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{mounting} && exec "$@"', "sh", sys.executable, "-c", SMALL,
         spec.model_dump_json(), how],
        env={**os.environ, "PYTHONPATH": str(Path(loading.__file__).parents[2])},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "read all\n", done.stderr
    assert ("--shm-size" in done.stderr) == (how == "named")


def test_a_loader_process_that_ends_is_told_in_one_line(
    sets: dict[str, Any], spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = sets["videos"]
    monkeypatch.setattr(type(clips), "draw", lambda *_: os._exit(7))
    with pytest.raises(
        UserError, match=r"run tiny-s0: a process that reads clips ended .* lower device.loaders"
    ) as told:
        list(Loader(spec_of(device={"loaders": 1}), clips).epoch(1))
    assert "\n" not in str(told.value)


# --- what holds on a GPU


@pytest.fixture
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(loop.WORKSPACE, raising=False)
    mode = torch.get_deterministic_debug_mode()
    before = tf32_in_use()
    yield
    torch.set_deterministic_debug_mode(mode)
    use_tf32(**before)


@pytest.mark.usefixtures("_as_before")
def test_a_gpu_is_strict_and_computes_float32_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tf32_in_use()["convolutions"], "what torch does on its own"
    torch.set_deterministic_debug_mode("default")
    loop.make_repeatable(torch.device("cuda"), 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    assert os.environ[loop.WORKSPACE] == ":4096:8"
    assert tf32_in_use() == {"convolutions": False, "matrix_products": False}
    monkeypatch.setenv(loop.WORKSPACE, ":16:8")
    loop.make_repeatable(torch.device("cuda"), 1)
    monkeypatch.setenv(loop.WORKSPACE, ":0:0")
    with pytest.raises(UserError, match=r"CUBLAS_WORKSPACE_CONFIG is ':0:0' .* unset it"):
        loop.make_repeatable(torch.device("cuda"), 1)
    loop.make_repeatable(torch.device("cpu"), 1)


@pytest.mark.usefixtures("_as_before")
def test_evaluation_uses_no_tf32_whatever_training_did(datasets: dict[str, Path]) -> None:
    clips = ClipStore.open(datasets["direction"], "test")
    use_tf32(convolutions=True, matrix_products=True)
    seen = []

    class Watching(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(tf32_in_use())
            return super().forward(x.mean((2, 3, 4)))

    evaluate(Watching(3, 4), clips, ["original"])
    assert seen == [{"convolutions": False, "matrix_products": False}]
    assert tf32_in_use() == {"convolutions": True, "matrix_products": True}


def test_being_repeatable_does_not_import_torchs_compiler() -> None:
    """It takes a second or more, in each process that trains."""
    script = (
        "import sys, torch\nfrom reeltrace.training import loop\nloop.make_repeatable(torch.device('cpu'), 1)\n"
        "assert torch.are_deterministic_algorithms_enabled()\nprint('torch._inductor' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(loop.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
