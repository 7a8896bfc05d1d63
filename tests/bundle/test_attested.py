"""What `reeltrace attest` signs, the plain Python of check.py checks: two programs, one format."""

from pathlib import Path

import pytest

from analysis.fabricated import Project
from attest.attested import TIME, sign
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.attest.keys import Signer, signer
from reeltrace.bundle.check import check


@pytest.fixture
def key(copied: Project, tmp_path: Path) -> Signer:
    """The key that attested the report of the copied project."""
    made = signer(tmp_path / "key.pem", new=True)
    sign(copied, made)
    return made


def said(project: Project, key: str | None = None) -> list[str]:
    return [str(problem) for problem in check(project.results, key).problems if "attest" in str(problem)]


def test_a_signed_report_is_found_signed(copied: Project, key: Signer) -> None:
    assert said(copied) == said(copied, key.id) == []
    assert any(note.startswith(f"signed {TIME} by the key {key.id}") for note in check(copied.results).notes)
    assert any("0000" in line for line in said(copied, "0" * 64))


@pytest.mark.parametrize("file", ["train/drift-plain-s0/receipt.json", "report/all/receipt.json"])
def test_a_receipt_that_was_edited_is_named(copied: Project, key: Signer, file: str) -> None:
    write_json(copied.folder(file), {**read_json(copied.folder(file)), "host": {"name": "another"}})
    (line,) = said(copied)
    assert file in line and "is not what was attested" in line


@pytest.mark.parametrize("file", ["statement.json", "envelope.json", "log.jsonl", "key.pub"])
def test_each_file_of_it_is_held_to_the_others(copied: Project, key: Signer, file: str) -> None:
    path = copied.results / "attested" / file
    text = bytearray(path.read_bytes())
    place = len(text) // 2
    text[place] = ord("7") if text[place] != ord("7") else ord("8")
    path.write_bytes(bytes(text))
    assert said(copied)
