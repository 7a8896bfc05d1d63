"""Claims of a document as rules over values, judged on the document's own numbers and on ours.

A rule is a list of comparisons that must all hold. Each has two sides, a cell of a table, a value of the prose or an
expression over both, and between them a word of the yardstick. On print a difference is held against the binomial
uncertainty of the test sets that the document names, as if the two samples were independent (which nets got which
clips right it does not say; the uncertainty so taken is too wide rather than too narrow), or, where nothing is random,
against the rounding of what is printed. Here it is held against the answers of the nets, test by test, and the claims
of one table are looked at together (Holm). What a training gives besides answers (its best epoch, its weights) is held
against the spread between seeds: with fewer than three nothing can be told.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from reeltrace.analysis import paired, published, yardstick
from reeltrace.analysis.expressions import Expression, Reference, constant, limited, parse
from reeltrace.analysis.hidden import QUANTITIES
from reeltrace.analysis.intervals import Z, guessing
from reeltrace.analysis.prediction import ASSUMED_SPREAD, ENOUGH_SEEDS, Z_POWER
from reeltrace.analysis.prose import ProseValue
from reeltrace.analysis.published import read_lists
from reeltrace.analysis.yardstick import ABOUT, LARGEST, SMALLEST, WITH_FACTOR, WORDS, Operation, Word
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.kinds.rounding import decimals_of
from reeltrace.kinds.table import TABLES
from reeltrace.kinds.unit import UNITS

FILE = "claims.yaml"
Place = tuple[str, str, str]  # table, row, column
OnPrint = Literal["supported", "contradicted", "not distinguishable", "cannot be judged"]
Here = Literal["holds", "fails", "cannot tell", "vacuous", "not run"]
ON_PRINT: tuple[OnPrint, ...] = ("supported", "contradicted", "not distinguishable", "cannot be judged")
HERE: tuple[Here, ...] = ("holds", "fails", "cannot tell", "vacuous", "not run")
SEEN = Z + Z_POWER  # standard errors that are told from none in 80 % of cases
MEANS_ON_PRINT: Mapping[OnPrint, str] = {
    "supported": "the document's own numbers bear the claim out",
    "contradicted": "the document's own numbers say otherwise",
    "not distinguishable": "at the size of the test set, or at the printed precision, they allow both",
    "cannot be judged": "a value or the size of the test set is missing",
}
MEANS_HERE: Mapping[Here, str] = {
    "holds": "our numbers bear the claim out",
    "fails": "our numbers say otherwise",
    "cannot tell": "the tests and seeds that there are allow both, or it rests on a choice of ours",
    "vacuous": "no net of the comparison does better than guessing, or it holds because all get everything right",
    "not run": "a number of ours is missing, or is a zero to divide by, or the claim rests on print alone",
}


def _exact(value: object) -> object:
    """A number of YAML as the decimal that was written, not as the nearest binary fraction."""
    return Fraction(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _sized(factor: Fraction) -> Fraction:
    if not SMALLEST <= factor <= LARGEST:
        raise ValueError(f"a factor from {float(SMALLEST):g} to {float(LARGEST):g} is expected")
    return factor


def _parses(text: str) -> str:
    parse(text)
    return text


class Prose(BaseModel):
    """A value of the document's prose, by its id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prose: str


def _sort(side: object) -> str:
    """Which of the three a side is meant to be."""
    return "expression" if isinstance(side, str) else "prose" if isinstance(side, dict | Prose) else "cell"


Text = Annotated[str, AfterValidator(_parses)]
Side = Annotated[
    Annotated[Place, Tag("cell")] | Annotated[Prose, Tag("prose")] | Annotated[Text, Tag("expression")],
    Discriminator(_sort),
]


class Comparison(BaseModel):
    """`left op right`; `times` has a factor `by` in between, and `about` where it is said of a multiple.

    A side is [table, row, column], {prose: id}, or an expression. Shares of a test set are in percent, whatever the
    document prints them in. `only` is for a claim that other numbers bear out on print than here: the comparison then
    counts there alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    left: Side
    op: Operation
    by: Annotated[Fraction, BeforeValidator(_exact), AfterValidator(_sized)] | None = None
    right: Side
    only: Literal["print", "here"] | None = None

    @model_validator(mode="after")
    def _factor(self) -> Self:
        if (self.by is not None) > (self.op in WITH_FACTOR) or (self.by is None and self.op == "times"):
            raise ValueError("times has a factor `by`, about may have one, and no other word has one")
        return self

    @property
    def figure(self) -> bool:
        """Whether the right side is a figure that the words name: arithmetic, within a rounding."""
        return self.op == "is" or (self.op == "about" and self.by is None)

    @property
    def sides(self) -> tuple[Expression, Expression]:
        """Both sides as expressions."""
        return expression(self.left), expression(self.right)

    @property
    def references(self) -> tuple[Reference, ...]:
        """The cells and values of the prose on both sides, each once."""
        return tuple(dict.fromkeys(r for side in self.sides for r in side.references))


def expression(side: Place | Prose | str) -> Expression:
    """A side as an expression: a cell and a value of the prose are the shortest ones."""
    if isinstance(side, str):
        return parse(side)
    one = Reference(prose=side.prose) if isinstance(side, Prose) else Reference(*side)
    return Expression(str(one), one)


class Claim(BaseModel):
    """A sentence of the document, where it stands, and the comparisons that must all hold.

    `on_stand_in` says why the claim cannot be expected to hold on stand-in data, where that is known beforehand;
    `note` what a reader should know of the rule. `rests_on` are assumptions of the ledger that our numbers come from:
    what we chose ourselves neither bears a claim out nor refutes it, so that here one cannot tell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    title: str
    says: str
    place: str
    rule: tuple[Comparison, ...] = Field(min_length=1)
    on_stand_in: str | None = None
    rests_on: tuple[str, ...] = ()
    note: str | None = None

    @model_validator(mode="after")
    def _asked(self) -> Self:
        for where_ in ("print", "here"):
            if all(comparison.only not in (None, where_) for comparison in self.rule):
                raise ValueError(f"no comparison counts {'on print' if where_ == 'print' else 'here'}")
        return self


class Written(BaseModel):
    """What the file of one document holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Claims:
    """All claims of one document."""

    document: str
    claims: tuple[Claim, ...]


def load(documents: Iterable[str], root: Path = Path()) -> tuple[Claims, ...]:
    """The claims of each document that has some. Raises `UserError` with the place and what was expected."""
    found = tuple(read_lists(documents, root, FILE, Written, "claims", "claim"))
    for document, written in found:
        for claim in written.claims:
            for number, comparison in enumerate(claim.rule, start=1):
                _not_empty(comparison, _place(document, claim, number))
    return tuple(Claims(document, written.claims) for document, written in found)


def _place(document: str, claim: Claim, number: int) -> str:
    return f"{DOCUMENTS / document / FILE}: claim {claim.id!r}: rule {number}"


def _not_empty(comparison: Comparison, place: str) -> None:
    """Raises `UserError` where a comparison comes out the same whatever its cells and values are."""

    def compared(left: Fraction, right: Fraction) -> Fraction | None:
        return _difference(comparison, left, right, rel=False)

    left, right = comparison.sides
    if constant(left, right, compared):
        said = f"{left} {yardstick.phrase(comparison.op, comparison.by)} {right}"
        raise UserError(f"{place}: {said}: comes out the same whatever its values are; expected two different sides")


# --- values ---


@dataclass(frozen=True)
class Value:
    """A number that a side refers to, in percent if it is a share.

    `low` and `high` are between what it may lie without any sampling: the rounding of what is printed, the fastest and
    the slowest pass. `variance` is that of its sampling, if it has any, or `answers` the tests behind it; `sign` is -1
    where it falls with every right answer. `seeds` are the values of the trainings that a mean comes from which has no
    answers behind it. `why` says what is missing where `value` is None.
    """

    value: Fraction | None
    low: Fraction = Fraction()
    high: Fraction = Fraction()
    share: bool = False
    variance: float = 0.0
    answers: tuple[paired.Answers, ...] = ()
    seeds: tuple[Fraction, ...] = ()
    sign: int = 1
    tests: str | None = None
    untested: str | None = None
    timed: bool = False
    why: str = ""


Values = Callable[[Reference], Value]


def in_percent(unit: str) -> Fraction:
    """What a value of a unit is multiplied by for a rule: a share becomes percent, the unit of rules."""
    share = UNITS.get(unit).share
    return Fraction(1) if share is None else Fraction(100, share.whole)


def rounding(text: str) -> tuple[Fraction, Fraction, Fraction]:
    """The number in a text such as `0.52` or `687e3`, and between which numbers it may have been before rounding."""
    mantissa, _, exponent = text.partition("e")
    scale = Fraction(10) ** int(exponent or 0)
    half = Fraction(1, 2 * 10 ** decimals_of(mantissa))
    value = Fraction(mantissa)
    return value * scale, (value - half) * scale, (value + half) * scale


_COUNTED = re.compile(r"(\d+(?:\.\d+)?)(?:·\w+| [A-Za-z ]+)")


def numeral(printed: str, unit: str) -> str | None:
    """The number in a printed text, as `rounding` reads one.

    Of a unit of words it is the one that a text begins with: 27 of `27·C`, 19 of `19 weight layers`. None where there
    is none.
    """
    number = UNITS.get(unit).number
    if number is None:
        match = _COUNTED.fullmatch(printed)
        return match[1] if match else None
    try:
        text = number(printed)
        Fraction(text.partition("e")[0])
    except ValueError:
        return None
    return text


def on_print(document: published.Document, prose: Mapping[str, ProseValue]) -> Values:
    """What the document prints, with the binomial variance of shares of a test set whose size it names."""

    def find(reference: Reference) -> Value:
        if reference.prose:
            told = prose.get(reference.prose)
            if told is None:
                return Value(None, why=f"no value {reference.prose} of the prose is transcribed")
            printed, unit, test = told.printed, told.unit, told.test
        else:
            table = document.tables.get(reference.table)
            cell = None if table is None else table.by_place.get((reference.row, reference.column))
            if cell is None or cell.printed is None:
                why = f"the document prints no value in {where(reference)}"
                return Value(None, why=why)
            printed, unit, test = cell.printed, cell.unit, cell.test
        text = numeral(printed, unit)
        if text is None:
            return Value(None, why=f"{printed} in {where(reference)} is no number")
        scale = in_percent(unit)
        value, low, high = (scale * end for end in rounding(text))
        if UNITS.get(unit).share is None:
            return Value(value, low, high)
        if test is None:
            return Value(value, low, high, share=True, untested=f"no test set is named for {where(reference)}")
        size = document.tests[test].size
        right = min(max(float(value), 0.0), 100.0) / 100 * size
        share = (right + 1) / (size + 2)  # Agresti and Caffo: not certain at 0 and at 100 percent
        variance = 100**2 * share * (1 - share) / (size + 2)
        return Value(value, low, high, share=True, variance=variance, tests=f"{size:,} {document.tests[test].of}")

    return find


def here(tables: Mapping[str, Mapping[str, Any]]) -> Values:
    """What was measured here: with the answers behind accuracies, the range of times, or exactly."""
    cells = {
        (number, c["row"], c["column"]): c
        for number, table in tables.items()
        for c in (*table["cells"], *_further(table))
    }
    answers = {number: paired.read(table.get("paired") or {}) for number, table in tables.items()}

    def find(reference: Reference) -> Value:
        if reference.prose:
            return Value(None, why="the claim rests on what the document prints alone")
        place = (reference.table, reference.row, reference.column)
        cell = cells.get(place, {})
        reproduced = cell.get("reproduced")
        if reproduced is None or cell.get("origin", "measured") != "measured":
            return Value(None, why=f"nothing was measured here for {where(reference)}")
        raw, unit = reproduced["value"], cell["unit"]
        if isinstance(raw, str):
            text = numeral(raw, unit)
            return Value(None, why=f"{raw} is no number") if text is None else _certain(Fraction(text))
        if not isinstance(raw, int | float):
            return Value(None, why=f"{where(reference)} is no single number")
        scale, share = in_percent(unit), UNITS.get(unit).share is not None
        value = scale * (Fraction(raw).limit_denominator(10**9) if share else Fraction(str(raw)))
        tested = answers[reference.table].get((reference.row, reference.column), ())
        if share and (sign := _sign(tested, float(value), unit)):
            return Value(value, value, value, share=True, answers=tested, sign=sign)
        if trained := tuple(Fraction(str(one)) for one in reproduced.get("trained") or ()):
            return _trained(value, trained)
        low, high = (scale * Fraction(str(end)) for end in reproduced.get("range") or (raw, raw))
        interval = reproduced.get("interval")
        error = float(scale) * (interval[1] - interval[0]) / (2 * Z) if interval else 0.0
        timed = "range" in reproduced or "ratio" in reproduced
        seeds = ASSUMED_SPREAD**2 / max(1, len(reproduced.get("seeds") or ())) if share and interval else 0.0
        return Value(value, low, high, share=share, variance=error**2 + seeds, timed=timed)

    return find


BEST_EPOCH = "best epoch"


def further_columns() -> tuple[str, ...]:
    """What claims may call a column besides those that are printed, as a pattern each: see `_further`."""
    return (BEST_EPOCH, *(f"{name} of unit [1-9][0-9]*" for name in QUANTITIES))


def _further(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What cells.json holds besides cells that a claim may be about, as cells.

    `std of unit 16` and its like of what a recurrent net carries, and `best epoch`, the mean over seeds of the epoch
    that was best on validation.
    """
    for net in table.get("hidden") or ():
        for number, unit in enumerate(net["units"], start=1):
            for name in QUANTITIES:
                value = unit[name]["value"]
                yield _cell(net["row"], f"{name} of unit {number}", value, (value,))
    epochs: dict[str, list[int]] = {}
    for cell in table["cells"]:
        found = [one.get("epoch") for one in ((cell.get("reproduced") or {}).get("seeds") or {}).values()]
        if found and all(isinstance(epoch, int) for epoch in found):
            epochs.setdefault(cell["row"], found)
    for row, found in epochs.items():
        yield _cell(row, BEST_EPOCH, sum(found) / len(found), found)


def _cell(row: str, column: str, value: float, trained: Sequence[float]) -> dict[str, Any]:
    """`trained` are the values of the trainings that `value` is the mean of."""
    reproduced = {"value": value, "trained": list(trained)}
    return {"row": row, "column": column, "unit": "count", "reproduced": reproduced, "origin": "measured"}


def _trained(value: Fraction, seeds: tuple[Fraction, ...]) -> Value:
    """A mean over trainings, with the variance of that mean where there are seeds enough to tell it."""
    variance = 0.0
    if len(seeds) >= ENOUGH_SEEDS:
        middle = sum(seeds, Fraction()) / len(seeds)
        spread = sum(((one - middle) ** 2 for one in seeds), Fraction())
        variance = float(spread / (len(seeds) - 1) / len(seeds))
    return Value(value, value, value, seeds=seeds, variance=variance)


def _certain(value: Fraction) -> Value:
    return Value(value, value, value)


def _sign(tested: Sequence[paired.Answers], value: float, unit: str) -> int:
    """1 where a value counts what is right in the answers, -1 where it counts what is wrong, 0 where neither."""
    if not tested:
        return 0
    right = sum(100 * sum(one.right) / len(one.right) for one in tested) / len(tested)
    fits = [sign for sign, found in ((1, right), (-1, 100 - right)) if abs(found - value) < 1e-4]
    if len(fits) == 2:
        return -1 if unit == "error rate" else 1
    return fits[0] if fits else 0


def where(reference: Reference) -> str:
    """A cell or a value of the prose in words."""
    if reference.prose:
        return f"the prose ({reference.prose})"
    table = reference.table if not reference.table[:1].isdigit() else f"Table {reference.table}"
    return f"{table}, {reference.row}, {reference.column}"


# --- one comparison ---


@dataclass(frozen=True)
class Found:
    """What a comparison comes to. `holds` is None where a value is missing, and `why` says which.

    `p` is how likely a difference this far from the nearest end of what the word means would be by chance; None where
    nothing is random: then `settled` says whether the rounding leaves it certain. `p_of_videos` is the same as if every
    seed gave the same net, where nets were tested here. `interval` is the 95 % interval of
    the difference, and `visible` how far from an end it must truly be to be told from it in four of five cases.
    `untold` says why chance can be neither excluded nor weighed, where the spread between seeds is unknown.
    """

    holds: bool | None
    left: Fraction | None = None
    right: Fraction | None = None
    difference: Fraction | None = None
    interval: tuple[float, float] | None = None
    visible: float | None = None
    p: float | None = None
    p_of_videos: float | None = None
    settled: bool = True
    how: str = ""
    why: str = ""
    untold: str | None = None
    vacuous: str | None = None
    relative: bool = False

    @property
    def level(self) -> float:
        """`p`, or where nothing is random 0 if it is settled, and 1."""
        return self.p if self.p is not None else 0.0 if self.settled else 1.0


def compare(comparison: Comparison, values: Values, *, sampled: bool = True) -> Found:
    """What a comparison comes to on these values; without `sampled` shares that have no test set are no obstacle."""
    found = {reference: values(reference) for reference in comparison.references}
    missing = next((value.why for value in found.values() if value.value is None), None)
    if missing is not None:
        return Found(None, why=missing)
    arithmetic = comparison.figure
    relative = yardstick.relative(comparison.op) and not arithmetic and not any(v.share for v in found.values())
    left, right = (side.value(lambda r: found[r].value) for side in comparison.sides)
    difference = _difference(comparison, left, right, relative)
    if left is None or right is None or difference is None:
        return Found(None, why="divided by zero")
    word = _figure(comparison, found, right) if arithmetic else _word(comparison)
    part = Found(word.holds(difference), left, right, difference, relative=relative or _of_multiple(comparison))
    if any(value.seeds for value in found.values()):
        return _on_seeds(part, word, comparison, found, relative)
    random = any(value.answers or value.variance for value in found.values())
    paper = any(value.tests or value.untested for value in found.values())
    if arithmetic and (paper or not random):
        return _with(part, how="arithmetic on printed numbers" if paper else "no randomness")
    untested = next((value.untested for value in found.values() if value.untested), None)
    if untested and sampled:
        return Found(None, left, right, difference, why=untested, relative=part.relative)
    if not random:
        ends = _ends(comparison, found, relative)
        settled = ends is not None and not any(ends[0] < b < ends[1] for b in word.boundaries(difference))
        timed = any(value.timed for value in found.values())
        return _with(part, settled=settled, how="times of this machine" if timed else "no randomness")
    weights = _weights(comparison, found, relative)
    if paper:
        return _on_print(part, word, comparison, found, weights, relative)
    return _on_answers(part, word, comparison, found, weights)


def _with(part: Found, **changes: Any) -> Found:
    return replace(part, **changes)


def _difference(comparison: Comparison, left: Fraction | None, right: Fraction | None, rel: bool) -> Fraction | None:
    """What the word is asked about: left - right, or left - by * right, or either in percent of the right side."""
    if left is None or right is None:
        return None
    against = right if comparison.by is None else comparison.by * right
    if rel or _of_multiple(comparison):
        return None if against == 0 else limited(100 * (left - against) / abs(against))
    return limited(left - against)


def _of_multiple(comparison: Comparison) -> bool:
    """Whether it is about a multiple of the right side, and its difference in percent of that."""
    return comparison.op == "about" and comparison.by is not None


def _word(comparison: Comparison) -> Word:
    """What the word asks of the difference; `about` a multiple has the room of that."""
    word = WORDS[comparison.op]
    if comparison.by is None or not _of_multiple(comparison):
        return word
    room = yardstick.room(comparison.by)
    return replace(word, low=-room, high=room)


def _figure(comparison: Comparison, found: Mapping[Reference, Value], figure: Fraction) -> Word:
    """As far from the figure as its rounding and that of the left side allow; `about` it, farther if that is less."""
    left, right = comparison.sides
    ends = [side.bounds(lambda r: (found[r].low, found[r].high)) for side in (left, right)]
    if isinstance(comparison.right, str) and re.fullmatch(r"\d+(\.\d+)?", comparison.right.strip()):
        ends[1] = rounding(comparison.right.strip())[1:]
    halves = [Fraction() if end is None else (end[1] - end[0]) / 2 for end in ends]
    if comparison.op == "about":
        halves[1] = max(halves[1], ABOUT / 100 * abs(figure))
    return Word(comparison.op, "", low=-(halves[0] + halves[1]), high=halves[0] + halves[1])


def _ends(comparison: Comparison, found: Mapping[Reference, Value], rel: bool) -> tuple[Fraction, Fraction] | None:
    """Between which differences the rounding leaves it."""
    sides = [side.bounds(lambda r: (found[r].low, found[r].high)) for side in comparison.sides]
    if any(side is None for side in sides):
        return None
    corners = [_difference(comparison, a, b, rel) for a in sides[0] or () for b in sides[1] or ()]
    known = [corner for corner in corners if corner is not None]
    return (min(known), max(known)) if len(known) == len(corners) else None


def _weights(comparison: Comparison, found: Mapping[Reference, Value], rel: bool) -> dict[Reference, float]:
    """By how much the difference moves for each point that a value gains, at the values as they are."""
    step = Fraction(1, 1000)
    weights = {}
    for moved, value in found.items():
        if not (value.answers or value.variance):
            continue
        ends = []
        for sign in (1, -1):
            at = {r: (v.value or Fraction()) + (sign * step if r == moved else 0) for r, v in found.items()}
            left, right = (side.value(lambda r, at=at: at[r]) for side in comparison.sides)  # type: ignore[misc]
            ends.append(_difference(comparison, left, right, rel))
        up, down = ends
        weights[moved] = 0.0 if up is None or down is None else float((up - down) / (2 * step))
    return weights


def _on_print(
    part: Found,
    word: Word,
    comparison: Comparison,
    found: Mapping[Reference, Value],
    weights: Mapping[Reference, float],
    rel: bool,
) -> Found:
    assert part.difference is not None
    value, variance = float(part.difference), sum(weights[r] ** 2 * found[r].variance for r in weights)
    error = variance**0.5
    ends = _ends(comparison, found, rel)
    half = 0.0 if ends is None else float(ends[1] - ends[0]) / 2
    p = max(paired.normal_p(abs(value - float(b)) - half, error) for b in word.boundaries(part.difference))
    tests = sorted({v.tests for v in found.values() if v.tests})
    return _with(
        part,
        p=p,
        interval=_possible(comparison, found, value - Z * error - half, value + Z * error + half),
        visible=SEEN * error + half,
        how=f"two independent samples of {' and '.join(tests)}",
    )


def _possible(comparison: Comparison, found: Mapping[Reference, Value], low: float, high: float) -> tuple[float, float]:
    """An interval without what no difference of two shares can be."""
    plain = comparison.by is None and all(isinstance(side.root, Reference) for side in comparison.sides)
    if plain and all(value.share for value in found.values()):
        return max(low, -100.0), min(high, 100.0)
    return low, high


def _on_answers(
    part: Found,
    word: Word,
    comparison: Comparison,
    found: Mapping[Reference, Value],
    weights: Mapping[Reference, float],
) -> Found:
    assert part.difference is not None
    value, boundaries = float(part.difference), [float(b) for b in word.boundaries(part.difference)]
    if any(found[r].variance and not found[r].answers for r in weights) or not all(found[r].answers for r in weights):
        error = math.sqrt(sum(weights[r] ** 2 * found[r].variance for r in weights if not found[r].answers))
        return _with(
            part,
            p=max(paired.normal_p(abs(value - b), error) for b in boundaries),
            interval=_possible(comparison, found, value - Z * error, value + Z * error),
            how="independent samples",
        )
    chance = paired.Chance(value, [(weights[r] * found[r].sign, found[r].answers) for r in weights])
    tested = [found[r].answers for r in weights]
    same = len({one.tests for of in tested for one in of}) == 1
    pair = len(tested) == 2 and all(len(of) == 1 and of[0].binary for of in tested) and same
    plain = comparison.by is None and all(abs(abs(w) - 1) < 1e-9 for w in weights.values())
    exact = pair and plain and boundaries == [0]
    of_videos = paired.mcnemar(tested[0][0], tested[1][0]) if exact else max(chance.p_of_videos(b) for b in boundaries)
    low, high = chance.interval_of_videos()
    return _with(
        part,
        p=max(of_videos, *(chance.p(b) for b in boundaries)),
        p_of_videos=of_videos,
        interval=_possible(comparison, found, min(low, value - chance.reach), max(high, value + chance.reach)),
        visible=chance.visible,
        how=f"{'the same' if same else 'separate'} tests, {_of_seeds(chance)}; "
        f"of the videos alone by {'McNemar' if exact else 'bootstrap'}",
        vacuous=_vacuous(comparison, found, part.holds is True),
    )


def _of_seeds(chance: paired.Chance) -> str:
    """How many seeds there are, and whether their spread was measured."""
    seeds = "one seed" if chance.fewest == 1 else f"{chance.fewest} seeds"
    return seeds if chance.measured else f"{seeds} with an assumed spread"


def _on_seeds(part: Found, word: Word, comparison: Comparison, found: Mapping[Reference, Value], rel: bool) -> Found:
    """Means over trainings by their t interval, after Welch; fewer than `ENOUGH_SEEDS` of one of them tell nothing."""
    assert part.difference is not None
    few = min(len(value.seeds) for value in found.values() if value.seeds)
    how = "one seed" if few == 1 else f"{few} seeds"
    if few < ENOUGH_SEEDS:
        return _with(part, settled=False, how=how, untold=f"{how}: the spread between seeds is unknown")
    if any(value.answers for value in found.values()):
        return _with(part, settled=False, how=how, untold="answers to tests and other values of trainings are mixed")
    parts = {r: (w**2 * found[r].variance, len(found[r].seeds)) for r, w in _weights(comparison, found, rel).items()}
    error = sum(variance for variance, _ in parts.values()) ** 0.5
    if error == 0:
        return _with(part, settled=False, how=how, untold=f"{how} came out alike: the spread between seeds is unknown")
    freedom = 1 / sum((variance / error**2) ** 2 / (size - 1) for variance, size in parts.values() if size > 1)
    value, reach = float(part.difference), paired.student_reach(freedom)
    return _with(
        part,
        p=max(paired.student_p((value - float(b)) / error, freedom) for b in word.boundaries(part.difference)),
        interval=(value - reach * error, value + reach * error),
        visible=(reach + SEEN - Z) * error,
        how=f"t interval of the means of {how}",
    )


def _vacuous(comparison: Comparison, found: Mapping[Reference, Value], holds: bool) -> str | None:
    """Why a comparison says nothing: no net does better than guessing, or it holds as two nets get everything right."""
    nets = [value.answers for value in found.values() if value.answers]
    if nets and all(_guessed(one) for of in nets for one in of):
        return "no net of the comparison does better than guessing"
    rows = {reference.row for reference in found}
    ceiling = all(one.right.count(1.0) == len(one.right) for of in nets for one in of)
    if holds and comparison.op in ("similar", "negligible") and len(rows) > 1 and ceiling:
        return "both nets get every test right"
    return None


def _guessed(one: paired.Answers) -> bool:
    """Whether so many right answers, or more, are what guessing gives as a rule; of clips by their videos."""
    _, high = guessing(len(one.right), one.classes)
    return sum(one.right) <= high


# --- claims ---


@dataclass
class Judged:
    """A claim with what its comparisons came to: `shown` in the rule's order, None for those that do not count here."""

    claim: Claim
    shown: tuple[Found | None, ...]
    found: tuple[Found, ...] = field(init=False)
    p: float | None = field(init=False)
    adjusted: float | None = None

    def __post_init__(self) -> None:
        self.found = tuple(found for found in self.shown if found is not None)
        self.p = self._p()

    @property
    def holds(self) -> bool | None:
        """Whether all comparisons hold; one that fails settles it even where another has no value."""
        if any(found.holds is False for found in self.found):
            return False
        return None if any(found.holds is None for found in self.found) else True

    def _p(self) -> float | None:
        """All must be certain for a claim that holds, and one for a claim that fails (then of so many that fail)."""
        return self._together([found.level for found in (self.found if self.holds else self.failing)])

    def _together(self, levels: Sequence[float]) -> float | None:
        if self.holds is None:
            return None
        return max(levels) if self.holds else min(1.0, len(levels) * min(levels))

    @property
    def of_seeds(self) -> bool:
        """Whether it is the seeds that leave it open: if each gave the same net chance would be excluded at 5 %."""
        if self.p is None or self.p <= paired.ALPHA:
            return False
        of = self.found if self.holds else self.failing
        p = self._together([found.level if found.p_of_videos is None else found.p_of_videos for found in of])
        return p is not None and p <= paired.ALPHA and any(found.p_of_videos is not None for found in of)

    @property
    def failing(self) -> list[Found]:
        """The comparisons that fail."""
        return [found for found in self.found if found.holds is False]

    @property
    def vacuous(self) -> str | None:
        """Why the outcome says nothing; a claim that fails does so only if all says nothing that settles it."""
        of = self.found if self.holds else [f for f in self.failing if f.level <= paired.ALPHA] or self.failing
        said = [found.vacuous for found in of]
        return next((why for why in said if why), None) if self.holds or all(said) else None

    @property
    def random(self) -> bool:
        """Whether what settles it is sampled: of a claim that fails, that nothing fails which is not."""
        if any(found.p is None and found.settled for found in self.failing):
            return False
        return any(found.p is not None for found in self.found if found.holds is not None)

    @property
    def sure(self) -> bool:
        """Whether chance is excluded, at 5 % together with the other claims of its table."""
        level = self.p if self.adjusted is None else self.adjusted
        return level is not None and level <= paired.ALPHA

    @property
    def why(self) -> str | None:
        """What is missing, where it is not judged."""
        return next((found.why for found in self.found if found.holds is None), None) if self.holds is None else None


def table_of(claim: Claim) -> str:
    """The table whose claims are looked at together: that of the first cell in its rule."""
    return next((r.table for c in claim.rule for r in c.references if r.table), "prose")


def judge_all(
    claims: Claims,
    document: published.Document,
    prose: Mapping[str, ProseValue],
    tables: Mapping[str, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Each claim with two outcomes, as report.json has it. `tables` maps a table's number to its cells.json.

    Of tables of a kind on which no claim is judged ours are left out. Raises `UserError` where a side outgrows what is
    computed with.
    """
    how = {number: said for number, table in tables.items() if (said := TABLES.get(table["kind"]).claims)}
    ours = here({number: tables[number] for number in how})
    theirs = on_print(document, prose)
    printed, made = [], []
    for claim in claims.claims:
        there, made_here = [], []
        for n, c in enumerate(claim.rule, start=1):
            try:
                there.append(None if c.only == "here" else compare(c, theirs))
                made_here.append(None if c.only == "print" else _made(c, ours, theirs))
            except ValueError as error:
                raise UserError(
                    f"{_place(claims.document, claim, n)}: comes to {error}; expected smaller ones"
                ) from None
        printed.append(Judged(claim, tuple(there)))
        made.append(Judged(claim, tuple(made_here)))
    for number in dict.fromkeys(map(table_of, claims.claims)):
        of = [m for m in made if table_of(m.claim) == number and not m.claim.rests_on]
        family = {m.claim.id: m for m in of if m.random and m.p is not None}
        for name, p in paired.holm({name: m.p for name, m in family.items() if m.p is not None}).items():
            family[name].adjusted = p
    return [_as_json(claims.document, p, m, tables, how) for p, m in zip(printed, made, strict=True)]


def _made(comparison: Comparison, ours: Values, theirs: Values) -> Found:
    """What a comparison comes to here; a figure that the words name, on the right side, is the document's."""
    left, right = comparison.sides
    if not any(reference.table for reference in left.references):
        return Found(None, why="the claim rests on what the document prints alone")
    figures = {r for r in right.references if r.prose}

    def find(reference: Reference) -> Value:
        if reference not in figures:
            return ours(reference)
        told = theirs(reference)
        return Value(told.value, told.low, told.high, share=told.share, why=told.why)

    return compare(comparison, find)


def _as_json(
    document: str,
    printed: Judged,
    made: Judged,
    tables: Mapping[str, Mapping[str, Any]],
    how: Mapping[str, Any],
) -> dict[str, Any]:
    claim = made.claim
    used = [r for c in claim.rule if c.only != "print" for r in c.references if r.table in how]
    words = [] if made.holds is None else sorted({_circumstances(tables, how, r) for r in used})
    here_ = outcome_here(made)
    stand_in = here_ != "not run" and any(tables[r.table].get("stand_in") for r in used)
    return {
        "id": claim.id,
        "document": document,
        "title": claim.title,
        "says": claim.says,
        "place": claim.place,
        "note": claim.note,
        "rests_on": list(claim.rests_on),
        "rule": [
            {
                "left": _side(c.left),
                "op": c.op,
                "by": None if c.by is None else float(c.by),
                "right": _side(c.right),
                "only": c.only,
                "cells": [[r.table, r.row, r.column] for r in c.references if r.table],
                "print": _found(p),
                "here": _found(m),
            }
            for c, p, m in zip(claim.rule, printed.shown, made.shown, strict=True)
        ],
        "verdict": here_,
        "why": why_here(made, here_),
        "p": made.p if made.random else None,
        "p_adjusted": made.adjusted,
        "family": f"{document}/{table_of(claim)}",
        "circumstances": "; ".join(words),
        "by_construction": claim.on_stand_in if stand_in else None,
        "published_verdict": outcome_on_print(printed),
        "published_why": why_on_print(printed),
    }


def outcome_on_print(judged: Judged) -> OnPrint:
    """What the document's own numbers say."""
    if judged.holds is None:
        return "cannot be judged"
    if not judged.sure:
        return "not distinguishable"
    return "supported" if judged.holds else "contradicted"


def outcome_here(judged: Judged) -> Here:
    """What our numbers say."""
    if judged.holds is None:
        return "not run"
    if judged.claim.rests_on:
        return "cannot tell"
    if judged.vacuous:
        return "vacuous"
    if not judged.sure:
        return "cannot tell"
    return "holds" if judged.holds else "fails"


def why_on_print(judged: Judged) -> str | None:
    """Why the document's own numbers leave it open; None where they do not."""
    outcome = outcome_on_print(judged)
    if outcome == "cannot be judged":
        return judged.why
    if outcome != "not distinguishable":
        return None
    if judged.random:
        return "within the uncertainty of the test set"
    return "the rounding of what is printed allows both"


def why_here(judged: Judged, outcome: Here) -> str | None:
    """Why our numbers leave it open or say nothing; None where they do not."""
    if outcome == "not run":
        return judged.why
    if outcome == "vacuous":
        return judged.vacuous
    if outcome != "cannot tell":
        return None
    if judged.claim.rests_on:
        few = len(judged.claim.rests_on) == 1
        return f"rests on {'an assumption' if few else 'assumptions'}: {', '.join(judged.claim.rests_on)}"
    if untold := next((found.untold for found in judged.found if found.untold), None):
        return untold
    if judged.random:
        if judged.of_seeds:
            return "other seeds could turn it, other videos could not"
        alone = judged.p is not None and judged.p <= paired.ALPHA
        return "chance is not excluded" + (" for all claims of the table together" if alone else "")
    return "the fastest and slowest passes allow both"


def _circumstances(tables: Mapping[str, Mapping[str, Any]], how: Mapping[str, Any], reference: Reference) -> str:
    """How our number of a cell was made: its table's circumstances, or its own where they differ by cell."""
    table = tables[reference.table]
    if how[reference.table].by_cell:
        place = (reference.row, reference.column)
        cell: Mapping[str, Any] = next((c for c in table["cells"] if (c["row"], c["column"]) == place), {})
        return str(cell.get("circumstances", table["circumstances"]))
    return str(table["circumstances"])


def _side(side: Place | Prose | str) -> dict[str, Any]:
    """A side as report.json has it: `cell`, `prose` or `expression`."""
    if isinstance(side, str):
        return {"expression": side}
    return {"prose": side.prose} if isinstance(side, Prose) else {"cell": list(side)}


def _found(found: Found | None) -> dict[str, Any]:
    if found is None:
        found = Found(None, why="this comparison does not count here")

    def number(value: Fraction | None) -> float | None:
        return None if value is None else float(value)

    return {
        "holds": found.holds,
        "left": number(found.left),
        "right": number(found.right),
        "difference": number(found.difference),
        "relative": found.relative,
        "interval": None if found.interval is None else list(found.interval),
        "visible": found.visible,
        "p": found.p,
        "p_of_videos": found.p_of_videos,
        "settled": found.settled if found.holds is not None and found.p is None else None,
        "how": found.how or None,
        "why": found.why or None,
    }
