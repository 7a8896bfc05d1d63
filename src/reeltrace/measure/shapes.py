"""Sizes of the maps after each stage of a video network, to set beside mahler2020, Table 5.1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from reeltrace.measure.multiply_adds import meta_copy


class Staged(Protocol):
    """A network of pathways that each run through the same number of stages."""

    def pathways(self) -> dict[str, nn.Sequential]:
        """The stages of each pathway, in order."""


def stage_shapes(network: nn.Module, *inputs: Sequence[int]) -> dict[str, dict[str, list[int]]]:
    """Output size [T, H, W] by stage ("ResStage1" ...) and pathway, for inputs of these shapes (N, C, T, H, W).

    What a stage itself gives out: lateral connections and the temporal pooling between two stages come after
    it. Runs on the meta device and leaves the network as it is.
    """
    probe = meta_copy(network)
    shapes: dict[str, dict[str, list[int]]] = {}

    def record(stage: str, pathway: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            shapes.setdefault(stage, {})[pathway] = list(output.shape[2:])

        return hook

    for pathway, stages in cast(Staged, probe).pathways().items():
        for number, stage in enumerate(stages, start=1):
            stage.register_forward_hook(record(f"ResStage{number}", pathway))
    with torch.no_grad():
        probe(*(torch.empty(*shape, device="meta") for shape in inputs))
    return shapes
