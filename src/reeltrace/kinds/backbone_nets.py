"""What the nets that grow from a 2D ResNet, and see its pixels, have in common."""

from typing import Any

from reeltrace.kinds.architecture import Least
from reeltrace.registry.models import Backbone


def stem(backbone: Backbone) -> dict[str, Any]:
    """How a backbone begins, by the names that the nets have for it."""
    return {name: getattr(backbone, name) for name in ("stem_kernel", "stem_stride", "max_pool")}


def least(entry: Any, backbone: Backbone, classes: int) -> Least:
    """The widest convolution of a ResNet's last stage, and what its stem makes."""
    return Least(9 * (8 * backbone.width) ** 2, backbone.width, (1, backbone.stem_stride, backbone.stem_stride))
