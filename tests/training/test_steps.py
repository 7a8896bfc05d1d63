"""Captured steps: what a recorder that computes instead of launching shows about batches, sums and sizes.

That a CUDA graph computes what it captured is shown on a GPU, in tests/gpu.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from reeltrace.data.store import ClipStore
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import loop, steps
from reeltrace.training.evaluation import Clips
from reeltrace.training.loop import new_model
from reeltrace.training.residence import resident
from reeltrace.training.steps import Captured, Computed, Found, step_of

SpecOf = Callable[..., TrainSpec]
CPU = torch.device("cpu")


def recorder(recorded: list[Found]) -> steps.Recorder:
    """Plays by computing into the tensors of the first time, which is what a graph does to its memory."""

    def record(function: Callable[[], Found]) -> tuple[Callable[[], None], Found]:
        found = Found(*(tuple(torch.full_like(g, torch.nan) for g in each) if isinstance(each, tuple) else each.clone()
                        for each in function()))  # fmt: skip
        recorded.append(found)

        def play() -> None:
            now = function()
            for to, of in zip([*found.gradients, *found[1:]], [*now.gradients, *now[1:]], strict=True):
                to.copy_(of)

        return play, found

    return record


@pytest.fixture
def splits(datasets: dict[str, Path]) -> tuple[ClipStore, ClipStore]:
    return ClipStore.open(datasets["direction"], "train"), ClipStore.open(datasets["direction"], "validation")


@pytest.mark.parametrize(
    ("protocol", "sizes"),
    [({"batch_size": 7}, 1), ({"batch_size": 5}, 2), ({"batch_size": 4, "update_after": 1.0}, 1),
     ({"batch_size": 5, "update_after": 0.5}, 1), ({"optimizer": "adam", "batch_size": 24}, 1)],
)  # fmt: skip
def test_a_training_by_captured_steps_is_the_training(
    protocol: dict[str, object], sizes: int, splits: tuple[ClipStore, ClipStore], spec_of: SpecOf, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Also where several batches make an update: what a step found is overwritten by the next one."""
    spec = spec_of(protocol=protocol, device={"precision": "float32"}, augment={"kind": "treverse", "probability": 0.5})
    # without running statistics: this recorder computes once more when it records
    spec = spec.model_copy(update={"model": spec.model.model_copy(update={"batch_norm": False})})
    recorded: list[Found] = []

    def captured(model: nn.Module, parameters: list[Tensor], clips: Clips, bfloat16: bool, who: str) -> Captured:
        return Captured(Computed(model, parameters, clips, bfloat16), recorder(recorded), who)

    trained = []
    for name, of in (("computed", Computed), ("captured", captured)):
        monkeypatch.setattr(loop, "step_of", lambda *given, of=of: of(*given[: 4 if of is Computed else 5]))
        (work := tmp_path / name).mkdir()
        trained.append(loop.train(spec, resident(splits[0], CPU), splits[1], work, "0"))
    assert len(recorded) == sizes
    assert trained[0].history == trained[1].history
    states = [one.model.state_dict() for one in trained]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_what_cannot_be_captured_is_computed_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def record(function: Callable[[], Found]) -> tuple[Callable[[], None], Found]:
        raise RuntimeError("operation not permitted when stream is capturing\nsome more")

    seen: list[Tensor] = []

    def step(pixels: Tensor, labels: Tensor, share: float) -> Found:
        seen.append(pixels)
        return Found((), labels, labels)

    captured = Captured(step, record, "dir-s0")
    for size in (2, 3, 2):
        captured(torch.zeros(size), torch.zeros(size), 1.0)
    assert [len(pixels) for pixels in seen] == [2, 3, 2]
    assert capsys.readouterr().err == (
        "dir-s0: its steps cannot be captured (operation not permitted when stream is capturing); each is launched by "
        "itself\n"
    )


def test_steps_are_captured_where_the_set_lies_on_the_device(
    splits: tuple[ClipStore, ClipStore], spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kind(net: nn.Module, clips: ClipStore) -> type:
        return type(step_of(net, list(net.parameters()), clips, False, "tiny"))

    net, there = new_model(spec_of()), resident(splits[0], CPU)
    assert kind(net, there) is Captured
    assert kind(net, splits[0]) is Computed
    assert kind(nn.Sequential(net, nn.Dropout(0.5)), there) is Computed
    assert kind(nn.Sequential(net, nn.Dropout(0.0)), there) is Captured
    monkeypatch.setenv("REELTRACE_CUDA_GRAPHS", "0")
    assert kind(net, there) is Computed
