"""Latency and memory: that it measures what runs, and says what does not."""

from __future__ import annotations

import ctypes
import time

import pytest
import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.machine import process_memory
from reeltrace.measure import latency
from reeltrace.measure.latency import choose_device, measure_latency

CPU = torch.device("cpu")


class Sleeper(nn.Module):
    """Takes a known time and a known memory, and counts its calls."""

    def __init__(self, seconds: float, megabytes: int = 0) -> None:
        super().__init__()
        self.seconds, self.megabytes, self.calls = seconds, megabytes, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.megabytes:
            torch.ones(self.megabytes * 2**18)  # float32: four bytes each
        time.sleep(self.seconds if self.calls > 1 else 10 * self.seconds)
        return x


def measure(model: nn.Module, x: Tensor, **changes: object) -> dict[str, object]:
    options = {"device": CPU, "precision": "float32", "warm_up": 1, "repeats": 3, "threads": 1, **changes}
    return measure_latency(model, [x], **options)  # type: ignore[arg-type]


def test_the_warm_up_does_not_count_and_the_repeats_do() -> None:
    model = Sleeper(0.02)
    found = measure(model, torch.zeros(1, 3))
    assert model.calls == 4
    seconds = found["seconds"]
    assert isinstance(seconds, dict)
    assert len(seconds["all"]) == 3
    assert 0.02 <= seconds["fastest"] <= seconds["median"] <= seconds["slowest"]
    assert seconds["fastest"] < 0.2  # the first pass took that long
    assert found["views_per_second"] == pytest.approx(1 / seconds["median"])
    assert found["device"]


def test_memory_of_the_pass_is_seen_and_that_of_earlier_times_is_not() -> None:
    for option in (process_memory.MMAP_THRESHOLD, process_memory.TRIM_THRESHOLD):
        ctypes.CDLL(None).mallopt(option, 2**17)  # as it is at first: a test before may have trained in this process
    torch.ones(300 * 2**18)  # gone again before anything is measured
    light = measure(Sleeper(0.001), torch.zeros(1, 3))
    heavy = measure(Sleeper(0.001, megabytes=200), torch.zeros(1, 3))
    extra = [found["process_bytes"]["peak"] - found["process_bytes"]["before"] for found in (light, heavy)]  # type: ignore[index]
    assert extra[0] < 60 * 2**20
    assert 190 * 2**20 < extra[1] < 290 * 2**20


def test_autocast_is_what_the_precision_says() -> None:
    kinds = []
    model = nn.Linear(4, 4)
    model.register_forward_hook(lambda module, inputs, out: kinds.append(out.dtype))
    for precision in ("float32", "bfloat16"):
        measure(model, torch.zeros(1, 4), precision=precision, repeats=1, warm_up=0)
    assert kinds == [torch.float32, torch.bfloat16]


def test_a_view_that_does_not_fit_the_net_is_refused() -> None:
    with pytest.raises(UserError, match="a view of 1x5 does not fit the net"):
        measure(nn.Linear(4, 4), torch.zeros(1, 5))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("out"),
        RuntimeError("can't allocate memory"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_too_little_memory_says_what_to_lower(error: Exception) -> None:
    class Greedy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    with pytest.raises(UserError, match=r"memory does not suffice for a view of 1x3x4; lower its crop"):
        measure(Greedy(), torch.zeros(1, 3, 4))


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA device"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_memory_is_limited_so_that_the_process_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "available_memory", lambda: 300 * 2**20)
    measure(Sleeper(0.001, megabytes=50), torch.zeros(1, 3))
    with pytest.raises(UserError, match=r"cpu: memory does not suffice for a view of 1x3; lower its crop or frames"):
        measure(Sleeper(0.001, megabytes=600), torch.zeros(1, 3))
    torch.ones(600 * 2**18)  # the limit is gone again
