"""The log of attested reports: a line of JSON each, and each with the hash of the line before it.

Nothing is ever taken out of it. The statement that is signed names the number of its line and the hash of the line
before, so that with the last line the signature holds all lines.
"""

import json
from collections.abc import Mapping
from typing import Any

from reeltrace.artifacts.files import sha256_bytes
from reeltrace.artifacts.json_values import parse_json

FIRST = "0" * 64  # the hash before the first line
FIELDS = ("number", "previous", "time", "scale", "report", "roots", "statement", "key")


def line_of(fields: Mapping[str, Any]) -> bytes:
    """The one text of a line, without the newline at its end."""
    return json.dumps(dict(fields), sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def appended(text: bytes, fields: Mapping[str, Any]) -> bytes:
    """The log with one more line."""
    return text + line_of(fields) + b"\n"


def following(text: bytes) -> tuple[int, str]:
    """The number that the next line has, and the hash of the line before it."""
    lines = text.splitlines()
    return (len(lines) + 1, sha256_bytes(lines[-1])) if lines else (1, FIRST)


def check(text: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines of a log as far as they can be read, and what is wrong with it, each with the number of its line."""
    lines: list[dict[str, Any]] = []
    if not text:
        return lines, ["it has no line"]
    if not text.endswith(b"\n"):
        return lines, [f"line {len(text.splitlines())}: cut short, or text was put behind it"]
    previous = FIRST
    for number, raw in enumerate(text[:-1].split(b"\n"), start=1):
        try:
            fields = parse_json(raw)
        except ValueError:
            return lines, [f"line {number}: not JSON; it was altered"]
        if not isinstance(fields, dict) or set(fields) != set(FIELDS) or line_of(fields) != raw:
            return lines, [f"line {number}: its fields are not those of a line; it was altered"]
        if fields["number"] != number:
            return lines, [f"line {number}: is numbered {fields['number']!r}; a line before it was taken out or put in"]
        if fields["previous"] != previous:
            where = f"line {number - 1} was altered since" if number > 1 else "lines before it were taken out"
            return lines, [f"line {number}: what it says of the line before does not hold: {where}"]
        lines.append(fields)
        previous = sha256_bytes(raw)
    return lines, []
