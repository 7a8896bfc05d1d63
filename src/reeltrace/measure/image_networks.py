"""Image networks counted row by row: what modules of documents need to set beside a printed table.

Networks live on the meta device: nothing is trained and no weights are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.errors import CheckFailed
from reeltrace.measure.multiply_adds import count_multiply_adds, meta_copy
from reeltrace.measure.structure import count_parameters

SIDE = 224  # of the input, in pixels
CLASSES = 1000
Facts = dict[str, Any]


@dataclass(frozen=True)
class Row:
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


def rows_of(network: nn.Sequential, side: int = SIDE) -> dict[str, Row]:
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
    return {name: Row(part, *shapes[name], counted.get(name, 0)) for name, part in network.named_children()}


def parameters_by_kind(part: nn.Module) -> Facts:
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


def differences(table: Mapping[str, Facts], other: Mapping[str, Facts]) -> list[Facts]:
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


def one_number(value: int | tuple[int, ...] | str | None) -> int:
    """A setting of a layer that is the same along both axes, as in all networks here."""
    if isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    if isinstance(value, int):
        return value
    raise CheckFailed(f"a layer's setting {value!r} is not one number")


def totals(rows: Mapping[str, Facts]) -> Facts:
    """Weights, parameters and multiply-adds of all rows together."""
    return {key: sum(row[key] for row in rows.values()) for key in ("weights", "parameters", "multiply_adds")}
