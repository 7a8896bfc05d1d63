"""Other ways to the same convolution: its products in another order, where that takes less time.

A way computes on maps whose channels lie innermost in memory, (N, T, H, W, C), and piece by piece in buffers that are
not kept for the backward pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Triple = tuple[int, int, int]
Plain = Callable[[Tensor, Tensor], Tensor]  # of input and weight


@dataclass(frozen=True)
class Geometry:
    """A convolution along (T, H, W), its channels (C_in, C_out), and the shape (N, T, H, W) of its input and output.

    Of a convolution over a group they are the channels of one orientation.
    """

    channels: tuple[int, int]
    kernel: Triple
    stride: Triple
    padding: Triple
    before: tuple[int, int, int, int]

    @property
    def after(self) -> tuple[int, int, int, int]:
        """The shape (N, T', H', W') of the output."""
        n, *sizes = self.before
        t, h, w = (
            (size + 2 * padding - kernel) // stride + 1
            for size, kernel, stride, padding in zip(sizes, self.kernel, self.stride, self.padding, strict=True)
        )
        return n, t, h, w


class Way(ABC):
    """How a convolution is computed.

    `buffer` is how many bytes the sums of one piece may take: the more, the fewer calls; the less, the more of them
    stays in a processor's cache.
    """

    buffer: int

    @abstractmethod
    def gains(self, geometry: Geometry) -> bool:
        """Whether this is quicker than `conv3d`, judged by the shape alone."""

    @abstractmethod
    def filters(self, weight: Tensor) -> Tensor:
        """The weight (C_out, C_in, S, kt, kh, kw) as this way multiplies it; linear, and differentiable."""

    @abstractmethod
    def forward(self, x: Tensor, filters: Tensor, geometry: Geometry) -> Tensor:
        """(N, T, H, W, S*C_in) to (N, T', H', W', S*C_out)."""

    @abstractmethod
    def backward(
        self, x: Tensor, filters: Tensor, gradient: Tensor, geometry: Geometry, asked: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        """The gradients of input and filters from that of the output, each where it is asked for."""


def convolve(way: Way, x: Tensor, weight: Tensor, filters: Tensor, plain: Plain, geometry: Geometry) -> Tensor:
    """(N, S*C_in, T, H, W) to (N, S*C_out, T', H', W'), both channels-last.

    `filters` are those of `Way.filters` from the weight, and need no gradient of their own. `plain` is the same
    function of x and weight in another way, which is taken for gradients of gradients.
    """
    out: Tensor = _Convolution.apply(x, weight, filters, way, plain, geometry)
    return out


class _Convolution(torch.autograd.Function):
    """The convolution, which keeps its input for the backward pass and makes the sums anew there."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, filters: Tensor, way: Way, plain: Plain, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(x, weight, filters)
        ctx.way, ctx.plain, ctx.geometry = way, plain, geometry
        return way.forward(x.permute(0, 2, 3, 4, 1), filters, geometry).permute(0, 4, 1, 2, 3)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        x, weight, filters = ctx.saved_tensors
        asked = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # a gradient of this gradient will be asked for
            wanted = [each for each, is_asked in zip((x, weight), asked, strict=True) if is_asked]
            found = iter(torch.autograd.grad(ctx.plain(x, weight), wanted, gradient, create_graph=True))
            return next(found) if asked[0] else None, next(found) if asked[1] else None, None, None, None, None
        inner = gradient.permute(0, 2, 3, 4, 1).contiguous()
        dx, dfilters = ctx.way.backward(x.permute(0, 2, 3, 4, 1), filters, inner, ctx.geometry, asked)
        dweight = None
        if dfilters is not None:
            with torch.enable_grad():
                alone = weight.detach().requires_grad_()
                (dweight,) = torch.autograd.grad(ctx.way.filters(alone), alone, dfilters.to(alone.dtype))
        return None if dx is None else dx.permute(0, 4, 1, 2, 3), dweight, None, None, None, None


def fitting(buffer: int, samples: int, frames: int, each: int) -> tuple[int, int]:
    """How many samples and how many frames of them make a piece, where a frame takes `each` bytes of the buffer."""
    if frames * each <= buffer:
        return max(1, min(samples, buffer // (frames * each))), frames
    return 1, max(1, buffer // each)


def pieces(buffer: int, x: Tensor, geometry: Geometry) -> Iterator[tuple[slice, range]]:
    """Samples of (N, T, H, W, C) with output frames, of which the frames under all taps in time fit into a buffer.

    Whole samples where some of them fit, else a part of the frames of each.
    """
    n, _, h, w, channels = x.shape
    frames = geometry.after[1]
    samples, most = fitting(buffer, n, frames, h * w * channels * geometry.kernel[0] * x.element_size())
    for start in range(0, n, samples):
        for first in range(0, frames, most):
            yield slice(start, min(start + samples, n)), range(first, min(first + most, frames))


def conv2d(x: Tensor, filters: Tensor, geometry: Geometry) -> Tensor:
    """A convolution in the frame, (n, t, H, W, K) to (n, t, H', W', C_out)."""
    return frames_of(F.conv2d(images(x), filters, None, geometry.stride[1:], geometry.padding[1:]), x.shape[1])


def conv2d_backward(
    gradient: Tensor, x: Tensor, filters: Tensor, geometry: Geometry, asked: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of its input, (n, t, H, W, K), and of its filters, each where it is asked for."""
    dx, dfilters, _ = torch.ops.aten.convolution_backward(
        images(gradient),
        images(x),
        filters,
        None,
        geometry.stride[1:],
        geometry.padding[1:],
        (1, 1),
        False,
        (0, 0),
        1,
        (*asked, False),
    )
    return None if dx is None else frames_of(dx, x.shape[1]), dfilters


def met(frames: range, k: int, geometry: Geometry) -> tuple[slice, slice]:
    """Which of some output frames have an input frame under tap k, as rows of `frames`, and which input frames."""
    stride, shift, size = geometry.stride[0], k - geometry.padding[0], geometry.before[1]
    first = max(frames.start, -(shift // stride))
    last = min(frames.stop - 1, (size - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride + shift
    return (
        slice(first - frames.start, last + 1 - frames.start),
        slice(start, start + (last - first) * stride + 1, stride),
    )


def clear(out: Tensor, rows: slice) -> None:
    """Zeros in all rows but those."""
    out[:, : rows.start] = 0
    out[:, rows.stop :] = 0


def images(x: Tensor) -> Tensor:
    """(n, t, H, W, C) as (n*t, C, H, W), channels-last."""
    return x.flatten(0, 1).permute(0, 3, 1, 2)


def frames_of(x: Tensor, frames: int) -> Tensor:
    """(n*t, C, H, W) as (n, t, H, W, C)."""
    inner = x.permute(0, 2, 3, 1)
    return inner.reshape(-1, frames, *inner.shape[1:])


def up_to(multiple: int, count: int) -> int:
    """The next multiple, from `count` on."""
    return count + -count % multiple


def filled(x: Tensor, multiple: int, *axes: int) -> Tensor:
    """A tensor with zeros behind its axes, up to the next multiple along each."""
    more = [0] * (2 * x.dim())
    for axis in axes:
        more[2 * (x.dim() - 1 - axis) + 1] = up_to(multiple, x.shape[axis]) - x.shape[axis]
    return F.pad(x, more) if any(more) else x
