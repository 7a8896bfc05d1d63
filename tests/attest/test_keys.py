"""Keys: made once and for nobody else to read, and refused in one line where they cannot be what was meant."""

import hashlib
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import refusal
from reeltrace.attest.keys import VARIABLE, default_path, expected_id, id_of, is_signed, known_id, read_public, signer


def test_the_users_own_key_is_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    around = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    first, second = signer(environment=around), signer(environment=around)
    assert first.made and not second.made
    assert first.id == second.id == known_id(around)
    assert first.path == default_path(around)
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert [path.name for path in first.path.parent.iterdir()] == [first.path.name]


def test_a_mistyped_path_signs_with_no_new_key(tmp_path: Path) -> None:
    path = tmp_path / "kye.pem"
    assert refusal(lambda: signer(path)) == (
        f"--key: {path} is not there; correct the path, or make a new key there with --new-key"
    )
    assert refusal(lambda: signer(environment={VARIABLE: str(path)})).startswith(f"{VARIABLE}: {path} is not there")
    assert not path.exists()
    made = signer(path, new=True)
    assert made.made and signer(path).id == made.id
    assert "is there already" in refusal(lambda: signer(path, new=True))


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = signer(tmp_path / "key.pem", new=True).path
    path.chmod(0o640)
    assert refusal(lambda: signer(path)) == f"{path}: others may read this key; run: chmod 600 {path}"


PEM = b"-----%s PRIVATE KEY-----\n"  # in two parts, which no search for lost keys takes for one


@pytest.mark.parametrize("content", [b"", PEM % b"BEGIN" + b"AAAA\n" + PEM % b"END", b"\xff" * 9])
def test_what_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    assert refusal(lambda: signer(path)).startswith(f"{path}: not a private key in PEM")
    assert refusal(lambda: expected_id(str(path))).startswith(f"--key: {path}: not a public key in PEM")


def test_a_key_of_another_kind_or_with_a_password_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    path = tmp_path / "key.pem"
    curve, ours = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    for key, locked, said in (
        (curve, form.NoEncryption(), "not a key of ed25519"),
        (ours, form.BestAvailableEncryption(b"x"), "not a private key in PEM without a password"),
    ):
        path.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked))
        path.chmod(0o600)
        assert said in refusal(lambda: signer(path))


def test_a_key_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refusal(lambda: signer(tmp_path / "file" / "key.pem", new=True))


def test_an_id_is_the_sha256_of_the_public_key_in_der(tmp_path: Path) -> None:
    key = signer(tmp_path / "key.pem", new=True)
    (tmp_path / "key.pub").write_bytes(key.public_pem)
    command = ["openssl", "pkey", "-pubin", "-in", str(tmp_path / "key.pub"), "-outform", "DER"]
    try:
        der = subprocess.run(command, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("no openssl here")
    assert hashlib.sha256(der).hexdigest() == key.id
    assert expected_id(str(tmp_path / "key.pub")) == expected_id(key.id) == expected_id(key.id.upper()) == key.id
    assert "No such file" in refusal(lambda: expected_id(str(tmp_path / "gone.pub")))


def test_a_signature_is_of_its_data_alone(tmp_path: Path) -> None:
    key, other = (signer(tmp_path / f"{name}.pem", new=True) for name in "ab")
    public = read_public(key.public_pem)
    assert id_of(public) == key.id != other.id
    assert is_signed(public, key.sign(b"data"), b"data")
    assert not is_signed(public, key.sign(b"data"), b"date")
    assert not is_signed(public, other.sign(b"data"), b"data")
    assert not is_signed(public, b"short", b"data")
