"""What the checks of `verify` share."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import ABOUT
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST
from reeltrace.errors import Problem

TAMPERED, STALE = "tampered artifact", "stale"


def is_input(folder: Path, other: Path) -> bool:
    """Whether `other` is still what the artifact in `folder` was made from; if it is not, `verify` has said so."""
    recorded = read_json(folder / MANIFEST)["inputs"][f"{other.parent.name}/{other.name}"]["sha256"]
    return (other / MANIFEST).is_file() and sha256_file(other / MANIFEST) == recorded


def differing(folder: Path, about: Any, found: Mapping[str, object], where: str) -> list[Problem]:
    """Where the own account of an artifact, its about.json, is not what is `found` in the file `where`."""
    return [
        Problem(TAMPERED, str(folder / ABOUT), f"/{name} is {short(about[name])}, {where} gives {short(value)}")
        for name, value in found.items()
        if about[name] != value
    ]


def short(value: Any) -> str:
    """A value in at most 60 characters."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 60 else text[:57] + "..."
