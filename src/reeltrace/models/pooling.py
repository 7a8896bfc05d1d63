"""Pooling over (T, H, W) whose gradient is the same in every run, on a GPU too.

torch adds the gradients of 3D pooling on CUDA with atomic operations, in an order that differs from run to run, or
refuses them where deterministic algorithms are asked for. Values are always torch's own, and so is everything on other
devices. Only the gradient on CUDA is computed here: by operations that write each element once, in a fixed order, which
is the order in which torch adds on a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reeltrace.models.layout import memory_format_of

Triple = tuple[int, int, int]
Size3 = int | Triple


class MaxPool3d(nn.MaxPool3d):
    """`nn.MaxPool3d`, the same function: (N, C, T, H, W) to (N, C, T', H', W').

    Of equal values in a window the first one, in the order of memory, gets the gradient, as in torch; so does a NaN.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The largest value of each window."""
        if not _needs_own_gradient(x) or self.return_indices:
            pooled: Tensor = super().forward(x)
            return pooled
        return max_pool3d(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class AvgPool3d(nn.AvgPool3d):
    """`nn.AvgPool3d` over windows that do not overlap: the stride is the kernel's size, and nothing is padded."""

    def __init__(self, kernel_size: Size3) -> None:
        super().__init__(kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """The mean of each window; a rest at the end that fills no window is left out. The memory format is kept.

        On a CPU torch gives values and gradients in the default format, and every layer around would convert them.
        """
        memory_format = memory_format_of(x)
        if _needs_own_gradient(x) or (memory_format is torch.channels_last_3d and _needs_gradient(x)):
            pooled = avg_pool3d(x, self.kernel_size)
        else:
            pooled = super().forward(x)
        return pooled.contiguous(memory_format=memory_format)


class Halve(nn.Module):
    """Every second place along the axes whose stride is 2, so that reversing or turning a clip goes through it.

    (N, C, T, H, W) to (N, C, T', H', W'), halved and rounded up. On an axis of even size neighbours are averaged in
    pairs; on one of odd size every second place is taken, which is symmetric there. Strides are 1 or 2.
    """

    def __init__(self, stride: Size3) -> None:
        super().__init__()
        self.stride = _triple(stride)

    def forward(self, x: Tensor) -> Tensor:
        """Average pairs on even axes, take every second place on odd ones."""
        size = x.shape[2:]
        pairs = [s if s == 1 or extent % 2 == 0 else 1 for s, extent in zip(self.stride, size, strict=True)]
        steps = [1 if s == 1 or extent % 2 == 0 else s for s, extent in zip(self.stride, size, strict=True)]
        if max(steps) > 1:
            memory_format = memory_format_of(x)
            x = x[:, :, :: steps[0], :: steps[1], :: steps[2]].contiguous(memory_format=memory_format)
        if max(pairs) == 1:
            return x
        t, h, w = pairs
        pooled: Tensor = AvgPool3d((t, h, w))(x)
        return pooled


class SymmetricMaxPool3d(nn.Module):
    """Max pooling with stride 2, so that reversing or turning a clip goes through it.

    (N, C, T, H, W) to (N, C, T', H', W'), halved and rounded up. The window is 2 wide on an axis of even size, and
    3 wide with a padding of 1 on one of odd size.
    """

    def forward(self, x: Tensor) -> Tensor:
        """The largest value of each window."""
        t, h, w = (2 + extent % 2 for extent in x.shape[2:])
        pooled: Tensor = MaxPool3d((t, h, w), stride=2, padding=(t - 2, h - 2, w - 2))(x)
        return pooled


def max_pool3d(
    x: Tensor, kernel: Size3, stride: Size3, padding: Size3 = 0, dilation: Size3 = 1, ceil_mode: bool = False
) -> Tensor:
    """`F.max_pool3d` with a gradient that is the same in every run. Clips (N, C, T, H, W)."""
    window = _Window(_triple(kernel), _triple(stride), _triple(padding), _triple(dilation))
    pooled: Tensor = _MaxPool.apply(x, window, ceil_mode)
    return pooled


def avg_pool3d(x: Tensor, kernel: Size3) -> Tensor:
    """`F.avg_pool3d(x, kernel)` with a gradient that is the same in every run. Clips (N, C, T, H, W)."""
    pooled: Tensor = _AvgPool.apply(x, _triple(kernel))
    return pooled


@dataclass(frozen=True)
class _Window:
    """How windows lie on an input, each value along (T, H, W)."""

    kernel: Triple
    stride: Triple
    padding: Triple
    dilation: Triple

    def first(self, axis: int, windows: int, like: Tensor) -> Tensor:
        """(windows,): where each window begins on an axis, below 0 in the padding."""
        return torch.arange(windows, dtype=like.dtype, device=like.device) * self.stride[axis] - self.padding[axis]

    def taps(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The number of each element of a window and its place (t, h, w) in it, from the last to the first.

        An input element has the more taps behind it the earlier the window is that it is seen through: in this order
        it receives the gradients of its windows from the first window to the last.
        """
        places = list(product(*(range(extent) for extent in self.kernel)))
        yield from reversed(list(enumerate(places)))

    def seen(self, axis: int, tap: int, windows: int, size: int) -> tuple[slice, slice] | tuple[()]:
        """On one axis: the windows whose element `tap` lies on the input, and the input's elements that it is there."""
        stride, offset = self.stride[axis], tap * self.dilation[axis] - self.padding[axis]
        low = max(0, -(offset // stride))
        high = min(windows - 1, (size - 1 - offset) // stride)
        if high < low:
            return ()
        return slice(low, high + 1), slice(low * stride + offset, high * stride + offset + 1, stride)


class _MaxPool(torch.autograd.Function):
    """Values and places of the largest elements from torch; the gradient tap by tap of the window.

    Where windows overlap, an element of the input can be the largest of several. For one tap, all windows together read
    different elements: their gradients are added by one strided addition that meets no element twice.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, window: _Window, ceil_mode: bool) -> Tensor:
        pooled, places = F.max_pool3d(
            x, window.kernel, window.stride, window.padding, window.dilation, ceil_mode, return_indices=True
        )
        ctx.save_for_backward(x, places)
        ctx.window = window
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, places = ctx.saved_tensors
        window: _Window = ctx.window
        taps = _taps_of(places, window, x.shape[2:])
        total = torch.zeros_like(x)
        none = gradient.new_zeros(())
        for number, tap in window.taps():
            seen = [window.seen(axis, at, places.shape[2 + axis], x.shape[2 + axis]) for axis, at in enumerate(tap)]
            if not all(seen):
                continue
            windows, elements = ((..., *axes) for axes in zip(*seen, strict=True))
            total[elements] += torch.where(taps[windows] == number, gradient[windows], none)
        return total, None, None


class _AvgPool(torch.autograd.Function):
    """Values from torch; each element of a window gets the same part of the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Triple) -> Tensor:
        ctx.save_for_backward(x)
        ctx.kernel = kernel
        pooled: Tensor = F.avg_pool3d(x, kernel)
        return pooled

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        t, h, w = ctx.kernel
        frames, height, width = gradient.shape[2:]
        spread = torch.zeros_like(x)
        covered = spread[..., : frames * t, : height * h, : width * w]
        blocks = covered.view(*x.shape[:2], frames, t, height, h, width, w)
        blocks.copy_((gradient / (t * h * w))[..., :, None, :, None, :, None].expand_as(blocks))
        return spread, None


def _taps_of(places: Tensor, window: _Window, size: Sequence[int]) -> Tensor:
    """The number of the element of its window that each of `places` is; places count the elements of a whole clip."""
    _, height, width = size
    places = places.to(torch.int32)
    at = (places // (height * width), places // width % height, places % width)
    number = torch.zeros_like(places)
    for axis in range(3):
        first = window.first(axis, places.shape[2 + axis], places).view(-1, *[1] * (2 - axis))
        number = number * window.kernel[axis] + (at[axis] - first) // window.dilation[axis]
    return number.to(torch.int16)


def _needs_own_gradient(x: Tensor) -> bool:
    return x.device.type == "cuda" and _needs_gradient(x)


def _needs_gradient(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def _triple(value: Size3) -> Triple:
    return (value, value, value) if isinstance(value, int) else value
