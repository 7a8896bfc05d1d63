"""DSSE: a payload with its type and who signed both, as one JSON file.

See https://github.com/secure-systems-lab/dsse: what is signed is the payload's type and the payload, each with its
length before it, so that neither can be taken for part of the other.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from reeltrace.artifacts.json_values import parse_json
from reeltrace.attest.keys import Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True)
class Envelope:
    """What an envelope holds: the payload, and the one signature with the id of its key."""

    payload: bytes
    key: str
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The bytes that the signature is of."""
        return pre_authentication(PAYLOAD_TYPE, self.payload)


def pre_authentication(kind: str, payload: bytes) -> bytes:
    """DSSE's encoding of a payload and its type."""
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload))


def seal(payload: bytes, signer: Signer) -> dict[str, Any]:
    """The envelope of a payload, as JSON."""
    signature = signer.sign(pre_authentication(PAYLOAD_TYPE, payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": signer.id, "sig": base64.b64encode(signature).decode()}],
    }


def read(text: bytes) -> Envelope:
    """An envelope of ours from its text. Raises `ValueError` saying what is wrong with it."""
    value = parse_json(text)
    if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
        raise ValueError("its fields are not those of an envelope")
    if value["payloadType"] != PAYLOAD_TYPE:
        raise ValueError(f"its payload is not of the type {PAYLOAD_TYPE}")
    signatures = value["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise ValueError("it does not have one signature")
    one = signatures[0]
    if one.keys() != {"keyid", "sig"} or not all(isinstance(part, str) for part in (value["payload"], *one.values())):
        raise ValueError("its fields are not those of an envelope")
    try:
        payload, signature = (base64.b64decode(part, validate=True) for part in (value["payload"], one["sig"]))
    except (binascii.Error, ValueError):
        raise ValueError("its payload or signature is not in base64") from None
    return Envelope(payload, one["keyid"], signature)
