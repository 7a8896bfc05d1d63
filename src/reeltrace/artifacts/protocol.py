"""Spec, manifest, receipt: how a work folder becomes an artifact, and how one is checked against its manifest."""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import reason_of, sha256_file
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, PROTOCOL_FILES, SCRATCH, SPEC
from reeltrace.errors import CheckFailed, Problem

MANIFEST_SCHEMA = 1
LARGE = 1_000_000  # bytes: of larger files, several are hashed at once
Hash = Callable[[Path], str]


def file_entry(path: Path) -> dict[str, Any]:
    """`{"sha256": ..., "bytes": ...}` of a file, as manifests record it."""
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}


def tree_entry(folder: Path, sha256_of: Hash = sha256_file) -> dict[str, Any]:
    """One entry for a whole folder: a hash over names, sizes and hashes of its files; dot files do not count."""
    digest, total, count = hashlib.sha256(), 0, 0
    for path in _tree(folder):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder).as_posix()}\0{size}\0{sha256_of(path)}\n".encode())
        total, count = total + size, count + 1
    return {"sha256": digest.hexdigest(), "bytes": total, "files": count}


def _tree(folder: Path) -> list[Path]:
    files: list[Path] = []
    for inside, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [path for name in names if not name.startswith(".") and (path := Path(inside, name)).is_file()]
    return sorted(files)


def outputs_in(folder: Path) -> list[str]:
    """What a stage left in its work folder, a folder with a slash at its end.

    Dot files, scratch/ and the protocol's own three do not count.
    """
    own = (*PROTOCOL_FILES, SCRATCH)
    paths = [path for path in sorted(folder.iterdir()) if path.name not in own and not path.name.startswith(".")]
    return [f"{path.name}/" if path.is_dir() else path.name for path in paths]


def make_manifest(
    folder: Path,
    stage: str,
    key: str,
    code_sha256: str,
    inputs: Mapping[str, Path],
    texts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The manifest of a finished work folder.

    `texts` has the hash of each text and given file that `code_sha256` covers, so that one which changed can be named;
    `inputs` maps "stage/key" to the folder of each input artifact; only the hash of its manifest enters. An output that
    is a folder is one entry, so that a manifest stays small.
    """
    return {
        "schema": MANIFEST_SCHEMA,
        "stage": stage,
        "key": key,
        "spec": {"sha256": sha256_file(folder / SPEC)},
        "code": {"sha256": code_sha256, **({"texts": dict(texts)} if texts else {})},
        "inputs": {name: file_entry(path / MANIFEST) for name, path in sorted(inputs.items())},
        "outputs": {
            name: tree_entry(folder / name) if name.endswith("/") else file_entry(folder / name)
            for name in outputs_in(folder)
        },
    }


def hash_large(folders: Iterable[Path], at_once: int) -> Hash:
    """A function that gives the sha256 of a file; those of large files in these folders it knows already.

    They are read here, several at once, largest first. A file that cannot be read is left to who asks for it.
    """
    sizes: dict[Path, int] = {}
    for folder in folders:
        for inside, _, names in os.walk(folder):
            for name in names:
                path = Path(inside, name)
                with contextlib.suppress(OSError):
                    found = path.stat()
                    if stat.S_ISREG(found.st_mode) and found.st_size > LARGE:
                        sizes[path] = found.st_size

    def hashed(path: Path) -> str | None:
        try:
            return sha256_file(path)
        except OSError:
            return None

    largest_first = sorted(sizes, key=lambda path: -sizes[path])
    with ThreadPoolExecutor(at_once) as threads:
        known = dict(zip(largest_first, threads.map(hashed, largest_first), strict=True))
    return lambda path: known.get(path) or sha256_file(path)


def check_outputs(folder: Path, *, limit: int | None = None, sha256_of: Hash = sha256_file) -> list[Problem]:
    """Compare every output of an artifact with its manifest; what is over `limit` bytes only by its size.

    `sha256_of` gives the hash of a file, see `hash_large`.
    """
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
        check = partial(_check_tree, path, sha256, size, count, limit, sha256_of)
        if not name.endswith("/"):
            check = partial(_check_file, path, sha256, size, limit, sha256_of)
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


def _check_file(path: Path, sha256: str, size: int, limit: int | None, sha256_of: Hash) -> list[Problem]:
    if not path.is_file():
        return [Problem("broken chain", str(path), _absent(path))]
    if path.stat().st_size != size:
        return [Problem("tampered artifact", str(path), f"{path.stat().st_size} bytes, expected {size}")]
    if (limit is None or size <= limit) and sha256_of(path) != sha256:
        return [Problem("tampered artifact", str(path), f"its sha256 is not {sha256[:12]}...")]
    return []


def _absent(path: Path) -> str:
    return "not a file" if os.path.lexists(path) else "missing"


def _check_tree(path: Path, sha256: str, size: int, count: Any, limit: int | None, sha256_of: Hash) -> list[Problem]:
    if not path.is_dir():
        return [Problem("broken chain", str(path), "missing")]
    files = _tree(path)
    total = sum(file.stat().st_size for file in files)
    if (len(files), total) != (count, size):
        found = f"{len(files)} files of {total} bytes, expected {count} of {size}"
        return [Problem("tampered artifact", str(path), found)]
    if (limit is None or size <= limit) and tree_entry(path, sha256_of)["sha256"] != sha256:
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
