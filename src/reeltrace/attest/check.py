"""Checks of an attestation: that its files belong together, and what they say of files that may have changed since."""

import base64
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import read_whole, reason_of, sha256_bytes
from reeltrace.artifacts.formats import HTML
from reeltrace.artifacts.json_values import parse_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.attest import envelope, log
from reeltrace.attest.keys import ID, id_of, is_signed, read_public
from reeltrace.attest.names import ATTESTED, BUNDLE, ENVELOPE, FILES, LOG, PUBLIC, STATEMENT
from reeltrace.attest.statement import PREDICATE_TYPE, REPORT, STATEMENT_TYPE, line, recorded
from reeltrace.errors import Problem

ATTESTATION = "attestation does not hold"
SIGSTORE = "application/vnd.dev.sigstore.bundle"  # how the type of its bundles begins, a version follows
AGAIN = "if it was made again since, `reeltrace attest` attests what is there now"


@dataclass
class Found:
    """What an attestation says, as far as it can be read. `there` is whether there is one at all.

    `covered` has the sha256 of each file that it covers, by the path below the project.
    """

    there: bool = False
    key: str = ""
    time: str = ""
    number: int = 0
    covered: dict[str, str] = field(default_factory=dict)
    project: dict[str, str] = field(default_factory=dict)
    bundle: bool = False
    problems: list[Problem] = field(default_factory=list)


def check(folder: Path, key: str | None = None) -> Found:
    """Whether the files of an attestation belong together, and are signed by `key` where its id is given.

    What it says of the report's and the artifacts' files is compared by `against`.
    """
    found = Found()

    def say(file: str, what: str) -> None:
        found.problems.append(Problem(ATTESTATION, str(folder / file) if file else str(folder), what))

    if not os.path.lexists(folder):
        if key is not None:
            say("", f"there is no attestation, and one by the key {key[:12]}... is asked for")
        return found
    found.there = True
    if folder.is_symlink() or not folder.is_dir():
        say("", "not a folder")
        return found
    try:
        others = sorted({path.name for path in folder.iterdir()} - {*FILES, BUNDLE})
    except OSError as error:
        say("", f"cannot be read ({reason_of(error)})")
        return found
    for name in others:
        say(name, "is no file of an attestation")
    found.bundle = os.path.lexists(folder / BUNDLE)
    texts = {name: text for name in FILES if (text := _text(folder / name, _of(say, name))) is not None}
    if PUBLIC in texts and ENVELOPE in texts:
        _signature(texts, key, found, say)
    elif key is not None:
        say("", f"nothing here says that the key {key[:12]}... signed it")
    if STATEMENT in texts:
        _statement(texts[STATEMENT], found, say)
    if LOG in texts:
        _log(texts, folder.parent.name, found, say)
    if found.bundle and (text := _text(folder / BUNDLE, _of(say, BUNDLE))) is not None and STATEMENT in texts:
        _sigstore(text, sha256_bytes(texts[STATEMENT]), _of(say, BUNDLE))
    return found


def against(
    found: Found,
    root: Path,
    scale: str,
    stale: Callable[[str], bool] = lambda name: False,
    only: Collection[str] | None = None,
) -> list[Problem]:
    """Where the files of the report and of the artifacts, or of `only` some of these, are not those that were attested.

    `stale` says of an artifact "stage/key" whether that has been said to be stale. Where the report is another one, the
    page and its manifest, as after it was made again, that alone is said.
    """
    prefix = f"results/{scale}/"
    problems: list[Problem] = []
    changed: dict[str, str] = {}
    asked = None if only is None else {*only, REPORT}  # the report tells whether another one was attested
    for name, sha256 in found.covered.items():
        path = root / name
        if asked is not None and _artifact(name, prefix) not in asked:
            continue
        if not name.startswith(prefix):
            problems.append(Problem(ATTESTATION, name, "is attested here, and is none of this scale's"))
            continue
        if not os.path.lexists(path):
            changed[name] = "was attested and is not there"
            continue
        try:
            if sha256_bytes(read_whole(path)) != sha256:
                changed[name] = f"is not what was attested; {AGAIN}"
        except OSError as error:
            changed[name] = f"cannot be read ({reason_of(error)})"
    if {f"{prefix}{REPORT}/{file}" for file in (MANIFEST, HTML)} <= changed.keys():
        folder = root / prefix / ATTESTED
        return [*problems, Problem("stale", str(folder), f"attests another report than there is; {AGAIN}")]
    for name, what in changed.items():
        artifact = _artifact(name, prefix)
        if only is not None and artifact not in only:
            continue
        kind = "stale" if stale(artifact) and not name.endswith(f"/{RECEIPT}") else ATTESTATION
        problems.append(Problem(kind, str(root / name), what))
    return problems


def _artifact(name: str, prefix: str) -> str:
    return "/".join(name.removeprefix(prefix).split("/")[:2])


def _of(say: Callable[[str, str], None], file: str) -> Callable[[str], None]:
    """`say` of one file."""
    return lambda what: say(file, what)


def _text(path: Path, say: Callable[[str], None]) -> bytes | None:
    """A file of an attestation; None, and said why, where it is no plain file that can be read."""
    if path.is_symlink():
        say("a link, not a file")
        return None
    try:
        return read_whole(path)
    except FileNotFoundError:
        say("is not there")
    except OSError as error:
        say(f"cannot be read ({reason_of(error)})")
    return None


def _signature(texts: dict[str, bytes], key: str | None, found: Found, say: Callable[[str, str], None]) -> None:
    try:
        public = read_public(texts[PUBLIC])
    except ValueError as error:
        return say(PUBLIC, str(error))
    found.key = id_of(public)
    if key is not None and found.key != key:
        say(PUBLIC, f"is the key {found.key[:12]}..., and {key[:12]}... is asked for")
    try:
        sealed = envelope.read(texts[ENVELOPE])
    except ValueError as error:
        return say(ENVELOPE, str(error))
    if sealed.key != found.key:
        say(ENVELOPE, f"says that the key {str(sealed.key)[:12]} signed it, and {PUBLIC} is {found.key[:12]}...")
    if not is_signed(public, sealed.signature, sealed.signed):
        say(ENVELOPE, f"its signature is not one of its payload by {PUBLIC}")
    if STATEMENT in texts and sealed.payload != texts[STATEMENT]:
        say(STATEMENT, f"is not the payload that {ENVELOPE} has signed")
    return None


def _statement(text: bytes, found: Found, say: Callable[[str, str], None]) -> None:
    try:
        value = parse_json(text)
        if (value["_type"], value["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
            return say(STATEMENT, "is no statement of in-toto with SLSA's provenance")
        metadata = value["predicate"]["runDetails"]["metadata"]
        found.time, found.number = str(metadata["finishedOn"]), int(metadata["reeltrace_log"]["number"])
        found.covered = {str(name): str(sha256) for name, sha256 in recorded(value).items()}
        listed: list[Any] = value["predicate"]["buildDefinition"]["resolvedDependencies"]
        found.project = {
            entry["name"]: entry["digest"].get("sha256", "")
            for entry in listed
            if not entry["name"].startswith("results/")
        }
    except ValueError as error:
        say(STATEMENT, f"not JSON ({error})")
    except (LookupError, TypeError, AttributeError):
        say(STATEMENT, "its fields are not those of a statement")
    return None


def _sigstore(text: bytes, statement: str, say: Callable[[str], None]) -> None:
    """A bundle of sigstore is of the statement, whose sha256 that is. Its signature is for sigstore's own program."""
    try:
        value = parse_json(text)
        kind, signed = value["mediaType"], value["messageSignature"]
        digest = base64.b64decode(signed["messageDigest"]["digest"], validate=True).hex()
        whole = bool(base64.b64decode(signed["signature"], validate=True)) and bool(value["verificationMaterial"])
        algorithm = signed["messageDigest"]["algorithm"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return say("is no bundle of sigstore for a file")
    if not str(kind).startswith(SIGSTORE) or not whole:
        return say("is no bundle of sigstore for a file")
    if (algorithm, digest) != ("SHA2_256", statement):
        say(f"is of another file than {STATEMENT}")
    return None


def _log(texts: dict[str, bytes], scale: str, found: Found, say: Callable[[str, str], None]) -> None:
    """The log holds in itself, and its last line is that of the statement, in every field."""
    lines, problems = log.check(texts[LOG])
    for problem in problems:
        say(LOG, problem)
    if problems or STATEMENT not in texts:
        return
    try:
        expected = line(texts[STATEMENT], scale, found.key)
    except (ValueError, LookupError, TypeError, AttributeError):
        return  # that the statement is none has been said
    last = lines[-1]
    if not ID.fullmatch(str(last["key"])):
        say(LOG, f"line {len(lines)}: its key is no id of a key")
    elif wrong := [name for name in log.FIELDS if last[name] != expected[name]]:
        taken = " (a line behind it was taken out, or the statement is of another line)" if "number" in wrong else ""
        say(LOG, f"line {len(lines)}: {', '.join(wrong)} not as in the signed statement{taken}")
