"""What was recognised, shown: the whole video with its labels, and a figure of frames drawn from it at random.

mahler2020, section 6.1.3: the labels of the best classes are written on the video; figure 6.2 shows frames that were
"randomly sampled from the full video".
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from html import escape
from pathlib import Path

from PIL import Image

from reeltrace.artifacts.files import atomic_write
from reeltrace.data.decoding import DecodingError, Frame, Header, pyav_frames, scaled_size
from reeltrace.errors import UserError
from reeltrace.recognition.annotate import Said, contact_sheet, with_words, write_video
from reeltrace.recognition.views import USUAL_RATE

LARGEST_SIDE = 720  # pixels of the shorter side of an annotated video
SHOWN, ACROSS, TILE = 6, 3, 240  # frames of a figure, how many in a row, and pixels of their shorter side
FIGURES = (".png", ".svg")
_GAP, _LINE = 10, 20  # pixels between pictures of an SVG, and of a line of its words


def annotate(path: Path, header: Header, said: Sequence[Said], output: Path) -> int:
    """Write the video with `said` on each frame; one is held at a time. Returned is how many there were."""
    side = min(LARGEST_SIDE, header.height, header.width)
    rate = Fraction(header.fps or USUAL_RATE).limit_denominator(1001)
    return write_video(output, (with_words(frame, said) for frame in _frames(path, header, max(2, side))), rate)


def check_figure(output: Path) -> None:
    """Raises UserError for a suffix of no figure."""
    if output.suffix.lower() not in FIGURES:
        raise UserError(f"{output}: found the suffix {output.suffix!r}; expected {' or '.join(FIGURES)}")


def figure(path: Path, header: Header, said: Sequence[Said], output: Path, seed: int) -> list[int]:
    """Write the figure, PNG or SVG by its suffix; returned are the numbers of the frames, which `seed` draws."""
    check_figure(output)
    total = max(1, header.packets - header.empty)
    chosen = sorted(random.Random(seed).sample(range(total), min(SHOWN, total)))
    kept: dict[int, Frame] = {}
    for number, frame in enumerate(_frames(path, header, TILE)):
        if number in chosen:
            kept[number] = frame
        if number >= chosen[-1]:
            break
    if not kept:
        raise UserError(f"{path}: none of the frames for {output} can be decoded; name another video")
    rows = [list(kept)[start : start + ACROSS] for start in range(0, len(kept), ACROSS)]
    if output.suffix.lower() == ".svg":
        content = _svg([[kept[number] for number in row] for row in rows], said).encode()
    else:
        sheet = contact_sheet([([with_words(kept[number], said) for number in row], ()) for row in rows])
        content = _encoded(sheet, "PNG")
    with atomic_write(output) as file:
        file.write(content)
    return list(kept)


def _frames(path: Path, header: Header, side: int) -> Iterator[Frame]:
    try:
        yield from pyav_frames(path, *scaled_size(header.height, header.width, side))
    except DecodingError as error:
        raise UserError(f"{path}: cannot be decoded ({error}); name another video") from error


def _encoded(frame: Frame, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format=form, **({"quality": 88} if form == "JPEG" else {}))
    return buffer.getvalue()


def _svg(rows: Sequence[Sequence[Frame]], said: Sequence[Said]) -> str:
    """Pictures in rows, and below each row nothing: the words stand once, under all, as text with their bars."""
    height, width = rows[0][0].shape[:2]
    across = max(map(len, rows)) * (width + _GAP) - _GAP
    down = len(rows) * (height + _GAP)
    parts = []
    for r, row in enumerate(rows):
        for c, frame in enumerate(row):
            data = base64.b64encode(_encoded(frame, "JPEG")).decode()
            parts.append(
                f'<image x="{c * (width + _GAP)}" y="{r * (height + _GAP)}" width="{width}" height="{height}" '
                f'href="data:image/jpeg;base64,{data}"/>'
            )
    for number, line in enumerate(said):
        y = down + (number + 1) * _LINE
        if line.share is not None:
            parts.append(f'<rect x="0" y="{y - 12}" width="{100 * line.share:.1f}" height="12" fill="#0072b2"/>')
            parts.append(f'<rect x="0" y="{y - 12}" width="100" height="12" fill="none" stroke="#555"/>')
        words = escape(line.words) + ("" if line.share is None else f" {100 * line.share:.1f} %")
        parts.append(f'<text x="110" y="{y - 1}">{words}</text>')
    whole = down + (len(said) + 1) * _LINE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {whole}" width="{across}" height="{whole}" '
        f'font-family="sans-serif" font-size="14">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
