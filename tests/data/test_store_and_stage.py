"""The stage `data` writes what the store reads; the store refuses what does not fit together."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reeltrace.data import images_stage, mnist, moving_digits_stage
from reeltrace.data.pool import Pool
from reeltrace.data.store import ClipStore, to_float
from reeltrace.errors import UserError
from reeltrace.kinds.datasets.images import ImagesSpec
from reeltrace.kinds.datasets.moving_digits import ImageSplit, MovingDigitsSpec, Videos


def moving(task: str = "direction", **changes: object) -> MovingDigitsSpec:
    values: dict[str, object] = {
        "stage": "data",
        "key": "directions",
        "scale": "smoke",
        "kind": "moving-digits",
        "images": "digits",
        "task": task,
        "stand_in": None,
        "frames": 6,
        "size": 16,
        "digit_size": 8,
        "speed": (0.7, 1.5),
        "videos": Videos(train=21, validation=8, test=10),
        "image_split": ImageSplit(train=0.6, validation=0.1, test=0.3),
        "seed": 1,
    }
    return MovingDigitsSpec.model_validate({**values, **changes})


def images(source: str) -> ImagesSpec:
    return ImagesSpec.model_validate(
        {"stage": "data", "key": "digits", "scale": "smoke", "kind": "images", "source": source}
    )


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert images_stage.run(images("sklearn-digits"), {}, folder) == {"served": "scikit-learn"}
    return folder


@pytest.fixture(scope="module", params=["direction", "digit"])
def dataset(request, pool, tmp_path_factory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    assert moving_digits_stage.run(moving(request.param), {"data/digits": pool}, folder) == {}
    return request.param, folder


# --- stage ---


def test_pool_of_images(pool):
    assert set(hashes(pool)) == {"images.npy", "labels.npy", "about.json"}
    pixels, labels = moving_digits_stage.load_pool(pool)
    assert pixels.shape == (1797, 8, 8)
    assert pixels.dtype == labels.dtype == np.uint8
    about = json.loads((pool / "about.json").read_text())
    assert about["count"] == sum(about["counts"].values()) == 1797
    assert about["images_sha256"] == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert about["labels_sha256"] == hashlib.sha256(labels.tobytes()).hexdigest()
    assert "scikit-learn" in about["source"]


def test_two_runs_are_byte_identical_even_over_a_killed_one(pool, dataset, tmp_path):
    task, first = dataset
    (tmp_path / "clips-train.npy").write_bytes(b"half written")
    moving_digits_stage.run(moving(task), {"data/digits": pool}, tmp_path)
    assert hashes(tmp_path) == hashes(first)


def test_what_is_said_of_the_clips_is_so(pool, dataset):
    task, folder = dataset
    about = json.loads((folder / "about.json").read_text())
    spec = moving(task)
    assert about["source"] == json.loads((pool / "about.json").read_text())["source"]
    for split in ("train", "validation", "test"):
        store = ClipStore.open(folder, split)
        assert store.clips.shape == (getattr(spec.videos, split), about["frames"], about["size"], about["size"])
        assert set(about["counts"][split]) == set(about["classes"]) == set(store.classes)
        counted = np.bincount(store.labels, minlength=len(store.classes))
        assert [about["counts"][split][name] for name in store.classes] == counted.tolist()
    text = (folder / "about.json").read_text() + (folder / "index.csv").read_text()
    assert str(folder) not in text
    assert str(pool) not in text


def test_mnist_comes_from_the_downloads_folder(monkeypatch, tmp_path):
    asked: list[Path] = []

    def load(folder: Path) -> Pool:
        asked.append(folder)
        return Pool(np.zeros((3, 28, 28), np.uint8), np.arange(3, dtype=np.uint8), f"route {len(asked)}")

    monkeypatch.setattr(mnist, "load", load)
    monkeypatch.setenv("REELTRACE_DOWNLOADS", str(tmp_path / "elsewhere"))
    for name in "ab":
        (tmp_path / name).mkdir()
    assert images_stage.run(images("mnist"), {}, tmp_path / "a") == {"served": "route 1"}
    monkeypatch.delenv("REELTRACE_DOWNLOADS")
    assert images_stage.run(images("mnist"), {}, tmp_path / "b") == {"served": "route 2"}
    assert asked == [tmp_path / "elsewhere", Path("downloads")]
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")  # which route served is a fact, not a result


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("images.npy", None, "no such file"),
        ("labels.npy", b"not an array", "not a readable array"),
        ("labels.npy", np.zeros(5, np.uint8), "1797 images and 5 labels"),
        ("images.npy", np.zeros((1797, 8, 8)), "expected uint8"),
        ("images.npy", np.zeros((1797, 64), np.uint8), "with 3 axes"),
    ],
)
def test_pool_that_does_not_fit_together_is_refused(pool, tmp_path, name, content, message):
    spoiled = tmp_path / "pool"
    shutil.copytree(pool, spoiled)
    spoil(spoiled / name, content)
    with pytest.raises(UserError, match=message):
        moving_digits_stage.run(moving(), {"data/digits": spoiled}, tmp_path)


def spoil(path: Path, content: object) -> None:
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)


def test_the_stage_does_not_load_torch():
    stages = "reeltrace.data.images_stage, reeltrace.data.moving_digits_stage"
    code = f"import sys, {stages}; assert 'torch' not in sys.modules and 'requests' not in sys.modules"
    path = {"PYTHONPATH": str(Path(mnist.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **path})


# --- store ---


def test_batches_are_the_stored_clips_thrice(dataset):
    folder = dataset[1]
    store = ClipStore.open(folder, "train")
    raw = np.load(folder / "clips-train.npy")
    assert len(store) == 21
    assert store.labels.dtype == np.int64
    wanted = [20, 0, 7, 7]
    for indices in (wanted, np.asarray(wanted), torch.tensor(wanted)):
        batch = store.batch(indices)
        assert batch.shape == (4, 3, 6, 16, 16)
        assert batch.dtype == torch.uint8
        assert batch.stride(1) == 0  # a view
        for channel in range(3):
            assert np.array_equal(batch[:, channel].numpy(), raw[wanted])
    assert store.batch([]).shape == (0, 3, 6, 16, 16)


def test_what_is_read_can_be_changed_without_touching_the_file(dataset):
    store = ClipStore.open(dataset[1], "test")
    before = hashes(dataset[1])
    store.batch([0, 1])[:, 0] += 1
    with pytest.raises(ValueError, match="read-only"):
        store.clips[0, 0, 0, 0] = 1
    assert hashes(dataset[1]) == before


@pytest.mark.parametrize("index", [-1, 21])
def test_indices_outside_are_refused(dataset, index):
    with pytest.raises(IndexError, match=r"0\.\.20"):
        ClipStore.open(dataset[1], "train").batch([0, index])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_scaling_to_floats(dtype):
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 1, 16, 16)
    scaled = to_float(levels, dtype)
    assert scaled.dtype == dtype
    assert torch.equal(scaled, (torch.arange(256, dtype=torch.float64) / 255).to(dtype).reshape(levels.shape))
    grey = to_float(levels.expand(2, 3, 1, 16, 16), dtype)
    assert grey.shape == (2, 3, 1, 16, 16)
    assert grey.stride(1) == 0
    assert torch.equal(grey[1, 2], scaled[0, 0])


HEADER = "split,clip,label,class,image,y,x,vy,vx\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("clips-train.npy", None, "no such file"),
        ("index.csv", None, "no such file"),
        ("about.json", None, "no such file"),
        ("clips-train.npy", b"", "not a readable array"),
        ("clips-train.npy", np.zeros((21, 6, 16), np.uint8), r"expected uint8 \(clips, frames, height, width\)"),
        ("clips-train.npy", np.zeros((21, 6, 16, 16)), "expected uint8"),
        ("clips-train.npy", np.zeros((20, 6, 16, 16), np.uint8), "has 20 clips, index.csv lists 21 for train"),
        ("clips-train.npy", np.array([{}], dtype=object), "not a readable array"),
        ("index.csv", b"a,b\n1,2\n", "not an index of clips"),
        ("index.csv", (HEADER + "train,1,0,Horizontal,0,0,0,0,1\n").encode(), "not an index of clips in order"),
        ("index.csv", (HEADER + "train,0,9,Horizontal,0,0,0,0,1\n").encode(), "not an index of clips in order"),
        ("index.csv", (HEADER + "train,0,1,Horizontal,0,0,0,0,1\n").encode(), "not an index of clips in order"),
        ("about.json", b"{}", "list of classes"),
        ("about.json", b"{", "list of classes"),
    ],
)
def test_datasets_that_do_not_fit_together_are_refused(pool, tmp_path, name, content, message):
    moving_digits_stage.run(moving(), {"data/digits": pool}, tmp_path)
    spoil(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as caught:
        ClipStore.open(tmp_path, "train")
    assert "\n" not in str(caught.value)


def test_truncated_clips_are_refused(pool, tmp_path):
    moving_digits_stage.run(moving(), {"data/digits": pool}, tmp_path)
    path = tmp_path / "clips-train.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="not a readable array"):
        ClipStore.open(tmp_path, "train")
