"""The text of a table, in the ways that tables are written -> its lines of cells, and a cell's text without finery.

Commas, semicolons or tabs between cells; Markdown; LaTeX. What is bold, starred or has an arrow is the same number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reeltrace.errors import UserError

Lines = list[tuple[int, list[str]]]  # each with its number in the file
HEADINGS = 3  # lines of names at most
SPACES = " \u00a0\u2009\u202f"
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)+\|?\s*|\s*\|\s*:?-+:?\s*\|\s*")
_TABULAR = re.compile(r"\\begin\{tabular[*xy]?\}(.*?)\\end\{tabular[*xy]?\}", re.DOTALL)
_DRAWN = re.compile(
    r"\\(?:top|mid|bottom)rule(?:\[[^\]]*\])?|\\hline|\\c(?:mid)?(?:rule|line)(?:\([^)]*\))?\{[^}]*\}|"
    r"\\(?:rowcolor|cellcolor)(?:\[[^\]]*\])?\{[^}]*\}|\\addlinespace(?:\[[^\]]*\])?|\\noalign\{[^}]*\}"
)
_SPAN = re.compile(r"\\multicolumn\s*\{(\d+)\}\s*\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}\s*\{(.*)\}\s*", re.DOTALL)
_ROWS = re.compile(r"\\multirow\s*(?:\[[^\]]*\])?\{[^}]*\}\s*(?:\[[^\]]*\])?\{[^}]*\}\s*\{(.*)\}", re.DOTALL)
_WRAPPED = re.compile(
    r"\\(?:text(?:bf|it|tt|rm|sc)?|emph|underline|uline|mathbf|mathrm|mathit|bm|boldsymbol)\s*\{([^{}]*)\}"
)
_SIGNS = {r"\pm": "±", r"\times": "×", r"\%": "%", r"\&": "&", r"\_": "_", r"\#": "#", r"\,": "", r"\uparrow": "↑"}
_SIGNS |= {
    r"\downarrow": "↓",
    r"\approx": "≈",
    r"\sim": "~",
    r"\leq": "≤",
    r"\geq": "≥",
    r"\Delta": "Δ",
    r"\dagger": "†",
}
_SWITCHES = re.compile(
    r"\\(?:bf|bfseries|it|itshape|em|rm|small|footnotesize|tiny|centering)\b\s*|\\(?:cite|ref)\{[^}]*\}"
)
_TAGS = re.compile(r"<(su[bp])>.*?</\1>|</?[a-z]+(?:\s+[a-z-]+=(?:\"[^\"]*\"|'[^']*'))*\s*/?>", re.IGNORECASE)
_BEHIND = re.compile(r"(?<=[\d%)\]xKMG])\s*(?:[*†‡§¶#↑↓▲▼⁎∗]|[¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᶜᵈ])+$")
_BEFORE = re.compile(r"^[↑↓▲▼]\s*(?=[+-]?\d)")
_POWER = re.compile(r"(?<=\d)\s*[×x·]\s*10\s*\^\s*\{?\s*([+-]?\d{1,2})\s*\}?")
_GROUPED = re.compile(rf"(\D{{0,3}}\d{{1,3}})((?:([{SPACES}'’])\d{{3}})(?:\3\d{{3}})*)((?:[.,]\d+)?\D*)")


@dataclass(frozen=True)
class Laid:
    """A table as lines of cells, all as wide as its names, which are the first; `notes` say what was made of others."""

    lines: Lines
    separator: str
    notes: tuple[str, ...]


def lay_out(name: str, text: str, tabs: bool = False) -> Laid:
    """The lines of a text's first table. Raises `UserError` with its name and the line where there is none."""
    notes: list[str] = []
    if tables := _TABULAR.findall(text):
        lines, separator = _latex(text, tables[0]), "&"
    elif any(_RULE.fullmatch(line) for line in text.splitlines()):
        lines, more = _markdown(text)
        separator, tables = "|", [""] * (1 + more)
    else:
        first = _longest(text)
        separator = "\t" if tabs else max(("\t", ";", ",", "|"), key=first.count) if first else ","
        lines = _separated(name, text, separator)
    if len(tables) > 1:
        notes.append(f"holds {len(tables)} tables, of which the first is read; give each a file of its own")
    lines = [(at, [plain(cell) for cell in cells]) for at, cells in lines]
    lines = [(at, cells) for at, cells in lines if any(cells)]
    if separator in "&|" and lines:  # they need not be as long as the names, and are as if they were
        widest = len(lines[0][1])
        lines = [(at, cells + [""] * (widest - len(cells))) for at, cells in lines]
    if not lines:
        raise UserError(f"{name}: holds nothing; expected a table with a line of names above")
    lines, titles = _without_titles(lines)
    if titles:
        notes.append(f"{_several(titles)} read as a title")
    return Laid(lines, separator, tuple(notes))


def _longest(text: str) -> str:
    """The first line with a separator in it, behind any title."""
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if re.search(r"[\t;,|]", re.sub(r'"[^"]*"', "", line))), "")


def _several(numbers: Sequence[int]) -> str:
    return f"line {numbers[0]} is" if len(numbers) == 1 else f"lines {numbers[0]} to {numbers[-1]} are"


def _separated(name: str, text: str, separator: str) -> Lines:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    lines = []
    try:
        for cells in reader:
            lines.append((reader.line_num, cells))
    except csv.Error as error:
        raise UserError(f"{name}: line {reader.line_num}: {error}; correct the line") from None
    return lines


def _markdown(text: str) -> tuple[Lines, int]:
    """The lines of the first table, and how many others there are."""
    lines = list(enumerate(text.splitlines(), start=1))
    rules = [index for index, (_, line) in enumerate(lines) if _RULE.fullmatch(line)]
    start, end = rules[0], rules[0] + 1
    while start > 0 and "|" in lines[start - 1][1]:
        start -= 1
    while end < len(lines) and "|" in lines[end][1]:
        end += 1
    found = []
    for at, line in lines[start:end]:
        if not _RULE.fullmatch(line):
            inner = line.strip().removeprefix("|")
            inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
            found.append((at, [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]))
    return found, sum(index >= end for index in rules)


def _latex(text: str, body: str) -> Lines:
    line = text[: text.index(body)].count("\n") + 1
    body = re.sub(r"^\s*(?:\[[^\]]*\])?(?:\{[^{}]*\})?\{(?:[^{}]|\{[^{}]*\})*\}", _newlines, body, count=1)
    found: Lines = []
    for row in re.split(r"\\\\(?:\[[^\]]*\])?|\\tabularnewline", re.sub(r"(?<!\\)%.*", "", body)):
        at = line + row[: len(row) - len(row.lstrip())].count("\n")
        line += row.count("\n")
        bare = _DRAWN.sub("", row)
        if bare.strip():
            found.append((at, list(_cells(bare))))
    return found


def _newlines(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def _cells(row: str) -> Iterator[str]:
    for cell in re.split(r"(?<!\\)&", row):
        cell = cell.strip()
        span = _SPAN.fullmatch(cell)
        cell = span[2] if span else cell
        several = _ROWS.fullmatch(cell.strip())
        cell = (several[1] if several else cell).replace("~", " ")
        yield cell
        yield from [""] * (min(int(span[1]), 1000) - 1 if span else 0)


def _without_titles(lines: Lines) -> tuple[Lines, list[int]]:
    """Without the lines above a table that have one cell, of a table that has more."""
    widest = max(sum(map(bool, cells)) for _, cells in lines)
    start = 0
    while widest > 1 and start < len(lines) - 1 and sum(map(bool, lines[start][1])) == 1 and lines[start][1][0]:
        start += 1
    return lines[start:], [at for at, _ in lines[:start]]


def plain(text: str) -> str:
    """A cell without what makes it bold, and without the marks of Markdown, HTML and LaTeX."""
    text = _TAGS.sub("", text)
    text, formulas = re.subn(r"\$([^$]*)\$", r"\1", text)
    if "\\" in text or formulas:
        for _ in range(4):  # within one another
            text = _WRAPPED.sub(r"\1", text)
        text = _SWITCHES.sub("", text)
        for sign, is_ in _SIGNS.items():
            text = text.replace(sign, is_)
        text = re.sub(r"(?<!\^)\{|\}", "", text)
    text = re.sub(r"\*\*(\S(?:.*?\S)?)\*\*|__(\S(?:.*?\S)?)__", lambda m: m[1] or m[2], text)
    text = re.sub(r"^\s*(?:\*([^*\s](?:[^*]*[^*\s])?)\*|_([^_\s](?:[^_]*[^_\s])?)_|`([^`]+)`)\s*$", _inside, text)
    return text.strip()


def _inside(match: re.Match[str]) -> str:
    return match[1] or match[2] or match[3]


def bare(text: str) -> str:
    """What may be a number, without footnote marks, arrows and spaces between thousands, and with a plain exponent."""
    text = _BEFORE.sub("", _BEHIND.sub("", text.replace("−", "-")))
    text = _POWER.sub(r"e\1", text).replace("×", "x")
    if within := re.fullmatch(r"\(\s*([+-]\s*[\d.,]+\s*%?)\s*\)", text):
        text = within[1]
    if match := _GROUPED.fullmatch(text):
        text = match[1] + match[2].replace(match[3], "") + match[4]
    return re.sub(r"^([<>~≈≤≥]?\s*[+-]?)\.(?=\d)", r"\g<1>0.", text)


def names_of(lines: Lines, is_number: Callable[[str], bool]) -> tuple[list[str], int]:
    """The names of columns, and how many lines they stand in: several where groups of columns have names above.

    `is_number` says of a text whether it is one. A line belongs to the names where none of its cells is a number, and
    the line above names groups: it has gaps, or names that stand twice.
    """
    head = list(lines[0][1])
    count = 1
    while count < min(HEADINGS, len(lines) - 1):
        cells = lines[count][1]
        spread = head[1:]
        grouped = any(not name for name in spread) or len({n for n in spread if n}) < sum(map(bool, spread))
        if len(cells) != len(head) or not grouped or not any(cells[1:]) or any(map(is_number, cells)):
            break
        filled = [head[0]]
        for name in spread:
            filled.append(name or (filled[-1] if len(filled) > 1 else ""))
        head = [_joined(above, below) for above, below in zip(filled, cells, strict=True)]
        count += 1
    return head, count


def _joined(above: str, below: str) -> str:
    return above if not below or above == below else f"{above}, {below}" if above else below
