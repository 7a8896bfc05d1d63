"""The YAML files that people write, read strictly: a mistake in one is one line that names it."""

from pathlib import Path
from typing import Any

import yaml

from reeltrace.artifacts.files import read_whole
from reeltrace.errors import UserError
from reeltrace.registry import strict_yaml


def read_text(path: Path, shown: str, remedy: str = "") -> str:
    """The text of a file. Raises `UserError`, naming it as `shown`, where it is missing or no text."""
    try:
        return read_whole(path, strict_yaml.MOST_CHARACTERS).decode()
    except FileNotFoundError:
        raise UserError(f"{shown}: not found; {remedy or f'restore it with `git checkout {shown}`'}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: not UTF-8 text (byte {error.start})") from None


def parse_yaml(shown: str, text: str) -> Any:
    """The value of a file's text, see `strict_yaml.load`. Raises `UserError` with the file and the place in it."""
    try:
        return strict_yaml.load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{shown}: {strict_yaml.complaint(error)}") from None
