"""Nets on frames from their specs: backbones, ST-ResNets, RCNs and classifiers on features, with initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.formats import WEIGHTS
from reeltrace.errors import UserError
from reeltrace.models.baselines import AveragePool, GRUClassifier
from reeltrace.models.checkpoint import load_checkpoint
from reeltrace.models.rcn import RCN
from reeltrace.models.st_resnet import EXPANSION, Connection, StResNet
from reeltrace.training.loading import derived_seed
from reeltrace.training.loop import Net

if TYPE_CHECKING:
    from reeltrace.registry.models import Backbone
    from reeltrace.registry.specs import TrainSpec

STAGES = {"block2": 2, "block3": 3, "block4": 4}


class SequenceNet(StResNet):
    """An ST-ResNet on clips (N, 3, T, H, W), as the training loop hands them out.

    With `fixed_statistics` batch norm uses the mean and variance that it was loaded with, in training too.
    """

    def __init__(self, *args: Any, fixed_statistics: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fixed_statistics = fixed_statistics

    def train(self, mode: bool = True) -> SequenceNet:
        super().train(mode)
        if self.fixed_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2))


def build(architecture: dict[str, Any]) -> nn.Module:
    """The net that `describe` describes, with random weights."""
    options = dict(architecture)
    kind, classes = options.pop("architecture"), options.pop("classes")
    if kind == "st-resnet":
        wires = [Connection(**wire) for wire in options.pop("connections")]
        return SequenceNet(classes, wires, **options)
    if kind == "rcn":
        return RCN(classes, **options)
    if kind == "average-pool":
        return AveragePool(classes=classes, **options)
    if kind == "gru":
        return GRUClassifier(classes=classes, **options)
    raise UserError(f"unknown net on frames {kind!r}: expected st-resnet, rcn, average-pool or gru")


def describe(spec: TrainSpec) -> dict[str, Any]:
    """The arguments of `build` for a run on frames, as plain JSON data."""
    model, backbone = spec.model, spec.backbone
    assert backbone is not None
    common = {"classes": spec.classes}
    if model.architecture == "st-resnet":
        wires = [wire.model_dump(mode="json") for wire in model.connections]
        kind = {"architecture": "st-resnet", "connections": wires, "fixed_statistics": model.fixed_statistics}
        return {**kind, **common, **_sizes(backbone)}
    if model.architecture == "rcn":
        return {
            "architecture": "rcn",
            "hidden_init": model.hidden_init,
            "halve": model.halve,
            **common,
            **_sizes(backbone),
        }
    if model.architecture == "stills":
        return {**describe_backbone(backbone), **common}
    if model.architecture in ("average-pool", "gru"):
        features = EXPANSION * backbone.width * 2 ** (STAGES[model.block] - 1)
        units = {} if model.units is None else {"units": model.units}
        return {
            "architecture": model.architecture,
            "features": features,
            "z_norm": model.z_norm,
            **units,
            **common,
        }
    raise UserError(f"run {spec.run}: {model.architecture} is not a net on frames")


def describe_backbone(backbone: Backbone) -> dict[str, Any]:
    """The arguments of `build` for a backbone alone, but for the number of classes."""
    if backbone.architecture == "resnet50":
        return {"architecture": "st-resnet", "connections": [], "fixed_statistics": False, **_sizes(backbone)}
    return {"architecture": "rcn", "hidden_init": "identity", "halve": False, **_sizes(backbone)}


def _sizes(backbone: Backbone) -> dict[str, Any]:
    stem = {name: getattr(backbone, name) for name in ("stem_kernel", "stem_stride", "max_pool")}
    if backbone.architecture == "resnet50":
        return {"width": backbone.width, **stem}
    return {"widths": [backbone.width * 2**stage for stage in range(4)], **stem}


def initial_net(spec: TrainSpec, weights: Path | None) -> Net:
    """The net of a run with its initial weights: random ones from the seed, then those of the backbone in `weights`.

    `weights` is the folder of a finished `pretrain` artifact. Connections and the linear layer stay random.
    """
    architecture = describe(spec)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(spec.seed, "weights"))
        net = build(architecture)
    if weights is not None:
        take_weights(net, weights)
    elif isinstance(net, StResNet):
        net.begin_as_shortcuts()
    if isinstance(net, RCN) and spec.sequences is not None and spec.sequences.frames == 1:
        for unit in net.units:
            unit.hidden.weight.requires_grad_(False)  # a frame on its own has no past
    # bfloat16 pays for wide 3D convolutions; these nets spend a CPU's time in many small layers, where it costs
    return Net(net, architecture, autocast=False)


def take_weights(net: nn.Module, folder: Path) -> None:
    """Load a backbone's weights (torchvision's names) into a net that is built on it; its linear layer stays.

    Raises UserError, naming the weight, where they do not fit.
    """
    _, _, state = load_checkpoint(folder / WEIGHTS)
    if isinstance(net, RCN):
        net.load_images(state)
        return
    own = net.state_dict()
    for name, value in state.items():
        if name.startswith("fc."):
            continue
        if name not in own or own[name].shape != value.shape:
            raise UserError(
                f"{folder / WEIGHTS}: {name} {tuple(value.shape)} does not fit this net; make the backbone again"
            )
        own[name] = value
    net.load_state_dict(own)


def image_state(net: nn.Module) -> dict[str, Tensor]:
    """The weights of a backbone under torchvision's names: of an RCN without what carries its state through time."""
    state = net.state_dict()
    if not isinstance(net, RCN):
        return dict(state)
    return {name.replace(".input.weight", ".weight"): v for name, v in state.items() if ".hidden." not in name}
