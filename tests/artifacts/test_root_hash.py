"""The one hash over artifacts: what any other tool forms from the same lines, and what changes it."""

import hashlib
import os
from pathlib import Path

import pytest

from reeltrace.artifacts.root_hash import MANIFESTS_AND_RECEIPTS, file_hashes, root_hash, root_of


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name in ("train/b", "data/a"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(f"of {name}")
        (folder / "receipt.json").write_text(f"how {name}")
        found[name] = folder
    return found


def test_it_is_the_sha256_of_sorted_lines(folders: dict[str, Path]) -> None:
    sha256 = {name: hashlib.sha256(f"of {name}".encode()).hexdigest() for name in folders}
    text = f"data/a/manifest.json {sha256['data/a']}\ntrain/b/manifest.json {sha256['train/b']}\n"
    assert root_hash(folders) == hashlib.sha256(text.encode()).hexdigest()
    assert root_hash(dict(reversed(folders.items()))) == root_hash(folders)


def test_a_manifest_changes_it_and_a_receipt_only_where_receipts_count(folders: dict[str, Path]) -> None:
    plain, both = root_hash(folders), root_hash(folders, MANIFESTS_AND_RECEIPTS)
    assert plain != both
    (folders["train/b"] / "receipt.json").write_text("how else")
    assert root_hash(folders) == plain and root_hash(folders, MANIFESTS_AND_RECEIPTS) != both
    (folders["train/b"] / "manifest.json").write_text("of another")
    assert root_hash(folders) != plain


def test_an_artifact_more_or_under_another_name_changes_it(folders: dict[str, Path]) -> None:
    hashes = file_hashes(folders)
    renamed = {name.replace("train/b", "train/c"): value for name, value in hashes.items()}
    assert len({root_of(hashes), root_of(renamed), root_of({}), root_of({**hashes, "x": "y"})}) == 4


def test_a_file_that_is_not_there_is_named(folders: dict[str, Path]) -> None:
    (folders["data/a"] / "manifest.json").unlink()
    with pytest.raises(FileNotFoundError, match="data/a/manifest"):
        root_hash(folders)
    os.mkfifo(folders["data/a"] / "manifest.json")
    with pytest.raises(OSError, match=r"not a file.*data/a/manifest"):  # nor is a pipe waited for
        root_hash(folders)
