"""One hash over many artifacts: over their manifests, and where it is asked for over their receipts too.

It is the sha256 of a text with one line per file, "stage/key/manifest.json SHA256", in the order of their bytes, each
with a newline at its end: what `sha256sum` of that text gives, so that any tool can form it.
"""

from collections.abc import Mapping
from pathlib import Path

from reeltrace.artifacts.files import read_whole, sha256_bytes
from reeltrace.artifacts.names import MANIFEST, RECEIPT

MANIFESTS = (MANIFEST,)
MANIFESTS_AND_RECEIPTS = (MANIFEST, RECEIPT)


def file_hashes(folders: Mapping[str, Path], files: tuple[str, ...] = MANIFESTS) -> dict[str, str]:
    """The sha256 of these files of each artifact, by "stage/key/file"; `folders` maps "stage/key" to the folder.

    Raises `OSError`, naming it, for what is not there, cannot be read or is no file.
    """
    return {
        f"{name}/{file}": sha256_bytes(read_whole(folder / file))
        for name, folder in sorted(folders.items())
        for file in files
    }


def root_of(hashes: Mapping[str, str]) -> str:
    """The one hash over files whose hashes are known, by name."""
    lines = sorted(f"{name} {sha256}\n".encode() for name, sha256 in hashes.items())
    return sha256_bytes(b"".join(lines))


def root_hash(folders: Mapping[str, Path], files: tuple[str, ...] = MANIFESTS) -> str:
    """The one hash over these files of each artifact; see `file_hashes`.

    Manifests are equal between two equal runs, and so is their root: the report prints the one over its inputs.
    Receipts are not; a root over both stands in what attests the report.
    """
    return root_of(file_hashes(folders, files))
