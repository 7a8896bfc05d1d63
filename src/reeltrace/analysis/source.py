"""What a finished run or measurement said: a metrics.json that was read and hashed, and how a value in it is named."""

from dataclasses import dataclass
from typing import Any


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
