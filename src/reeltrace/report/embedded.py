"""What the page carries to check itself: report.json, every manifest, and small files that numbers were read from.

The page's script and check.py unpack it. Its form: zlib over the number of hashes (4 bytes, big end first), the hashes
as 32 bytes each, and the files: name, NUL, text, NUL, name, and so on. In the texts the hash number 7 stands as
U+0001, 7 in base 36, U+0002: hashes do not compress, and most stand in several files.
"""

import base64
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.names import MANIFEST

PLACE = "@embedded@"  # in the rendered page: what stands here is known only once the page is
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
        if not any(mark in text for mark in "\0\1\2"):
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

    body = "\0".join(part for name, text in texts.items() for part in (name, _HASH.sub(short, text)))
    table = b"".join(map(bytes.fromhex, hashes))
    return base64.b64encode(zlib.compress(len(hashes).to_bytes(4, "big") + table + body.encode(), 9)).decode()


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
