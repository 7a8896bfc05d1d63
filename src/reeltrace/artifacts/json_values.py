"""JSON: its one text, its hash, and the values that are read from a file or a line."""

import json
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import atomic_write, read_whole, reason_of, sha256_bytes
from reeltrace.errors import CheckFailed

MOST_DEEP = 100  # levels of lists and objects in a JSON file; what Reeltrace writes has at most a dozen


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, two-space indent, no NaN, a newline at the end."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sha256_json(value: Any) -> str:
    """Hexadecimal sha256 of the canonical JSON text of `value`."""
    return sha256_bytes(canonical_json(value).encode())


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


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text. Raises `ValueError` when it is none, or is nested deeper than `MOST_DEEP` levels."""
    too_deep = f"nested deeper than {MOST_DEEP} levels"
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(too_deep) from None
    opened = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if opened < MOST_DEEP:  # then nothing can be that deep
        return value
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
