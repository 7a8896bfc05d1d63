"""What a table is computed from: JSON files of finished artifacts that were read and hashed, and values in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reeltrace.errors import CheckFailed


@dataclass(frozen=True)
class Source:
    """A metrics.json or a spec.json: its path below the project's root, its content, its sha256."""

    artifact: str
    metrics: Any
    sha256: str
    spec: "Source | None" = None

    def trace(self, pointer: str) -> dict[str, str]:
        """Where a value stands: file, JSON pointer, hash of the file."""
        return {"artifact": self.artifact, "pointer": pointer, "sha256": self.sha256}


def source_of(sources: Mapping[str, Source], name: str) -> Source:
    """What the artifact "stage/key" holds. Raises `CheckFailed` when it is missing."""
    if name not in sources:
        raise CheckFailed(f"{name}: missing; run `reeltrace run {name.replace('/', ' ')}` first")
    return sources[name]


def get(source: Source, *path: str) -> Any:
    """The value at a path of keys. Raises `CheckFailed` when there is none."""
    value = source.metrics
    for token in path:
        if not isinstance(value, dict) or token not in value:
            raise CheckFailed(f"{source.artifact}: /{'/'.join(path)} is missing; run its stage again")
        value = value[token]
    return value


def read_score(source: Source, *path: str) -> tuple[int, int]:
    """How many of how many were right. Raises `CheckFailed` where the counts and `top1` do not agree."""
    score = get(source, *path)
    try:
        correct, total, top1 = score["correct"], score["total"], float(score["top1"])
        consistent = 0 <= correct <= total and total > 0 and abs(100 * correct / total - top1) < 1e-6
    except (KeyError, TypeError, ValueError):
        consistent = False
    if not consistent:
        raise CheckFailed(
            f"{source.artifact}: /{'/'.join(path)}: correct, total and top1 do not agree; run its stage again"
        )
    return correct, total
