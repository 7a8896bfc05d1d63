"""A 3-dimensional convolution as a 2-dimensional one, over the frames under its taps in time stacked as channels.

The same products; but where libraries compute `conv2d` at the rate of a GPU's matrix units, `conv3d` often stays at a
fraction of it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from reeltrace.models.ways import Geometry, Way, clear, conv2d, conv2d_backward, filled, met, pieces, up_to


class StackedFrames(Way):
    """`expand` makes filters (S*C_out, S*C_in, kt, kh, kw) of a weight, for S orientations. Channels are filled up."""

    buffer = 2**30
    multiple = 8  # channels that a GPU's matrix units take at once

    def __init__(self, expand: Callable[[Tensor], Tensor], orientations: int) -> None:
        self.expand, self.orientations = expand, orientations

    def gains(self, geometry: Geometry) -> bool:
        return geometry.kernel[0] > 1 and geometry.kernel[1] * geometry.kernel[2] > 1

    def filters(self, weight: Tensor) -> Tensor:
        """(S*C_out, kt*S*C_in, kh, kw), filled up."""
        bank = self.expand(weight).permute(0, 3, 4, 2, 1).flatten(3)
        return filled(bank, self.multiple, 0, 3).permute(0, 3, 1, 2)

    def forward(self, x: Tensor, filters: Tensor, geometry: Geometry) -> Tensor:
        parts = []
        for samples, frames in pieces(self.buffer, x, geometry):
            parts.append(conv2d(self._stack(x[samples], frames, geometry), filters, geometry))
        n, t, h, w = geometry.after
        out = parts[0] if len(parts) == 1 else torch.cat([part.flatten(0, 1) for part in parts]).view(n, t, h, w, -1)
        return out[..., : self.orientations * geometry.channels[1]].contiguous()

    def backward(
        self, x: Tensor, filters: Tensor, gradient: Tensor, geometry: Geometry, asked: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        c = x.shape[-1]
        dx = torch.zeros_like(x, memory_format=torch.contiguous_format) if asked[0] else None
        dfilters: Tensor | None = None
        for samples, frames in pieces(self.buffer, x, geometry):
            outer = filled(gradient[samples, frames.start : frames.stop], self.multiple, 4)
            dstack, part = conv2d_backward(outer, self._stack(x[samples], frames, geometry), filters, geometry, asked)
            if part is not None:
                dfilters = part if dfilters is None else dfilters + part
            if dx is not None and dstack is not None:
                for k in range(geometry.kernel[0]):
                    rows, there = met(frames, k, geometry)
                    dx[samples, there] += dstack[:, rows, ..., k * c : (k + 1) * c]
        return dx, dfilters

    def _stack(self, x: Tensor, frames: range, geometry: Geometry) -> Tensor:
        """Of samples (n, T, H, W, C) what some output frames meet: (n, t, H, W, kt*C), filled up."""
        n, _, h, w, c = x.shape
        taps = geometry.kernel[0]
        stack = x.new_empty(n, len(frames), h, w, up_to(self.multiple, taps * c))
        stack[..., taps * c :] = 0
        for k in range(taps):
            rows, there = met(frames, k, geometry)
            part = stack[..., k * c : (k + 1) * c]
            part[:, rows] = x[:, there]
            clear(part, rows)
        return stack
