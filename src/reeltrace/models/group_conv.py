"""Layers that are equivariant to a group: convolution, batch normalisation, pooling over orientations.

Layout of feature maps. A map with K group channels over a group of S elements is one plain tensor (N, S*K, T,
H, W): channel `s * K + k` holds group channel k in orientation s. Orientation is the outer index, because
then batch normalisation can see group channels through a view in both the default and the channels-last
layout. Pooling over (T, H, W) and pointwise functions work on such a tensor as they are.

How a layer computes its result is hidden behind its interface: parameters have the shapes of the document,
inputs and outputs the layout above.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltrace.errors import UserError
from reeltrace.models.groups import Group, as_group
from reeltrace.models.irreps import Rotations, TimeReversal
from reeltrace.models.layout import memory_format_of
from reeltrace.models.stacked import StackedFrames
from reeltrace.models.ways import Geometry, Way, convolve

Size3 = int | tuple[int, int, int]
_Form = tuple[Way | torch.memory_format, torch.dtype]  # as a way takes them, or expanded


class GroupConv3d(nn.Module):
    """3D convolution equivariant to translations and to a group (basu2021, section 3.3, equation 3).

    `lifting=True` is the first layer: a plain clip (N, C_in, T, H, W) becomes a map over the group.
    Otherwise the input is a map over the group, (N, S*C_in, T, H, W). The output is (N, S*C_out, T', H', W').
    `group` is a `Group` or the name of one; channels are those of one orientation.

    How the input lies in memory decides how it is computed. With the channels innermost (`torch.channels_last_3d`)
    there are quicker ways than `conv3d` of expanded filters, taken where the shape is large enough: on a CPU in float32
    and float64, on a GPU in reduced precision. In the default layout there are none. `way` tells which is taken;
    docs/group-convolution.md says more.

    Parameters: `weight` (C_out, C_in, S_in, kt, kh, kw), the filter shape of section 3.3.1, where S_in is 1
    in a lifting layer and the order of the group elsewhere; `bias` (C_out,), shared over orientations.

    For orientation g of the output the filters are transformed by g: their taps move and, in deeper layers,
    their orientation slices are permuted. The transformed filters of all orientations make one bank for one
    `conv3d`.

    In evaluation mode with gradients off that bank is kept between calls. It is rebuilt after anything that
    can change it: an optimiser step or another in-place change, a load, a move to another type or device,
    autocast. Only writes through `weight.data` in evaluation mode go unseen, because PyTorch does not count
    them.

    Equivariance is exact where the sampling grid maps to itself: with an odd kernel, "same" padding and
    stride 2, on odd sizes along the axes that the group moves.

    Raises UserError for an unknown group, for a kernel, stride or padding that the group would not map to itself, and
    for an input of other channels.
    """

    def __init__(
        self,
        group: Group | str,
        in_channels: int,
        out_channels: int,
        kernel_size: Size3,
        stride: Size3 = 1,
        padding: Size3 = 0,
        bias: bool = True,
        lifting: bool = False,
    ) -> None:
        super().__init__()
        self.group = group = as_group(group)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _triple(kernel_size)
        self.stride = _triple(stride)
        self.padding = _triple(padding)
        self.lifting = lifting
        for what, extent in (
            ("kernel", self.kernel_size),
            ("stride", self.stride),
            ("padding", self.padding),
        ):
            if not group.preserves(extent):
                raise UserError(
                    f"{what} {extent} does not suit group {group.name}: the group would give it another "
                    "shape; use the same value along the axes that it exchanges"
                )
        orientations = 1 if lifting else group.order
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, orientations, *self.kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self._kept: _KeptFilters | None = None
        self.reset_parameters()

    def reset_parameters(self, mode: Literal["fan_in", "fan_out"] = "fan_in") -> None:
        """He initialisation for ReLU: normal weights of variance 2 / fan, zero bias.

        The fans are those of the expanded filters: an output sums over C_in * S_in * taps products, and an
        input reaches C_out * S * taps of them (at stride 1).
        """
        taps = math.prod(self.kernel_size)
        fans = {
            "fan_in": self.in_channels * self.weight.shape[2] * taps,
            "fan_out": self.out_channels * self.group.order * taps,
        }
        nn.init.normal_(self.weight, std=math.sqrt(2 / fans[mode]))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (N, C_in or S*C_in, T, H, W) to (N, S*C_out, T', H', W')."""
        orientations = self.weight.shape[2]
        if x.dim() != 5 or x.shape[1] != orientations * self.in_channels:
            over = "" if orientations == 1 else f": {self.in_channels} in each of {orientations} orientations"
            raise UserError(
                f"{self.group.label} convolution: found an input of shape {tuple(x.shape)}; expected (N, C, T, H, W) "
                f"with C = {orientations * self.in_channels}{over}"
            )
        bias: Tensor | None = self.bias
        if bias is not None and self.group.order > 1:
            bias = bias.repeat(self.group.order)
        dtype = self._computes_in(x)
        other = self._other_way(x, dtype)
        if other is None:
            return F.conv3d(x, self._filters_for(x, dtype, None), bias, self.stride, self.padding)
        way, geometry = other
        filters = self._filters_for(x, dtype, way)
        out = convolve(way, x.to(dtype), self.weight, filters, self._plain, geometry)
        return out if bias is None else out + bias.to(out.dtype).view(1, -1, 1, 1, 1)

    def expanded_filters(
        self, dtype: torch.dtype | None = None, memory_format: torch.memory_format = torch.contiguous_format
    ) -> Tensor:
        """The filters of all orientations as one weight for `conv3d`: (S*C_out, S_in*C_in, kt, kh, kw).

        Differentiable. `dtype` is the type to compute in, by default the weight's own; gradients arrive in
        the weight's own type.
        """
        return _filters(self.weight, self.group, dtype, memory_format)

    def extra_repr(self) -> str:
        """The settings, for printing the module."""
        return (
            f"{self.group.label}, {self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, bias={self.bias is not None}, "
            f"lifting={self.lifting}"
        )

    def way(self, x: Tensor) -> Way | None:
        """The way that an input of this shape, type, layout and device takes; None: filters expanded for `conv3d`."""
        other = self._other_way(x, self._computes_in(x))
        return None if other is None else other[0]

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; the kept filters are dropped."""
        self._kept = None
        return super().train(mode)

    def _computes_in(self, x: Tensor) -> torch.dtype:
        dtype = self.weight.dtype
        autocasts = dtype != torch.double and _autocasts(x.device.type)  # autocast leaves double precision alone
        return torch.get_autocast_dtype(x.device.type) if autocasts else dtype

    def _other_way(self, x: Tensor, dtype: torch.dtype) -> tuple[Way, Geometry] | None:
        """The first way that is quicker than `conv3d`, if any. All of them want the channels innermost in memory."""
        if memory_format_of(x) is not torch.channels_last_3d:
            return None
        if x.dtype != dtype and not _autocasts(x.device.type):  # `conv3d` refuses it
            return None
        n, _, t, h, w = x.shape
        channels = (self.in_channels, self.out_channels)
        geometry = Geometry(channels, self.kernel_size, self.stride, self.padding, (n, t, h, w))
        if min(geometry.after) < 1:  # so it does a kernel that is larger than the padded input
            return None
        for way in _ways(self.group, self.lifting, x.device.type, dtype):
            if way.gains(geometry):
                return way, geometry
        return None

    def _plain(self, x: Tensor, weight: Tensor) -> Tensor:
        """The convolution without bias, of a weight of this layer's shape."""
        return F.conv3d(x, _filters(weight, self.group, x.dtype), None, self.stride, self.padding)

    def _filters_for(self, x: Tensor, dtype: torch.dtype, way: Way | None) -> Tensor:
        """The filters as `way` takes them, or the expanded ones."""
        if self.group.order == 1 and way is None:
            # The document's filter shape with S = 1 is the ordinary shape: no expansion, autocast as in
            # nn.Conv3d.
            return self.weight.squeeze(2)
        form = way or memory_format_of(x), dtype
        if self.training or torch.is_grad_enabled() or self.weight.is_inference():
            return self._filters_in(*form)
        if self._kept is None or not self._kept.serves(self.weight, form):
            self._kept = _KeptFilters(self.weight.detach(), self.weight._version, form, self._filters_in(*form))
        return self._kept.filters

    def _filters_in(self, form: Way | torch.memory_format, dtype: torch.dtype) -> Tensor:
        if isinstance(form, Way):
            with torch.no_grad():  # their gradient is the way's own matter
                return form.filters(self.weight).to(dtype)
        return self.expanded_filters(dtype, form)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        self._kept = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._kept = None
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        # Copies and pickles of the module start without kept filters.
        return {**self.__dict__, "_kept": None}


class GroupBatchNorm3d(nn.BatchNorm3d):
    """Batch normalisation of (N, S*K, T, H, W) with statistics and affine parameters per group channel (K,).

    Orientations share them, so transforming the input permutes and moves the output and changes nothing else,
    in training as in evaluation.
    """

    def __init__(self, group: Group | str, channels: int) -> None:
        super().__init__(channels)
        self.group = as_group(group)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over N, S, T, H and W; the shape stays."""
        order = self.group.order
        if order == 1:
            return super().forward(x)
        n, channels, t, h, w = x.shape
        if memory_format_of(x) is torch.channels_last_3d:
            # In memory (N, T, H, W, S, K): let the orientations count as width, so that this stays a view.
            rows = x.permute(0, 2, 3, 4, 1).reshape(n, t, h, w * order, channels // order)
            normalised: Tensor = super().forward(rows.permute(0, 4, 1, 2, 3))
            return normalised.permute(0, 2, 3, 4, 1).reshape(n, t, h, w, channels).permute(0, 4, 1, 2, 3)
        return super().forward(x.reshape(n * order, channels // order, t, h, w)).reshape(x.shape)

    def extra_repr(self) -> str:
        """The settings, for printing the module."""
        return f"{self.group.label}, {self.num_features}"


class GroupPool(nn.Module):
    """Mean over orientations, (N, S*K, T, H, W) to (N, K, T, H, W); basu2021, section 4.1."""

    def __init__(self, group: Group | str) -> None:
        super().__init__()
        self.group = as_group(group)

    def forward(self, x: Tensor) -> Tensor:
        """Average the orientations of each group channel."""
        if self.group.order == 1:
            return x
        n, channels, t, h, w = x.shape
        return x.reshape(n, self.group.order, channels // self.group.order, t, h, w).mean(1)

    def extra_repr(self) -> str:
        """The settings, for printing the module."""
        return self.group.label


@dataclass(frozen=True)
class _KeptFilters:
    """Expanded filters with what they were made from.

    `source` shares the weight's storage and so keeps that address from being used again: an equal address
    means the same storage, and an equal version the same content.
    """

    source: Tensor
    version: int
    form: _Form
    filters: Tensor

    def serves(self, weight: Tensor, form: _Form) -> bool:
        return (
            weight.data_ptr() == self.source.data_ptr()
            and weight._version == self.version
            and weight.dtype == self.source.dtype
            and weight.stride() == self.source.stride()
            and weight.device == self.source.device
            and form == self.form
        )


_IRREPS: dict[str, dict[str, Way]] = {
    "cpu": {"t2": TimeReversal(), "p43d": Rotations()},
    "cuda": {"t2": TimeReversal(buffer=2**30, multiple=8)},
}
_EXACT, _REDUCED = (torch.float32, torch.float64), (torch.bfloat16, torch.float16)


@functools.cache
def _ways(group: Group, lifting: bool, device: str, dtype: torch.dtype) -> tuple[Way, ...]:
    """Which ways come into question, the quickest first: in full precision on a CPU, in a reduced one on a GPU."""
    if (device, dtype) not in (*(("cpu", each) for each in _EXACT), *(("cuda", each) for each in _REDUCED)):
        return ()
    irreps = _IRREPS[device].get(group.name)
    stacked = StackedFrames(functools.partial(_filters, group=group), group.order) if device == "cuda" else None
    return tuple(way for way in (None if lifting else irreps, stacked) if way is not None)


def _filters(
    weight: Tensor,
    group: Group,
    dtype: torch.dtype | None = None,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """The filters (S*C_out, S_in*C_in, kt, kh, kw) of all orientations, by default in the weight's own type."""
    dtype = dtype or weight.dtype
    return weight.squeeze(2).to(dtype) if group.order == 1 else _expand(weight, group, dtype, memory_format)


def _expand(weight: Tensor, group: Group, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    """Expand (C_out, C_in, S_in, kt, kh, kw) to (S*C_out, S_in*C_in, kt, kh, kw)."""
    c_out, c_in, s_in, *kernel = weight.shape
    table, inverse = _row_tables(group, s_in, (kernel[0], kernel[1], kernel[2]), weight.device)
    # One row per (orientation slice, tap), so that transforming a filter is picking rows.
    rows = weight.permute(2, 3, 4, 5, 0, 1).reshape(-1, c_out, c_in)
    picked: Tensor = _PickRows.apply(rows, table, inverse, dtype)
    bank = picked.view(group.order, s_in, *kernel, c_out, c_in)
    # With one tap both layouts are the same, and the default strides take the faster way through conv3d.
    if memory_format is torch.channels_last_3d and math.prod(kernel) > 1:
        return (
            bank.permute(0, 5, 2, 3, 4, 1, 6).reshape(group.order * c_out, *kernel, s_in * c_in).permute(0, 4, 1, 2, 3)
        )
    return bank.permute(0, 5, 1, 6, 2, 3, 4).reshape(group.order * c_out, s_in * c_in, *kernel)


class _PickRows(torch.autograd.Function):
    """Rows (P, ...) to (S*P, ...), where each of the S blocks is a permutation of the rows.

    Because each block is a permutation, the gradient is again a selection of rows, summed over blocks:
    deterministic, and much cheaper than the scattered addition that autograd would derive. The sum runs in
    the type of the rows, so that gradients of a lower precision add up without further loss.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, inverse: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.inverse, ctx.rows_shape, ctx.rows_dtype = inverse, rows.shape, rows.dtype
        return rows.to(dtype).index_select(0, table)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        blocks = gradient.index_select(0, ctx.inverse).view(-1, *ctx.rows_shape)
        return blocks.sum(0, dtype=ctx.rows_dtype), None, None, None


@functools.lru_cache(maxsize=256)
def _row_tables(group: Group, s_in: int, kernel: tuple[int, int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """For each orientation g of the output: which row of the weight each row of L_g weight is; and back.

    Found by letting the group act on the row numbers themselves, so they hold for any group.
    """
    # The tables outlive this call: they must not become inference tensors, which autograd refuses.
    with torch.inference_mode(False):
        numbers = torch.arange(s_in * math.prod(kernel), device="cpu").view(s_in, *kernel)
        axis = None if s_in == 1 else 0
        picks = [group.act_on_kernel(numbers, g, axis).flatten() for g in group.elements]
        table = torch.cat(picks)
        inverse = torch.cat([pick.argsort() + g * pick.numel() for g, pick in enumerate(picks)])
        return table.to(device), inverse.to(device)


def _autocasts(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _triple(value: Size3) -> tuple[int, int, int]:
    return (value, value, value) if isinstance(value, int) else value
