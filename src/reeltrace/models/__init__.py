"""The networks, each written once and parametrised by its symmetry group.

This room imports nothing of ours but itself and the common ground (errors, artifacts): a network knows no data
set and no protocol.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from reeltrace.errors import UserError
from reeltrace.models.cnn4 import CNN4
from reeltrace.models.groups import GROUPS, Group, get_group
from reeltrace.models.resnet3d import ResNet18

__all__ = ["ARCHITECTURES", "GROUPS", "Group", "build_model", "get_group"]

ARCHITECTURES: Mapping[str, type[CNN4] | type[ResNet18]] = {"cnn4": CNN4, "resnet18": ResNet18}


def build_model(
    architecture: str,
    group: str,
    classes: int,
    *,
    widths: Sequence[int],
    batch_norm: bool = True,
    bias: bool = False,
    **options: Any,
) -> nn.Module:
    """Build a network that takes clips (N, C, T, H, W) and gives logits (N, classes).

    `widths` are those of the plain network; the group network has `widths.group_width` of them. `bias` is
    that of the convolutions. `options` go to the network: `in_channels` (default 3), and for resnet18
    `stem_kernel`, `stem_stride` and `max_pool`. Unknown names of architectures, groups and options raise
    UserError.
    """
    if architecture not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"unknown architecture {architecture!r}: expected one of {known}")
    network = ARCHITECTURES[architecture]
    common = {"group", "classes", "widths", "batch_norm", "bias"}
    known_options = inspect.signature(network).parameters.keys() - common
    for option in options:
        if option not in known_options:
            known = ", ".join(sorted(known_options))
            raise UserError(f"unknown option {option!r} of architecture {architecture}: expected one of {known}")
    return network(get_group(group), classes=classes, widths=widths, batch_norm=batch_norm, bias=bias, **options)
