"""Expressions over printed values: `"{7.2/row/cost} / {7.1/device/peak}"`.

A small language, read by this module's own parser and never by Python's: decimal numbers, `+ - * / **`, parentheses,
`mean`, `sum`, `min`, `max`, `abs`, and references in braces. A reference is a cell, `{table/row/column}`, a value of
the prose, `{prose:id}`, or either of another document, `{smith2020:3/row/original}`; `*` for a row or a column, inside
mean, sum, min or max, stands for all of them, and `//` for a slash within a name. Values are exact fractions; `bounds`
follows the rounding of the printed values through the expression by interval arithmetic.

Every expression is bounded: its length, its nesting, its exponents, and the digits and the size of what it comes to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypeAlias

LENGTH = 2000  # characters of a text
DEPTH = 50  # parentheses, calls, signs and powers within each other
POWER = 12  # the largest exponent, also of powers of powers together
BITS = 4_000  # of a numerator or denominator
LARGEST = 10**100  # what a number may come to, so that floats hold it and its square
DIGITS = 40  # of a number that is written out
ALL = "*"
OF_SEVERAL = ("mean", "sum", "min", "max")
CALLS = (*OF_SEVERAL, "abs")

Sign: TypeAlias = Literal["+", "-", "*", "/"]
Interval: TypeAlias = tuple[Fraction, Fraction]
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|[-+*/(),])|(?P<ref>\{[^{}]*\}))"
)
_REFERENCE = re.compile(r"\{[^{}]*\}")
_SLASH = re.compile(r"(?<!/)/(?!/)")  # between parts; two of them are one within a name
_DOCUMENT = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Reference:
    """A cell (`table`, `row`, `column`), or a value of the prose by its id; of another document where it names one."""

    table: str = ""
    row: str = ""
    column: str = ""
    prose: str = ""
    document: str | None = None

    @property
    def several(self) -> bool:
        """Whether it stands for all rows or all columns."""
        return ALL in (self.row, self.column)

    def __str__(self) -> str:
        of = f"{self.document}:" if self.document else ""
        parts = "/".join(part.replace("/", "//") for part in (self.table, self.row, self.column))
        return f"{{{of}prose:{self.prose}}}" if self.prose else f"{{{of}{parts}}}"


@dataclass(frozen=True)
class _Number:
    value: Fraction


@dataclass(frozen=True)
class _Chain:
    """`first`, then each sign and what it adds, takes away, multiplies or divides by, from left to right."""

    first: _Node
    rest: tuple[tuple[Sign, _Node], ...]


@dataclass(frozen=True)
class _Power:
    base: _Node
    exponent: int


@dataclass(frozen=True)
class _Call:
    name: str
    arguments: tuple[_Node, ...]


_Node: TypeAlias = Reference | _Number | _Chain | _Power | _Call
Lookup: TypeAlias = Callable[[Reference], Fraction | None]
Bounds: TypeAlias = Callable[[Reference], Interval | None]
Expand: TypeAlias = Callable[[Reference], Sequence[Reference]]


def _unknown(reference: Reference) -> Sequence[Reference]:
    raise ValueError(f"{reference} stands for several cells, and nothing says which")


@dataclass(frozen=True)
class Expression:
    """A parsed text. Where a reference has no value, or something is divided by zero, there is no value: None.

    `value` and `bounds` raise `ValueError` where a number outgrows `BITS` or `LARGEST`. `expand` says which cells a
    reference with `*` stands for.
    """

    text: str
    root: _Node

    @property
    def references(self) -> tuple[Reference, ...]:
        """All of them, each once, in their order."""
        return tuple(dict.fromkeys(_references(self.root)))

    def value(self, lookup: Lookup, expand: Expand = _unknown) -> Fraction | None:
        """What the expression comes to, exactly."""

        def point(reference: Reference) -> Interval | None:
            found = lookup(reference)
            return None if found is None else (found, found)

        ends = _evaluate(self.root, point, expand)
        return None if ends is None else ends[0]

    def bounds(self, lookup: Bounds, expand: Expand = _unknown) -> Interval | None:
        """Between which values it lies for all values in the intervals of its references.

        A reference that stands twice counts as two, so that the interval may be wider than need be, never narrower.
        None too where a divisor's interval holds zero.
        """
        return _evaluate(self.root, lookup, expand)

    def shown(self, write: Callable[[Reference], str]) -> str:
        """The text with every reference as `write` has it."""
        return _REFERENCE.sub(lambda match: write(_reference(match[0], self.text)), " ".join(self.text.split()))

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Expression:
    """The expression that a text is. Raises `ValueError`, naming the place in it, where it is none."""
    if len(text) > LENGTH:
        raise ValueError(f"an expression of {len(text)} characters; at most {LENGTH} are read")
    return Expression(text, _Parser(text).whole())


def reference(text: str) -> Reference:
    """The reference that `{table/row/column}` or `{prose:id}` is. Raises `ValueError` where it is none."""
    return _reference(text, text)


class _Parser:
    """Recursive descent; `_ahead` is the next token, and `_place` the place of its first character, from 1."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._kind, self._ahead, self._place = next(self._tokens)
        self._depth = 0

    def _split(self) -> Iterator[tuple[str, str, int]]:
        position = 0
        while position < len(self._text.rstrip()):
            match = _TOKEN.match(self._text, position)
            if match is None:
                rest = self._text[position:].lstrip()
                raise self._error(f"{rest[:20]!r} is not understood", len(self._text) - len(rest) + 1)
            kind = match.lastgroup or ""
            yield kind, match[kind], match.start(kind) + 1
            position = match.end()
        yield "end", "", len(self._text) + 1

    def _error(self, what: str, place: int | None = None) -> ValueError:
        return ValueError(f"character {self._place if place is None else place} of {_cut(self._text)!r}: {what}")

    def _advance(self) -> str:
        token = self._ahead
        self._kind, self._ahead, self._place = next(self._tokens)
        return token

    def _expect(self, sign: str) -> None:
        if self._ahead != sign or self._kind != "sign":
            raise self._error(f"found {self._ahead or 'the end'!r}; expected {sign!r}")
        self._advance()

    def whole(self) -> _Node:
        node = self._sum()
        if self._kind != "end":
            raise self._error(f"found {self._ahead!r}; expected an operator or the end")
        if isinstance(node, Reference) and node.several:
            raise self._error("* stands for several cells: write it inside mean, sum, min or max", 1)
        return node

    def _sum(self) -> _Node:
        return self._chain(self._product, {"+": "+", "-": "-"})

    def _product(self) -> _Node:
        return self._chain(self._signed, {"*": "*", "/": "/"})

    def _chain(self, part: Callable[[], _Node], signs: Mapping[str, Sign]) -> _Node:
        first = part()
        rest: list[tuple[Sign, _Node]] = []
        while self._kind == "sign" and self._ahead in signs:
            place = self._place
            self._single(first, place)
            sign = signs[self._advance()]
            rest.append((sign, self._single(part(), place)))
        return _Chain(first, tuple(rest)) if rest else first

    def _signed(self) -> _Node:
        if self._kind == "sign" and self._ahead == "-":
            place = self._place
            with _Level(self):
                self._advance()
                return _Chain(_Number(Fraction(0)), (("-", self._single(self._signed(), place)),))
        return self._power()

    def _power(self) -> _Node:
        base = self._atom()
        if self._kind != "sign" or self._ahead != "**":
            return base
        place = self._place
        self._advance()
        negative = self._kind == "sign" and self._ahead == "-"
        if negative:
            self._advance()
        if self._kind != "number" or not self._ahead.isdigit() or len(self._ahead) > 2 or int(self._ahead) > POWER:
            raise self._error(f"found the exponent {_cut(self._ahead)!r}; expected a whole number of at most {POWER}")
        exponent = int(self._advance())
        if exponent * _power_of(base) > POWER:
            raise self._error(f"powers within each other come to more than {POWER}", place)
        if self._kind == "sign" and self._ahead == "**":
            raise self._error("a power of a power; write parentheses")
        return _Power(self._single(base, place), -exponent if negative else exponent)

    def _atom(self) -> _Node:
        if self._kind == "number":
            if len(self._ahead) > DIGITS:
                raise self._error(f"a number of {len(self._ahead)} characters; at most {DIGITS} are read")
            return _Number(Fraction(self._advance()))
        if self._kind == "ref":
            place = self._place
            try:
                return _reference(self._advance(), self._text)
            except ValueError as error:
                raise self._error(str(error), place) from None
        if self._kind == "name":
            return self._call()
        if self._kind == "sign" and self._ahead == "(":
            with _Level(self):
                place = self._place
                self._advance()
                node = self._single(self._sum(), place)
                self._expect(")")
                return node
        raise self._error(f"found {self._ahead or 'the end'!r}; expected a number, a reference in braces, or (")

    def _call(self) -> _Node:
        place, name = self._place, self._ahead
        if name not in CALLS:
            raise self._error(f"no function {_cut(name)!r}; it has: {', '.join(CALLS)}")
        with _Level(self):
            self._advance()
            self._expect("(")
            arguments = [self._sum()]
            while self._kind == "sign" and self._ahead == ",":
                self._advance()
                arguments.append(self._sum())
            self._expect(")")
        several = any(isinstance(a, Reference) and a.several for a in arguments)
        if name == "abs" and (several or len(arguments) != 1):
            raise self._error(f"abs takes one value, found {'several' if several else len(arguments)}", place)
        if name != "abs" and not several and len(arguments) < 2:
            raise self._error(f"{name} takes at least two values, found {len(arguments)}", place)
        return _Call(name, tuple(arguments))

    def _single(self, node: _Node, place: int) -> _Node:
        if isinstance(node, Reference) and node.several:
            raise self._error("* stands for several cells: write it inside mean, sum, min or max", place)
        return node

    def enter(self) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise self._error(f"nested more than {DEPTH} deep")

    def leave(self) -> None:
        self._depth -= 1


class _Level:
    """One level of nesting of a parser."""

    def __init__(self, parser: _Parser) -> None:
        self._parser = parser

    def __enter__(self) -> None:
        self._parser.enter()

    def __exit__(self, *_: object) -> None:
        self._parser.leave()


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _reference(written: str, text: str) -> Reference:
    expected = "expected {table/row/column} or {prose:id}, with a document's key and a colon before it or not"
    inner = written.strip()[1:-1].strip()
    if not _REFERENCE.fullmatch(written.strip()) or not inner:
        raise ValueError(f"found {_cut(written or text)!r}; {expected}")
    parts = [part.replace("//", "/") for part in _SLASH.split(inner)]
    document: str | None = None
    head, colon, rest = parts[0].partition(":")
    if colon and head != "prose":
        if not _DOCUMENT.fullmatch(head):
            raise ValueError(f"found {_cut(written)!r}; {expected}")
        document, parts = head, [rest, *parts[1:]]
    if parts[0].startswith("prose:"):
        prose = "/".join(parts).removeprefix("prose:").strip()
        if not _DOCUMENT.fullmatch(prose):
            raise ValueError(f"found {_cut(written)!r}; {expected}")
        return Reference(prose=prose, document=document)
    parts = [part.strip() for part in parts]
    if len(parts) != 3 or not all(parts) or parts[0] == ALL:
        raise ValueError(f"found {_cut(written)!r}; {expected}")
    table, row, column = parts
    return Reference(table, row, column, document=document)


def _references(node: _Node) -> Iterator[Reference]:
    if isinstance(node, Reference):
        yield node
    elif isinstance(node, _Chain):
        yield from _references(node.first)
        for _, part in node.rest:
            yield from _references(part)
    elif isinstance(node, _Power):
        yield from _references(node.base)
    elif isinstance(node, _Call):
        for argument in node.arguments:
            yield from _references(argument)


def _power_of(node: _Node) -> int:
    """The largest product of the exponents that stand within each other in a node."""
    if isinstance(node, _Chain):
        return max(_power_of(node.first), *(_power_of(part) for _, part in node.rest))
    if isinstance(node, _Power):
        return max(1, abs(node.exponent)) * _power_of(node.base)
    if isinstance(node, _Call):
        return max(map(_power_of, node.arguments))
    return 1


# --- values: an interval is followed through; a point is an interval whose ends are equal ---


def _evaluate(node: _Node, lookup: Bounds, expand: Expand) -> Interval | None:
    if isinstance(node, _Number):
        return node.value, node.value
    if isinstance(node, Reference):
        found = lookup(node)
        return None if found is None else _limited(found)
    if isinstance(node, _Power):
        base = _evaluate(node.base, lookup, expand)
        return None if base is None else _raised(base, node.exponent)
    if isinstance(node, _Call):
        return _called(node, lookup, expand)
    found = _evaluate(node.first, lookup, expand)
    for sign, part in node.rest:
        other = _evaluate(part, lookup, expand)
        if found is None or other is None:
            return None
        found = combine(sign, found, other)
    return found


def combine(sign: Sign, left: Interval, right: Interval) -> Interval | None:
    """All values of `left sign right`; None where something may be divided by zero."""
    if sign == "+":
        return _limited((left[0] + right[0], left[1] + right[1]))
    if sign == "-":
        return _limited((left[0] - right[1], left[1] - right[0]))
    if sign == "/":
        if right[0] <= 0 <= right[1]:
            return None
        right = (1 / right[1], 1 / right[0])
    corners = [a * b for a in left for b in right]
    return _limited((min(corners), max(corners)))


def _raised(base: Interval, exponent: int) -> Interval | None:
    if exponent < 0:
        below = _raised(base, -exponent)
        return None if below is None else combine("/", (Fraction(1), Fraction(1)), below)
    if any(max(end.numerator.bit_length(), end.denominator.bit_length()) * exponent > BITS for end in base):
        raise ValueError(f"a power of more than {BITS} bits")
    ends = sorted(end**exponent for end in base)
    if exponent and exponent % 2 == 0 and base[0] < 0 < base[1]:
        ends[0] = Fraction(0)
    return _limited((ends[0], ends[1]))


def _called(node: _Call, lookup: Bounds, expand: Expand) -> Interval | None:
    arguments: list[_Node] = []
    for argument in node.arguments:
        arguments += expand(argument) if isinstance(argument, Reference) and argument.several else [argument]
    found = [_evaluate(argument, lookup, expand) for argument in arguments]
    ends = [end for end in found if end is not None]
    if not ends or len(ends) < len(found):
        return None
    if node.name == "abs":
        low, high = ends[0]
        return (Fraction(0) if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
    lows, highs = [low for low, _ in ends], [high for _, high in ends]
    if node.name == "min":
        return min(lows), min(highs)
    if node.name == "max":
        return max(lows), max(highs)
    count = len(ends) if node.name == "mean" else 1
    total = Fraction(), Fraction()
    for low, high in ends:
        total = _limited((total[0] + low, total[1] + high))
    return total[0] / count, total[1] / count


def _limited(ends: Interval) -> Interval:
    for end in ends:
        limited(end)
    return ends


def limited(value: Fraction) -> Fraction:
    """A number that is neither too long nor too large to go on with. Raises `ValueError` where it is."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > BITS:
        raise ValueError(f"a number of more than {BITS} bits")
    if abs(value) > LARGEST:
        raise ValueError("a number of more than 100 digits")
    return value


# --- what cannot come out otherwise ---

TRIED = 4  # sets of values


def constant(left: Expression, right: Expression, compared: Callable[[Fraction, Fraction], Fraction | None]) -> bool:
    """Whether what is `compared` of two sides comes out the same whatever the values that they refer to are.

    It is tried with values above zero that have nothing to do with each other. Of sides that refer to nothing, which
    are arithmetic, whether they are one computation, written in another order or not.
    """
    references = tuple(dict.fromkeys((*left.references, *right.references)))
    if not references:
        return _ordered(left.root) == _ordered(right.root)
    if isinstance(left.root, Reference) and isinstance(right.root, Reference) and left.root != right.root:
        return False
    found = set()
    for trial in range(TRIED):
        values = {r: Fraction((7919 * (n + 2) * (3 * trial + 5)) % 9973 + 1, 97) for n, r in enumerate(references)}
        try:
            sides = left.value(values.__getitem__), right.value(values.__getitem__)
            found.add(None if sides[0] is None or sides[1] is None else compared(sides[0], sides[1]))
        except ValueError:
            return False
    return len(found) == 1


def _ordered(node: _Node) -> str:
    """A node as text, in which terms and factors stand in one order."""
    if isinstance(node, _Number):
        return str(node.value)
    if isinstance(node, _Power):
        return f"({_ordered(node.base)})**{node.exponent}"
    if isinstance(node, _Call):
        return f"{node.name}({', '.join(sorted(map(_ordered, node.arguments)))})"
    if isinstance(node, _Chain):
        first: Sign = "*" if any(sign in "*/" for sign, _ in node.rest) else "+"
        return f"({' '.join(sorted(sign + _ordered(part) for sign, part in ((first, node.first), *node.rest)))})"
    return str(node)
