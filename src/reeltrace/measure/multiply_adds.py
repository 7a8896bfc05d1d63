"""Multiply-adds of one forward pass, counted twice: from the shapes of the layers, and by torch's own counter.

"FLOPs" in the literature on video networks are multiply-adds: one for each product that is added up in a
convolution, a linear layer or a matrix product of attention. Normalisation, activations, pooling, sums and
region alignment are not counted, by either count. Nothing is computed: networks run on the meta device.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reeltrace.errors import CheckFailed, UserError
from reeltrace.models.group_conv import GroupConv3d
from reeltrace.models.nonlocal_block import MatrixProduct


@dataclass(frozen=True)
class MultiplyAdds:
    """Exact multiply-adds of one forward pass, by the name of the layer in the network, in the order they ran."""

    layers: dict[str, int]
    attention_layers: frozenset[str]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.layers.values())

    @property
    def attention(self) -> int:
        """Those of the matrix products between positions, which some counts leave out."""
        return sum(self.layers[name] for name in self.attention_layers)

    @property
    def without_attention(self) -> int:
        """Those of convolutions and linear layers."""
        return self.total - self.attention

    def parts(self) -> dict[str, int]:
        """Sums over the direct parts of the network, such as the slow and the fast pathway."""
        sums: dict[str, int] = {}
        for name, count in self.layers.items():
            part = name.split(".")[0]
            sums[part] = sums.get(part, 0) + count
        return sums


def count_multiply_adds(network: nn.Module, *inputs: Sequence[int]) -> MultiplyAdds:
    """Multiply-adds of `network` in evaluation on inputs of these shapes, such as (1, 3, 32, 224, 224).

    Both counts are made; CheckFailed unless they agree to the last digit. UserError for a layer without a
    formula. The network itself is left as it is.
    """
    probe = meta_copy(network)
    tensors = [torch.empty(*shape, device="meta") for shape in inputs]
    counted = _by_shapes(probe, tensors)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        probe(*tensors)
    if counter.get_total_flops() != 2 * counted.total:
        raise CheckFailed(
            f"multiply-adds of {type(network).__name__} on {[list(shape) for shape in inputs]}: the shapes of its "
            f"layers give {counted.total}, torch counts {counter.get_total_flops() / 2:.1f}: a layer is missing "
            "from one of the two counts"
        )
    return counted


def meta_copy(network: nn.Module) -> nn.Module:
    """A copy in evaluation that computes shapes only.

    It has no batch normalisation, which changes no shape, is not counted, and takes most of the time on this device.
    """
    probe = copy.deepcopy(network).to("meta").eval()
    for module in list(probe.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
                setattr(module, name, nn.Identity())
    return probe


def _by_shapes(probe: nn.Module, tensors: Sequence[Tensor]) -> MultiplyAdds:
    layers: dict[str, int] = {}
    attention: set[str] = set()
    handles = []
    for name, module in probe.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | GroupConv3d | nn.Linear | MatrixProduct):

            def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor, name: str = name) -> None:
                layers[name] = layers.get(name, 0) + _of_layer(module, inputs, output)
                if isinstance(module, MatrixProduct):
                    attention.add(name)

            handles.append(module.register_forward_hook(hook))
        elif any(weight.ndim > 1 for weight in module.parameters(recurse=False)):
            raise UserError(
                f"multiply-adds of {type(probe).__name__}: no formula for its layer {name} ({type(module).__name__}); "
                "count a network of convolutions, linear layers and matrix products"
            )
    with torch.no_grad():
        probe(*tensors)
    for handle in handles:
        handle.remove()
    return MultiplyAdds(layers, frozenset(attention))


def _of_layer(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> int:
    """Values that the layer gives out, times the products that each of them adds up."""
    if isinstance(module, MatrixProduct):
        return output.numel() * int(inputs[0].shape[2])
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, GroupConv3d):
        return output.numel() * int(inputs[0].shape[1]) * math.prod(module.kernel_size)
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    return output.numel() * (module.in_channels // module.groups) * math.prod(module.kernel_size)
