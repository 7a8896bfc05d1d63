"""Group convolution in the basis of irreducible representations: the same function by fewer multiply-adds.

A map over a group carries the regular representation, and so do the filters. In the basis in which that falls apart,
the expanded filters become a block for each irreducible representation: of 12 multiply-adds those of T2 leave 6, of 16
those of P43D leave 5. What is gained is paid for with sums over the map, which are made piece by piece in small buffers
and not kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from reeltrace.models.groups import get_group
from reeltrace.models.ways import Geometry, Way, clear, conv2d, conv2d_backward, filled, fitting, met, pieces, up_to


class TimeReversal(Way):
    """T2: orientations x0, x1 as their sum u and difference v; filters as what is even and what is odd in time.

    The sum of the two outputs is even filters over u and odd ones over v, their difference the other way round. What
    is even meets the sum of two frames at the same distance, what is odd their difference: 3 terms of 2-dimensional
    convolutions for each where a kernel of 3 frames has 2 * 3.
    """

    def __init__(self, buffer: int = 16 * 2**20, multiple: int = 1) -> None:
        """The channels of the convolutions are filled up to a multiple."""
        self.buffer, self.multiple = buffer, multiple

    def gains(self, geometry: Geometry) -> bool:
        _, _, h, w = geometry.after
        return geometry.kernel[1] * geometry.kernel[2] > 1 and min(geometry.channels) >= 32 and h * w >= 36

    def filters(self, weight: Tensor) -> Tensor:
        """(2, C_out, kt*C_in, kh, kw), filled up: those of the sum of the outputs, and those of their difference."""
        taps = weight.shape[3]
        even_of, odd_of = [], []
        for part in (weight[:, :, 0] + weight[:, :, 1], weight[:, :, 0] - weight[:, :, 1]):
            even = [part[:, :, taps // 2]] if taps % 2 else []
            even += [(part[:, :, k] + part[:, :, taps - 1 - k]) / 2 for k in range(taps // 2)]
            even_of.append(even)
            odd_of.append([(part[:, :, taps - 1 - k] - part[:, :, k]) / 2 for k in range(taps // 2)])
        banks = [torch.cat([*even_of[n], *odd_of[1 - n]], 1) for n in (0, 1)]
        inner = torch.stack([bank.permute(0, 2, 3, 1) for bank in banks])
        return filled(inner, self.multiple, 1, 4).permute(0, 1, 4, 2, 3) / 2

    def forward(self, x: Tensor, filters: Tensor, geometry: Geometry) -> Tensor:
        c_out = geometry.channels[1]
        out = x.new_empty(*geometry.after, 2 * c_out)
        for samples, frames in pieces(self.buffer, x, geometry):
            both = self._sums(x[samples], frames, geometry)
            plus, minus = (conv2d(sums, bank, geometry)[..., :c_out] for sums, bank in zip(both, filters, strict=True))
            there = out[samples, frames.start : frames.stop]
            torch.add(plus, minus, out=there[..., :c_out])
            torch.sub(plus, minus, out=there[..., c_out:])
        return out

    def backward(
        self, x: Tensor, filters: Tensor, gradient: Tensor, geometry: Geometry, asked: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        c_out = geometry.channels[1]
        dx = torch.zeros_like(x, memory_format=torch.contiguous_format) if asked[0] else None
        dfilters = torch.zeros_like(filters) if asked[1] else None
        for samples, frames in pieces(self.buffer, x, geometry):
            both = list(self._sums(x[samples], frames, geometry))
            first, second = torch.split(gradient[samples, frames.start : frames.stop], c_out, -1)
            back = []
            for number, operation in enumerate((torch.add, torch.sub)):
                outer = filled(operation(first, second), self.multiple, 4)
                sums = both.pop(0)  # its memory serves the other
                dsums, dbank = conv2d_backward(outer, sums, filters[number], geometry, asked)
                del sums
                if dfilters is not None and dbank is not None:
                    dfilters[number] += dbank
                if dsums is not None:
                    back.append(dsums)
            if dx is not None:
                self._unsum(back, dx[samples], frames, geometry)
        return dx, dfilters

    def _sums(self, x: Tensor, frames: range, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Of samples (n, T, H, W, 2C) what the filters of the sum and of the difference meet, (n, t, H, W, kt*C) each.

        The first C channels are the middle frame, where there is one; then sums of frames, then differences of them.
        """
        n, _, h, w, channels = x.shape
        c, taps = channels // 2, geometry.kernel[0]
        first, second = x[..., :c], x[..., c:]
        wide = up_to(self.multiple, taps * c)
        both = (x.new_empty(n, len(frames), h, w, wide), x.new_empty(n, len(frames), h, w, wide))
        for sums in both:
            sums[..., taps * c :] = 0
        middle = taps % 2
        if middle:
            rows, there = met(frames, taps // 2, geometry)
            for sums, operation in zip(both, (torch.add, torch.sub), strict=True):
                operation(first[:, there], second[:, there], out=sums[:, rows, ..., :c])
                clear(sums[..., :c], rows)
        whole = _whole(frames, geometry)
        # Sum and difference of the orientations, by frames of the input: often they stand in the buffers already.
        u, v = (sums[..., :c] for sums in both) if whole else (first + second, first - second)
        for k in range(taps // 2):
            early, late = met(frames, k, geometry), met(frames, taps - 1 - k, geometry)
            even, odd = (middle + k) * c, (middle + taps // 2 + k) * c
            for sums, same, other in ((both[0], u, v), (both[1], v, u)):
                _pair(sums[..., even : even + c], same, early, late, 1)
                _pair(sums[..., odd : odd + c], other, early, late, -1)
        return both

    def _unsum(self, back: Sequence[Tensor], dx: Tensor, frames: range, geometry: Geometry) -> None:
        """Add to the gradient of the input what those of the sums say, which are used up."""
        c, taps = dx.shape[-1] // 2, geometry.kernel[0]
        whole = _whole(frames, geometry)
        du, dv = (each[..., :c] if whole else torch.zeros_like(dx[..., :c]) for each in back)
        middle = taps % 2
        if middle and not whole:
            rows, there = met(frames, taps // 2, geometry)
            du[:, there] += back[0][:, rows, ..., :c]
            dv[:, there] += back[1][:, rows, ..., :c]
        for k in range(taps // 2):
            early, late = met(frames, k, geometry), met(frames, taps - 1 - k, geometry)
            even, odd = (middle + k) * c, (middle + taps // 2 + k) * c
            for inner, same, other in ((du, back[0], back[1]), (dv, back[1], back[0])):
                even_part, odd_part = same[..., even : even + c], other[..., odd : odd + c]
                for (rows, there), part in ((late, even_part + odd_part), (early, even_part - odd_part)):
                    inner[:, there] += part[:, rows]
        if whole:
            torch.add(du, dv, out=dx[..., :c])
            torch.sub(du, dv, out=dx[..., c:])
        else:
            dx[..., :c] += du + dv
            dx[..., c:] += du - dv


class Rotations(Way):
    """P43D: rotations by 90 degrees turn orientations and the taps of a kernel in the frame together.

    For each orbit of taps (the centre, the edges, the corners) and each s, the input of orientation q + s under tap q,
    q = 0..3, is one regular representation. It falls apart into its sum A, its alternating sum B, and a complex number
    Er, Ei; so do the filters. A and B meet their filters; the complex product takes three real ones, of Er, Ei and
    Er + Ei. That makes 5 products where the expanded filters take 16. They are matrix products over all taps in the
    frame, for all taps in time at once; what they give is added up frame by frame.
    """

    buffer = 4 * 2**20

    def gains(self, geometry: Geometry) -> bool:
        _, _, h, w = geometry.after
        return geometry.kernel[1] > 1 and min(geometry.channels) >= 32 and h * w >= 100

    def filters(self, weight: Tensor) -> Tensor:
        """(5, kt, taps*C_in, C_out), the taps in the frame in the order of `_orbits`."""
        columns = []
        for orbit, copies in _orbits(weight.shape[-1]):
            # Under tap q: (kt, C_out, copies*C_in), for s = 0..copies-1.
            a = [
                weight.roll(-q, 2)[:, :, :copies, :, row, column].permute(3, 0, 2, 1).flatten(2)
                for q, (row, column) in enumerate(orbit)
            ]
            e, o, real, imaginary = a[0] + a[2], a[1] + a[3], (a[0] - a[2]) / 2, (a[1] - a[3]) / 2
            columns.append(torch.stack([(e + o) / 4, (e - o) / 4, real - imaginary, -(real + imaginary), imaginary]))
        return torch.cat(columns, -1).transpose(2, 3)

    def forward(self, x: Tensor, filters: Tensor, geometry: Geometry) -> Tensor:
        n, t, h, w = geometry.after
        c_out = filters.shape[3]
        out = x.new_empty(n, t, h, w, 4 * c_out)
        for samples, parts in self._pieces(x, geometry):
            to = out[samples]
            y = x.new_zeros(5, len(to), t, h, w, c_out)
            for frames, taps in parts:
                sums = self._sums(x[samples, _slice(frames)], geometry)
                products = torch.bmm(sums.flatten(1, -2), _bank(filters, taps))
                products = products.view(*sums.shape[:-1], len(taps), c_out)
                for number, k in enumerate(taps):
                    rows, there = _reached(frames, k, geometry)
                    y[:, :, there] += products[:, :, rows, ..., number, :]
            y[2:4] += y[4]
            even, odd = y[0] + y[1], y[0] - y[1]
            torch.add(even, y[2], out=to[..., :c_out])
            torch.sub(odd, y[3], out=to[..., c_out : 2 * c_out])
            torch.sub(even, y[2], out=to[..., 2 * c_out : 3 * c_out])
            torch.add(odd, y[3], out=to[..., 3 * c_out :])
        return out

    def backward(
        self, x: Tensor, filters: Tensor, gradient: Tensor, geometry: Geometry, asked: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        c_out = filters.shape[3]
        dx = torch.zeros_like(x, memory_format=torch.contiguous_format) if asked[0] else None
        dfilters = torch.zeros_like(filters) if asked[1] else None
        for samples, parts in self._pieces(x, geometry):
            first, second, third, fourth = torch.split(gradient[samples], c_out, -1)
            dy = x.new_empty(5, *first.shape)
            even, odd = first + third, second + fourth
            torch.add(even, odd, out=dy[0])
            torch.sub(even, odd, out=dy[1])
            torch.sub(first, third, out=dy[2])
            torch.sub(fourth, second, out=dy[3])
            torch.add(dy[2], dy[3], out=dy[4])
            for frames, taps in parts:
                count, h, w = len(first), *geometry.after[2:]
                dproducts = x.new_zeros(5, count, len(frames), h, w, len(taps), c_out)
                for number, k in enumerate(taps):
                    rows, there = _reached(frames, k, geometry)
                    dproducts[:, :, rows, ..., number, :] = dy[:, :, there]
                flat = dproducts.view(5, -1, len(taps) * c_out)
                if dfilters is not None:
                    sums = self._sums(x[samples, _slice(frames)], geometry)
                    dbank = torch.bmm(sums.flatten(1, -2).transpose(1, 2), flat)
                    dfilters[:, _slice(taps)] += dbank.view(5, -1, len(taps), c_out).transpose(1, 2)
                    del sums
                if dx is not None:
                    dsums = torch.bmm(flat, _bank(filters, taps).transpose(1, 2))
                    self._unsum(dsums.view(*dproducts.shape[:-2], -1), dx[samples, _slice(frames)], geometry)
        return dx, dfilters

    def _pieces(self, x: Tensor, geometry: Geometry) -> Iterator[tuple[slice, list[tuple[range, range]]]]:
        """Samples, and for each piece of them its frames of the input with the taps in time that meet these frames."""
        n, t, _, _, channels = x.shape
        stride, padding, kernel = geometry.stride[0], geometry.padding[0], geometry.kernel[0]
        _, _, h, w = geometry.after
        each = 5 * geometry.kernel[1] ** 2 * (channels // 4) * h * w * x.element_size()
        samples, most = fitting(self.buffer, n, t, each)
        met = []
        for first in range(stride):  # with a stride, a frame meets every so many taps only
            frames, taps = range((first - padding) % stride, t, stride), range(first, kernel, stride)
            if taps:
                met += [(frames[start : start + most], taps) for start in range(0, len(frames), most)]
        for start in range(0, n, samples):
            yield slice(start, min(start + samples, n)), met

    def _sums(self, x: Tensor, geometry: Geometry) -> Tensor:
        """(n, t, H, W, 4C) to (5, n, t, H', W', taps*C): A, B, Er, Ei and Er + Ei of every orbit."""
        n, t, _, _, channels = x.shape
        c, side = channels // 4, geometry.kernel[1]
        wide = _wide(x, geometry)
        sums = x.new_empty(5, n, t, *geometry.after[2:], side * side * c)
        start = 0
        for a, stop in _under(wide, c, geometry):
            part = sums[..., start:stop]
            e, o = a[0] + a[2], a[1] + a[3]
            torch.add(e, o, out=part[0])
            torch.sub(e, o, out=part[1])
            torch.sub(a[0], a[2], out=part[2])
            torch.sub(a[1], a[3], out=part[3])
            start = stop
        torch.add(sums[2], sums[3], out=sums[4])
        return sums

    def _unsum(self, dsums: Tensor, dx: Tensor, geometry: Geometry) -> None:
        """Add to the gradient of the input what those of the sums say, which are used up."""
        c = dx.shape[-1] // 4
        dsums[2:4] += dsums[4]
        wide = _wide(dx, geometry, empty=True)
        start = 0
        for a, stop in _under(wide, c, geometry):
            da, db, real, imaginary = dsums[:4, ..., start:stop]
            even, odd = da + db, da - db
            for part, same, sign in ((a[0], even, 1), (a[2], even, -1), (a[1], odd, 1), (a[3], odd, -1)):
                part += same
                part.add_(real if same is even else imaginary, alpha=sign)
            start = stop
        (_, ph, pw), (h, w) = geometry.padding, dx.shape[2:4]
        inside = wide[:, :, ph : ph + h, pw : pw + w]
        dx += inside[..., : 4 * c]
        dx[..., : 3 * c] += inside[..., 4 * c :]


@lru_cache(maxsize=8)
def _orbits(side: int) -> tuple[tuple[tuple[tuple[int, int], ...], int], ...]:
    """The orbits of the taps (row, column) of a square kernel, each with its number of regular representations.

    Four taps in the order in which a quarter turn walks them, and as many representations as orientations; the centre
    stays where it is, and has one. The centre, where there is one, comes first.
    """
    numbers = torch.arange(side * side, device="cpu").view(1, side, side)
    came_from = get_group("p43d").act(numbers, 1).flatten().tolist()
    goes_to = {source: place for place, source in enumerate(came_from)}
    found, seen = [], set()
    for tap in sorted(range(side * side), key=lambda tap: goes_to[tap] != tap):
        if tap not in seen:
            walked = [tap]
            while len(walked) < 4:
                walked.append(goes_to[walked[-1]])
            seen.update(walked)
            found.append((tuple(divmod(each, side) for each in walked), len(set(walked))))
    return tuple(found)


def _wide(x: Tensor, geometry: Geometry, empty: bool = False) -> Tensor:
    """(n, t, H, W, 4C) with zeros around each frame, and the first three orientations once more behind the fourth.

    So the orientations that begin with any of them lie side by side. With `empty` it has no content yet.
    """
    (_, ph, pw), (n, t, h, w, channels) = geometry.padding, x.shape
    again = channels // 4 * 3
    wide = x.new_zeros(n, t, h + 2 * ph, w + 2 * pw, channels + again)
    if not empty:
        inside = wide[:, :, ph : ph + h, pw : pw + w]
        inside[..., :channels] = x
        inside[..., channels:] = x[..., :again]
    return wide


def _under(wide: Tensor, c: int, geometry: Geometry) -> Iterator[tuple[list[Tensor], int]]:
    """For each orbit what lies under its taps q = 0..3, (n, t, H', W', copies*C), and where its last column ends."""
    (_, sh, sw), (_, _, h, w) = geometry.stride, geometry.after
    stop = 0
    for orbit, copies in _orbits(geometry.kernel[1]):
        stop += copies * c
        yield (
            [
                wide[:, :, row : row + (h - 1) * sh + 1 : sh, column : column + (w - 1) * sw + 1 : sw][
                    ..., q * c : (q + copies) * c
                ]
                for q, (row, column) in enumerate(orbit)
            ],
            stop,
        )


def _bank(filters: Tensor, taps: range) -> Tensor:
    """The filters of some taps in time side by side: (5, taps in the frame*C_in, taps in time*C_out)."""
    return filters[:, _slice(taps)].transpose(1, 2).flatten(2)


def _reached(frames: range, k: int, geometry: Geometry) -> tuple[slice, slice]:
    """Which of some input frames reach an output frame by tap k, as rows of `frames`, and which output frames."""
    stride = geometry.stride[0]
    reached = (frames.start + geometry.padding[0] - k) // stride  # by the first of them, were there such an output
    first, stop = max(0, -reached), min(len(frames), geometry.after[1] - reached)
    if stop <= first:
        return slice(0, 0), slice(0, 0)
    return slice(first, stop), slice(first + reached, stop + reached)


def _whole(frames: range, geometry: Geometry) -> bool:
    """Whether all frames are there, and each input frame lies under the middle tap of one output frame."""
    return (
        geometry.kernel[0] % 2 == 1
        and len(frames) == geometry.before[1]
        and geometry.stride[0] == 1
        and (geometry.padding[0] == geometry.kernel[0] // 2)
    )


def _pair(out: Tensor, source: Tensor, early: tuple[slice, slice], late: tuple[slice, slice], sign: int) -> None:
    """Frames under a late tap plus (or minus, by `sign`) those under an early one; what lies outside is zero."""
    (rows, there), (late_rows, late_there) = early, late
    start, stop = max(rows.start, late_rows.start), min(rows.stop, late_rows.stop)
    if stop <= start:  # no frame meets both
        start = stop = rows.start
    operation = torch.add if sign > 0 else torch.sub
    operation(
        source[:, late_there][:, start - late_rows.start : stop - late_rows.start],
        source[:, there][:, start - rows.start : stop - rows.start],
        out=out[:, start:stop],
    )
    for row in range(out.shape[1]):
        if start <= row < stop:
            continue
        if late_rows.start <= row < late_rows.stop:
            out[:, row] = source[:, late_there][:, row - late_rows.start]
        elif rows.start <= row < rows.stop:
            torch.mul(source[:, there][:, row - rows.start], sign, out=out[:, row])
        else:
            out[:, row] = 0


def _slice(numbers: range) -> slice:
    return slice(numbers.start, numbers.stop, numbers.step)
