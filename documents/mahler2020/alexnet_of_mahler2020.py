"""AlexNet as mahler2020 prints it in Table 2.1 and section 2.3.6, counted layer by layer.

torchvision's network is counted in the same rows, and the differences are listed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping

from torch import nn
from torchvision.models import (  # type: ignore[import-untyped]
    alexnet,
)

from reeltrace.measure.image_networks import (
    CLASSES,
    SIDE,
    Facts,
    Row,
    differences,
    one_number,
    parameters_by_kind,
    rows_of,
)
from reeltrace.measure.structure import count_parameters


def facts() -> Facts:
    """The facts of the document by part, as plain JSON; see the function of each part."""
    return {"alexnet": alexnet_facts()}


def alexnet_facts() -> Facts:
    """Table 2.1 and section 2.3.6: AlexNet layer by layer.

    `rows/<layer>`: maps, size, kernel size, stride, padding ("SAME": as many positions as the input has, over the
    stride; "VALID": none; a number of pixels otherwise), activation, parameters, multiply_adds. `text`: what the
    section says of the network, counted on the table as printed. `variants`: parameters,
    multiply-adds and neurons (outputs of convolutions and linear layers) of the table as printed and with what
    Krizhevsky et al. 2012 have beyond it: a pooling after C7, two groups in C3, C6 and C7, and maps of 55 x 55 in C1.
    `torchvision`: torchvision's network in the same rows, and the `differences`.
    """
    printed = rows_of(_alexnet())
    theirs = rows_of(_torchvision_alexnet())
    table = {name: _alexnet_row(row) for name, row in printed.items()}
    other = {name: _alexnet_row(row) for name, row in theirs.items()}
    variants = {
        "as printed": printed,
        "pooling after C7": rows_of(_alexnet(last_pool=True)),
        "pooling after C7, two groups": rows_of(_alexnet(last_pool=True, groups=2)),
        "pooling after C7, two groups, C1 padded by 2": rows_of(_alexnet(last_pool=True, groups=2, first_padding=2)),
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
        "torchvision": {"rows": other, "differences": differences(table, other)},
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


def _kind(row: Row) -> str:
    if row.convolutions:
        return "Convolution"
    if row.first(nn.MaxPool2d):
        return "Max Pooling"
    return "Fully Connected" if row.first(nn.Linear) else "Input"


def _alexnet_row(row: Row) -> Facts:
    maps = len(row.given) == 3
    facts: Facts = {
        "type": _kind(row),
        "maps": row.given[0] if maps else None,
        "size": f"{row.given[1]} x {row.given[2]}" if maps else str(row.given[0]),
        "kernel size": None,
        "stride": None,
        "padding": None,
        "activation": None,
        **parameters_by_kind(row.part),
        "multiply_adds": row.multiply_adds,
    }
    window = row.first(nn.Conv2d, nn.MaxPool2d)
    if isinstance(window, nn.Conv2d | nn.MaxPool2d):
        side, stride = one_number(window.kernel_size), one_number(window.stride)
        facts |= {"kernel size": f"{side} x {side}", "stride": stride, "padding": _padding(row, window, stride)}
    if row.first(nn.ReLU):
        facts["activation"] = "ReLU"
    elif row.first(nn.Softmax):
        facts["activation"] = "Softmax"
    return facts


def _padding(row: Row, window: nn.Conv2d | nn.MaxPool2d, stride: int) -> str:
    outside = row.first(nn.ZeroPad2d)
    padded = sum(outside.padding[:2]) if isinstance(outside, nn.ZeroPad2d) else 2 * one_number(window.padding)
    if padded == 0:
        return "VALID"
    return "SAME" if row.given[-1] == math.ceil(row.taken[-1] / stride) else f"{padded / 2:g}"


def _alexnet_totals(rows: Mapping[str, Row]) -> Facts:
    return {
        "parameters": sum(count_parameters(row.part) for row in rows.values()),
        "multiply_adds": sum(row.multiply_adds for row in rows.values()),
        "neurons": sum(math.prod(row.given) for row in rows.values() if row.first(nn.Conv2d, nn.Linear)),
    }
