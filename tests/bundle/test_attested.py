"""check.py on what is signed: the signature itself, in plain Python, the log, and the files that are covered."""

import base64
import hashlib
import json
import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from analysis.fabricated import Project
from attest.attested import TIME, sign
from reeltrace.attest.keys import Signer, signer
from reeltrace.bundle import check
from reeltrace.bundle.write import write_bundle


@pytest.fixture
def key(tmp_path: Path) -> Signer:
    return signer(tmp_path / "keys" / "one.pem", new=True)


@pytest.fixture
def signed(copied: Project, key: Signer) -> Project:
    sign(copied, key)
    return copied


def test_signatures_are_those_of_another_implementation_and_no_others() -> None:
    random_ = random.Random(2)
    for length in (0, 1, 64, 1000):
        private, message = Ed25519PrivateKey.from_private_bytes(random_.randbytes(32)), random_.randbytes(length)
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = private.sign(message)
        assert check.is_signed(public, message, signature)
        for place in random_.sample(range(64), 8):
            wrong = signature[:place] + bytes([signature[place] ^ 1]) + signature[place + 1 :]
            assert not check.is_signed(public, message, wrong)
        assert not check.is_signed(public, message + b"a", signature)
        assert not check.is_signed(random_.randbytes(32), message, signature)
        # The same scalar once around the group: another text of the same signature, which RFC 8032 refuses.
        scalar = int.from_bytes(signature[32:], "little") + check.ORDER
        assert not check.is_signed(public, message, signature[:32] + scalar.to_bytes(32, "little"))
    assert not check.is_signed(b"", b"", b"") and not check.is_signed(b"\xff" * 32, b"", bytes(64))


def test_what_is_signed_says_by_whom_and_a_bundle_carries_it(signed: Project, key: Signer, tmp_path: Path) -> None:
    for path in (signed.results, write_bundle(signed.root, signed.scale, tmp_path / "a.zip")):
        found = check.check(path, key.id)
        assert found.problems == []
        assert any(f"signed {TIME} by the key {key.id} (the key asked for)" in note for note in found.notes)
    assert "only you can know" in check.check(signed.results).notes[0]
    found = check.check(signed.results, "ab" * 32)
    assert [line.partition(": ")[0] for line in found.problems] == ["attested/key.pub"]


def test_key_pub_is_its_one_text(signed: Project) -> None:
    path = signed.results / "attested/key.pub"
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + b"!" + whole[place:])
        found = check.check(signed.results).problems
        assert found and all(line.startswith("attested/") for line in found), place


def test_without_a_signature_that_is_said_and_one_that_is_asked_for_misses(copied: Project) -> None:
    found = check.check(copied.results)
    assert found.problems == [] and found.notes == ["not signed: there is no attested/"]
    assert len(check.check(copied.results, "ab" * 32).problems) == 1


def problems(project: Project) -> list[str]:
    return check.check(project.results).problems


def test_a_forgery_that_hashed_everything_again_does_not_pass_the_signature(signed: Project) -> None:
    receipt = next((signed.results / "train").glob("*/receipt.json"))
    receipt.write_text(receipt.read_text().replace("somewhere", "elsewhere"))
    assert problems(signed) == [f"train/{receipt.parent.name}/receipt.json: is not what was attested"]
    folder = signed.results / "attested"
    digest, old = hashlib.sha256(receipt.read_bytes()).hexdigest(), (folder / "statement.json").read_text()
    value = json.loads(old)
    for entry in value["predicate"]["buildDefinition"]["resolvedDependencies"]:
        if entry["name"].endswith(f"train/{receipt.parent.name}/receipt.json"):
            entry["digest"]["sha256"] = digest
    new = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    (folder / "statement.json").write_text(new)
    assert any("is not the payload" in line for line in problems(signed))
    envelope = json.loads((folder / "envelope.json").read_text())
    envelope["payload"] = base64.b64encode(new.encode()).decode()
    (folder / "envelope.json").write_text(json.dumps(envelope))
    assert any("its signature is not one of its payload" in line for line in problems(signed))


def test_damage_to_what_is_signed_is_named(signed: Project, key: Signer) -> None:
    folder, random_ = signed.results / "attested", random.Random(3)
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        for place in random_.sample(range(len(data) - 1), 6):
            if path.name == "key.pub" and not 27 < place < 87:
                continue  # the words around the key
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            if path.name == "envelope.json" and data[place : place + 1] in b" \n":
                continue
            assert problems(signed), (path.name, place)
        path.unlink()
        assert any("missing" in line for line in problems(signed))
        path.write_bytes(data)
    assert problems(signed) == []
    lines = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(lines + lines)
    assert any("does not follow the line before" in line for line in problems(signed))


def test_what_was_made_since_is_not_among_what_was_attested(signed: Project) -> None:
    folder = next(path for path in sorted((signed.results / "train").iterdir()) if path.is_dir())
    copy = folder.with_name(f"{folder.name}9")
    copy.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes().replace(folder.name.encode(), copy.name.encode()))
    assert f"train/{copy.name}/manifest.json: is not among what was attested" in problems(signed)
