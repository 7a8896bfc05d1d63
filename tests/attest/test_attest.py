"""An attestation: what it says of a report, that only its key can make it, and that each change is named."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from attest.attested import AROUND, TIME, sign
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.root_hash import root_hash
from reeltrace.attest import envelope
from reeltrace.attest.attest import attest, is_attested, look, sigstore
from reeltrace.attest.check import ATTESTATION, against, check
from reeltrace.attest.keys import Signer, signer
from reeltrace.errors import CheckFailed, Problem

RUN = "train/drift-plain-s0"


def problems(project: Project, key: str | None = None) -> list[Problem]:
    found = check(project.results / "attested", key)
    return [*found.problems, *against(found, project.root, project.scale)]


def where(project: Project, key: str | None = None) -> set[str]:
    return {Path(p.where).relative_to(project.results).as_posix() for p in problems(project, key)}


def folders(project: Project) -> dict[str, Path]:
    return {name: project.folder(name) for name in project.plan.tasks}


def test_a_report_is_attested_with_all_that_it_rests_on(copied: Project, key: Signer) -> None:
    assert not is_attested(copied.results, folders(copied))
    done = sign(copied, key)
    assert (done.number, done.new, done.key) == (1, True, key.id)
    assert problems(copied) == problems(copied, key.id) == []
    assert is_attested(copied.results, folders(copied))
    statement = read_json(done.folder / "statement.json")
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    report = copied.folder("report/all")
    assert {s["name"].rpartition("/")[2]: s["digest"]["sha256"] for s in statement["subject"]} == {
        name: sha256_file(report / name) for name in ("report.html", "report.json")
    }
    listed = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    names = [entry["name"] for entry in listed]
    assert len(names) == len(set(names))
    for task in copied.plan:
        assert {f"{task.folder}/manifest.json", f"{task.folder}/receipt.json"} <= set(names)
    assert {"project/params.yaml", "checkout", "data/digits.zip", "documents/nobody2024/published.yaml"} <= set(names)
    details = statement["predicate"]["runDetails"]
    assert details["builder"]["id"] == "urn:reeltrace:machine:somewhere"
    assert details["metadata"]["finishedOn"] == TIME
    inputs = read_json(report / "manifest.json")["inputs"]
    printed = root_hash({name: copied.folder(name) for name in inputs})
    assert details["metadata"]["reeltrace_roots"]["manifests"] == printed


def test_the_signature_is_dsse_as_another_program_checks_it(copied: Project, key: Signer, tmp_path: Path) -> None:
    folder = sign(copied, key).folder
    sealed = read_json(folder / "envelope.json")
    payload = base64.b64decode(sealed["payload"])
    kind = b"application/vnd.in-toto+json"
    assert payload == (folder / "statement.json").read_bytes() and sealed["payloadType"] == kind.decode()
    (tmp_path / "signed").write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    (tmp_path / "signature").write_bytes(base64.b64decode(sealed["signatures"][0]["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(folder / "key.pub"), "-rawin"]
    command += ["-in", str(tmp_path / "signed"), "-sigfile", str(tmp_path / "signature")]
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    (tmp_path / "signed").write_bytes((tmp_path / "signed").read_bytes().replace(b"quick", b"paper", 1))
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_same_report_adds_no_line_and_another_one_or_another_key_does(
    copied: Project, key: Signer, tmp_path: Path
) -> None:
    folder = sign(copied, key).folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = sign(copied, key, "2027-01-01T00:00:00+00:00")
    assert (again.number, again.new) == (1, False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    receipt = copied.folder(RUN) / "receipt.json"
    write_json(receipt, {**read_json(receipt), "duration_s": 2.5})
    assert not is_attested(copied.results, folders(copied))
    assert (sign(copied, key).number, sign(copied, key).number) == (2, 2)
    other = signer(tmp_path / "other.pem", new=True)
    assert sign(copied, other).number == 3
    assert problems(copied) == []
    assert "key.pub" in {Path(p.where).name for p in problems(copied, key.id)}
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == [key.id, key.id, other.id]


def test_an_edited_receipt_is_named_with_its_path(copied: Project, key: Signer) -> None:
    sign(copied, key)
    receipt = copied.folder(RUN) / "receipt.json"
    write_json(receipt, {**read_json(receipt), "host": {"name": "a better machine"}})
    (problem,) = problems(copied)
    assert (problem.kind, problem.where) == (ATTESTATION, str(receipt))
    assert problem.found.startswith("is not what was attested; ")


@pytest.mark.parametrize("file", [f"{RUN}/manifest.json", "report/all/report.html", "report/all/report.json"])
def test_any_other_file_that_it_covers_is_named(copied: Project, key: Signer, file: str) -> None:
    sign(copied, key)
    with copied.folder(file).open("ab") as handle:
        handle.write(b" ")
    assert where(copied) == {file}
    copied.folder(file).unlink()
    assert where(copied) == {file}
    os.mkfifo(copied.folder(file))
    assert where(copied) == {file}
    assert not is_attested(copied.results, folders(copied))


def test_a_report_made_again_says_that_alone(copied: Project, key: Signer) -> None:
    sign(copied, key)
    copied.folder("report/all/report.html").write_text("another page")
    copied.seal("report/all")
    (problem,) = problems(copied)
    assert problem.kind == "stale" and "attests another report than there is" in problem.found


def test_what_is_not_whole_is_not_attested(copied: Project, key: Signer) -> None:
    with copied.folder("report/all/report.html").open("ab") as handle:
        handle.write(b" ")
    with pytest.raises(CheckFailed, match=r"report\.html.*it was not attested"):
        sign(copied, key)
    shutil.rmtree(copied.folder("report/all"))
    copied.report()
    write_json(copied.folder(RUN) / "manifest.json", {})
    with pytest.raises(CheckFailed, match=f"{RUN} is not what it was made from"):
        sign(copied, key)
    assert not (copied.results / "attested").exists()


def edit_line(number: int, **changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "log.jsonl"
        lines = path.read_text().splitlines()
        fields = {**json.loads(lines[number]), **changes}
        lines[number] = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        path.write_text("\n".join(lines) + "\n")

    return edit


def delete_line(number: int) -> Callable[[Path], None]:
    def delete(folder: Path) -> None:
        path = folder / "log.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        del lines[number]
        path.write_bytes(b"".join(lines))

    return delete


def edit_statement(folder: Path) -> None:
    path = folder / "statement.json"
    path.write_text(path.read_text().replace("somewhere", "elsewhere"))


def edit_payload(folder: Path) -> None:
    sealed = read_json(folder / "envelope.json")
    payload = base64.b64decode(sealed["payload"]).replace(b"somewhere", b"elsewhere")
    write_json(folder / "envelope.json", {**sealed, "payload": base64.b64encode(payload).decode()})
    (folder / "statement.json").write_bytes(payload)


def put_another_key(folder: Path) -> None:
    other = signer(folder.parent / "thief.pem", new=True)
    (folder / "key.pub").write_bytes(other.public_pem)


def sign_again_with_another_key(folder: Path) -> None:
    """Statement, envelope and key, and not the log: its last line tells."""
    other = signer(folder.parent / "thief.pem", new=True)
    statement = (folder / "statement.json").read_bytes().replace(b"somewhere", b"elsewhere")
    (folder / "statement.json").write_bytes(statement)
    write_json(folder / "envelope.json", envelope.seal(statement, other))
    (folder / "key.pub").write_bytes(other.public_pem)


def replace(name: str, how: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        path = folder / name
        content = path.read_bytes()
        path.unlink()
        if how == "pipe":
            os.mkfifo(path)
        elif how == "folder":
            path.mkdir()
        elif how == "link":
            (folder.parent / "aside").write_bytes(content)
            path.symlink_to(folder.parent / "aside")
        elif how == "empty":
            path.write_bytes(b"")
        elif how == "deep":
            path.write_bytes(b"[" * 5000)

    return put


def only_the_key(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "key.pub":
            path.unlink()


CHANGES: list[tuple[Callable[[Path], None], str]] = [
    (edit_line(2, time="2020-01-01T00:00:00+00:00"), "log.jsonl"),
    (edit_line(2, scale="paper"), "log.jsonl"),
    (edit_line(2, key="0" * 64), "log.jsonl"),
    (edit_line(0, time="2020-01-01T00:00:00+00:00"), "log.jsonl"),
    (delete_line(0), "log.jsonl"),
    (delete_line(1), "log.jsonl"),
    (delete_line(2), "log.jsonl"),
    (edit_statement, "statement.json"),
    (edit_payload, "envelope.json"),
    (put_another_key, "envelope.json"),
    (sign_again_with_another_key, "log.jsonl"),
    (lambda folder: (folder / "more").write_text("x") and None, "more"),
    *((replace(name, how), name)
      for name in ("statement.json", "envelope.json", "key.pub", "log.jsonl")
      for how in ("gone", "pipe", "folder", "link", "empty", "deep")),
    (only_the_key, "envelope.json"),
]  # fmt: skip


@pytest.fixture
def thrice(copied: Project, key: Signer) -> Project:
    """A project whose report was attested three times."""
    for seconds in (1.0, 2.0, 3.0):
        receipt = copied.folder(RUN) / "receipt.json"
        write_json(receipt, {**read_json(receipt), "duration_s": seconds})
        sign(copied, key)
    return copied


def test_each_change_of_an_attestation_is_named_at_its_file(thrice: Project, tmp_path: Path) -> None:
    assert problems(thrice) == []
    folder = thrice.results / "attested"
    shutil.copytree(folder, tmp_path / "whole")
    for number, (change, named) in enumerate(CHANGES):
        change(folder)
        found = problems(thrice)
        assert any(p.where == str(folder / named) for p in found), (number, named, found)
        assert all(p.kind == ATTESTATION and "\n" not in p.found for p in found), (number, found)
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "whole", folder)
        (thrice.results / "thief.pem").unlink(missing_ok=True)


def test_a_forgery_that_is_signed_anew_differs_by_its_key_alone(copied: Project, key: Signer, tmp_path: Path) -> None:
    sign(copied, key)
    shutil.rmtree(copied.results / "attested")
    assert problems(copied) == []  # nothing is left that says otherwise
    assert where(copied, key.id) == {"attested"}
    sign(copied, signer(tmp_path / "thief.pem", new=True))
    assert problems(copied) == []
    assert where(copied, key.id) == {"attested/key.pub"}


def test_nothing_is_attested_behind_a_log_that_does_not_hold(thrice: Project, key: Signer) -> None:
    path = thrice.results / "attested/log.jsonl"
    delete_line(0)(path.parent)
    before = path.read_bytes()
    copied = thrice.folder(RUN) / "receipt.json"
    write_json(copied, {**read_json(copied), "duration_s": 9.0})
    with pytest.raises(CheckFailed, match=r"log\.jsonl: line 1: .*move .* away to begin another log"):
        sign(thrice, key)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(CheckFailed, match="is gone, though reports were attested here"):
        sign(thrice, key)


def test_what_a_killed_process_left_aside_is_put_back(thrice: Project, key: Signer) -> None:
    folder = thrice.results / "attested"
    folder.rename(thrice.results / ".attested.123.old")
    assert sign(thrice, key).number == 3
    assert problems(thrice) == []
    assert [path.name for path in thrice.results.glob(".attested*")] in ([], [".attested.lock"])


def test_it_is_written_whole_or_not_at_all(copied: Project, key: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reeltrace.attest.attest.swap_in", refuse)
    made = look(copied.root, copied.scale, folders(copied))
    with pytest.raises(Exception, match="disk is full"):
        attest(made, AROUND, key, copied.results)
    assert [path.name for path in copied.results.glob("*attested*")] in ([], [".attested.lock"])


def test_a_bundle_of_sigstore_is_held_to_the_statement(copied: Project, key: Signer) -> None:
    sign(copied, key)
    folder = copied.results / "attested"
    digest = hashlib.sha256((folder / "statement.json").read_bytes()).digest()

    def bundle(digest: bytes, **other: Any) -> dict[str, Any]:
        signed = {"messageDigest": {"algorithm": "SHA2_256", "digest": base64.b64encode(digest).decode()}}
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"certificate": {"rawBytes": "MA=="}},
            "messageSignature": {**signed, "signature": "MA=="},
            **other,
        }

    path = folder / "statement.sigstore.json"
    write_json(path, bundle(digest))
    assert problems(copied) == []
    for wrong, words in (
        (bundle(bytes(32)), "is of another file than statement.json"),
        (bundle(digest, mediaType="text/plain"), "is no bundle"),
        (bundle(digest, verificationMaterial={}), "is no bundle"),
        ([], "is no bundle"),
        ("garbage", "is no bundle"),
    ):
        path.write_text("garbage") if wrong == "garbage" else write_json(path, wrong)
        assert [(p.where, p.kind) for p in problems(copied)] == [(str(path), ATTESTATION)]
        assert words in problems(copied)[0].found


def test_of_some_artifacts_the_attestation_holds_manifests_and_receipts(copied: Project, key: Signer) -> None:
    def said(*only: str) -> list[tuple[str, str]]:
        found = against(check(copied.results / "attested"), copied.root, copied.scale, only=only)
        return [(p.kind, Path(p.where).relative_to(copied.results).as_posix()) for p in found]

    sign(copied, key)
    receipt = copied.folder(RUN) / "receipt.json"
    write_json(receipt, {**read_json(receipt), "host": {"name": "other"}})
    assert said(RUN) == [(ATTESTATION, f"{RUN}/receipt.json")]
    assert said("report/all") == []
    for file in ("manifest.json", "report.html"):  # as after the report was made again
        path = copied.folder("report/all") / file
        path.write_bytes(path.read_bytes() + b" ")
    assert said(RUN) == [("stale", "attested")]


def test_sigstore_is_asked_for_only_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Exception, match="--sigstore: the program sigstore is not installed"):
        sigstore(tmp_path)
    program = tmp_path / "sigstore"
    program.write_text('#!/bin/sh\n[ "$1" = sign ] && : > "$4"\n')
    program.chmod(0o755)
    assert sigstore(tmp_path).is_file()
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(Exception, match="ended with 3"):
        sigstore(tmp_path)
