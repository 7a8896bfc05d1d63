"""Forward and backward of one batch: computed as written, or captured once on a GPU and launched as a whole.

A step of a small net is hundreds of kernels that take less time than their launches. A CUDA graph launches them
together. It holds the shapes and places of memory that it was captured with, so there is one for each size of batch: of
stored clips an epoch has two at most.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltrace.machine import cuda_graphs
from reeltrace.training.evaluation import Clips, channels_last, to_input
from reeltrace.training.residence import Resident

WARM_UP = 3  # steps before a capture: libraries load, and memory is set aside


class Found(NamedTuple):
    """Of one batch: the gradient of each parameter, the sum of the clips' losses, and how many are right.

    The tensors lie on the device. Those of a captured step hold until the next one.
    """

    gradients: tuple[Tensor, ...]
    loss: Tensor
    correct: Tensor


class Step(Protocol):
    """Uint8 clips (B, C, T, H, W), or features, with labels (B,), and the share of the update that they are."""

    def __call__(self, pixels: Tensor, labels: Tensor, share: float) -> Found: ...


Recorder = Callable[[Callable[[], Found]], tuple[Callable[[], None], Found]]


@dataclass(frozen=True)
class Computed:
    """The step as it is written; in bfloat16 where `bfloat16` says so."""

    model: nn.Module
    parameters: list[Tensor]
    clips: Clips
    bfloat16: bool

    def __call__(self, pixels: Tensor, labels: Tensor, share: float) -> Found:
        x = to_input(pixels, self.clips)
        # bfloat16 and channels-last pay together: measured on one CPU core, forward and backward of the quick
        # Z3 net take 3.3 ms per clip without both, 2.0 and 2.6 with one of them, 1.5 with both.
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.model(channels_last(x))
        loss = F.cross_entropy(logits.float(), labels)
        gradients = torch.autograd.grad(loss * share, self.parameters)
        return Found(gradients, loss.detach() * len(labels), (logits.argmax(1) == labels).sum())


class Captured:
    """A step that is recorded for each size of batch when that comes first, and played again from then on.

    `record` computes a function of fixed tensors and gives back what plays it again, with the tensors in which the
    results then lie. If it cannot, that is said in one line on standard error, and steps are computed one by one.
    """

    def __init__(self, step: Step, record: Recorder, who: str) -> None:
        self.step, self.record, self.who = step, record, who
        self._recorded: dict[object, tuple[Tensor, Tensor, Callable[[], None], Found]] = {}
        self._can = True

    def __call__(self, pixels: Tensor, labels: Tensor, share: float) -> Found:
        key = (pixels.shape, pixels.dtype, share)
        if self._can and key not in self._recorded:
            given = pixels.clone(memory_format=torch.contiguous_format), labels.clone()
            try:
                self._recorded[key] = (*given, *self.record(lambda: self.step(*given, share)))
            except RuntimeError as error:
                self._can = False
                self._recorded.clear()
                why = str(error).splitlines()[0]
                print(f"{self.who}: its steps cannot be captured ({why}); each is launched by itself", file=sys.stderr)
        if not self._can:
            return self.step(pixels, labels, share)
        to, of, play, found = self._recorded[key]
        to.copy_(pixels)
        of.copy_(labels)
        play()
        return found


def step_of(model: nn.Module, parameters: list[Tensor], clips: Clips, bfloat16: bool, who: str) -> Step:
    """The step of a net on `clips`: captured where they lie on a GPU and nothing is drawn within the net."""
    step = Computed(model, parameters, clips, bfloat16)
    draws = any(isinstance(module, nn.Dropout) and module.p > 0 for module in model.modules())
    if not isinstance(clips, Resident) or draws or not cuda_graphs.are_wanted():
        return step
    return Captured(step, _Graphs(model), who)


class _Graphs:
    """Records functions as CUDA graphs that share their memory, for they are played one after another.

    What the first runs of a function do to the running statistics of `model` is undone.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.pool: Any = None

    def __call__(self, function: Callable[[], Found]) -> tuple[Callable[[], None], Found]:
        before = [(buffer, buffer.clone()) for buffer in self.model.buffers()]
        try:
            apart = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            apart.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(apart):
                for _ in range(WARM_UP):
                    function()
            torch.cuda.current_stream().wait_stream(apart)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self.pool):
                found = function()
        finally:
            for buffer, value in before:
                buffer.copy_(value)
        self.pool = graph.pool()
        return graph.replay, found
