"""What the page carries to check itself: report.json, every manifest, and small files that numbers were read from.

The page's script and check.py unpack it. Its form: zlib over the number of hashes (4 bytes, big end first), the hashes
as 32 bytes each, and the files: name, NUL, text, NUL, name, and so on. Three things make it small. In the texts the
hash number 7 stands as U+0001, 7 in base 36, U+0002: hashes do not compress, and most stand in several files. Lines
stand without their indentation, which follows from the brackets; a text where it does not has U+0004 before it. And the
line U+0003 "120,9" stands for the nine lines that begin 120 lines before it: report.json repeats what other files have,
further apart than zlib sees.
"""

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.names import MANIFEST

PLACE = "@embedded@"  # in the rendered page: what stands here is known only once the page is
RUN = 4  # lines that are worth naming where they stood before
MOST_BYTES = 400_000  # of one file that is carried
_HASH = re.compile(r"[0-9a-f]{64}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def files_behind(content: Mapping[str, Any], inputs: Mapping[str, Path]) -> dict[str, str]:
    """By their paths, the texts of all manifests, and of the files that numbers of report.json were read from.

    Left out are files over MOST_BYTES, and files that are no text.
    """
    folders = {content["artifacts"][name]["path"]: folder for name, folder in inputs.items()}
    texts = {f"{path}/{MANIFEST}": (folder / MANIFEST).read_text("utf-8") for path, folder in sorted(folders.items())}
    for name in sorted(set(_read_from(content))):
        path, _, file = name.rpartition("/")
        if path not in folders or name in texts:
            continue
        whole = folders[path] / file
        if not whole.is_file() or whole.stat().st_size > MOST_BYTES:
            continue
        try:
            text = whole.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        if not any(mark in text for mark in "\0\1\2\3\4"):
            texts[name] = text
    return texts


def _read_from(content: Mapping[str, Any]) -> Iterator[str]:
    for number in content["numbers"]:
        if number["trace"]:
            yield str(number["trace"]["artifact"])
    for cell in content["cells"]:
        yield from (str(source["artifact"]) for source in cell["sources"])
    for entry in content["equivariance"]:
        for quantity in (entry["relative_error"], entry["agreement"]):
            yield from (str(source["artifact"]) for source in quantity["sources"])


def packed(texts: Mapping[str, str]) -> str:
    """The texts by name, as base64."""
    hashes: dict[str, int] = {}

    def short(match: re.Match[str]) -> str:
        return f"\1{_base36(hashes.setdefault(match[0], len(hashes)))}\2"

    body = "\0".join(part for name, text in texts.items() for part in (name, _flat(_HASH.sub(short, text))))
    body = "\n".join(_folded(body.split("\n")))
    table = b"".join(map(bytes.fromhex, hashes))
    return base64.b64encode(zlib.compress(len(hashes).to_bytes(4, "big") + table + body.encode(), 9)).decode()


def _flat(text: str) -> str:
    """A JSON text without its indentation; one that is indented otherwise as it is, marked."""
    flat = "\n".join(line.lstrip(" ") for line in text.split("\n"))
    return flat if indented(flat) == text else f"\4{text}"


def indented(text: str) -> str:
    """The text with two spaces for each bracket that is open where a line begins."""
    depth, lines = 0, []
    for line in text.split("\n"):
        depth -= line[:1] in ("}", "]")
        lines.append(" " * (2 * depth) + line)
        depth += line[-1:] in ("{", "[")
    return "\n".join(lines)


def _folded(lines: list[str]) -> Iterator[str]:
    """The lines, runs of them that stood before replaced by where they stood."""
    places: dict[tuple[str, ...], int] = {}  # where a few lines last began
    place = 0
    while place < len(lines):
        key = tuple(lines[place : place + RUN])
        before = places.get(key)
        count = 0
        if before is not None and len(key) == RUN:
            while (
                place + count < len(lines) and before + count < place and lines[before + count] == lines[place + count]
            ):
                count += 1
        if before is not None and count >= RUN:
            yield f"\3{place - before},{count}"
        else:
            yield lines[place]
        for each in range(place, place + (count if count >= RUN else 1)):
            places[tuple(lines[each : each + RUN])] = each
        place += count if count >= RUN else 1


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits


def embed(page: str, report_json: str, content: Mapping[str, Any], inputs: Mapping[str, Path]) -> str:
    """The page with report.json and what is behind it in its place. Raises `RuntimeError` where it has none, or two."""
    if page.count(PLACE) != 1:
        raise RuntimeError(f"the page has {page.count(PLACE)} places for what it carries; there must be one")
    return page.replace(PLACE, packed({"report.json": report_json, **files_behind(content, inputs)}))
