"""How the nets with a symmetry group are built from what describes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from reeltrace.errors import UserError
from reeltrace.models.groups import get_group


def build_group_net(network: Callable[..., nn.Module], description: Mapping[str, Any]) -> nn.Module:
    """A network that takes clips (N, C, T, H, W) and gives logits (N, classes).

    `description` has the names of architecture and group, and what else the network is given: `classes`; `widths`, of
    which the group network has `widths.group_width`; `batch_norm`, and `bias` of the convolutions; `in_channels`
    (default 3); and its own options. Unknown names of groups and options raise UserError.
    """
    options = dict(description)
    architecture, group = options.pop("architecture"), options.pop("group")
    known = [name for name in inspect.signature(network).parameters if name != "group"]
    for option in options:
        if option not in known:
            raise UserError(
                f"unknown option {option!r} of architecture {architecture}: expected one of {', '.join(sorted(known))}"
            )
    return network(get_group(group), **options)
