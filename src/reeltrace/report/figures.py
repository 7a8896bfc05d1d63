"""Drawings: learning curves and accuracies as inline SVG, clip strips as tiny PNG images. Same input, same bytes.

The SVG is written here and not by a plotting library: it takes its colours from the page, so that it follows light and
dark, stays small, and holds no date, no random id and no font outline.
"""

import base64
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from reeltrace.kinds.unit import UNITS
from reeltrace.report.binding import Binder, anchor
from reeltrace.report.chains import table_words


@dataclass(frozen=True)
class Curve:
    """Validation top-1 (percent) by epoch of one run and seed. `style` (0, 1, 2) picks colour and dashes."""

    label: str
    style: int
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Dot:
    """One value: ours with its interval, and the published one; either may be missing."""

    row: int
    column: int
    ours: float | None
    interval: tuple[float, float] | None
    published: float | None


@dataclass(frozen=True)
class Point:
    """One model in a drawing of two quantities: (x, y) here and published; either may be missing."""

    label: str
    ours: tuple[float, float] | None
    published: tuple[float, float] | None


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def learning_curves(title: str, curves: Sequence[Curve], attributes: Markup) -> Markup:
    """An SVG of 200 x 116 units: epochs to the right, validation top-1 in percent upwards, from 0 to 100."""
    width, height, left, right, top, bottom = 200, 116, 38, 8, 8, 30
    last = max((epoch for curve in curves for epoch, _ in curve.points), default=1)

    def x(epoch: float) -> float:
        return left + (width - left - right) * ((epoch - 1) / (last - 1) if last > 1 else 0.5)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / 100)

    parts = [
        Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}" class="curves" {}>').format(
            width, height, width, height, title, attributes
        )
    ]
    parts.append(_grid("".join(f"M{left} {_n(y(tick))}H{width - right}" for tick in (0, 50, 100))))
    ticks: list[tuple[str, float, float, str]] = [("end", left - 4, y(value) + 4, f"{value} %") for value in (0, 100)]
    ticks += [("mid", x(tick), height - bottom + 13, str(tick)) for tick in sorted({1, last})]
    parts += [_text(across, down, words, f"tick {place}") for place, across, down, words in ticks]
    parts.append(_text((left + width - right) / 2, height - 4, "epoch", "axis mid"))
    for curve in curves:
        path = "".join(
            f"{'L' if index else 'M'}{_n(x(epoch))} {_n(y(value))}" for index, (epoch, value) in enumerate(curve.points)
        )
        parts.append(
            Markup('<path class="line s{}" fill="none" stroke="{}" d="{}"><title>{}</title></path>').format(
                curve.style, STROKES[curve.style], path, curve.label
            )
        )
        if curve.points:
            epoch, value = curve.points[-1]
            parts.append(
                Markup('<circle class="end-dot s{}" fill="{}" cx="{}" cy="{}" r="2.5"/>').format(
                    curve.style, STROKES[curve.style], _n(x(epoch)), _n(y(value))
                )
            )
    return Markup("").join([*parts, Markup("</svg>")])


def against(document: str, cells: Iterable[Mapping[str, Any]], binder: Binder) -> Markup | None:
    """An SVG of 460 x 330 units: each share of a document as published to the right, here upwards, in percent.

    A dot leads to its chain. None where no share has both values.
    """
    dots = []
    for cell in cells:
        share, ours, theirs = UNITS.get(cell["unit"]).share, cell["reproduced"], cell["published"]["value"]
        if cell["document"] != document or share is None or ours is None or not isinstance(theirs, int | float):
            continue
        scale = 100 / share.whole
        low, high = (scale * bound for bound in ours.get("interval", (ours["value"], ours["value"])))
        dots.append((cell, scale * theirs, scale * ours["value"], low, high))
    if not dots:
        return None
    width, height, left, right, top, bottom = 460, 330, 50, 12, 12, 42

    def x(value: float) -> float:
        return left + (width - left - right) * value / 100

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - value / 100)

    attributes = binder.figure(f"against/{document}", [cell["id"] for cell, *_ in dots])
    title = f"Shares of {document}: published to the right, here upwards"
    parts = [_open(width, height, title, "dots", attributes, role="group")]  # it holds links
    for tick in (0, 25, 50, 75, 100):
        parts.append(_grid(f"M{left} {_n(y(tick))}H{width - right}M{_n(x(tick))} {top}V{height - bottom}"))
        parts.append(_text(left - 6, y(tick) + 4, str(tick), "tick end"))
        parts.append(_text(x(tick), height - bottom + 15, str(tick), "tick mid"))
    parts.append(
        Markup('<path class="equal" fill="none" stroke="#8a8376" stroke-dasharray="4 3" d="M{} {}L{} {}"/>').format(
            _n(x(0)), _n(y(0)), _n(x(100)), _n(y(100))
        )
    )
    parts.append(_text(x(97), y(97) - 6, "equal", "axis end"))
    parts.append(_text((left + width - right) / 2, height - 6, "published, %", "axis mid"))
    parts.append(
        Markup(
            '<text class="axis mid" text-anchor="middle" transform="rotate(-90)" x="{}" y="13">here, %</text>'
        ).format(_n(-(top + height - bottom) / 2))
    )
    for cell, theirs, value, low, high in dots:
        title = f"{table_words(cell['table'])}, {cell['row']}, {cell['column']}"
        shown = f"{title}: published {cell['published']['printed']}, here {cell['reproduced']['printed']}"
        parts.append(
            Markup(
                '<a href="#{}" tabindex="-1"><title>{}</title>'
                '<path class="interval" fill="none" stroke="#1d4f7c" d="M{} {}V{}"/>'
                '<circle class="ours" fill="#1d4f7c" cx="{}" cy="{}" r="3.4"/></a>'
            ).format(anchor(cell["id"]), shown, _n(x(theirs)), _n(y(low)), _n(y(high)), _n(x(theirs)), _n(y(value)))
        )
    return Markup("").join([*parts, Markup("</svg>")])


STROKES = ("#b4472d", "#8a7a1f", "#1f5f99")  # by style, where no style sheet is allowed


def _grid(path: str) -> Markup:
    return Markup('<path class="grid" fill="none" stroke="#d8d2c5" d="{}"/>').format(path)


def _text(x: float, y: float, words: str, css: str) -> Markup:
    """Words at a place; `css` ends in `mid` or `end` where they do not begin there."""
    place = {"mid": "middle", "end": "end"}.get(css.rpartition(" ")[2])
    set_ = Markup(' text-anchor="{}"').format(place) if place else Markup()
    return Markup('<text class="{}"{} font-size="11" x="{}" y="{}">{}</text>').format(css, set_, _n(x), _n(y), words)


def unit_curves(title: str, curves: Mapping[str, Sequence[tuple[int, float]]], attributes: Markup) -> Markup:
    """An SVG of 360 x 216 units: one line per quantity over the units 1, 2, ... of a net, with zero marked."""
    width, height, left, right, top, bottom = 360, 216, 44, 12, 12, 34
    values = [value for points in curves.values() for _, value in points]
    low, high = min([0.0, *values]), max([0.0, *values])
    high = high if high > low else low + 1
    last = max((unit for points in curves.values() for unit, _ in points), default=1)

    def x(unit: float) -> float:
        return left + (width - left - right) * ((unit - 1) / (last - 1) if last > 1 else 0.5)

    def y(value: float) -> float:
        return top + (height - top - bottom) * (1 - (value - low) / (high - low))

    parts = [
        Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" class="curves" {}>').format(
            width, height, title, attributes
        )
    ]
    for tick in sorted({low, 0.0, high}):
        parts.append(
            Markup('<path class="grid" fill="none" stroke="#d8d2c5" d="M{} {}H{}"/>').format(
                left, _n(y(tick)), width - right
            )
        )
        parts.append(
            Markup('<text class="tick end" text-anchor="end" font-size="11" x="{}" y="{}">{}</text>').format(
                left - 6, _n(y(tick) + 4), f"{tick:.2g}"
            )
        )
    for unit in range(1, last + 1, 3):
        parts.append(
            Markup('<text class="tick mid" text-anchor="middle" font-size="11" x="{}" y="{}">{}</text>').format(
                _n(x(unit)), height - bottom + 15, unit
            )
        )
    parts.append(
        Markup('<text class="axis mid" text-anchor="middle" font-size="11" x="{}" y="{}">recurrent unit</text>').format(
            (left + width - right) / 2, height - 4
        )
    )
    for style, (label, points) in enumerate(curves.items()):
        path = "".join(f"{'L' if n else 'M'}{_n(x(unit))} {_n(y(value))}" for n, (unit, value) in enumerate(points))
        parts.append(
            Markup('<path class="line s{}" fill="none" stroke="{}" d="{}"><title>{}</title></path>').format(
                style, STROKES[style % len(STROKES)], path, label
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])


def _ticks(last: int) -> list[int]:
    """A few round epochs from 1 to `last`."""
    step = next(s for s in (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 10**9) if last / s <= 6)
    return sorted({1, *range(step, last + 1, step)} - ({step} if step == 2 and last < 4 else set()))


def accuracy_chart(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    dots: Sequence[Dot],
    attributes: Markup,
    whole: float = 100,
) -> Markup:
    """An SVG, a panel per column and a line per row: ours as a dot with its interval, the published as a diamond.

    The scale of a panel goes from 0 to `whole`, in the unit of the dots. The name of a column may have a second line.
    """
    label, panel, gap, line, bottom = 24 + 7 * max(map(len, rows), default=0), 112, 32, 26, 24
    top = 38 if any("\n" in column for column in columns) else 26
    width = label + len(columns) * (panel + gap) - gap + 16
    height = top + len(rows) * line + bottom

    def x(column: int, value: float) -> float:
        return label + column * (panel + gap) + panel * value / whole

    parts = [
        Markup(
            '<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}" class="dots" {3}>'
        ).format(width, height, title, attributes)
    ]
    base = top + len(rows) * line
    for index, column in enumerate(columns):
        center, (head, *below) = _n(x(index, whole / 2)), column.split("\n")
        parts.append(
            Markup('<text class="head mid" text-anchor="middle" font-size="12" x="{}" y="16">{}</text>').format(
                center, head
            )
        )
        parts += [
            Markup('<text class="axis mid" text-anchor="middle" font-size="11" x="{}" y="29">{}</text>').format(
                center, words
            )
            for words in below
        ]
        quarters = (x(index, tick * whole) for tick in (0, 1 / 4, 1 / 2, 3 / 4, 1))
        parts.append(_grid("".join(f"M{_n(quarter)} {top}V{base}" for quarter in quarters)))
        for tick in (0, whole / 2, whole):
            parts.append(
                Markup('<text class="tick mid" text-anchor="middle" font-size="11" x="{}" y="{}">{:g}</text>').format(
                    _n(x(index, tick)), base + 15, tick
                )
            )
    for index, row in enumerate(rows):
        middle = top + (index + 0.5) * line
        parts.append(Markup('<text class="row" font-size="12" x="2" y="{}">{}</text>').format(_n(middle + 4), row))
    for dot in dots:
        middle = top + (dot.row + 0.5) * line
        if dot.published is not None:
            cx = x(dot.column, dot.published)
            parts.append(
                Markup('<path class="theirs" fill="none" stroke="#b4472d" d="M{} {}l5 5l-5 5l-5 -5z"/>').format(
                    _n(cx), _n(middle - 5)
                )
            )
        if dot.ours is not None and dot.interval is not None:
            low, high = (x(dot.column, bound) for bound in dot.interval)
            parts.append(
                Markup('<path class="interval" fill="none" stroke="#1d4f7c" d="M{} {}H{}"/>').format(
                    _n(low), _n(middle), _n(high)
                )
            )
            parts.append(
                Markup('<circle class="ours" fill="#1d4f7c" cx="{}" cy="{}" r="3.6"/>').format(
                    _n(x(dot.column, dot.ours)), _n(middle)
                )
            )
    return Markup("").join([*parts, Markup("</svg>")])


def panels_chart(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    dots: Sequence[Dot],
    attributes: Markup,
) -> Markup:
    """An SVG, a panel per column with a logarithmic scale of its own, and a line per row: here a dot, published a
    diamond. Values must be positive."""
    label, panel, gap, line, top, bottom = 24 + 7 * max(map(len, rows), default=0), 112, 32, 26, 26, 24
    width = label + len(columns) * (panel + gap) - gap + 16
    base = top + len(rows) * line
    height = base + bottom
    parts = [_open(width, height, title, "dots", attributes)]
    for index, column in enumerate(columns):
        left = label + index * (panel + gap)
        own = [value for dot in dots if dot.column == index for value in (dot.ours, dot.published) if value is not None]
        parts.append(
            Markup('<text class="head mid" text-anchor="middle" font-size="12" x="{}" y="{}">{}</text>').format(
                _n(left + panel / 2), top - 10, column
            )
        )
        if not own:
            parts.append(
                Markup(
                    '<text class="tick mid" text-anchor="middle" font-size="11" x="{}" y="{}">not measured</text>'
                ).format(_n(left + panel / 2), base + 15)
            )
            continue
        scale, ticks = log_scale(own, left, left + panel)
        for tick in ticks:
            parts.append(
                Markup('<path class="grid" fill="none" stroke="#d8d2c5" d="M{} {}V{}"/>').format(
                    _n(scale(tick)), top, base
                )
            )
            parts.append(
                Markup('<text class="tick mid" text-anchor="middle" font-size="11" x="{}" y="{}">{:g}</text>').format(
                    _n(scale(tick)), base + 15, tick
                )
            )
        for dot in dots:
            if dot.column == index:
                middle = top + (dot.row + 0.5) * line
                parts += _marks(
                    None if dot.published is None else (scale(dot.published), middle),
                    None if dot.ours is None else (scale(dot.ours), middle),
                    rows[dot.row],
                )
    for index, row in enumerate(rows):
        parts.append(
            Markup('<text class="row" font-size="12" x="2" y="{}">{}</text>').format(
                _n(top + (index + 0.5) * line + 4), row
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])


def scatter(title: str, across: str, up: str, points: Sequence[Point], attributes: Markup) -> Markup:
    """An SVG of 640 x 320 units: one quantity to the right on a logarithmic scale, the other upwards.

    A point per model, named beside it: here a dot, published a diamond.
    """
    width, height, left, right, top, bottom = 640, 320, 76, 150, 14, 40
    pairs = [pair for point in points for pair in (point.ours, point.published) if pair is not None]
    parts = [_open(width, height, title, "dots scatter", attributes)]
    if pairs:
        x, x_ticks = log_scale([pair[0] for pair in pairs], left, width - right)
        y, y_ticks = _scale([pair[1] for pair in pairs], height - bottom, top)
        for tick in x_ticks:
            parts.append(
                Markup('<path class="grid" fill="none" stroke="#d8d2c5" d="M{} {}V{}"/>').format(
                    _n(x(tick)), top, height - bottom
                )
            )
            parts.append(
                Markup('<text class="tick mid" text-anchor="middle" font-size="11" x="{}" y="{}">{:g}</text>').format(
                    _n(x(tick)), height - bottom + 15, tick
                )
            )
        for tick in y_ticks:
            parts.append(
                Markup('<path class="grid" fill="none" stroke="#d8d2c5" d="M{} {}H{}"/>').format(
                    left, _n(y(tick)), width - right
                )
            )
            parts.append(
                Markup('<text class="tick end" text-anchor="end" font-size="11" x="{}" y="{}">{:.3g}</text>').format(
                    left - 6, _n(y(tick) + 4), tick
                )
            )
        for point in points:
            theirs, ours = (
                None if pair is None else (x(pair[0]), y(pair[1])) for pair in (point.published, point.ours)
            )
            parts += _marks(theirs, ours, point.label)
            at = theirs or ours
            if at is not None:
                parts.append(
                    Markup('<text class="tick" font-size="11" x="{}" y="{}">{}</text>').format(
                        _n(max(at[0], ours[0] if ours else 0) + 9), _n(at[1] - 5), point.label
                    )
                )
    middle = (left + width - right) / 2
    parts.append(
        Markup('<text class="axis mid" text-anchor="middle" font-size="11" x="{}" y="{}">{}</text>').format(
            _n(middle), height - 6, across
        )
    )
    parts.append(
        Markup(
            '<text class="axis mid" text-anchor="middle" font-size="11" transform="rotate(-90)" x="{}" y="12">{}</text>'
        ).format(_n(-(top + height - bottom) / 2), up)
    )
    return Markup("").join([*parts, Markup("</svg>")])


def _open(width: float, height: float, title: str, css: str, attributes: Markup, role: str = "img") -> Markup:
    return Markup(
        '<svg width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="{5}" aria-label="{2}" class="{3}" {4}>'
    ).format(width, height, title, css, attributes, role)


def _marks(theirs: tuple[float, float] | None, ours: tuple[float, float] | None, label: str) -> list[Markup]:
    """A diamond for what is published and a dot for what was found here."""
    parts = []
    if theirs is not None:
        parts.append(
            Markup(
                '<path class="theirs" fill="none" stroke="#b4472d" d="M{} {}l5 5l-5 5l-5 -5z">'
                "<title>{}, published</title></path>"
            ).format(_n(theirs[0]), _n(theirs[1] - 5), label)
        )
    if ours is not None:
        parts.append(
            Markup(
                '<circle class="ours" fill="#1d4f7c" cx="{}" cy="{}" r="3.6"><title>{}, here</title></circle>'
            ).format(_n(ours[0]), _n(ours[1]), label)
        )
    return parts


Scale = Callable[[float], float]


def log_scale(values: Sequence[float], start: float, end: float) -> tuple[Scale, list[float]]:
    """A logarithmic scale over positive `values` from `start` to `end`, and at most five round ticks on it."""
    low, high = math.log10(min(values)) - 0.08, math.log10(max(values)) + 0.08

    def place(value: float) -> float:
        return start + (end - start) * (math.log10(value) - low) / (high - low)

    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [
            step * 10.0**power
            for power in range(math.floor(low), math.ceil(high) + 1)
            for step in steps
            if low <= math.log10(step * 10.0**power) <= high
        ]
        if len(ticks) <= 4:
            break
    return place, ticks


def _scale(values: Sequence[float], start: float, end: float) -> tuple[Scale, list[float]]:
    """A scale over `values` from `start` to `end` with room at both ends, and round ticks on it."""
    low, high = min(values), max(values)
    room = 0.1 * (high - low) or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    unit = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(unit * factor for factor in (1, 2, 5, 10) if (high - low) / (unit * factor) <= 6)
    ticks = [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]

    def place(value: float) -> float:
        return start + (end - start) * (value - low) / (high - low)

    return place, ticks


def transformed(clip: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The five views of a clip (T, H, W) or (T, H, W, 3).

    Rotations are counter-clockwise as a viewer sees a frame (row 0 on top).
    """
    turned = {f"r{90 * k}": np.rot90(clip, k, axes=(1, 2)) for k in (1, 2, 3)}
    return {"original": clip, "treverse": clip[::-1], **turned}


def png(frame: NDArray[np.uint8]) -> str:
    """One frame, grey (H, W) or in colour (H, W, 3), as a PNG data URI.

    Without metadata: the same pixels give the same text.
    """
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, format="PNG", optimize=False, compress_level=9)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


# Dark blue to bright yellow, the lightness of CIELAB rising evenly from 18 to 90: equal steps of value look equal.
HEAT = (
    *("192172", "003474", "004375", "005179", "025f7f", "006c85", "027a8b", "038990"),
    *("019791", "02a78f", "04b683", "56c279", "84cc71", "add56d", "d5dc6f", "ffe339"),
)
HEAT_SIDE = 64  # pixels of a heat map, at most: a larger matrix is averaged over squares


def heat(matrix: NDArray[np.floating[Any]]) -> str:
    """A matrix as a PNG data URI in the colours of `HEAT`, from its least to its largest value."""
    factor = -(-max(matrix.shape) // HEAT_SIDE)
    if factor > 1:
        rows, columns = (extent // factor for extent in matrix.shape)
        whole = matrix[: rows * factor, : columns * factor]
        matrix = whole.reshape(rows, factor, columns, factor).mean((1, 3))
    low, high = float(matrix.min()), float(matrix.max())
    scaled = (matrix - low) / (high - low) if high > low else np.zeros_like(matrix)
    return coloured(np.minimum(scaled * len(HEAT), len(HEAT) - 1).astype(np.uint8), HEAT)


def heat_scale() -> str:
    """The colours of `HEAT` from the least value to the largest, a pixel each, as a PNG data URI."""
    return coloured(np.arange(len(HEAT), dtype=np.uint8)[None], HEAT)


def coloured(indices: NDArray[np.uint8], colours: Sequence[str]) -> str:
    """Pixels (H, W) that are places in a list of at most 16 colours, as a PNG data URI of four bits a pixel."""
    image = Image.fromarray(np.ascontiguousarray(indices), mode="P")
    image.putpalette(b"".join(map(bytes.fromhex, colours)))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False, compress_level=9, bits=4)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def strips(clip: NDArray[np.uint8], most: int = 8) -> Mapping[str, list[str]]:
    """Up to `most` evenly spaced frames of each view of a clip (T, H, W) or (T, H, W, 3), as PNG data URIs."""
    count = min(most, len(clip))
    chosen = [round(index * (len(clip) - 1) / max(1, count - 1)) for index in range(count)]
    return {name: [png(view[index]) for index in chosen] for name, view in transformed(clip).items()}


def legend_swatch(style: int) -> Markup:
    """A short line in the style of a curve."""
    return Markup(
        '<svg viewBox="0 0 28 8" width="28" height="8" class="swatch" aria-hidden="true">'
        '<path class="line s{}" fill="none" stroke="{}" d="M1 4H27"/></svg>'
    ).format(style, STROKES[style % len(STROKES)])
