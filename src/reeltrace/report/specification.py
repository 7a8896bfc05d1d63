"""Two drawings of one number under several readings: the specification curve, and the tornado of what matters most.

Inline SVG as in figures.py; both are of shares in percent, from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reeltrace.report.binding import anchor
from reeltrace.report.figures import _grid, _n, _open, _text

LABELS = 178  # units to the left of a drawing, for names
STEP, LINE = 24, 17  # between columns of the curve, and between lines of both
TICKS = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Point:
    """A number under a reading of some detail, the empty one as chosen; `id` is that of its chain."""

    reading: str
    detail: str
    id: str
    value: float
    interval: tuple[float, float]
    printed: str


def curve(title: str, chosen: Point, points: Sequence[Point], theirs: float | None, attributes: Markup) -> Markup:
    """The number under each reading, the lowest first, with intervals; below it which reading each is.

    The number as chosen is hollow, a dashed line the published one.
    """
    ordered = sorted((chosen, *points), key=lambda point: (point.value, point.detail, point.reading))
    rows = list(dict.fromkeys(point.reading for point in (chosen, *points)))
    top, plot = 12, 150
    width = LABELS + STEP * len(ordered) + 14
    height = top + plot + 16 + LINE * len(rows) + 4

    def x(column: int) -> float:
        return LABELS + STEP * (column + 0.5)

    def y(value: float) -> float:
        return top + plot * (1 - value / 100)

    def line(reading: str) -> float:
        return top + plot + 20 + LINE * rows.index(reading)

    parts = [_open(width, height, title, "dots specification", attributes, role="group")]  # it holds links
    for tick in TICKS:
        parts.append(_grid(f"M{LABELS} {_n(y(tick))}H{width - 14}"))
        parts.append(_text(LABELS - 6, y(tick) + 4, str(tick), "tick end"))
    if theirs is not None:
        parts.append(_published(f"M{LABELS} {_n(y(theirs))}H{width - 14}"))
    for reading in rows:
        parts.append(_grid(f"M{LABELS} {_n(line(reading))}H{width - 14}"))
        parts.append(_text(LABELS - 6, line(reading) + 4, reading, "tick end"))
    for column, point in enumerate(ordered):
        low, high = point.interval
        at = _n(x(column))
        shown = Markup('<path class="interval" fill="none" stroke="#1d4f7c" d="M{} {}V{}"/>').format(
            at, _n(y(low)), _n(y(high))
        )
        shown += _dot(x(column), y(point.value), point is chosen)
        shown += Markup('<circle class="ours" fill="#1d4f7c" cx="{}" cy="{}" r="3.6"/>').format(
            at, _n(line(point.reading))
        )
        parts.append(_link(point, shown))
    return Markup("").join([*parts, Markup("</svg>")])


def tornado(title: str, chosen: Point, points: Sequence[Point], theirs: float | None, attributes: Markup) -> Markup:
    """Per detail how far the number reaches under its readings, the widest first, about the one as chosen."""
    details = dict.fromkeys(point.detail for point in points)
    of = {detail: [point for point in points if point.detail == detail] for detail in details}

    def reach(detail: str) -> float:
        values = [chosen.value, *(point.value for point in of[detail])]
        return max(values) - min(values)

    ordered = sorted(details, key=lambda detail: (-reach(detail), detail))
    top, inner, step = 8, 300, 24
    width, bottom = LABELS + inner + 20, top + step * len(ordered)

    def x(value: float) -> float:
        return LABELS + inner * value / 100

    parts = [_open(width, bottom + 22, title, "dots specification", attributes, role="group")]
    for tick in TICKS:
        parts.append(_grid(f"M{_n(x(tick))} {top}V{bottom}"))
        parts.append(_text(x(tick), bottom + 15, str(tick), "tick mid"))
    if theirs is not None:
        parts.append(_published(f"M{_n(x(theirs))} {top}V{bottom}"))
    for number, detail in enumerate(ordered):
        y = top + step * (number + 0.5)
        values = [chosen.value, *(point.value for point in of[detail])]
        parts.append(_text(LABELS - 6, y + 4, detail, "tick end"))
        parts.append(
            Markup(
                '<path class="reach" fill="none" stroke="#1d4f7c" stroke-width="9" opacity=".3" d="M{} {}H{}"/>'
            ).format(_n(x(min(values))), _n(y), _n(max(x(max(values)), x(min(values)) + 0.8)))
        )
        parts += [_link(point, _dot(x(point.value), y, hollow=False)) for point in of[detail]]
    parts.append(
        Markup('<path class="chosen" fill="none" stroke="#1d4f7c" d="M{} {}V{}"/>').format(
            _n(x(chosen.value)), top, bottom
        )
    )
    return Markup("").join([*parts, Markup("</svg>")])


def _dot(x: float, y: float, hollow: bool) -> Markup:
    css, fill = ("as-chosen", "#fff") if hollow else ("ours", "#1d4f7c")
    return Markup('<circle class="{}" fill="{}" stroke="#1d4f7c" cx="{}" cy="{}" r="3.6"/>').format(
        css, fill, _n(x), _n(y)
    )


def _link(point: Point, shape: Markup) -> Markup:
    words = f"{point.detail}: {point.reading}" if point.detail else point.reading
    return Markup('<a href="#{}" tabindex="-1"><title>{}, {}</title>{}</a>').format(
        anchor(point.id), words, point.printed, shape
    )


def _published(path: str) -> Markup:
    return Markup('<path class="print" fill="none" stroke="#b4472d" stroke-dasharray="4 3" d="{}"/>').format(path)
