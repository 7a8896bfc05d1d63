"""Keys that sign and are checked: ed25519, the private one in a file of the user's own.

An id of a key is the sha256 of its public half in DER, as `openssl pkey -pubin -in key.pub -outform DER | sha256sum`
gives it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reeltrace.artifacts.files import read_whole, reason_of, sha256_bytes
from reeltrace.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

VARIABLE = "REELTRACE_KEY"  # the path of the key that signs
LARGEST = 100_000  # bytes of a file that may hold a key
ID = re.compile(r"[0-9a-f]{64}")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Signer:
    """A private key; `made` says that its file was written just now."""

    path: Path
    private: Ed25519PrivateKey
    made: bool

    @property
    def public_pem(self) -> bytes:
        """Its public half, as `key.pub` holds it."""
        return _pem(self.private.public_key())

    @property
    def id(self) -> str:
        """The id of the key."""
        return id_of(self.private.public_key())

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the signature of `data`."""
        return self.private.sign(data)


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a user's key lies unless told otherwise: in the folder of their configuration."""
    folder = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "reeltrace" / "key.pem"


def signer(path: Path | None = None, *, new: bool = False, environment: Mapping[str, str] = os.environ) -> Signer:
    """The key to sign with: at `path`, where REELTRACE_KEY says, or the user's own, which is made on first use.

    A path that somebody gave must be there, unless `new` asks for a key to be made at it: a slip in the path would sign
    with a key that nobody knows. Raises `UserError` for what cannot be used, naming it and what to do.
    """
    named = str(path) if path is not None else environment.get(VARIABLE) or ""
    where = Path(named).expanduser() if named else default_path(environment)
    if os.path.lexists(where):
        if new:
            raise UserError(f"--new-key: {where} is there already; leave out --new-key to sign with it")
        return Signer(where, _read_private(where), made=False)
    if named and not new:
        told = "--key" if path is not None else VARIABLE
        raise UserError(f"{told}: {where} is not there; correct the path, or make a new key there with --new-key")
    return Signer(where, _make(where), made=True)


def known_id(environment: Mapping[str, str] = os.environ) -> str | None:
    """The id of the key that this user signs with; None where there is none, or none that can be read."""
    try:
        where = Path(environment.get(VARIABLE) or default_path(environment)).expanduser()
        return id_of(_read_private(where).public_key()) if where.is_file() else None
    except (UserError, OSError, RuntimeError):
        return None


def read_public(pem: bytes) -> Ed25519PublicKey:
    """The public key in a PEM text. Raises `ValueError` where there is none of ed25519."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        found = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key in PEM") from None
    if not isinstance(found, Ed25519PublicKey):
        raise ValueError("not a key of ed25519")
    return found


def id_of(public: Ed25519PublicKey) -> str:
    """The id of a key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return sha256_bytes(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def expected_id(text: str) -> str:
    """The id of the key that a reviewer expects: given itself, or by the file of its public half.

    Raises `UserError` where `text` is neither.
    """
    if ID.fullmatch(text.lower()):
        return text.lower()
    path = Path(text).expanduser()
    try:
        return id_of(read_public(read_whole(path, LARGEST)))
    except ValueError as error:
        raise UserError(f"--key: {path}: {error}; expected the key.pub of whoever made the report, or its id") from None
    except OSError as error:
        expected = "expected the key.pub of whoever made the report, or its id of 64 digits"
        raise UserError(f"--key: {path}: {reason_of(error)}; {expected}") from None


def is_signed(public: Ed25519PublicKey, signature: bytes, data: bytes) -> bool:
    """Whether `signature` is that of `data` by this key."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _read_private(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if path.stat().st_mode & OTHERS:
            raise UserError(f"{path}: others may read this key; run: chmod 600 {path}")
        found = load_pem_private_key(read_whole(path, LARGEST), password=None)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({reason_of(error)}); correct that, or name another --key") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a TypeError: it wants a password
        raise UserError(
            f"{path}: not a private key in PEM without a password; name another --key, or make one with --new-key"
        ) from None
    if not isinstance(found, Ed25519PrivateKey):
        raise UserError(f"{path}: not a key of ed25519; name another --key, or make one with --new-key")
    return found


def _make(path: Path) -> Ed25519PrivateKey:
    """A new key at `path`, for nobody else to read; where another process was first, the one that it made."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)  # never over another key
    except FileExistsError:
        if not path.is_file():
            raise UserError(f"{path}: cannot be made ({path.parent} is no folder); name another --key") from None
        return _read_private(path)
    except OSError as error:
        raise UserError(
            f"{path}: a key cannot be made there ({reason_of(error)}); correct that, or name another --key"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return private


def _pem(public: Ed25519PublicKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
