"""Nets by the values that describe them, as checkpoints do."""

from typing import Any

from torch import nn

from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.points import load


def build_model(architecture: str, group: str, classes: int, **options: Any) -> nn.Module:
    """A net with a symmetry group, of an architecture that is declared."""
    description = {"architecture": architecture, "group": group, "classes": classes, **options}
    net: nn.Module = load(ARCHITECTURES.get(architecture).net)(description)
    return net
