"""Attesting a report: the statement, its envelope, the public key and the log, which arrive together by one rename."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from reeltrace.artifacts.files import explain_full_disk, free_name, read_whole, reason_of, sha256_bytes, sha256_file
from reeltrace.artifacts.json_values import canonical_json, parse_json, read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.artifacts.protocol import check_outputs, swap_in
from reeltrace.attest import envelope, log
from reeltrace.attest.check import check
from reeltrace.attest.keys import Signer
from reeltrace.attest.names import ATTESTED, BUNDLE, ENVELOPE, FILES, LOG, PUBLIC, STATEMENT
from reeltrace.attest.statement import REPORT, SUBJECTS, Around, Made, build, line, recorded, roots
from reeltrace.errors import CheckFailed, UserError

WAIT = 20.0  # seconds for another process that attests


@dataclass(frozen=True)
class Attested:
    """What came of it: the number of the report's line in the log; `new` where that line is new."""

    folder: Path
    number: int
    key: str
    new: bool


def look(root: Path, scale: str, names: Mapping[str, Path]) -> Made:
    """What is there to be attested, `names` being the folders of all artifacts by "stage/key".

    Raises `CheckFailed` where the report is not what its manifest says, or was not made from what is there: that is
    nothing to put a name to.
    """
    report = names[REPORT]
    if problems := check_outputs(report):
        raise CheckFailed(f"{problems[0]}; it was not attested. `reeltrace verify` says more")
    inputs = read_json(report / MANIFEST)["inputs"]
    for name, entry in inputs.items():
        if name not in names or sha256_file(names[name] / MANIFEST) != entry["sha256"]:
            raise CheckFailed(f"{report}: {name} is not what it was made from; it was not attested: make it again")
    receipts = {name: read_json(folder / RECEIPT) for name, folder in names.items()}
    for name, receipt in receipts.items():
        if not isinstance(receipt, dict):
            raise CheckFailed(f"{names[name] / RECEIPT}: is not a receipt; the report was not attested")
    hashes = {file: sha256_file(report / file) for file in SUBJECTS}
    return Made(scale, names, tuple(inputs), hashes, receipts)


def is_attested(results: Path, names: Mapping[str, Path]) -> bool:
    """Whether the statement that lies there covers exactly these artifacts as they are now. Checks no signature."""
    try:
        told = recorded(parse_json(read_whole(results / ATTESTED / STATEMENT)))
        wanted = {f"{name}/{file}" for name in names for file in (MANIFEST, RECEIPT)}
        wanted |= {f"{REPORT}/{file}" for file in SUBJECTS}
        prefix = f"results/{results.name}/"
        return {name.removeprefix(prefix) for name in told} == wanted and all(
            sha256_bytes(read_whole(results / name.removeprefix(prefix))) == sha256 for name, sha256 in told.items()
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False


def attest(made: Made, around: Around, signer: Signer, results: Path, time: str | None = None) -> Attested:
    """Sign a statement of the report, and add its line to the log; the same report by the same key adds none.

    Raises `CheckFailed` where the log that is there does not hold: a line behind a broken one would hide it.
    """
    folder = results / ATTESTED
    lock = FileLock(results / f".{ATTESTED}.lock")
    try:
        lock.acquire(timeout=WAIT)
    except Timeout:
        raise UserError(f"{folder}: another process attests just now; try again when it has ended") from None
    try:
        _put_back(folder)
        text = _log_text(folder)
        hashes = made.hashes()
        number, previous = log.following(text)
        if (found := _same(folder, text, made, hashes, signer)) is not None:
            return Attested(folder, found, signer.id, new=False)
        now = time or datetime.now(UTC).isoformat(timespec="seconds")
        statement = build(made, around, hashes, now, number, previous)
        fields = line(statement, made.scale, signer.id)
        _write(
            folder,
            {
                STATEMENT: statement,
                ENVELOPE: canonical_json(envelope.seal(statement, signer)).encode(),
                PUBLIC: signer.public_pem,
                LOG: log.appended(text, fields),
            },
        )
        return Attested(folder, number, signer.id, new=True)
    finally:
        lock.release()


def sigstore(folder: Path) -> Path:
    """Sign the statement with sigstore too, by its own program; the bundle. Raises `UserError` where that cannot be."""
    bundle = folder / BUNDLE
    if shutil.which("sigstore") is None:
        raise UserError(
            "--sigstore: the program sigstore is not installed; install it (pip install sigstore), or leave the option "
            "out: the report is attested with the local key"
        )
    command = ["sigstore", "sign", "--overwrite", "--bundle", str(bundle), str(folder / STATEMENT)]
    if (code := subprocess.run(command, check=False).returncode) or not bundle.is_file():
        raise UserError(f"--sigstore: `{' '.join(command)}` ended with {code}; correct what it says and try again")
    return bundle


def _log_text(folder: Path) -> bytes:
    """The log that is there, whole; nothing where there is none. Raises `CheckFailed` where it does not hold."""
    path = folder / LOG
    begin = f"move {folder} away to begin another log, and keep it: it says what happened"
    if not os.path.lexists(path):
        if any(os.path.lexists(folder / file) for file in FILES):
            raise CheckFailed(f"{path}: is gone, though reports were attested here; restore it, or {begin}")
        return b""
    try:
        text = read_whole(path)
    except OSError as error:
        raise CheckFailed(f"{path}: cannot be read ({reason_of(error)}); correct that, or {begin}") from None
    _, problems = log.check(text)
    if problems:
        raise CheckFailed(f"{path}: {problems[0]}; nothing was attested behind it: restore it, or {begin}")
    return text


def _same(folder: Path, text: bytes, made: Made, hashes: Mapping[str, str], signer: Signer) -> int | None:
    """The line of this same report by this key, where its attestation lies there whole; None otherwise."""
    lines, _ = log.check(text) if text else ([], [])
    if not lines:
        return None
    last = lines[-1]
    if (last["report"], last["roots"], last["key"]) != (dict(made.report), roots(hashes, made.inputs), signer.id):
        return None
    return None if check(folder).problems else int(last["number"])


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    work = folder.with_name(f".{folder.name}.{os.getpid()}.work")
    try:
        with explain_full_disk(work):
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            for name, content in files.items():
                with (work / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                folder.rename(free_name(folder))
            swap_in(work, folder)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(work, ignore_errors=True)


def _put_back(folder: Path) -> None:
    """What a process killed between two renames has left aside, takes its place again; what is not needed goes."""
    for aside in sorted(folder.parent.glob(f".{folder.name}.*.old")):
        if not os.path.lexists(folder) and (aside / LOG).is_file():
            aside.rename(folder)
        else:
            shutil.rmtree(aside, ignore_errors=True)
