"""What the tests of networks share: one thread, fixed seeds, and the groups to run over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from reeltrace.models.groups import GROUPS, Group


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=sorted(GROUPS))
def group(request: pytest.FixtureRequest) -> Group:
    return GROUPS[request.param]
