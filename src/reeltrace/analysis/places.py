"""Where in a document's text a place such as "section 4.4, Table 3" lies, and the cells of a table printed there.

A text is what a document's pages gave: a paragraph to a line, a table's row to a line with tabs between its cells,
tables and figures where they floated to. All positions are counted in characters.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

Region = tuple[int, int]  # from, up to

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_TAGS = re.compile(r"</?(?:b|i|sup|sub)>|\*\*|\$")
_REWRITES = (
    (r"\\begin\{bmatrix\}\s*", "["),  # rows of a matrix in brackets, semicolons between them
    (r"\s*\\end\{bmatrix\}", "]"),
    (r"\s*\\\\\s*", "; "),
    (r"\]\s*\\times\s*", "] x "),  # spaces around a LaTeX sign say nothing: 3x3, but [...] x 3
    (r"\s*\\times\s*", "x"),
    (r"×", "x"),
    (r"\s*\\cdot\s*", "·"),
    (r"e\^\{(-?\d+)\}", r"e\1"),  # 1.344e^{-6}
    (r"\^\{([^{}]*)\}", r"^\1"),
    (r"\s*_\{([^{}]*)\}", r"\1"),  # T2Conv _{Z3}
    (r"\s+", " "),
)
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_NUMBER = r"(?:[A-Z]\.)?\d+(?:\.\d+)*"  # with a letter in an appendix
_HEADING = re.compile(
    rf"^(?:#+ (?P<marked>{_NUMBER})\.? |(?P<dotted>{_NUMBER})\. (?=[A-Z]|\dD )|(?P<plain>\d+(?:\.\d+)+) (?=[A-Z0-9])"
    r"|Chapter (?P<chapter>\d+)$)[^\t\n]*$",
    re.MULTILINE,
)
_SLIDE = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CAPTION = re.compile(rf"^\W*(?P<what>table|figure)\s+(?P<number>{_NUMBER})[:.]\s.*$", re.MULTILINE | re.IGNORECASE)
_BLOCK = re.compile(r"(?:^[^\n]*\t[^\n]*(?:\n|\Z))+", re.MULTILINE)


def normal(text: str) -> str:
    """A stretch of a text without its markup, as transcriptions write it.

    Bold, italics, superscript tags and dollar signs go; the signs of LaTeX become plain (`_REWRITES`); subscript digits
    are put on the line; runs of white space are one space.
    """
    text = _TAGS.sub("", text)
    text = re.sub(r"\s*[₀-₉]+(?:\s+(?=[A-Za-z]))?", lambda found: found[0].strip().translate(_SUBSCRIPTS), text)
    for pattern, by in _REWRITES:
        text = re.sub(pattern, by, text)
    return text.strip()


def squeezed(text: str) -> str:
    """What of a heading or a label is compared: letters, digits and signs, without case, space or underscore."""
    return re.sub(r"[\s_]+", "", normal(text)).casefold()


@dataclass(frozen=True)
class Line:
    """A line of a table: where each of its cells stands, without the space around it; empty ones have no length."""

    cells: tuple[Region, ...]

    @property
    def filled(self) -> tuple[Region, ...]:
        """The cells that hold something."""
        return tuple(cell for cell in self.cells if cell[0] < cell[1])

    @property
    def region(self) -> Region:
        """From its first to its last character."""
        return self.cells[0][0], self.cells[-1][1]


@dataclass(frozen=True)
class Place:
    """What a place comes to: `regions` of the text, and the `lines` of the table where it names one."""

    regions: tuple[Region, ...]
    lines: tuple[Line, ...] = ()

    def holds(self, span: Region) -> bool:
        """Whether a span lies in it."""
        return any(start <= span[0] and span[1] <= end for start, end in self.regions)


@dataclass(frozen=True)
class Text:
    """A document's text, and what stands where in it."""

    text: str

    def place(self, name: str) -> Place:
        """Where a place lies. Raises `ValueError` where the text has no such place, or the name is not understood."""
        bare = re.sub(r"\s*\([^()]*\)$", "", name)
        base, rest = self._base(bare)
        found = Place(base)
        for part in rest:
            found = self._part(part, found, base, name)
        return found

    def _base(self, name: str) -> tuple[tuple[Region, ...], list[str]]:
        """The regions of the section or the slide that a place begins with, and what else it says."""
        if match := re.match(rf"(?:section|chapter) ({_NUMBER})(?:, |$)", name):
            regions = tuple(region for number, region in self.sections if number == match[1])
            if not regions:
                raise ValueError(f"the text has no section {match[1]}")
            return regions, _parts(name[match.end() :])
        match = re.match(r"slide (?:without a title after )?", name)
        if not match:
            raise ValueError(f"{name!r} begins with neither a section nor a slide")
        titles = sorted({title for title, _ in self.slides}, key=len, reverse=True)
        asked = name[match.end() :]
        for title in titles:
            if asked == title or asked.startswith(f"{title}, "):
                regions = tuple(region for other, region in self.slides if other == title)
                return regions, _parts(asked[len(title) + 2 :])
        raise ValueError(f"the text has no slide {asked!r}")

    def _part(self, part: str, found: Place, base: tuple[Region, ...], name: str) -> Place:
        """A place narrowed by one more part of its name."""
        if match := re.fullmatch(rf"Table ({_NUMBER})", part):
            lines = self._table(match[1], base)
            return Place(tuple(line.region for line in lines), lines)
        if match := re.fullmatch(rf"caption of (Table|Figure) ({_NUMBER})", part):
            return Place((self._caption(match[1], match[2], base),))
        if match := re.fullmatch(rf"(?:paragraph|sentence) after Table ({_NUMBER})", part):
            after = self._caption("Table", match[1], base)[1]
            return Place(tuple((after, end) for start, end in base if start < after < end))
        if match := re.fullmatch(rf"({'|'.join(ORDINALS)}) paragraph", part):
            paragraphs = list(self._paragraphs(base[0]))
            number = ORDINALS.index(match[1])
            if number >= len(paragraphs):
                raise ValueError(f"{name!r}: there are {len(paragraphs)} paragraphs only")
            return Place((paragraphs[number],))
        if part == "first table" or found.lines == ():
            for lines in self.blocks:
                inside = any(start <= lines[0].region[0] < end for start, end in base)
                if inside and (part == "first table" or squeezed(self.of(lines[0].region)) == squeezed(part)):
                    return Place(tuple(line.region for line in lines), lines)
        lines = tuple(line for line in found.lines if squeezed(part) in squeezed(self.of(line.region)))
        if not lines:
            raise ValueError(f"{name!r}: nothing there is {part!r}")
        return Place(tuple(line.region for line in lines), lines)

    def of(self, region: Region) -> str:
        """What stands there."""
        return self.text[region[0] : region[1]]

    @cached_property
    def sections(self) -> list[tuple[str, Region]]:
        """Sections and chapters by number, each with what stands below it; a heading that recurs counts once."""
        heads: list[tuple[str, int]] = []
        seen = set()
        for match in _HEADING.finditer(self.text):
            if match[0] not in seen:
                seen.add(match[0])
                number = match["marked"] or match["dotted"] or match["plain"] or match["chapter"]
                heads.append((number, match.start()))
        return [
            (number, (start, next((at for other, at in heads[i + 1 :] if not _below(other, number)), len(self.text))))
            for i, (number, start) in enumerate(heads)
        ]

    @cached_property
    def slides(self) -> list[tuple[str, Region]]:
        """Slides by their titles; several may have the same."""
        heads = [(normal(match[1]), match.start()) for match in _SLIDE.finditer(self.text)]
        ends = [start for _, start in heads[1:]] + [len(self.text)]
        return [(title, (start, end)) for (title, start), end in zip(heads, ends, strict=True)]

    @cached_property
    def blocks(self) -> list[tuple[Line, ...]]:
        """The tables: runs of lines with tabs."""
        return [tuple(_lines(match[0], match.start())) for match in _BLOCK.finditer(self.text)]

    @cached_property
    def captions(self) -> list[tuple[str, str, Region]]:
        """All captions: "table" or "figure", the number, and where it stands."""
        return [(match["what"].casefold(), match["number"], match.span()) for match in _CAPTION.finditer(self.text)]

    def _caption(self, what: str, number: str, base: tuple[Region, ...]) -> Region:
        """The caption of a table or figure, in the regions or, where it floated away, elsewhere."""
        found = [
            match.span()
            for match in _CAPTION.finditer(self.text)
            if match["what"].casefold() == what.casefold() and match["number"] == number
        ]
        inside = [span for span in found if any(start <= span[0] < end for start, end in base)]
        if not found:
            raise ValueError(f"the text has no caption of {what} {number}")
        return (inside or found)[0]

    def _table(self, number: str, base: tuple[Region, ...]) -> tuple[Line, ...]:
        """The lines of the table directly above or below a caption, with nothing but blank lines between.

        Of two the one that no other caption stands beside; both where that does not tell.
        """
        caption = self._caption("Table", number, base)
        beside = [block for block in self.blocks if self._adjacent(block, caption)]
        captions = [match.span() for match in _CAPTION.finditer(self.text) if match.span() != caption]
        own = [block for block in beside if not any(self._adjacent(block, other) for other in captions)]
        lines = tuple(line for block in own or beside for line in block)
        if not lines:
            raise ValueError(f"the text has no lines of Table {number} beside its caption")
        return lines

    def _adjacent(self, block: tuple[Line, ...], caption: Region) -> bool:
        """Whether nothing but blank lines is between a table and a caption."""
        first, last = block[0].region[0], block[-1].region[1]
        return not (self.text[last : caption[0]] if last <= caption[0] else self.text[caption[1] : first]).strip()

    def _paragraphs(self, region: Region) -> Iterator[Region]:
        """Paragraphs of a section before its first subsection; one that a table or figure cut in two is one."""
        below = [start for _, (start, _) in self.sections if region[0] < start < region[1]]
        running: Region | None = None
        for match in re.finditer(r"^.+$", self.text[region[0] : min(below, default=region[1])], re.MULTILINE):
            line = match[0]
            if match.start() == 0 or "\t" in line or _CAPTION.match(line) or not re.search(r"\w", line):
                continue
            start, end = region[0] + match.start(), region[0] + match.end()
            if running is not None and not re.search(r"[.:!?%)\]]\s*$", self.of(running)):
                running = running[0], end
                continue
            if running is not None:
                yield running
            running = start, end
        if running is not None:
            yield running


def _parts(rest: str) -> list[str]:
    return [part for part in rest.split(", ") if part]


def _below(number: str, of: str) -> bool:
    return number.startswith(f"{of}.")


def _lines(block: str, at: int) -> Iterator[Line]:
    for line in block.splitlines(keepends=True):
        cells, start = [], at
        for cell in line.rstrip("\n").split("\t"):
            left, right = len(cell) - len(cell.lstrip()), len(cell.strip())
            cells.append((start + left, start + left + right) if right else (start, start))
            start += len(cell) + 1
        yield Line(tuple(cells))
        at += len(line)
