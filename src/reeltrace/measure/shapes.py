"""The stages of a video network, kernels and sizes of maps, to set beside mahler2020, Table 5.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from reeltrace.measure.multiply_adds import meta_copy
from reeltrace.models.nonlocal_block import NonLocal
from reeltrace.models.residual3d import Residual


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


def stage_kernels(network: nn.Module) -> dict[str, dict[str, str]]:
    """The convolutions of a stage by stage and pathway, as Table 5.1 writes them: `[3x1^2, 8; 1x3^2, 8] x 3`.

    Blocks that follow each other and are alike are counted. Shortcuts and non-local blocks are left out, as there.
    """
    return {
        f"ResStage{number}": {
            pathway: _kernels(stages[number - 1]) for pathway, stages in cast(Staged, network).pathways().items()
        }
        for number in range(1, 1 + len(next(iter(cast(Staged, network).pathways().values()))))
    }


def _kernels(stage: nn.Module) -> str:
    blocks = [_block(child.branch) for child in stage.children() if isinstance(child, Residual)]
    if blocks:
        return ", ".join(f"[{block}] x {len(list(same))}" for block, same in groupby(blocks))
    return _block(stage)


def _block(module: nn.Module) -> str:
    return "; ".join(_convolutions(module))


def _convolutions(module: nn.Module) -> Iterator[str]:
    for child in module.children():
        if isinstance(child, nn.Conv3d):
            t, h, w = child.kernel_size
            yield f"{t}x{h}^2, {child.out_channels}" if h == w else f"{t}x{h}x{w}, {child.out_channels}"
        elif not isinstance(child, NonLocal):
            yield from _convolutions(child)
