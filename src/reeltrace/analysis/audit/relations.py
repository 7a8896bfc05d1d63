"""`documents/<key>/relations.yaml`: what a document's printed numbers should be to each other, and whether they are.

Four kinds: a number that follows from others (`relations`), one quantity in several places (`same`), gains (`gains`),
and what should rise or fall (`monotone`). Each says where the document has it; the values are expressions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reeltrace.analysis.audit.findings import Finding, Severity, Source, digits, finding, slug
from reeltrace.analysis.audit.values import Library, Printed, number_of
from reeltrace.analysis.expressions import Expression, Interval, Reference, parse
from reeltrace.analysis.intervals import Z
from reeltrace.analysis.published import read_yaml
from reeltrace.analysis.yardstick import room as room_of_about
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError

FILE = "relations.yaml"


def _expression(text: str) -> str:
    parse(text)
    return text


Text = Annotated[str, AfterValidator(_expression)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reading(_Strict):
    """Another way to come to the printed value, in words and as an expression; `mistake` where it explains a slip."""

    reads: str
    follows: Text
    mistake: bool = False


class Relation(_Strict):
    """`value` should be what `follows` comes to.

    `loosely` is for words such as about and roughly: by which part of itself the value may be off, in place of what
    rounding leaves open; up to twice that is a note and no more. `loosely: about` is the margin that the yardstick of
    claims gives these words, beyond which the claim is contradicted: there is no such note.

    `cells` print what `follows` takes from them though they are no numbers, such as the 8 of the size 8x56^2.
    """

    id: str
    says: str
    place: str
    value: Text
    follows: Text
    loosely: Literal["about"] | Annotated[float, Field(gt=0, lt=1)] | None = None
    cells: tuple[Text, ...] = ()
    otherwise: tuple[Reading, ...] = ()
    innocent: tuple[str, ...] = ()


class Same(_Strict):
    """One quantity that is printed in several places, also of other documents.

    `weighs` is note where the places may well speak of two experiments.
    """

    id: str
    what: str
    values: Annotated[tuple[Text, ...], Field(min_length=2)]
    weighs: Literal["decision", "note"] = "decision"
    innocent: tuple[str, ...] = ()


class Gain(_Strict):
    """`of` is said to be better than `over`; both are shares of a test set."""

    of: Text
    over: Text


class Gains(_Strict):
    """Gains that the document speaks of, each held against what the test set's size leaves open.

    `weighs` is note where the document itself calls them negligible.
    """

    id: str
    says: str
    place: str
    weighs: Literal["decision", "note"] = "decision"
    gains: Annotated[tuple[Gain, ...], Field(min_length=1)]
    innocent: tuple[str, ...] = ()


class Monotone(_Strict):
    """Values that are said to rise or to fall in the order in which they stand."""

    id: str
    says: str
    place: str
    direction: Literal["rises", "falls"]
    values: Annotated[tuple[Text, ...], Field(min_length=3)]
    innocent: tuple[str, ...] = ()


class Declared(_Strict):
    """All of the file."""

    relations: tuple[Relation, ...] = ()
    same: tuple[Same, ...] = ()
    gains: tuple[Gains, ...] = ()
    monotone: tuple[Monotone, ...] = ()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Every expression with the id of what it belongs to."""
        for relation in self.relations:
            yield from ((relation.id, text) for text in (relation.value, relation.follows))
            yield from ((relation.id, reading.follows) for reading in relation.otherwise)
        for same in self.same:
            yield from ((same.id, text) for text in same.values)
        for claim in self.monotone:
            yield from ((claim.id, text) for text in claim.values)
        for gains in self.gains:
            yield from ((gains.id, text) for gain in gains.gains for text in (gain.of, gain.over))


def load(document: str, library: Library, root: Path = Path()) -> Declared:
    """What a document declares; nothing where it has no such file.

    Raises `UserError` with the place and what was expected, also where an expression names a cell that does not exist.
    """
    path = DOCUMENTS / document / FILE
    if not (root / path).exists():
        return Declared()
    declared = read_yaml(path, Declared, root, document)
    check(declared, document, library, str(path))
    return declared


def read(path: Path, document: str, library: Library) -> Declared:
    """What a file anywhere declares of a table that is none of this project's. Raises `UserError` as `load` does."""
    if not path.is_file():
        raise UserError(f"{path}: no file; name one as documents/<key>/{FILE} are, see docs/audit.md")
    declared = read_yaml(Path(path.name), Declared, path.parent)
    check(declared, document, library, str(path))
    return declared


def check(declared: Declared, document: str, library: Library, where: str) -> None:
    """Raises `UserError` where two ids are the same, or an expression names what does not exist or prints no number.

    Also where it comes to a number that is too large to go on with.
    """
    ids = [relation.id for relation in declared.relations] + [gains.id for gains in declared.gains]
    ids += [same.id for same in declared.same] + [claim.id for claim in declared.monotone]
    for name in ids:
        if ids.count(name) > 1:
            raise UserError(f"{where}: id {name!r} stands twice; ids must differ")
    for relation in declared.relations:
        for text in relation.cells:
            if not _prints(parse(text), library, document):
                raise UserError(f"{where}: {relation.id}: {text}: no such cell is printed; correct cells")
    for name, text in declared.texts():
        for reference in parse(text).references:
            if reference.document is not None and reference.document not in library.bodies:
                continue  # a document that is not among those that are audited: what needs it is left out
            try:
                printed = library.of(document, reference)
            except KeyError as error:
                raise UserError(f"{where}: {name}: {reference}: there is no {error}; correct the expression") from None
            if printed is None and not reference.several:
                raise UserError(f"{where}: {name}: {reference}: no number is printed there; correct the expression")
    judge = Judge(document, declared, library)
    for name, text in declared.texts():
        try:
            judge.computed(parse(text))
        except ValueError as error:
            raise UserError(f"{where}: {name}: comes to {error}; correct the expression") from None


def _plainly(of: Printed) -> str:
    """A printed number as it enters a computation: 480 of 480k where the unit counts thousands."""
    read = number_of(of.printed)
    return of.printed if read is not None and read[0] == of.value else digits(of.value, of.step, 0)


def _prints(of: Expression, library: Library, document: str) -> list[Source]:
    """The printed cells of the references of an expression, whether they are numbers or not."""
    found = []
    for reference in of.references:
        body = library.bodies.get(reference.document or document)
        tables = body.transcription.tables if body and body.transcription else {}
        for cell in tables[reference.table].cells if reference.table in tables else ():
            if (cell.row, cell.column) == (reference.row, reference.column) and cell.printed is not None and body:
                where = {"table": reference.table, "row": cell.row, "column": cell.column, "place": cell.place}
                found.append(Source(document=body.document, prose="", printed=cell.printed, **where))
    return found


class Judge:
    """The declared relations of one document, judged on its printed numbers."""

    def __init__(self, document: str, declared: Declared, library: Library) -> None:
        self._document, self._declared, self._library = document, declared, library

    def find(self) -> list[Finding]:
        """What does not hold."""
        found: list[Finding | None] = [self._relation(each) for each in self._declared.relations]
        found += [self._same(each) for each in self._declared.same]
        found += [each for gains in self._declared.gains for each in self._gains(gains)]
        found += [self._monotone(each) for each in self._declared.monotone]
        return [each for each in found if each is not None]

    # --- values ---

    def computed(self, of: Expression) -> None:
        """Compute all that is asked of an expression. Raises `ValueError` where it outgrows what is computed with."""
        self._value(of)
        self._bounds(of)
        self._bounds(of, wide=True)

    def _printed(self, of: Expression) -> list[Printed]:
        """The printed numbers of an expression, each once."""
        numbers: dict[Reference, Printed] = {}
        for reference in of.references:
            for each in self._expand(reference) if reference.several else [reference]:
                number = self._of(each)
                if number is not None:
                    numbers[each] = number
        return list(numbers.values())

    def _of(self, reference: Reference) -> Printed | None:
        there = reference.document is None or reference.document in self._library.bodies
        return self._library.of(self._document, reference) if there else None

    def _expand(self, reference: Reference) -> list[Reference]:
        return list(self._library.expand(self._document, reference))

    def _value(self, of: Expression) -> Fraction | None:
        def look(reference: Reference) -> Fraction | None:
            number = self._of(reference)
            return None if number is None else number.value

        return of.value(look, self._expand)

    def _bounds(self, of: Expression, wide: bool = False) -> Interval | None:
        def look(reference: Reference) -> Interval | None:
            number = self._of(reference)
            return None if number is None else number.wide if wide else number.bounds

        return of.bounds(look, self._expand)

    def _said(self, of: Expression, place: bool = False) -> str:
        """What is printed, where `place` with where it stands; of a computation the prints, then what was computed."""
        where = f" in {self._where(of)}" if place else ""
        numbers = self._printed(of)
        if (len(of.references) == 1 and str(of.references[0]) == of.text.strip()) or not numbers:
            return self._shown(of) + where

        def write(reference: Reference) -> str:
            several = self._expand(reference) if reference.several else [reference]
            found = [self._of(each) for each in several]
            return ", ".join("nothing" if number is None else _plainly(number) for number in found)

        come = self._value(of)
        result = "nothing" if come is None else digits(come, Fraction(1, 100))
        prints = " and ".join(number.printed for number in numbers)
        return f"{prints}{where}, from which {of.shown(write)} = {result} was computed"

    def _shown(self, of: Expression) -> str:
        """The expression with its printed numbers in the place of references."""

        def write(reference: Reference) -> str:
            several = self._expand(reference) if reference.several else [reference]
            numbers = [self._of(each) for each in several]
            return ", ".join(str(number.printed) if number else "nothing" for number in numbers)

        return of.shown(write)

    # --- what is judged ---

    def _distance(
        self, value: Expression, follows: Expression, loosely: Literal["about"] | float | None
    ) -> Severity | None:
        """How far apart the two are: None where they agree."""
        severities: tuple[tuple[bool, int, Severity | None], ...] = ((False, 1, None),)
        if loosely != "about":
            severities += ((True, 1, "rounding"),) if loosely is None else ((False, 2, "note"),)
        part = Fraction(0) if loosely == "about" else Fraction(str(loosely or 0))
        for wide, times, severity in severities:
            left, right = self._bounds(value, wide), self._bounds(follows)
            if left is None or right is None:
                return None
            if loosely is not None and (said := self._value(value)) is not None:
                left = said, said  # what the word leaves open is more than rounding does
                part = room_of_about(said) / 100 if loosely == "about" else part
            room = times * part * max(map(abs, left))
            if left[0] - room <= right[1] and right[0] <= left[1] + room:
                return severity
        return "decision"

    def _relation(self, relation: Relation) -> Finding | None:
        value, follows = parse(relation.value), parse(relation.follows)
        severity = self._distance(value, follows, relation.loosely)
        if severity is None:
            return None
        said, come = self._value(value), self._value(follows)
        if said is None or come is None:
            return None
        printed = self._printed(value)
        like = min((p.step for p in printed if p.step), default=Fraction(1, 100))
        explained = [
            reading
            for reading in relation.otherwise
            if self._distance(value, parse(reading.follows), relation.loosely) is None
        ]
        words = "; ".join(
            f"{reading.reads}: {self._shown(parse(reading.follows))} = "
            f"{digits(self._value(parse(reading.follows)) or Fraction(0), like)}"
            for reading in explained
        )
        beside = [each for text in relation.cells for each in _prints(parse(text), self._library, self._document)]
        computed, result = self._shown(follows), digits(come, like)
        if (read := number_of(computed)) is None or read[0] != come:
            computed = f"{computed} = {result}"
        if beside:
            computed = f"of {', '.join(each.printed for each in beside)}: {computed}"
        made = finding(
            self._document,
            "declared",
            relation.id,
            "note" if explained and not explained[0].mistake else severity,
            [*printed, *self._printed(follows)] or [self._words(relation)],
            f"{relation.says} ({relation.place})"
            + (f"; it follows only as {explained[0].reads}" if explained else "; it does not follow from the print"),
            f"{computed}, printed {self._said(value)}" + (f"; {words}" if words else ""),
            relation.innocent,
        )
        return made.model_copy(update={"sources": [*made.sources, *beside]})

    def _words(self, relation: Relation) -> Printed:
        """What a relation says, where nothing of it is transcribed as a number."""
        value = self._value(parse(relation.value)) or Fraction(0)
        return Printed(self._document, relation.value, relation.place, "words", value, Fraction(0))

    def _same(self, same: Same) -> Finding | None:
        texts = [parse(text) for text in same.values]
        worst: Severity | None = None
        for left, right in combinations(texts, 2):
            severity = self._distance(left, right, None)
            if severity == "decision" or (severity and worst is None):
                worst = severity
        if worst is None or any(self._value(text) is None for text in texts):
            return None
        printed = [number for text in texts for number in self._printed(text)]
        return finding(
            self._document,
            "printed twice",
            same.id,
            "note" if same.weighs == "note" else worst,
            printed,
            f"{same.what} is printed with different values",
            "; ".join(self._said(text, place=True) for text in texts),
            same.innocent,
        )

    def _where(self, of: Expression) -> str:
        places = dict.fromkeys(f"{p.document}, {p.place}" for p in self._printed(of))
        return " and ".join(places)

    def _gains(self, gains: Gains) -> Iterator[Finding]:
        for gain in gains.gains:
            of, over = self._printed(parse(gain.of)), self._printed(parse(gain.over))
            if len(of) != 1 or len(over) != 1 or of[0].test is None or of[0].test != over[0].test:
                continue
            seen = within_chance(of[0], over[0])
            if seen is None:
                continue
            gained, least = seen
            size, name = of[0].test, f"{of[0].row} {of[0].column} over {over[0].row}"
            yield finding(
                self._document,
                "gain",
                f"{gains.id} {of[0].table} {slug(name)}",
                gains.weighs,
                [of[0], over[0]],
                f"{of[0].name} against {over[0].name} lies within the chance of {size.size:,} {size.of}: "
                f"{gains.says} ({gains.place})",
                f"{of[0].printed} and {over[0].printed} differ by {float(gained):.2f} points; two such shares of "
                f"{size.size:,} {size.of} differ by chance by up to {least:.2f} points (95 %, independent sets)",
                [
                    "both were tested on the same samples: a paired test on single predictions sees less",
                    *gains.innocent,
                ],
            )

    def _monotone(self, claim: Monotone) -> Finding | None:
        texts = [parse(text) for text in claim.values]
        values = [self._value(text) for text in texts]
        bounds = [self._bounds(text) for text in texts]
        printed = [number for text in texts for number in self._printed(text)]
        known = [(v, b) for v, b in zip(values, bounds, strict=True) if v is not None and b is not None]
        if len(known) < len(texts):
            return None
        sign = 1 if claim.direction == "rises" else -1
        signed = [sign * v for v, _ in known]
        against = [
            (i, j)
            for i, j in combinations(range(len(known)), 2)
            if (known[i][1][0] > known[j][1][1] if sign > 0 else known[j][1][0] > known[i][1][1])
        ]
        if not against:
            return None
        tau, chance = rank_correlation(signed)
        pairs = "; ".join(f"{self._said(texts[i])} before {self._said(texts[j])}" for i, j in against[:4])
        return finding(
            self._document,
            "monotone",
            claim.id,
            "decision",
            printed,
            f"{claim.says} ({claim.place}); the printed values do not all {claim.direction.removesuffix('s')}",
            f"{pairs}; Kendall's tau {float(tau):+.2f} along the order that is said, and by chance at least that in "
            f"{chance:.0%} of all orders",
            claim.innocent,
        )


def within_chance(of: Printed, over: Printed) -> tuple[Fraction, float] | None:
    """(the difference, the largest one that chance explains), in percentage points, where the first is not larger.

    Both are shares of test sets; the bound is that of two independent binomial samples at 95 %. None where the
    difference is larger, or is no gain: an error rate that falls is one.
    """
    if of.test is None or over.test is None or of.whole is None or over.whole is None:
        return None
    p, q = of.value / of.whole, over.value / over.whole
    room = Z * math.sqrt(p * (1 - p) / of.test.size + q * (1 - q) / over.test.size)
    if p == q or abs(p - q) > room:
        return None
    return 100 * abs(p - q), 100 * room


def rank_correlation(values: list[Fraction]) -> tuple[Fraction, float]:
    """Kendall's tau against the order in which they stand, and the share of all orders with at least that tau.

    Exact, by counting orders by their inversions; ties count as neither.
    """
    count = len(values)
    pairs = count * (count - 1) // 2
    up = sum(a < b for a, b in combinations(values, 2))
    down = sum(a > b for a, b in combinations(values, 2))
    ways = [1]
    for size in range(2, count + 1):  # orders of `size` values by their inversions
        ways = [sum(ways[max(0, k - size + 1) : k + 1]) for k in range(len(ways) + size - 1)]
    most = (pairs - (up - down)) // 2
    return Fraction(up - down, pairs), sum(ways[: most + 1]) / math.factorial(count)


def judge(documents: Iterable[tuple[str, Declared]], library: Library) -> list[Finding]:
    """What does not hold of all that documents declare."""
    return [each for document, declared in documents for each in Judge(document, declared, library).find()]
