"""What the commands `convert` and `recognise` do, and the lines that they print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltrace.errors import UserError
from reeltrace.recognition import convert as converting


def convert(
    file: Path, architecture: str, output: Path, changes: Sequence[str], view: Mapping[str, int | None]
) -> list[str]:
    """Bring a public file into a checkpoint of ours; see `recognition.convert`. `changes` are "name=value"."""
    said = converting.convert(file, architecture, output, dict(map(_change, changes)), view)
    seen = said["view"]
    return [
        f"{output}: {said['weights']} weights of {said['implementation']}'s {said['network']}",
        "  " + ("; ".join(f"{name} {json.dumps(value)}" for name, value in said["config"].items()) or "as by default"),
        f"  view: {seen['frames']} frames {seen['stride']} apart, crop {seen['crop']} of {seen['side']} pixels",
    ]


def _change(text: str) -> tuple[str, Any]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise UserError(f"--set {text}: expected NAME=VALUE, as in alpha=8 or nonlocal_pool=[2,2,2]")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
