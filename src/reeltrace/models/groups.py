"""The symmetry groups of the video networks, each defined by what it does to a volume of frames.

A group here is finite and acts on the last three axes (T, H, W) of a tensor. Everything that a network needs
to know about it follows from two facts: how its elements multiply, and how each of them moves a volume. This
module holds those facts and what follows from them; layers live in `group_conv`.

A new group is one entry of `GROUPS`: a name, a label, a multiplication table and a function
that moves a volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reeltrace.errors import UserError

Table = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Group:
    """A finite group of symmetries of a video volume.

    Elements are the integers 0 .. order-1 and 0 is the identity. `table[a][b]` is the product "b first, then
    a". `action(volume, g)` returns L_g applied to the last three axes (T, H, W) of a tensor of any leading
    shape: (L_g f)(x) = f(g^-1 x), as in basu2021, equation 3. It must only move values, never change them.
    """

    name: str
    label: str
    table: Table
    action: Callable[[Tensor, int], Tensor]

    @property
    def order(self) -> int:
        """Number of elements, H (or S) in basu2021: the number of orientations that a feature map carries."""
        return len(self.table)

    @property
    def elements(self) -> range:
        """All elements, identity first."""
        return range(self.order)

    def compose(self, a: int, b: int) -> int:
        """The product a b: first b, then a."""
        return self.table[a][b]

    def inverse(self, g: int) -> int:
        """The element that undoes g."""
        return self.table[g].index(0)

    def act(self, volume: Tensor, g: int) -> Tensor:
        """Move a volume (..., T, H, W) by g: a clip, a plain feature map, or the taps of a kernel."""
        return self.action(volume, g)

    def orientation_source(self, g: int) -> tuple[int, ...]:
        """How g permutes orientations: number h of the result is number `source[h]` = g^-1 h of the input."""
        return tuple(self.compose(self.inverse(g), h) for h in self.elements)

    def act_on_kernel(self, kernel: Tensor, g: int, orientation_axis: int | None = None) -> Tensor:
        """Transform a filter bank (..., kt, kh, kw) by g.

        Filters of deeper layers have one slice per orientation of their input; name that axis and its slices
        are permuted too: (L_g psi)(h, x) = psi(g^-1 h, g^-1 x).
        """
        if orientation_axis is not None:
            source = torch.tensor(self.orientation_source(g), device=kernel.device)
            kernel = kernel.index_select(orientation_axis, source)
        return self.act(kernel, g)

    def act_on_features(self, features: Tensor, g: int) -> Tensor:
        """Transform a feature map (N, S*K, T, H, W) by g: move each volume and permute the orientations.

        Channels are laid out as in `group_conv`: orientation outside, group channel inside.
        """
        n, channels, *volume = features.shape
        unfolded = features.reshape(n, self.order, channels // self.order, *volume)
        return self.act_on_kernel(unfolded, g, orientation_axis=1).flatten(1, 2)

    def preserves(self, extent: tuple[int, int, int]) -> bool:
        """Whether a volume of this extent (T, H, W) keeps its shape under every element."""
        probe = torch.empty(extent, device="meta")
        return all(self.act(probe, g).shape == probe.shape for g in self.elements)


def cyclic(order: int) -> Table:
    """The multiplication table of the cyclic group: element k is the generator applied k times."""
    return tuple(tuple((a + b) % order for b in range(order)) for a in range(order))


def _keep(volume: Tensor, g: int) -> Tensor:
    return volume


def _reverse_time(volume: Tensor, g: int) -> Tensor:
    return volume.flip(-3) if g else volume


def _rotate_frames(volume: Tensor, g: int) -> Tensor:
    # From the axis of rows to the axis of columns: counter-clockwise for a viewer who sees row 0 on top.
    return torch.rot90(volume, g, (-2, -1)) if g else volume


GROUPS: dict[str, Group] = {
    group.name: group
    for group in (
        # No symmetry beyond translation: the standard 3D convolution.
        Group("z3", "Z3", cyclic(1), _keep),
        # Reversal of time; basu2021, section 3.1.
        Group("t2", "T2", cyclic(2), _reverse_time),
        # Counter-clockwise rotations of the frames by multiples of 90 degrees; basu2021, section 3.2.
        Group("p43d", "P43D", cyclic(4), _rotate_frames),
    )
}


def get_group(name: str) -> Group:
    """The group of that name; UserError names the ones that exist."""
    try:
        return GROUPS[name]
    except (KeyError, TypeError):
        raise UserError(f"unknown group {name!r}: expected one of {', '.join(sorted(GROUPS))}") from None


def as_group(group: Group | str) -> Group:
    """A group, or the one of that name. Raises UserError for anything else."""
    return group if isinstance(group, Group) else get_group(group)
