"""Binding: every numeral on the page belongs to a registered number, quotation or name, and none of those is made up.

Templates ask the binder; it emits the printed value inside an element that names where it came from. After rendering
the page is parsed again and both directions are checked: no numeral without an origin, no reported number left unshown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from reeltrace.errors import Problem

UNBOUND = "unbound number"
_SUBSCRIPT = re.compile(r"\b([A-Za-z])_([a-z]+)\b")
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))


@dataclass(frozen=True)
class Number:
    """A number of ours: what is printed, and where it was read (`trace`) or which numbers it counts (`of`).

    `sources` are the traces behind `trace`: one per seed. `chain` is the id of the number whose chain it opens, for
    an interval or a spread that belongs to another number; the number's own id otherwise.
    """

    id: str
    printed: str
    title: str
    trace: Mapping[str, str] | None = None
    sources: tuple[Mapping[str, Any], ...] = ()
    rule: str | None = None
    of: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    chain: str = ""

    @property
    def anchor(self) -> str:
        """The id of the element that shows the chain."""
        return anchor(self.chain or self.id)


def anchor(identity: str) -> str:
    """The element that shows the chain of a number, as its id and as the part of an address behind `#`: one text.

    Browsers leave it as it is in an address, so that it is found without scripts too.
    """
    return "n=" + quote(identity, safe="/:@!$*()+,;=-._~")


def named_in(text: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """`text` in parts, each with the one of `names` that it holds, or "": ("Moving ", ""), ("MNIST-Dir", "MNIST")."""
    of = {name.lower(): name for name in names}
    if not of:
        return [(text, "")]
    pattern = "|".join(sorted(map(re.escape, of), key=len, reverse=True))
    parts = re.split(rf"([\w-]*?(?:{pattern})[\w-]*)", text, flags=re.IGNORECASE)
    found = []
    for index, part in enumerate(parts):
        name = next((of[n] for n in sorted(of, key=len, reverse=True) if n in part.lower()), "") if index % 2 else ""
        found.append((part, name))
    return [(part, name) for part, name in found if part]


def _lowered(text: str) -> Markup:
    """With subscripts, and places before a parenthesis where a line may end: a telephone is narrow."""
    parts = _SUBSCRIPT.split(text)  # text, letter, subscript, text, letter, ...
    shown = [Markup("{}{}<sub>{}</sub>").format(*parts[index : index + 3]) for index in range(0, len(parts) - 1, 3)]
    rest = Markup("<wbr>(").join(re.split(r"(?<=\w)\(", parts[-1]))
    return Markup("").join([*shown, rest])


@dataclass
class Binder:
    """Registered numbers, published values and names; what was shown of them.

    Raises `KeyError` for an id that nobody registered: a template cannot invent one.
    """

    numbers: dict[str, Number] = field(default_factory=dict)
    published_values: dict[str, tuple[str, str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    figures: dict[str, tuple[str, ...]] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)

    def add(self, number: Number) -> None:
        """Register a number. Raises `ValueError` when the id is taken."""
        if number.id in self.numbers:
            raise ValueError(f"number {number.id!r} was registered twice")
        self.numbers[number.id] = number

    def add_published(self, identity: str, printed: str, place: str) -> None:
        """Register a value that a document prints, and where."""
        self.published_values[identity] = (printed, place)

    # --- what templates call ---

    def number(self, identity: str, css: str = "num") -> Markup:
        """The printed value as a link to its chain."""
        number = self.numbers[identity]
        self.shown.add(identity)
        return Markup('<a class="{}" href="#{}" data-trace="{}">{}</a>').format(
            css, number.anchor, identity, number.printed
        )

    def tile(self, identity: str, words: str, css: str, to: str, filter_: str) -> Markup:
        """A count over what it counts, as a link to the element `to`; the page's script takes it as a filter."""
        number = self.numbers[identity]
        self.shown.add(identity)
        return Markup('<a class="{}" href="#{}" data-filter="{}"><span data-trace="{}">{}</span> {}</a>').format(
            css, to or number.anchor, filter_, identity, number.printed, self.name(words)
        )

    def value(self, identity: str) -> Markup:
        """The printed value without a link, for the entry of the chain itself."""
        number = self.numbers[identity]
        self.shown.add(identity)
        return Markup('<span data-trace="{}">{}</span>').format(identity, number.printed)

    def cell(self, document: str, table: str, row: str, column: str) -> Markup:
        """Our value of one cell, as a link to its chain."""
        return self.number(f"{document}/{table}/{row}/{column}")

    def published(self, identity: str) -> Markup:
        """What the document prints."""
        text, _ = self.published_values[identity]
        self.shown.add(f"published:{identity}")
        if identity in self.numbers:  # the value here beside it leads to the same chain: one link is enough
            return Markup('<span class="pub" data-published="{}">{}</span>').format(identity, text)
        return Markup('<a class="pub" href="#{}" data-published="{}">{}</a>').format(anchor(identity), identity, text)

    def part(self, identity: str, css: str) -> Markup:
        """The printed value of a part of the number beside it, whose link leads to the chain of both."""
        number = self.numbers[identity]
        self.shown.add(identity)
        return Markup('<span class="{}" data-trace="{}">{}</span>').format(css, identity, number.printed)

    def name(self, text: object, css: str = "") -> Markup:
        """Text that may hold digits but is not a result: names, quotations, hashes, settings."""
        words = " ".join(str(text).split())
        self.names.add(words)
        attribute = Markup(' class="{}"').format(css) if css else Markup()
        return Markup("<span{} data-name>{}</span>").format(attribute, escape(words))

    def words(self, text: str) -> str:
        """Text as `name` takes it, for an element that the template itself marks with `data-name`; its lines stay."""
        self.names.add(" ".join(text.split()))
        return text

    def formula(self, text: str, stand_in: Mapping[str, str] | None = None) -> Markup:
        """A name with subscripts: `C_in` is shown as C with a lowered in.

        `stand_in` has the names of data that others stand in for here, with the sentence that says what does: where
        one of them appears it is marked.
        """
        words = " ".join(text.split())
        shown = Markup("").join(
            Markup('<span class="replaced">{}<sup title="{}"> stand-in</sup></span>').format(_lowered(part), sentence)
            if (sentence := (stand_in or {}).get(name, ""))
            else _lowered(part)
            for part, name in named_in(words, stand_in or {})
        )
        element = Markup("<span data-name>{}</span>").format(shown)
        self.names.add(" ".join(shown.striptags().split()))
        return element

    def hash(self, sha256: str) -> Markup:
        """A sha256, with its kind in front."""
        return self.name(f"sha256 {sha256}", "hash")

    def figure(self, identity: str, of: Iterable[str]) -> Markup:
        """The attribute that marks a drawing, and registers which artifacts or numbers it draws."""
        self.figures[identity] = tuple(of)
        return Markup('data-figure="{}"').format(identity)

    # --- what is checked afterwards ---

    def unshown(self) -> list[str]:
        """Registered numbers and published values that no template showed."""
        wanted = [*self.numbers, *(f"published:{identity}" for identity in self.published_values)]
        return [identity for identity in wanted if identity not in self.shown]

    def check(self, html: str, where: str) -> list[Problem]:
        """Problems of a rendered page: numerals without origin, altered printed values, numbers left out."""
        page = _Page()
        page.feed(html)
        page.close()
        problems = [Problem(UNBOUND, where, f"{text!r} has no trace") for text in page.unmarked]
        for kind, identity, text in page.marked:
            if kind == "data-trace":
                known = self.numbers.get(identity)
                expected = None if known is None else known.printed
            elif kind == "data-published":
                expected = self.published_values.get(identity, (None, ""))[0]
            elif kind == "data-name":
                expected = text if text in self.names else None
            else:
                expected = text if identity in self.figures else None
            if expected is None:
                problems.append(Problem(UNBOUND, where, f"{text!r} names an origin that does not exist"))
            elif " ".join(expected.split()) != text:
                problems.append(Problem(UNBOUND, where, f"{identity} shows {text!r}, its artifact says {expected!r}"))
        there = {identity for kind, identity, _ in page.marked if kind == "data-trace"}
        problems += [
            Problem(UNBOUND, where, f"{identity} is reported and never shown")
            for identity in self.numbers
            if identity not in there
        ]
        there = {identity for kind, identity, _ in page.marked if kind == "data-published"}
        problems += [
            Problem(UNBOUND, where, f"the published value of {identity} is never shown")
            for identity in self.published_values
            if identity not in there
        ]
        return problems


class _Page(HTMLParser):
    """Texts with digits outside marked elements, and the text of each marked element."""

    MARKS: Sequence[str] = ("data-trace", "data-published", "data-name", "data-figure")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.unmarked: list[str] = []
        self.marked: list[tuple[str, str, str]] = []
        self._stack: list[tuple[str, tuple[str, str] | None]] = []
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        mark = next(((name, value or "") for name, value in attrs if name in self.MARKS), None)
        if mark is not None and self._mark() is None:
            self._text = []
        self._stack.append((tag, mark))

    def handle_endtag(self, tag: str) -> None:
        if all(open_tag != tag for open_tag, _ in self._stack):
            return  # a void element closed as <img/>, or a stray end tag
        while self._stack:
            open_tag, mark = self._stack.pop()
            if mark is not None and self._mark() is None:
                self.marked.append((*mark, " ".join("".join(self._text).split())))
            if open_tag == tag:
                break

    def handle_data(self, data: str) -> None:
        if any(tag in ("style", "script", "head") for tag, _ in self._stack):
            return
        if self._mark() is not None:
            self._text.append(data)
        elif any(character.isdigit() for character in data):
            self.unmarked.append(" ".join(data.split()))

    def _mark(self) -> tuple[str, str] | None:
        return next((mark for _, mark in self._stack if mark is not None), None)
