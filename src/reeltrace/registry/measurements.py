"""What kinds of measurement share: networks at their published size, their views, and files of the user's."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from reeltrace.errors import known_names
from reeltrace.kinds.network import NETWORKS
from reeltrace.registry.fields import Frames, Name, Pixels, Strict

Json = Any  # a plain value of YAML; what it must be is checked where it is used


def _known(architecture: str) -> str:
    if architecture not in NETWORKS.all():
        raise ValueError(f"a known {NETWORKS.what}; {known_names(architecture, NETWORKS.all())}")
    return architecture


class View(Strict):
    """What one inference looks at: frames, and the side of the square crop in pixels. `boxes` is for detection."""

    frames: Frames
    crop: Pixels
    boxes: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0


class Configured(Strict):
    """A network: `config` holds the values in which it differs from the architecture's defaults."""

    architecture: Annotated[str, AfterValidator(_known)]
    config: dict[str, Json]


class Network(Configured):
    """A net at its published size, with the views that are measured."""

    views: Annotated[dict[Name, View], Field(min_length=1)]


def _plain_path(path: str) -> str:
    if path != path.strip() or path.startswith("~"):
        raise ValueError("a path from the folder of params.yaml, or an absolute one; `~` is not understood here")
    return path


GivenFile = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_plain_path)]
