"""Parameter counts and feature-map sizes: quantities with no randomness, to set beside a document's own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.cnn4 import build
from reeltrace.models.group_conv import GroupConv3d, GroupPool

# How a document may have come from a count to thousands ("687K").
ROUNDINGS: Mapping[str, Callable[[int], int]] = {
    "nearest": lambda count: (count + 500) // 1000,
    "truncated": lambda count: count // 1000,
}


def count_parameters(model: nn.Module) -> int:
    """Trainable values of a network; running statistics are not parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def feature_map_sizes(model: nn.Module, input_shape: Sequence[int]) -> dict[str, list[int] | None]:
    """Output size of each named layer for one clip (C, T, H, W), as printed in Table 2 of basu2021.

    [D, H, W] in a plain network; [S, D, H, W] in a group network, where S counts orientations, 1 after
    pooling over them. A pooling over orientations that a plain network does not have is None ("N/A" in the
    table). Layers without a spatial output are left out, and so are normalisation and ReLU, which change no
    size. Needs no memory for the maps: the network runs on the meta device.
    """
    probe = copy.deepcopy(model).to("meta").eval()
    order = next(module.group.order for module in probe.modules() if isinstance(module, GroupPool))
    sizes: dict[str, list[int] | None] = {}
    orientations = order

    def record(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(module: nn.Module, _: Any, output: Tensor) -> None:
            nonlocal orientations
            if output.ndim != 5:
                return
            size = list(output.shape[2:])
            if isinstance(module, GroupPool):
                orientations = 1
                sizes[name] = [1, *size] if order > 1 else None
            else:
                sizes[name] = [orientations, *size] if order > 1 else size

        return hook

    for name, module in probe.named_children():
        if not isinstance(module, nn.ReLU | nn.Identity | nn.BatchNorm3d):
            module.register_forward_hook(record(name))
    with torch.no_grad():
        probe(torch.empty(1, *input_shape, device="meta"))
    return sizes


def layer_settings(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Filter size [kt, kh, kw] and stride of each named layer that has them, as Table 2 of basu2021 prints them.

    A stride that is the same along all axes is one number, another one a list.
    """
    settings: dict[str, dict[str, Any]] = {}
    for name, module in model.named_children():
        if isinstance(module, GroupConv3d | nn.MaxPool3d | nn.AvgPool3d):
            size, stride = (_triple(value) for value in (module.kernel_size, module.stride))
            settings[name] = {"filter": size, "stride": stride[0] if len(set(stride)) == 1 else stride}
    return settings


def _triple(value: int | Sequence[int]) -> list[int]:
    return [value] * 3 if isinstance(value, int) else list(value)


@dataclass(frozen=True)
class Count:
    """Parameters of one network under one setting."""

    group: str
    classes: int
    bias: bool
    batch_norm: bool
    parameters: int


def search_parameter_counts(
    architecture: str,
    widths: Sequence[int],
    *,
    biases: Sequence[bool],
    batch_norms: Sequence[bool],
    classes: Mapping[str, Sequence[int]],
    printed: Mapping[str, int],
) -> dict[str, Any]:
    """Which of the settings that a document leaves open explain all parameter counts that it prints.

    `classes` lists, per group, the numbers of classes that the network was trained with; `printed` is the
    count per group in thousands. Bias, batch normalisation and rounding must be the same for all groups,
    classes may differ.

    Returns {"counts": every count, "printed": ..., "settings": one entry per joint setting with, per group,
    the classes that give the printed count and the counts in thousands, "matches": the entries that explain
    every group}. UserError if `classes` lacks a group that `printed` has.
    """
    for group in printed:
        if not classes.get(group):
            raise UserError(f"search for printed parameter counts: classes lists none for group {group!r}")
    counts = [
        Count(
            group,
            number,
            bias,
            batch_norm,
            _count(architecture, group, number, widths, bias, batch_norm),
        )
        for group in printed
        for number, bias, batch_norm in product(classes[group], biases, batch_norms)
    ]
    settings: list[dict[str, Any]] = []
    for bias, batch_norm, (rounding, thousands) in product(biases, batch_norms, ROUNDINGS.items()):
        found = {
            group: {
                str(count.classes): thousands(count.parameters)
                for count in counts
                if (count.group, count.bias, count.batch_norm) == (group, bias, batch_norm)
            }
            for group in printed
        }
        fitting = {
            group: [int(number) for number, value in values.items() if value == printed[group]]
            for group, values in found.items()
        }
        settings.append(
            {
                "bias": bias,
                "batch_norm": batch_norm,
                "rounding": rounding,
                "thousands": found,
                "classes": fitting,
            }
        )
    return {
        "printed": dict(printed),
        "counts": [asdict(count) for count in counts],
        "settings": settings,
        "matches": [setting for setting in settings if all(setting["classes"].values())],
    }


def _count(
    architecture: str,
    group: str,
    classes: int,
    widths: Sequence[int],
    bias: bool,
    batch_norm: bool,
) -> int:
    with torch.device("meta"):
        model = build(
            {"architecture": architecture, "group": group, "classes": classes}
            | {"widths": widths, "batch_norm": batch_norm, "bias": bias}
        )
    return count_parameters(model)
