"""A network for use, with the view that it takes of a video: built from a checkpoint that says both, or at random.

Such a checkpoint is one of `models.checkpoint` whose description is {"network", "config", "view"}: a name of
`kinds.networks`, the values in which it differs from that one's defaults, and a `View`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reeltrace.errors import UserError, known_names
from reeltrace.kinds.network import NETWORKS, VideoConfig, build_video, video_config
from reeltrace.models import weights
from reeltrace.models.checkpoint import load_checkpoint

HOW_TO_GET = (
    "bring one that is public into a file of ours with `reeltrace convert` (docs/recognition.md says which there are), "
    "or try with --random"
)


@dataclass(frozen=True)
class View:
    """What a network sees of a video: `frames` frames, `stride` apart at 30 frames a second, the shorter side scaled to
    `side` pixels and a square of `crop` pixels cut, pixels as (x / 255 - mean) / std."""

    frames: int
    stride: int
    side: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def changed(self, **changes: int | None) -> View:
        """This view with the values that are given. A crop that is given alone is the shorter side too if that is less.

        Raises UserError for a value that no view can have.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        if "crop" in given and "side" not in given:
            given["side"] = max(self.side, given["crop"]) if given["crop"] > self.side else self.side
        made = replace(self, **given)  # type: ignore[arg-type]  # all of them are whole numbers
        for name in ("frames", "stride", "side", "crop"):
            if not 1 <= getattr(made, name) <= 4096:
                raise UserError(f"view: {name}: found {getattr(made, name)}; expected 1 to 4096")
        if made.crop > made.side:
            raise UserError(f"view: a crop of {made.crop} pixels of a side of {made.side}; give a larger side")
        return made


KINETICS = {"mean": (0.45, 0.45, 0.45), "std": (0.225, 0.225, 0.225)}  # of PySlowFast and pytorchvideo
_TORCHVISION = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}
_FLOW = {"mean": (0.5, 0.5), "std": (0.25, 0.25)}


def usual_view(config: VideoConfig, network: str) -> View:
    """The view of the public configurations of a network."""
    if network == "r2plus1d":
        normalise = _TORCHVISION if config.channels == 3 else _FLOW
        return View(frames=32, stride=2, side=128, crop=112, **normalise)
    if network == "nonlocal_i3d":
        return View(frames=8, stride=8, side=256, crop=256, **KINETICS)
    frames = 64 if any(config.nonlocal_after) else 32
    return View(frames=frames, stride=2, side=256, crop=256, **KINETICS)


@dataclass(frozen=True)
class Loaded:
    """A network in evaluation with its configuration and view; `origin` is where its weights come from, in words."""

    net: nn.Module
    network: str
    config: VideoConfig
    view: View
    origin: str


def describe(network: str, config: VideoConfig, view: View) -> dict[str, Any]:
    """The description that a checkpoint carries: of the configuration what differs from the defaults."""
    plain = video_config(network, {})
    values = {
        f.name: getattr(config, f.name) for f in fields(config) if getattr(config, f.name) != getattr(plain, f.name)
    }
    return {"network": network, "config": values, "view": asdict(view)}


def described(description: Mapping[str, Any], place: str) -> tuple[str, VideoConfig, View]:
    """Network, configuration and view of such a description. Raises UserError, with the place, for any other."""
    if not {"network", "config", "view"} <= description.keys() or description["network"] not in NETWORKS.all():
        raise UserError(f"{place}: of no network that recognises videos; {HOW_TO_GET}")
    network = str(description["network"])
    try:
        seen = dict(description["view"])
        view = View(**{**seen, "mean": tuple(seen["mean"]), "std": tuple(seen["std"])})
        return network, video_config(network, description["config"]), view
    except (TypeError, KeyError, ValueError, UserError) as error:
        raise UserError(f"{place}: its description cannot be read ({error}); convert its weights again") from error


def load_net(path: Path) -> Loaded:
    """The network of a checkpoint, with its weights. Raises UserError where there is none, or one of another kind."""
    if not path.exists():
        raise UserError(f"{path}: no such checkpoint; {HOW_TO_GET}")
    description, _, state = load_checkpoint(path)
    network, config, view = described(description, str(path))
    with torch.device("meta"):
        net: nn.Module = build_video(config)
    net.to_empty(device="cpu")
    weights.load(net, state, f"{path}: weights of another network than it says", "convert them again")
    for name, buffer in net.named_buffers():
        if name not in state:
            buffer.zero_()  # the counter of batches, which files of an older torch lack
    return Loaded(net.eval(), network, config, view, str(path))


def random_net(network: str, seed: int = 0, **values: Any) -> Loaded:
    """A network with random weights, for trying what is around it. Raises UserError for an unknown name or value."""
    if network not in NETWORKS.all():
        raise UserError(f"no {NETWORKS.what} is named {network!r}; {known_names(network, NETWORKS.all())}")
    config = video_config(network, values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: nn.Module = build_video(config)
    return Loaded(net.eval(), network, config, usual_view(config, network), "random weights")
