"""Hashing, atomic writes, and the three small files of every artifact: spec, manifest, receipt.

An artifact is one folder, `results/<scale>/<stage>/<key>/`. It is complete when, and only when, it holds a
`manifest.json`; the folder arrives by one rename, so a killed stage leaves nothing that looks finished. What stages
compute does not live here.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any

from reeltrace.errors import CheckFailed, UserError

SPEC, MANIFEST, RECEIPT = "spec.json", "manifest.json", "receipt.json"
PROTOCOL_FILES = (SPEC, MANIFEST, RECEIPT)
MANIFEST_SCHEMA = 1
SCRATCH = "scratch"
LARGEST_TEXT = 200_000_000  # bytes of a text that is read whole; the largest that Reeltrace writes is a tenth of that
MOST_DEEP = 100  # levels of lists and objects in a JSON file; what Reeltrace writes has at most a dozen


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, two-space indent, no NaN, a newline at the end."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file, read as a stream: memory does not grow with the file."""
    with named(path), path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_json(value: Any) -> str:
    """Hexadecimal sha256 of the canonical JSON text of `value`."""
    return sha256_bytes(canonical_json(value).encode())


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
    if error.filename is None or error.errno in _UNWRITABLE:  # without a name: the writing itself failed
        return UserError(f"{path}: cannot be written ({reason_of(error)}); correct that and run the same command again")
    return error


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


def write_json(path: Path, value: Any) -> None:
    """Write `value` as canonical JSON, atomically."""
    with atomic_write(path) as handle:
        handle.write(canonical_json(value).encode())


def write_json_if_changed(path: Path, value: Any) -> bool:
    """Like `write_json`, but leave the file, and its time stamp, alone when it already holds that text."""
    text = canonical_json(value).encode()
    if path.is_file() and path.read_bytes() == text:
        return False
    write_json(path, value)
    return True


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises `CheckFailed` with the path when it is missing, cannot be read or is not JSON."""
    try:
        return parse_json(read_whole(path))
    except FileNotFoundError:
        raise CheckFailed(f"{path}: missing; run the stage that makes it, or restore it with `dvc checkout`") from None
    except OSError as error:
        raise CheckFailed(
            f"{path}: cannot be read ({reason_of(error)}); correct that, or remove the folder and run its stage again"
        ) from None
    except ValueError as error:
        raise CheckFailed(f"{path}: not valid JSON ({error}); remove the folder and run its stage again") from None


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


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text. Raises `ValueError` when it is none, or is nested deeper than `MOST_DEEP` levels."""
    too_deep = f"nested deeper than {MOST_DEEP} levels"
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    level, depth = [value], 0
    while level := [
        item
        for container in level
        if isinstance(container, dict | list)
        for item in (container.values() if isinstance(container, dict) else container)
        if isinstance(item, dict | list)
    ]:
        depth += 1
        if depth >= MOST_DEEP:
            raise ValueError(too_deep)
    return value


def pointer(value: Any, path: str) -> Any:
    """The value that a JSON pointer (RFC 6901) names inside `value`. Raises `KeyError` when there is none."""
    for raw in path.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(token)] if isinstance(value, list) else value[token]
        except (KeyError, IndexError, TypeError, ValueError):
            raise KeyError(path) from None
    return value


def escape_pointer(token: str) -> str:
    """One token of a JSON pointer, escaped (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True)
class Problem:
    """One failed check of `verify`: its kind, the file or cell it is about, and what was found."""

    kind: str
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.found}"


def file_entry(path: Path) -> dict[str, Any]:
    """`{"sha256": ..., "bytes": ...}` of a file, as manifests record it."""
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}


def tree_entry(folder: Path) -> dict[str, Any]:
    """One entry for a whole folder: a hash over names, sizes and hashes of its files; dot files do not count."""
    digest, total, count = hashlib.sha256(), 0, 0
    for path in _tree(folder):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0{sha256_file(path)}\n".encode())
        total, count = total + size, count + 1
    return {"sha256": digest.hexdigest(), "bytes": total, "files": count}


def _tree(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def outputs_in(folder: Path) -> list[str]:
    """What a stage left in its work folder, a folder with a slash at its end.

    Dot files, scratch/ and the protocol's own three do not count.
    """
    own = (*PROTOCOL_FILES, SCRATCH)
    paths = [path for path in sorted(folder.iterdir()) if path.name not in own and not path.name.startswith(".")]
    return [f"{path.name}/" if path.is_dir() else path.name for path in paths]


def make_manifest(folder: Path, stage: str, key: str, code_sha256: str, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The manifest of a finished work folder.

    `inputs` maps "stage/key" to the folder of each input artifact; only the hash of its manifest enters. An output that
    is a folder is one entry, so that a manifest stays small.
    """
    return {
        "schema": MANIFEST_SCHEMA,
        "stage": stage,
        "key": key,
        "spec": {"sha256": sha256_file(folder / SPEC)},
        "code": {"sha256": code_sha256},
        "inputs": {name: file_entry(path / MANIFEST) for name, path in sorted(inputs.items())},
        "outputs": {
            name: tree_entry(folder / name) if name.endswith("/") else file_entry(folder / name)
            for name in outputs_in(folder)
        },
    }


def check_outputs(folder: Path, *, limit: int | None = None) -> list[Problem]:
    """Compare every output of an artifact with its manifest; what is over `limit` bytes only by its size."""
    problems = []
    manifest = read_json(folder / MANIFEST)
    try:
        outputs = {
            str(name): (str(entry["sha256"]), int(entry["bytes"]), entry.get("files"))
            for name, entry in manifest["outputs"].items()
        }
        spec_sha256 = manifest["spec"]["sha256"]
        if manifest["schema"] != MANIFEST_SCHEMA:
            found = f"its schema is {manifest['schema']!r}, here it is {MANIFEST_SCHEMA}; run its stage again"
            return [Problem("stale", str(folder / MANIFEST), found)]
    except (KeyError, TypeError, AttributeError, ValueError):
        return [Problem("tampered artifact", str(folder / MANIFEST), "its fields are not those of a manifest")]
    problems += _guarded_check(folder / SPEC, lambda: _check_spec(folder / SPEC, spec_sha256))
    for name, (sha256, size, count) in outputs.items():
        path = folder / name
        check = partial(_check_tree, path, sha256, size, count, limit)
        if not name.endswith("/"):
            check = partial(_check_file, path, sha256, size, limit)
        problems += _guarded_check(path, check)
    return problems


def absent(folder: Path, names: Iterable[str]) -> str:
    """What is missing of an artifact: the first of `names` that is not there, or a folder with too few files; or "".

    How many files a folder must have, its manifest says. Nothing is read but names.
    """
    for name in names:
        path = folder / name
        if not path.exists():
            return f"{name} is not there"
        if name.endswith("/") and (count := _file_count(folder, name)) > (found := len(_tree(path))):
            return f"{name} has {found} of its {count} files"
    return ""


def _file_count(folder: Path, name: str) -> int:
    try:
        return int(read_json(folder / MANIFEST)["outputs"][name]["files"])
    except (CheckFailed, KeyError, TypeError, ValueError):  # what the manifest is then, others say
        return 0


def _guarded_check(path: Path, check: Callable[[], list[Problem]]) -> list[Problem]:
    """A file that cannot be read is a problem of its own, and no reason to leave the others unread."""
    try:
        return check()
    except OSError as error:
        return [Problem("broken chain", str(error.filename or path), f"cannot be read ({reason_of(error)})")]


def _check_spec(path: Path, sha256: Any) -> list[Problem]:
    if not path.is_file():
        return [Problem("broken chain", str(path), _absent(path))]
    if sha256_file(path) != sha256:
        return [Problem("stale", str(path), "the spec is not the one that made this artifact")]
    return []


def _check_file(path: Path, sha256: str, size: int, limit: int | None) -> list[Problem]:
    if not path.is_file():
        return [Problem("broken chain", str(path), _absent(path))]
    if path.stat().st_size != size:
        return [Problem("tampered artifact", str(path), f"{path.stat().st_size} bytes, expected {size}")]
    if (limit is None or size <= limit) and sha256_file(path) != sha256:
        return [Problem("tampered artifact", str(path), f"its sha256 is not {sha256[:12]}...")]
    return []


def _absent(path: Path) -> str:
    return "not a file" if os.path.lexists(path) else "missing"


def _check_tree(path: Path, sha256: str, size: int, count: Any, limit: int | None) -> list[Problem]:
    if not path.is_dir():
        return [Problem("broken chain", str(path), "missing")]
    files = _tree(path)
    total = sum(file.stat().st_size for file in files)
    if (len(files), total) != (count, size):
        found = f"{len(files)} files of {total} bytes, expected {count} of {size}"
        return [Problem("tampered artifact", str(path), found)]
    if (limit is None or size <= limit) and tree_entry(path)["sha256"] != sha256:
        return [Problem("tampered artifact", str(path), f"the sha256 of its files is not {sha256[:12]}...")]
    return []


def swap_in(work: Path, target: Path) -> None:
    """Put the finished folder `work` at `target`; an older artifact is removed only once the new one stands there."""
    retired = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(retired)
    work.rename(target)
    shutil.rmtree(retired, ignore_errors=True)
