"""The finished invented project, and keys for its attestations."""

from pathlib import Path

import pytest

from reeltrace.attest.keys import Signer, signer
from report.conftest import copied, finished  # noqa: F401


@pytest.fixture
def key(tmp_path: Path) -> Signer:
    """A key of its own."""
    return signer(tmp_path / "keys" / "one.pem", new=True)
