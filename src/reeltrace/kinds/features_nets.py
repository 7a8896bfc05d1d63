"""What the classifiers on features of frames have in common (iqbal2017, section 5.2)."""

from collections.abc import Mapping
from typing import Any, Literal

from reeltrace.registry.fields import Flag
from reeltrace.registry.models import BackboneEntry

EXPANSION = 4  # of a ResNet-50's stages
UNITS = "units belong to gru, and only to it"


class FeaturesModel(BackboneEntry):
    """A classifier on features of frames. With `z_norm` each feature is first brought to mean 0 and deviation 1 over
    the frames of the training split."""

    block: Literal["block2", "block3", "block4"]
    z_norm: Flag


def features(entry: Any, backbone: Any) -> int:
    """How many features a frame has."""
    return int(EXPANSION * backbone.width * (1 << int(entry.block[-1]) - 1))


def words(title: str, model: Mapping[str, Any]) -> str:
    """ "GRU on features, backbone x; block4, with z-normalisation"."""
    z_norm = "with" if model["z_norm"] else "without"
    return f"{title}, backbone {model['backbone']}; {model['block']}, {z_norm} z-normalisation"
