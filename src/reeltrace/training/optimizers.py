"""The optimisers of the protocols, with a state that a resume checkpoint can hold.

SGD and Adam are torch.optim's own update rules: its functions are called, not its classes, of which each imports
torch's compiler first, a second per run. RPROP is written here as iqbal2017, section 3.2.3, has it: torch's variant
lets a weight whose gradient changes its sign rest for one update and forgets that gradient; the document's goes on with
the smaller step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

if TYPE_CHECKING:
    from reeltrace.registry.runs import Protocol

BETA2 = 0.999  # Adam's second decay rate and its epsilon, as in torch and in Kingma and Ba (2015)
EPSILON = 1e-8
ETAS = (0.5, 1.2)  # RPROP's factors for a gradient that changes its sign, and for one that keeps it
STEP_SIZES = (1e-6, 50.0)  # the least and the largest step of RPROP

State = dict[str, list[Tensor]]  # one tensor per parameter, under the names that torch gives them


class Optimizer:
    """One optimiser over a list of parameters.

    `protocol.optimizer` is `sgd`, `adam` or `rprop`. `protocol.momentum` is SGD's momentum and Adam's first decay rate;
    `protocol.weight_decay` is added to the gradient as L2 penalty, as in torch.
    """

    def __init__(self, protocol: Protocol, parameters: Sequence[Tensor]) -> None:
        self.protocol = protocol
        self.parameters = list(parameters)
        self._state: State = {}
        self._update = {"sgd": self._sgd, "adam": self._adam, "rprop": self._rprop}[protocol.optimizer]

    def step(self, gradients: Sequence[Tensor], rate: float) -> None:
        """Move the parameters by one update. `gradients` are in the order of the parameters, `rate` the learning rate.

        RPROP takes from `rate` only the size of its first step.
        """
        with torch.no_grad():
            self._update(list(gradients), rate)

    def state(self) -> State:
        """What has to be kept for the next update, on the CPU; empty before the first one."""
        return {name: [tensor.to("cpu", copy=True) for tensor in tensors] for name, tensors in self._state.items()}

    def load(self, state: State) -> None:
        """Take over what `state` returned; each tensor goes where its parameter is, but counters stay on the CPU."""
        self._state = {
            name: [
                tensor.clone() if name == "step" else tensor.to(parameter.device)
                for tensor, parameter in zip(tensors, self.parameters, strict=True)
            ]
            for name, tensors in state.items()
        }

    def _sgd(self, gradients: list[Tensor], rate: float) -> None:
        buffers: list[Tensor | None] = list(self._state.get("momentum_buffer", [])) or [None] * len(self.parameters)
        sgd(
            self.parameters,
            gradients,
            buffers,
            lr=rate,
            momentum=self.protocol.momentum,
            weight_decay=self.protocol.weight_decay,
            dampening=0,
            nesterov=False,
            maximize=False,
        )
        if self.protocol.momentum:
            self._state["momentum_buffer"] = [buffer for buffer in buffers if buffer is not None]

    def _adam(self, gradients: list[Tensor], rate: float) -> None:
        state = self._state or self._fill({"exp_avg": 0.0, "exp_avg_sq": 0.0})
        adam(
            self.parameters,
            gradients,
            state["exp_avg"],
            state["exp_avg_sq"],
            [],
            state["step"],
            amsgrad=False,
            beta1=self.protocol.momentum,
            beta2=BETA2,
            lr=rate,
            weight_decay=self.protocol.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def _rprop(self, gradients: list[Tensor], rate: float) -> None:
        state = self._state or self._fill({"prev": 0.0, "step_size": rate})
        smaller, larger = ETAS
        for parameter, gradient, before, step_size, step in zip(
            self.parameters, gradients, state["prev"], state["step_size"], state["step"], strict=True
        ):
            kept = gradient.sign() * before.sign()  # products of gradients may underflow to zero
            factor = torch.ones_like(step_size).masked_fill_(kept > 0, larger).masked_fill_(kept < 0, smaller)
            step_size.mul_(factor).clamp_(*STEP_SIZES)
            parameter.sub_(gradient.sign() * step_size)
            before.copy_(gradient)
            step.add_(1)

    def _fill(self, values: dict[str, float]) -> State:
        for name, value in values.items():
            self._state[name] = [torch.full_like(parameter, value) for parameter in self.parameters]
        self._state["step"] = [torch.zeros(()) for _ in self.parameters]
        return self._state
