"""Nets that grow from a backbone, with their initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from reeltrace.artifacts.formats import WEIGHTS
from reeltrace.kinds.architecture import ARCHITECTURES, PIXELS
from reeltrace.models.checkpoint import load_checkpoint
from reeltrace.models.weights import load_images
from reeltrace.training.loop import Net, net_of

if TYPE_CHECKING:
    from reeltrace.registry.specs import TrainSpec


def initial_net(spec: TrainSpec, weights: Path | None) -> Net:
    """The net of a run with its initial weights: random ones from the seed, then those of the backbone in `weights`.

    `weights` is the folder of a finished `pretrain` artifact. What the backbone does not have stays random.
    """
    net, kind = net_of(spec), ARCHITECTURES.get(spec.model.architecture)
    if weights is not None:
        take_weights(net.module, weights)
    elif kind.backbone is not None and kind.fed in PIXELS:
        net.module.begin_untrained()  # type: ignore[operator]  # a net with a backbone inside has it
    return net


def take_weights(net: nn.Module, folder: Path) -> None:
    """Load a backbone's weights (torchvision's names) into a net that grows from it.

    Raises UserError, naming the weight, where they do not fit.
    """
    _, _, state = load_checkpoint(folder / WEIGHTS)
    load_images(net, state, f"{folder / WEIGHTS} does not fit this net", "make the backbone again")
