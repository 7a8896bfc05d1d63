"""What gavves-lecture5 says of image networks: VGG, GoogLeNet, stacks of small filters, ResNeXt, gradients by depth.

torchvision's network is used where it has one; where that differs from the document's, the document's is built as well
and the differences are listed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.models import (  # type: ignore[import-untyped]
    googlenet,
    vgg11,
    vgg13,
    vgg16,
    vgg19,
)
from torchvision.models.googlenet import Inception as TorchvisionInception  # type: ignore[import-untyped]
from torchvision.models.resnet import Bottleneck, ResNet  # type: ignore[import-untyped]
from torchvision.models.vgg import VGG, cfgs, make_layers  # type: ignore[import-untyped]

from reeltrace.errors import CheckFailed
from reeltrace.measure.image_networks import (
    CLASSES,
    SIDE,
    Facts,
    Row,
    differences,
    one_number,
    parameters_by_kind,
    rows_of,
    totals,
)
from reeltrace.measure.multiply_adds import count_multiply_adds
from reeltrace.measure.structure import count_parameters


def facts() -> Facts:
    """The facts of the document by part, as plain JSON; see the function of each part."""
    return {
        "vgg": vgg_facts(),
        "googlenet": googlenet_facts(),
        "inception": inception_facts(),
        "stacks": stack_facts(),
        "resnext": resnext_facts(),
        "gradients": gradient_facts(),
    }


# --- VGG ---


def vgg_facts() -> Facts:
    """ "VGGnet" and "Characteristics": by configuration its layers, parameters and multiply-adds.

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
                **parameters_by_kind(net),
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
            words.append(f"conv{one_number(layer.kernel_size)}-{layer.out_channels}")
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
        numbers = sorted({one_number(value) for value in values})
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


class NaiveInception(nn.Module):
    """An inception module without reductions: (N, C, H, W) -> (N, filters of 1x1, 3x3 and 5x5 and C, H, W)."""

    def __init__(self, channels: int, filters: Sequence[int]) -> None:
        super().__init__()
        one, _, three, _, five, _ = filters
        self.branch1 = _convolution(channels, one, 1)
        self.branch2 = _convolution(channels, three, 3)
        self.branch3 = _convolution(channels, five, 5)
        self.branch4 = nn.MaxPool2d(3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """As in `Inception`; pooling keeps all channels, so that maps grow from module to module."""
        return torch.cat([branch(x) for branch in (self.branch1, self.branch2, self.branch3, self.branch4)], 1)


def inception_facts() -> Facts:
    """ "Inception module": each module of GoogLeNet, and the naive one with the same filters on the same input.

    `modules/<name>/<kind>`: channels that it gives out, parameters (weights without biases) and multiply_adds; `kind`
    is "with reductions" or "naive". `over` of a module is what the naive one costs as a multiple of the other.
    """
    modules: dict[str, Facts] = {}
    channels, side = 192, 28
    for name, filters in INCEPTIONS.items():
        side = {"3": 28, "4": 14, "5": 7}[name[0]]
        kinds: dict[str, Facts] = {}
        for kind, made in (("with reductions", Inception), ("naive", NaiveInception)):
            net = made(channels, filters)
            kinds[kind] = {
                "channels": net(torch.empty(1, channels, side, side)).shape[1],
                "parameters": parameters_by_kind(net)["weights"],
                "multiply_adds": count_multiply_adds(net, (1, channels, side, side)).total,
            }
        over = kinds["naive"]["multiply_adds"] / kinds["with reductions"]["multiply_adds"]
        modules[f"inception ({name})"] = {**kinds, "over": over}
        channels = kinds["with reductions"]["channels"]
    return {"modules": modules}


def googlenet_facts() -> Facts:
    """ "Inception", Table 1, and "Architecture": GoogLeNet row by row.

    `rows/<type>`: "patch size and stride", "output size", "depth" (layers with weights on the longest path),
    `filters` by the printed headings, `kernels` (side of each), weights, biases, normalisation, parameters,
    multiply_adds, dropout. The network is built after the table, with biases and without batch norm; `torchvision` has
    torchvision's, and the list of `differences`: above all, its 5x5 filters are 3x3. Neither has the auxiliary
    classifiers, which the table leaves out; `auxiliary_parameters` are torchvision's. `architecture` has the counts
    that the prose gives.

    `first_layer_separable` is the first layer as 8 filters per colour (depthwise) and 64 of 1x1 over these.
    """
    table = {name: _googlenet_row(row) for name, row in rows_of(_googlenet()).items()}
    full = googlenet(aux_logits=True, init_weights=False)
    theirs = {name: _googlenet_row(row) for name, row in rows_of(_torchvision_googlenet()).items()}
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
        **totals(table),
        "first_layer_separable": {
            "parameters": count_parameters(separable),
            "multiply_adds": count_multiply_adds(separable, (1, 3, SIDE, SIDE)).total,
        },
        "torchvision": {
            "rows": theirs,
            **totals(theirs),
            "auxiliary_parameters": count_parameters(full) - totals(theirs)["parameters"],
            "differences": differences(table, theirs),
        },
    }


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


def _googlenet_row(row: Row) -> Facts:
    size = "x".join(map(str, (*row.given[1:], row.given[0]) if len(row.given) == 3 else (1, 1, row.given[0])))
    facts: Facts = {
        "patch size and stride": _patch(row),
        "output size": size,
        "depth": _depth(row.part),
        "pooling": int(isinstance(row.part, nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d)),
        **parameters_by_kind(row.part),
        "multiply_adds": row.multiply_adds,
    }
    named = _named_convolutions(row)
    if named:
        facts["filters"] = {name: layer.out_channels for name, layer in named.items()}
        facts["kernels"] = {name: one_number(layer.kernel_size) for name, layer in named.items()}
    dropout = row.first(nn.Dropout)
    if isinstance(dropout, nn.Dropout):
        facts["dropout"] = dropout.p
    return facts


def _patch(row: Row) -> str | None:
    """ "3x3/2": of a pooling, or of the last of plain convolutions; None where the layer has none."""
    if isinstance(row.part, Inception | TorchvisionInception):
        return None
    layer = row.convolutions[-1] if row.convolutions else row.first(nn.MaxPool2d, nn.AvgPool2d)
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return None
    side = one_number(layer.kernel_size)
    return f"{side}x{side}/{one_number(layer.stride)}"


def _depth(part: nn.Module) -> int:
    """Layers with weights on the longest path."""
    if isinstance(part, nn.Conv2d | nn.Linear):
        return 1
    depths = [_depth(child) for child in part.children()]
    return max(depths) if isinstance(part, Inception | TorchvisionInception) else sum(depths)


def _named_convolutions(row: Row) -> dict[str, nn.Conv2d]:
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
    """ "Why 3x3 filters?", "Even smaller filters?" and "Inceptions v2, v3, v4": C channels to C.

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
    """ "ResNet architectures & ResNeXt", Table 4: the cost of each network beside ResNet-101's.

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
            **parameters_by_kind(net),
            "multiply_adds": total,
            "complexity": total / reference,
        }
    return {"nets": found, "blocks": _resnext_blocks()}


def _resnext_blocks() -> dict[str, Facts]:
    """ "Figure 1": the two blocks of 256 channels that are compared, on the 56 x 56 maps of the first stage."""
    found = {}
    for name, groups, width in (("ResNet", 1, 64), ("ResNeXt", 32, 4)):
        block = Bottleneck(256, 64, groups=groups, base_width=width)
        found[name] = {
            "width": block.conv2.out_channels,
            "parameters": sum(layer.weight.numel() for layer in (block.conv1, block.conv2, block.conv3)),
            "multiply_adds": count_multiply_adds(block, (1, 256, 56, 56)).total,
        }
    return found


# --- gradients by depth ---

DEPTHS = (20, 56)  # of Figure 1
IMAGES = 4


class PlainBlock(nn.Module):
    """Two 3x3 convolutions, each normalised where asked, with ReLUs; `residual` adds the input before the last one.

    Where the size changes, the shortcut takes every second pixel and pads channels with zeros, so that both nets have
    the same weights: (N, C, H, W) -> (N, filters, H / stride, W / stride).
    """

    def __init__(self, channels: int, filters: int, stride: int, *, residual: bool, normalised: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(filters) if normalised else nn.Identity() for _ in range(2))
        self.residual, self.stride, self.more = residual, stride, filters - channels

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        y: Tensor = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        if self.residual:
            y = y + nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))
        return torch.relu(y)


def deep_net(depth: int, *, residual: bool, normalised: bool) -> nn.Sequential:
    """The net of `depth` = 6 n + 2 layers that He et al. (2015) put on CIFAR-10: (N, 3, 32, 32) -> (N, 10)."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
    layers += [nn.BatchNorm2d(16) if normalised else nn.Identity(), nn.ReLU()]
    channels = 16
    for filters in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            stride = 1 if filters == channels else 2
            layers.append(PlainBlock(channels, filters, stride, residual=residual, normalised=normalised))
            channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def gradient_facts() -> Facts:
    """ "Vanishing gradients" and "Testing the hypothesis": what reaches the first layer of a net before any training.

    `nets/<name>/<depth>`: `first`, the order of magnitude (power of ten) of the norm of the loss's gradient with
    respect to the first convolution, `over_last`, by how many orders that exceeds the last one's, and the parameters.
    Initial weights are PyTorch's, from one seed; images are noise of unit variance, classes are drawn; in double
    precision, as the least are small.
    """
    found: dict[str, Facts] = {}
    for residual in (False, True):
        for normalised in (False, True):
            name = f"{'residual' if residual else 'plain'}{', normalised' if normalised else ''}"
            found[name] = {f"{depth}": _gradients(depth, residual=residual, normalised=normalised) for depth in DEPTHS}
    return {"nets": found}


def _gradients(depth: int, *, residual: bool, normalised: bool) -> Facts:
    torch.set_num_threads(1)  # sums depend on how many there are
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = deep_net(depth, residual=residual, normalised=normalised).double()
        images, classes = torch.randn(IMAGES, 3, 32, 32).double(), torch.randint(0, 10, (IMAGES,))
        convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
        loss = nn.functional.cross_entropy(net(images), classes)
        first, last = torch.autograd.grad(loss, [convolutions[0].weight, convolutions[-1].weight])
        orders = {"first": first.norm(), "over_last": first.norm() / last.norm()}
    return {
        **{name: round(float(torch.log10(value)), 6) for name, value in orders.items()},
        "parameters": count_parameters(net),
    }
