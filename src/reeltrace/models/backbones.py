"""Backbones on their own: the nets on frames without what they carry through time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reeltrace.models import rcn, st_resnet
from reeltrace.models.rcn import RCN
from reeltrace.models.st_resnet import StResNet


def build(description: Mapping[str, Any]) -> StResNet | RCN:
    """The net that a description of a backbone describes, with random weights. It is given single frames."""
    if description["architecture"] == "st-resnet":
        return st_resnet.build(description)
    net = rcn.build(description)
    for unit in net.units:
        unit.hidden.weight.requires_grad_(False)  # a frame on its own has no past
    return net
