"""Architecture facts that documents print about image networks, counted on networks that are built here.

gavves-lecture5: VGG, GoogLeNet, stacks of small filters, ResNeXt. mahler2020, Table 2.1: AlexNet. torchvision's network
is used where it has one; where that differs from the document's, the document's is built as well and the differences
are listed. Networks live on the meta device: nothing is trained and no weights are made.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchvision.models import (  # type: ignore[import-untyped]
    alexnet,
    googlenet,
    vgg11,
    vgg13,
    vgg16,
    vgg19,
)
from torchvision.models.googlenet import Inception as TorchvisionInception  # type: ignore[import-untyped]
from torchvision.models.resnet import Bottleneck, ResNet  # type: ignore[import-untyped]
from torchvision.models.vgg import VGG, cfgs, make_layers  # type: ignore[import-untyped]

from reeltrace.errors import CheckFailed, UserError
from reeltrace.measure.multiply_adds import count_multiply_adds, meta_copy
from reeltrace.measure.structure import count_parameters

SIDE = 224  # of the input, in every document
CLASSES = 1000
Facts = dict[str, Any]


class Asked(Protocol):
    """What the registry holds of this measurement."""

    @property
    def document(self) -> str:
        """Key of the document whose facts are wanted."""


def measure(asked: Asked) -> Facts:
    """The facts of one document, as plain JSON; see the function of each part. UserError for any other document."""
    documents: Mapping[str, Mapping[str, Callable[[], Facts]]] = {
        "gavves-lecture5": {
            "vgg": vgg_facts,
            "googlenet": googlenet_facts,
            "stacks": stack_facts,
            "resnext": resnext_facts,
        },
        "mahler2020": {"alexnet": alexnet_facts},
    }
    if asked.document not in documents:
        raise UserError(f"facts: found document {asked.document!r}; expected one of {', '.join(documents)}")
    with torch.device("meta"):
        return {name: build() for name, build in documents[asked.document].items()}


# --- what every part needs ---


@dataclass(frozen=True)
class _Row:
    """A part of a network as it ran: shapes with the batch of one left out, and what it costs."""

    part: nn.Module
    taken: tuple[int, ...]
    given: tuple[int, ...]
    multiply_adds: int

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        return [module for module in self.part.modules() if isinstance(module, nn.Conv2d)]

    def first(self, *kinds: type[nn.Module]) -> nn.Module | None:
        return next((module for module in self.part.modules() if isinstance(module, kinds)), None)


def _rows(network: nn.Sequential, side: int = SIDE) -> dict[str, _Row]:
    """The parts of a network on one image of this side, in order."""
    counted = count_multiply_adds(network, (1, 3, side, side)).parts()
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    probe = meta_copy(network)

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shapes[name] = (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))

        return hook

    for name, part in probe.named_children():
        part.register_forward_hook(record(name))
    with torch.no_grad():
        probe(torch.empty(1, 3, side, side, device="meta"))
    return {name: _Row(part, *shapes[name], counted.get(name, 0)) for name, part in network.named_children()}


def _parameters(part: nn.Module) -> Facts:
    """Trainable values by what they are; `parameters` is all of them, and must be."""
    found = {"weights": 0, "biases": 0, "normalisation": 0}
    for module in part.modules():
        for name, values in module.named_parameters(recurse=False):
            layer = isinstance(module, nn.Conv2d | nn.Linear)
            kind = ("biases" if name == "bias" else "weights") if layer else "normalisation"
            found[kind] += values.numel()
    total = count_parameters(part)
    if sum(found.values()) != total:
        raise CheckFailed(f"parameters of {type(part).__name__}: layer by layer {sum(found.values())}, in all {total}")
    return {**found, "parameters": total}


def _differences(table: Mapping[str, Facts], other: Mapping[str, Facts]) -> list[Facts]:
    """Where torchvision's rows differ from those built after a table, by name and, for numbers, by how much.

    A row that only one has is one entry; a quantity that a row lacks is null there.
    """
    found = []
    for row in [*table, *(row for row in other if row not in table)]:
        if row not in table or row not in other:
            there = {"table": row in table, "torchvision": row in other}
            found.append({"row": row, "quantity": "has this row", **there, "difference": None})
            continue
        ours, theirs = _flat(table[row]), _flat(other[row])
        for quantity in [*ours, *(quantity for quantity in theirs if quantity not in ours)]:
            a, b = ours.get(quantity), theirs.get(quantity)
            if a != b:
                numbers = isinstance(a, int | float) and isinstance(b, int | float)
                amount = b - a if numbers else None  # type: ignore[operator]
                found.append({"row": row, "quantity": quantity, "table": a, "torchvision": b, "difference": amount})
    return found


def _flat(facts: Facts, prefix: str = "") -> Facts:
    flat: Facts = {}
    for key, value in facts.items():
        flat.update(_flat(value, f"{prefix}{key} ") if isinstance(value, dict) else {prefix + key: value})
    return flat


def _number(value: int | tuple[int, ...] | str | None) -> int:
    """A setting of a layer that is the same along both axes, as in all networks here."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    if isinstance(value, int):
        return value
    raise CheckFailed(f"a layer's setting {value!r} is not one number")


# --- VGG ---


def vgg_facts() -> Facts:
    """gavves-lecture5, "VGGnet" and "Characteristics": by configuration its layers, parameters and multiply-adds.

    `nets/<name>/layers` has the printed lines: "weight layers", "stage 1", "maxpool 1" ... "FC 3". torchvision has A,
    B, D and E; C is D with the last filter of stages 3 to 5 one pixel wide, A-LRN is A with one response normalisation.
    """
    nets: dict[str, tuple[str, VGG]] = {
        "A": ("torchvision vgg11", vgg11(init_weights=False)),
        "A-LRN": ("torchvision vgg11 with a response normalisation after the first layer", _vgg_a_lrn()),
        "B": ("torchvision vgg13", vgg13(init_weights=False)),
        "C": ("torchvision's list for D with 1x1 filters as the last of stages 3 to 5", _vgg_c()),
        "D": ("torchvision vgg16", vgg16(init_weights=False)),
        "E": ("torchvision vgg19", vgg19(init_weights=False)),
    }
    return {
        "nets": {
            name: {
                "built_from": source,
                "layers": _vgg_layers(net),
                **_parameters(net),
                "multiply_adds": count_multiply_adds(net, (1, 3, SIDE, SIDE)).total,
            }
            for name, (source, net) in nets.items()
        },
        "characteristics": _vgg_characteristics(nets["D"][1]),
    }


def _vgg_a_lrn() -> VGG:
    layers = list(make_layers(cfgs["A"]))
    # The settings that Krizhevsky et al. 2012 use; it has no parameters whatever they are.
    return VGG(nn.Sequential(*layers[:2], nn.LocalResponseNorm(5, 1e-4, 0.75, 2.0), *layers[2:]), init_weights=False)


def _vgg_c() -> VGG:
    layers = list(make_layers(cfgs["D"]))
    stages = [index for index, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    for pool in stages[2:]:
        last = layers[pool - 2]  # a convolution, its ReLU, the pooling
        assert isinstance(last, nn.Conv2d)
        layers[pool - 2] = nn.Conv2d(last.in_channels, last.out_channels, 1)
    return VGG(nn.Sequential(*layers), init_weights=False)


def _vgg_layers(net: VGG) -> dict[str, str]:
    weighted = sum(isinstance(module, nn.Conv2d | nn.Linear) for module in net.modules())
    lines = {"weight layers": f"{weighted} weight layers"}
    stage, words = 1, list[str]()
    for layer in net.features.modules():
        if isinstance(layer, nn.Conv2d):
            words.append(f"conv{_number(layer.kernel_size)}-{layer.out_channels}")
        elif isinstance(layer, nn.LocalResponseNorm):
            words.append("LRN")
        elif isinstance(layer, nn.MaxPool2d):
            lines |= {f"stage {stage}": " ".join(words), f"maxpool {stage}": "maxpool"}
            stage, words = stage + 1, []
    linear = [layer for layer in net.classifier.modules() if isinstance(layer, nn.Linear)]
    return lines | {f"FC {number}": f"FC-{layer.out_features}" for number, layer in enumerate(linear, start=1)}


def _vgg_characteristics(net: VGG) -> dict[str, str]:
    """Settings that all layers of one kind share; several are joined by commas."""
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    pools = [layer for layer in net.modules() if isinstance(layer, nn.MaxPool2d)]

    def shared(values: Iterable[int | tuple[int, ...] | str], square: bool = False) -> str:
        numbers = sorted({_number(value) for value in values})
        return ", ".join(f"{n}x{n}" if square else str(n) for n in numbers)

    return {
        "filter sizes": shared((layer.kernel_size for layer in convolutions), square=True),
        "convolution stride": shared(layer.stride for layer in convolutions),
        "padding": shared(layer.padding for layer in convolutions),
        "max pooling": shared((layer.kernel_size for layer in pools), square=True),
        "max pooling stride": shared(layer.stride for layer in pools),
    }


# --- GoogLeNet ---

# Szegedy et al. 2015, Table 1, as shown in gavves-lecture5: filters in the order of `BRANCHES`.
INCEPTIONS: Mapping[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
# The table's headings, branch by branch.
BRANCHES = (("1x1",), ("3x3 reduce", "3x3"), ("5x5 reduce", "5x5"), ("pool proj",))


class Inception(nn.Module):
    """An inception module with dimension reductions and true 5x5 filters: (N, C, H, W) -> (N, sum of filters, H, W)."""

    def __init__(self, channels: int, filters: Sequence[int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = filters
        self.branch1 = _convolution(channels, one, 1)
        self.branch2 = nn.Sequential(_convolution(channels, reduce3, 1), _convolution(reduce3, three, 3))
        self.branch3 = nn.Sequential(_convolution(channels, reduce5, 1), _convolution(reduce5, five, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), _convolution(channels, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        """All branches on the same maps, one after another along the channels."""
        return torch.cat([branch(x) for branch in (self.branch1, self.branch2, self.branch3, self.branch4)], 1)


def googlenet_facts() -> Facts:
    """gavves-lecture5, "Inception", Table 1, and "Architecture": GoogLeNet row by row.

    `rows/<type>`: "patch size and stride", "output size", "depth" (layers with weights on the longest path),
    `filters` by the printed headings, `kernels` (side of each), weights, biases, normalisation, parameters,
    multiply_adds, dropout. The network is built after the table, with biases and without batch norm; `torchvision` has
    torchvision's, and the list of `differences`: above all, its 5x5 filters are 3x3. Neither has the auxiliary
    classifiers, which the table leaves out; `auxiliary_parameters` are torchvision's. `architecture` has the counts
    that the prose gives.

    `first_layer_separable` is the first layer as 8 filters per colour (depthwise) and 64 of 1x1 over these.
    """
    table = {name: _googlenet_row(row) for name, row in _rows(_googlenet()).items()}
    full = googlenet(aux_logits=True, init_weights=False)
    theirs = {name: _googlenet_row(row) for name, row in _rows(_torchvision_googlenet()).items()}
    pools = sum(row["pooling"] for row in table.values())
    layers = sum(row["depth"] for row in table.values())
    separable = nn.Sequential(
        nn.Conv2d(3, 3 * 8, 7, 2, 3, groups=3, bias=False),
        nn.Conv2d(3 * 8, 64, 1, bias=False),
    )
    return {
        "rows": table,
        "architecture": {
            "inception modules": sum(name.startswith("inception") for name in table),
            "layers": layers,
            "layers with pooling": layers + pools,
        },
        **_totals(table),
        "first_layer_separable": {
            "parameters": count_parameters(separable),
            "multiply_adds": count_multiply_adds(separable, (1, 3, SIDE, SIDE)).total,
        },
        "torchvision": {
            "rows": theirs,
            **_totals(theirs),
            "auxiliary_parameters": count_parameters(full) - _totals(theirs)["parameters"],
            "differences": _differences(table, theirs),
        },
    }


def _totals(rows: Mapping[str, Facts]) -> Facts:
    return {key: sum(row[key] for row in rows.values()) for key in ("weights", "parameters", "multiply_adds")}


def _convolution(channels: int, filters: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, filters, side, stride, side // 2), nn.ReLU())


def _googlenet() -> nn.Sequential:
    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    rows: OrderedDict[str, nn.Module] = OrderedDict()
    rows["convolution 1"] = _convolution(3, 64, 7, 2)
    rows["max pool 1"] = pool()
    rows["convolution 2"] = nn.Sequential(_convolution(64, 64, 1), _convolution(64, 192, 3))
    rows["max pool 2"] = pool()
    channels = 192
    for name, filters in INCEPTIONS.items():
        rows[f"inception ({name})"] = Inception(channels, filters)
        one, _, three, _, five, projected = filters
        channels = one + three + five + projected
        if name in ("3b", "4e"):
            rows[f"max pool {name[0]}"] = pool()
    rows["avg pool"] = nn.AvgPool2d(7, 1)
    rows["dropout"] = nn.Dropout(0.4)
    rows["linear"] = nn.Sequential(nn.Flatten(), nn.Linear(channels, CLASSES))
    rows["softmax"] = nn.Softmax(1)
    return nn.Sequential(rows)


def _torchvision_googlenet() -> nn.Sequential:
    net = googlenet(aux_logits=False, init_weights=False)
    rows: OrderedDict[str, nn.Module] = OrderedDict()
    rows["convolution 1"] = net.conv1
    rows["max pool 1"] = net.maxpool1
    rows["convolution 2"] = nn.Sequential(net.conv2, net.conv3)
    rows["max pool 2"] = net.maxpool2
    for name in INCEPTIONS:
        rows[f"inception ({name})"] = net.get_submodule(f"inception{name}")
        if name in ("3b", "4e"):
            rows[f"max pool {name[0]}"] = net.maxpool3 if name == "3b" else net.maxpool4
    rows["avg pool"] = net.avgpool
    rows["dropout"] = net.dropout
    rows["linear"] = nn.Sequential(nn.Flatten(), net.fc)
    return nn.Sequential(rows)


def _googlenet_row(row: _Row) -> Facts:
    size = "x".join(map(str, (*row.given[1:], row.given[0]) if len(row.given) == 3 else (1, 1, row.given[0])))
    facts: Facts = {
        "patch size and stride": _patch(row),
        "output size": size,
        "depth": _depth(row.part),
        "pooling": int(isinstance(row.part, nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d)),
        **_parameters(row.part),
        "multiply_adds": row.multiply_adds,
    }
    named = _named_convolutions(row)
    if named:
        facts["filters"] = {name: layer.out_channels for name, layer in named.items()}
        facts["kernels"] = {name: _number(layer.kernel_size) for name, layer in named.items()}
    dropout = row.first(nn.Dropout)
    if isinstance(dropout, nn.Dropout):
        facts["dropout"] = dropout.p
    return facts


def _patch(row: _Row) -> str | None:
    """ "3x3/2": of a pooling, or of the last of plain convolutions; None where the layer has none."""
    if isinstance(row.part, Inception | TorchvisionInception):
        return None
    layer = row.convolutions[-1] if row.convolutions else row.first(nn.MaxPool2d, nn.AvgPool2d)
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    side = _number(layer.kernel_size)
    return f"{side}x{side}/{_number(layer.stride)}"


def _depth(part: nn.Module) -> int:
    """Layers with weights on the longest path."""
    if isinstance(part, nn.Conv2d | nn.Linear):
        return 1
    depths = [_depth(child) for child in part.children()]
    return max(depths) if isinstance(part, Inception | TorchvisionInception) else sum(depths)


def _named_convolutions(row: _Row) -> dict[str, nn.Conv2d]:
    """The convolutions of a row by the table's headings; none for a row with a single one."""
    if not isinstance(row.part, Inception | TorchvisionInception):
        return dict(zip(("3x3 reduce", "3x3"), row.convolutions, strict=True)) if len(row.convolutions) == 2 else {}
    found = {}
    for number, names in enumerate(BRANCHES, start=1):
        branch = row.part.get_submodule(f"branch{number}").modules()
        layers = [module for module in branch if isinstance(module, nn.Conv2d)]
        found.update(dict(zip(names, layers, strict=True)))
    return found


# --- stacks of small filters ---

# Name -> sides (height, width) of its filters, one after another.
STACKS: Mapping[str, Sequence[tuple[int, int]]] = {
    "one 3x3": [(3, 3)],
    "two 3x3": [(3, 3)] * 2,
    "three 3x3": [(3, 3)] * 3,
    "one 5x5": [(5, 5)],
    "one 7x7": [(7, 7)],
    "3x3 and 1x1": [(3, 3), (1, 1)],
    "3x1 and 1x3": [(3, 1), (1, 3)],
    "5x1 and 1x5": [(5, 1), (1, 5)],
    "7x1 and 1x7": [(7, 1), (1, 7)],
}
AGAINST: Mapping[str, str] = {
    "two 3x3": "one 5x5",
    "three 3x3": "one 7x7",
    "3x3 and 1x1": "one 3x3",
    "3x1 and 1x3": "one 3x3",
    "5x1 and 1x5": "one 5x5",
    "7x1 and 1x7": "one 7x7",
}
CHANNELS: Mapping[int, int] = {64: 224, 128: 112, 256: 56, 512: 28}  # with the side of VGG's maps of so many channels
WORDS = ("No", "One", "Two", "Three")


def stack_facts() -> Facts:
    """gavves-lecture5, "Why 3x3 filters?", "Even smaller filters?" and "Inceptions v2, v3, v4": C channels to C.

    `stacks/<name>`: "receptive field", nonlinearities, "filter weights" (of one filter in each layer, as printed:
    "27·C"; a layer has C such filters), and per channel count the parameters (no biases) and multiply-adds on
    VGG's maps. `against/<name>`: these over those of the one filter `of` the same receptive field, and the "more
    nonlinearities".
    """
    stacks: dict[str, Facts] = {name: _stack_facts(sides) for name, sides in STACKS.items()}
    against = {}
    for name, large in AGAINST.items():
        ours, its = stacks[name], stacks[large]
        if ours["receptive field"] != its["receptive field"]:
            raise CheckFailed(f"{name} sees {ours['receptive field']}, {large} sees {its['receptive field']}")
        against[name] = {
            "of": large,
            "more nonlinearities": f"{WORDS[ours['nonlinearities'] - its['nonlinearities']]} more nonlinearities",
            "channels": {
                channels: {
                    quantity: ours["channels"][channels][quantity] / its["channels"][channels][quantity]
                    for quantity in ("parameters", "multiply_adds")
                }
                for channels in ours["channels"]
            },
        }
    return {"stacks": stacks, "against": against}


def _stack(channels: int, sides: Sequence[tuple[int, int]]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for height, width in sides:
        layers.append(nn.Conv2d(channels, channels, (height, width), padding=(height // 2, width // 2), bias=False))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _stack_facts(sides: Sequence[tuple[int, int]]) -> Facts:
    by_channels: dict[str, Facts] = {}
    for channels, side in CHANNELS.items():
        net = _stack(channels, sides)
        filters = sum(layer.weight[0].numel() for layer in net if isinstance(layer, nn.Conv2d))
        by_channels[str(channels)] = {
            "side": side,
            "filter_weights": filters,
            "parameters": count_parameters(net),
            "multiply_adds": count_multiply_adds(net, (1, channels, side, side)).total,
        }
    (factor,) = {facts["filter_weights"] // int(channels) for channels, facts in by_channels.items()}
    return {
        "receptive field": "x".join(map(str, receptive_field(_stack(1, sides)))),
        "nonlinearities": sum(isinstance(layer, nn.ReLU) for layer in _stack(1, sides)),
        "filter weights": f"{factor}·C",
        "channels": by_channels,
    }


def receptive_field(net: nn.Module) -> tuple[int, int]:
    """Height and width of the input that one output of a one-channel network with the same weights everywhere sees.

    Found twice: from where the output's gradient reaches, and from the sizes of the filters (strides of one).
    """
    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    formula = [1 + sum(layer.kernel_size[axis] - 1 for layer in layers) for axis in (0, 1)]
    net = net.to_empty(device="cpu")
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    side = 2 * max(formula) + 1
    x = torch.ones(1, 1, side, side, device="cpu", requires_grad=True)
    (reached,) = torch.autograd.grad(net(x)[0, 0, side // 2, side // 2], x)
    where = reached[0, 0].nonzero()
    height, width = (int(extent) + 1 for extent in where.amax(0) - where.amin(0))
    if [height, width] != formula:
        raise CheckFailed(f"receptive field: the gradient reaches {height}x{width}, the filters give {formula}")
    return height, width


# --- ResNeXt ---

# Label -> blocks of the four stages, groups, width of each group in the first stage (Xie et al. 2016).
RESNEXTS: Mapping[str, tuple[tuple[int, int, int, int], int, int]] = {
    "ResNet-101 (1x64d)": ((3, 4, 23, 3), 1, 64),
    "ResNeXt-101 (32x4d)": ((3, 4, 23, 3), 32, 4),
    "ResNet-200 (1x64d)": ((3, 24, 36, 3), 1, 64),
    "ResNet-101, wider (1x100d)": ((3, 4, 23, 3), 1, 100),
    "ResNeXt-101 (2x64d)": ((3, 4, 23, 3), 2, 64),
    "ResNeXt-101 (64x4d)": ((3, 4, 23, 3), 64, 4),
}


def resnext_facts() -> Facts:
    """gavves-lecture5, "ResNet architectures & ResNeXt", Table 4: the cost of each network beside ResNet-101's.

    `nets/<name>`: parameters, multiply_adds, and `complexity`, its multiply-adds over those of ResNet-101. Built from
    torchvision's classes, which put the stride of a bottleneck on its 3x3 filter.
    """
    found = {}
    reference = None
    for name, (blocks, groups, width) in RESNEXTS.items():
        net = ResNet(Bottleneck, list(blocks), groups=groups, width_per_group=width)
        total = count_multiply_adds(net, (1, 3, SIDE, SIDE)).total
        reference = reference or total
        found[name] = {
            "blocks": list(blocks),
            "cardinality": groups,
            "width": width,
            **_parameters(net),
            "multiply_adds": total,
            "complexity": total / reference,
        }
    return {"nets": found}


# --- AlexNet ---


def alexnet_facts() -> Facts:
    """mahler2020, Table 2.1 and section 2.3.6: AlexNet layer by layer.

    `rows/<layer>`: maps, size, kernel size, stride, padding ("SAME": as many positions as the input has, over the
    stride; "VALID": none; a number of pixels otherwise), activation, parameters, multiply_adds. `text`: what the
    section says of the network, counted on the table as printed. `variants`: parameters,
    multiply-adds and neurons (outputs of convolutions and linear layers) of the table as printed and with what
    Krizhevsky et al. 2012 have beyond it: a pooling after C7, two groups in C3, C6 and C7, and maps of 55 x 55 in C1.
    `torchvision`: torchvision's network in the same rows, and the `differences`.
    """
    printed = _rows(_alexnet())
    theirs = _rows(_torchvision_alexnet())
    table = {name: _alexnet_row(row) for name, row in printed.items()}
    other = {name: _alexnet_row(row) for name, row in theirs.items()}
    variants = {
        "as printed": printed,
        "pooling after C7": _rows(_alexnet(last_pool=True)),
        "pooling after C7, two groups": _rows(_alexnet(last_pool=True, groups=2)),
        "pooling after C7, two groups, C1 padded by 2": _rows(_alexnet(last_pool=True, groups=2, first_padding=2)),
        "torchvision": theirs,
    }
    totals = {name: _alexnet_totals(rows) for name, rows in variants.items()}
    kinds = [_kind(row) for row in printed.values()]
    return {
        "rows": table,
        "text": {
            "parameters": totals["as printed"]["parameters"],
            "neurons": totals["as printed"]["neurons"],
            "convolutional layers": kinds.count("Convolution"),
            "max pooling layers": kinds.count("Max Pooling"),
            "fully connected layers": kinds.count("Fully Connected"),
        },
        "variants": totals,
        "torchvision": {"rows": other, "differences": _differences(table, other)},
    }


def _alexnet(last_pool: bool = False, groups: int = 1, first_padding: int | None = None) -> nn.Sequential:
    rows: OrderedDict[str, nn.Module] = OrderedDict({"IN": nn.Identity()})
    channels, side = 3, SIDE

    def convolution(
        filters: int, kernel: int, stride: int = 1, groups: int = 1, padding: int | None = None
    ) -> nn.Module:
        nonlocal channels, side
        if padding is None:  # "SAME": ceil(side / stride) positions, an odd pixel of padding at the end
            positions = math.ceil(side / stride)
            missing = max(0, (positions - 1) * stride + kernel - side)
        else:
            positions, missing = (side + 2 * padding - kernel) // stride + 1, 2 * padding
        before, after = missing // 2, missing - missing // 2
        layer = nn.Conv2d(channels, filters, kernel, stride, groups=groups)
        channels, side = filters, positions
        return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), layer, nn.ReLU())

    def pool() -> nn.Module:
        nonlocal side
        side = (side - 3) // 2 + 1
        return nn.MaxPool2d(3, 2)

    rows["C1"] = convolution(96, 11, 4, padding=first_padding)
    rows["P2"] = pool()
    rows["C3"] = convolution(256, 5, groups=groups)
    rows["P4"] = pool()
    rows["C5"] = convolution(384, 3)
    rows["C6"] = convolution(384, 3, groups=groups)
    rows["C7"] = convolution(256, 3, groups=groups)
    if last_pool:
        rows["pooling after C7"] = pool()
    rows["F8"] = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 4096), nn.ReLU())
    rows["F9"] = nn.Sequential(nn.Linear(4096, 4096), nn.ReLU())
    rows["OUT"] = nn.Sequential(nn.Linear(4096, CLASSES), nn.Softmax(1))
    return nn.Sequential(rows)


def _torchvision_alexnet() -> nn.Sequential:
    net = alexnet()
    features, classifier = net.features, net.classifier
    rows: OrderedDict[str, nn.Module] = OrderedDict({"IN": nn.Identity()})
    for name, part in {"C1": (0, 2), "P2": (2, 3), "C3": (3, 5), "P4": (5, 6), "C5": (6, 8), "C6": (8, 10)}.items():
        rows[name] = features[slice(*part)]
    rows["C7"] = features[10:12]
    rows["pooling after C7"] = nn.Sequential(features[12:], net.avgpool)
    rows["F8"] = nn.Sequential(nn.Flatten(), classifier[0:3])
    rows["F9"] = classifier[3:6]
    rows["OUT"] = classifier[6:]
    return nn.Sequential(rows)


def _kind(row: _Row) -> str:
    if row.convolutions:
        return "Convolution"
    if row.first(nn.MaxPool2d):
        return "Max Pooling"
    return "Fully Connected" if row.first(nn.Linear) else "Input"


def _alexnet_row(row: _Row) -> Facts:
    maps = len(row.given) == 3
    facts: Facts = {
        "type": _kind(row),
        "maps": row.given[0] if maps else None,
        "size": f"{row.given[1]} x {row.given[2]}" if maps else str(row.given[0]),
        "kernel size": None,
        "stride": None,
        "padding": None,
        "activation": None,
        **_parameters(row.part),
        "multiply_adds": row.multiply_adds,
    }
    window = row.first(nn.Conv2d, nn.MaxPool2d)
    if isinstance(window, nn.Conv2d | nn.MaxPool2d):
        side, stride = _number(window.kernel_size), _number(window.stride)
        facts |= {"kernel size": f"{side} x {side}", "stride": stride, "padding": _padding(row, window, stride)}
    if row.first(nn.ReLU):
        facts["activation"] = "ReLU"
    elif row.first(nn.Softmax):
        facts["activation"] = "Softmax"
    return facts


def _padding(row: _Row, window: nn.Conv2d | nn.MaxPool2d, stride: int) -> str:
    outside = row.first(nn.ZeroPad2d)
    padded = sum(outside.padding[:2]) if isinstance(outside, nn.ZeroPad2d) else 2 * _number(window.padding)
    if padded == 0:
        return "VALID"
    return "SAME" if row.given[-1] == math.ceil(row.taken[-1] / stride) else f"{padded / 2:g}"


def _alexnet_totals(rows: Mapping[str, _Row]) -> Facts:
    return {
        "parameters": sum(count_parameters(row.part) for row in rows.values()),
        "multiply_adds": sum(row.multiply_adds for row in rows.values()),
        "neurons": sum(math.prod(row.given) for row in rows.values() if row.first(nn.Conv2d, nn.Linear)),
    }
