"""What the nets on clips with a symmetry group have in common."""

from collections.abc import Mapping
from typing import Any

from reeltrace.registry.fields import Channels, Flag, GroupName
from reeltrace.registry.models import Entry

ORIENTATIONS = {"z3": 1, "t2": 2, "p43d": 4}  # how often a net of this group does what a plain one does once
CHANNELS = 3
OPTIONS = "options (stem_kernel, stem_stride, max_pool, downsampling) belong to resnet18, and only to it"


class GroupModel(Entry):
    """A net: its architecture, its group, and the base widths C, of which it uses floor(C / sqrt|G|)."""

    group: GroupName
    widths: tuple[Channels, Channels, Channels, Channels]
    batch_norm: Flag
    bias: Flag


def describe(entry: Any, backbone: None, classes: int) -> dict[str, Any]:
    """An entry with the options of its architecture beside its other values."""
    model = entry.model_dump(mode="json")
    options = model.pop("options") or {}
    return {**model, "classes": classes, "in_channels": CHANNELS, **options}


def words(model: Mapping[str, Any]) -> str:
    """ "cnn4, group z3, base widths 64, 128, 128, 128"."""
    widths = ", ".join(str(width) for width in model["widths"])
    return f"{model['architecture']}, group {model['group']}, base widths {widths}"
