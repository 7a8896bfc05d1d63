"""Files: hashes, reading whole, atomic writes, and in words what the system says of them."""

import contextlib
import errno
import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any

from reeltrace.errors import UserError

LARGEST_TEXT = 200_000_000  # bytes of a text that is read whole; the largest that Reeltrace writes is a tenth of that


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file, read as a stream: memory does not grow with the file."""
    with named(path), path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_whole(path: Path, most: int = LARGEST_TEXT) -> bytes:
    """The bytes of a file. Raises an `OSError` that names it for what is no file, or has more than `most` bytes.

    A pipe or a device in a file's place would never end.
    """
    with named(path):
        stat = path.stat()
        if not S_ISREG(stat.st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        if stat.st_size > most:
            raise OSError(errno.EFBIG, f"{stat.st_size} bytes, expected at most {most}", str(path))
        return path.read_bytes()


@contextlib.contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary sibling of `path` for writing and rename it into place when the block succeeds.

    If the block fails, or the disk is full, the sibling is removed and `path` stays as it was. What the system refuses,
    such as a full disk, is raised as a `UserError` that names the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _explain(error, path) from error
    finally:
        with contextlib.suppress(OSError):  # or it would hide why the writing failed
            temporary.unlink(missing_ok=True)


_UNWRITABLE = (
    *(errno.EROFS, errno.EFBIG, errno.EIO, errno.EISDIR),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG),
)


def _explain(error: OSError, path: Path) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"{path}: the disk is full; nothing was left half-written. Free some space and run the same command again."
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR) and (found := not_a_folder(path)):
        return UserError(found)
    if error.filename is None or error.errno in _UNWRITABLE:  # without a name: the writing itself failed
        return UserError(f"{path}: cannot be written ({reason_of(error)}); correct that and run the same command again")
    return error


def not_a_folder(path: Path) -> str:
    """One line on the first folder above `path` that stands there as something else; "" where there is none."""
    for folder in reversed(path.parents):
        if folder.is_symlink() and not folder.exists():
            return f"{folder}: a link to {folder.readlink()}, which is not there; make that folder or remove the link"
        if os.path.lexists(folder) and not folder.is_dir():
            return f"{folder}: not a folder, and one is needed; move it away and run the same command again"
    return ""


def in_one_line(error: Exception) -> str:
    """An error for people: that of the system with its file and what to do, any other as it is."""
    text = str(error)
    if isinstance(error, OSError):
        places = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        text = f"{f'{places}: ' if places else ''}{reason_of(error)}; correct that and run the same command again"
    return " ".join(text.split())


def reason_of(error: OSError) -> str:
    """What the system says of an error, without its number and without a path."""
    return error.strerror or str(error) or type(error).__name__


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Put `path` into an `OSError` of the block that names no file: reading and writing do not, only opening does."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def explain_full_disk(path: Path) -> Iterator[None]:
    """Turn a full disk inside the block into a `UserError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise _explain(error, path) from error


def free_name(path: Path) -> Path:
    """The first of `path`.1, `path`.2, ... that is not there."""
    return next(
        name for number in itertools.count(1) if not os.path.lexists(name := path.with_name(f"{path.name}.{number}"))
    )
