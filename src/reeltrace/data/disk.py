"""Writing large files: what a full disk looks like to the user, and arrays written block by block."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reeltrace.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_PLACE = (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError)
_TRANSFER = (ConnectionError, TimeoutError, BlockingIOError)


@contextmanager
def writing(path: Path, needed: int | None) -> Iterator[None]:
    """Turn a failure to write `path` into one line that a user can act on; `path` does not survive it.

    `needed` is the number of bytes that the whole file takes, where it is known.
    Raises UserError, with the place, for whatever the system says: a full disk (or quota), a missing permission, a
    folder that is none, a file system that is read-only, a file larger than may be written, a disk that fails.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            # What was written so far is what fills the disk: give it back before saying so.
            path.unlink(missing_ok=True)
            size = f"{needed:,} bytes" if needed is not None else "more room than is left"
            raise UserError(
                f"{path}: the disk is full; the file needs {size}; free some space, then run the same command again"
            ) from error
        if error.errno is None or isinstance(error, _TRANSFER) or type(error).__module__ != "builtins":
            raise  # what a transfer met, not what the disk says
        if error.errno == errno.EFBIG:
            path.unlink(missing_ok=True)
            remedy = "raise the limit on the size of a file (ulimit -f), or choose a file system that takes larger ones"
        elif error.errno == errno.EROFS:
            remedy = "choose another place, or mount it writable"
        elif isinstance(error, _PLACE):
            remedy = "the folder must exist and be writable"
        else:
            remedy = "correct that, then run the same command again"
        raise UserError(f"{path}: cannot write here ({error.strerror}); {remedy}") from error


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as `.npy` (no pickles). Raises UserError when the disk is full."""
    save_blocks(path, array.shape, array.dtype, [array])


def save_blocks(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterable[NDArray[Any]]) -> None:
    """Write an `.npy` array of `shape` block after block along its first axis; memory holds one block.

    Plain writes, not a memory map: on a full disk a store into a map kills the process with SIGBUS, a write
    raises an error that can be explained. Raises UserError when the disk is full, ValueError when the blocks
    do not add up to `shape`.
    """
    needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    rows = 0
    with writing(path, needed), path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        )
        for block in blocks:
            if block.shape[1:] != shape[1:] or block.dtype != dtype:
                raise ValueError(f"{path}: a block is {block.dtype}{block.shape}, the array {dtype}{shape}")
            file.write(np.ascontiguousarray(block).data)
            rows += block.shape[0]
        if rows != shape[0]:
            raise ValueError(f"{path}: {rows} rows were written, {shape[0]} were announced")
        file.flush()
        os.fsync(file.fileno())
