"""One yardstick for the words of claims: what each asks of two numbers, by which margin, the same in every document.

Documents say "significant", "similar" or "marginal" and name no margins. Ours are declared here, once; the page prints
them. Margins are in percentage points for shares of a test set, and in percent of the right side for other quantities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

Operation = Literal[
    "above",
    "below",
    "significantly above",
    "significantly below",
    "far above",
    "far below",
    "marginally above",
    "marginally below",
    "similar",
    "negligible",
    "times",
    "about",
    "is",
]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
WITH_FACTOR: tuple[Operation, ...] = ("times", "about")  # `about` also without one: of a figure
SMALLEST, LARGEST = Fraction(1, 10**9), Fraction(10**9)  # what a factor may be

SIGNIFICANT = Fraction(1)
FAR = Fraction(25)
SIMILAR = Fraction(5)
MARGINAL = Fraction(1)
ABOUT = Fraction(15)  # percent of the figure or factor that is named, or its rounding where that is more: see `room`

Side = Literal["in", "out"]


@dataclass(frozen=True)
class Word:
    """What a word asks of a difference `left - right`, or of `left - by * right` where it names a factor.

    The word applies where the difference lies between `low` and `high` (None: without end); `open_low` and `open_high`
    say that the end itself is not meant. `sure` are the differences that must be excluded before a difference inside is
    taken for one: the ends, unless it says otherwise. `phrase` stands between the two sides in a sentence, `meaning` in
    the table of the yardstick, where `{margin}` is filled in with `margin`.
    """

    phrase: str
    meaning: str
    low: Fraction | None = None
    high: Fraction | None = None
    open_low: bool = False
    open_high: bool = False
    sure: tuple[Fraction, ...] | None = None
    margin: Fraction | None = None

    def holds(self, difference: Fraction) -> bool:
        """Whether a difference is one of those that the word means."""
        if self.low is not None and (difference < self.low or (self.open_low and difference == self.low)):
            return False
        return not (self.high is not None and (difference > self.high or (self.open_high and difference == self.high)))

    def boundaries(self, difference: Fraction) -> tuple[Fraction, ...]:
        """What must be excluded before it is certain that the word applies, or that it does not.

        Inside, every end; outside, the nearest end.
        """
        ends = tuple(end for end in (self.low, self.high) if end is not None)
        if self.holds(difference):
            return ends if self.sure is None else self.sure
        return (min(ends, key=lambda end: abs(end - difference)),)


def _beyond(margin: Fraction, phrase: str, meaning: str, *, sure: tuple[Fraction, ...] | None = None) -> Word:
    """A difference of at least `margin`; of 0 it must be more."""
    return Word(phrase, meaning, low=margin, open_low=not margin, sure=sure, margin=margin or None)


def _mirrored(word: Word, phrase: str) -> Word:
    return Word(
        phrase,
        word.meaning,
        low=None if word.high is None else -word.high,
        high=None if word.low is None else -word.low,
        open_low=word.open_high,
        open_high=word.open_low,
        sure=None if word.sure is None else tuple(-end for end in word.sure),
        margin=word.margin,
    )


def _within(margin: Fraction, phrase: str, meaning: str) -> Word:
    return Word(phrase, meaning, low=-margin, high=margin, margin=margin)


_ABOVE = _beyond(Fraction(0), "is above", "any difference in that direction")
_SIGNIFICANT = _beyond(
    SIGNIFICANT,
    "is significantly above",
    "statistically distinguishable, and at least {margin}",
    sure=(Fraction(0),),
)
_FAR = _beyond(FAR, "is far above", "at least {margin}")
_MARGINAL = Word(
    "is marginally above", "a difference of at most {margin}", low=Fraction(0), high=MARGINAL, open_low=True,
    margin=MARGINAL,
)  # fmt: skip

WORDS: Mapping[Operation, Word] = {
    "above": _ABOVE,
    "below": _mirrored(_ABOVE, "is below"),
    "significantly above": _SIGNIFICANT,
    "significantly below": _mirrored(_SIGNIFICANT, "is significantly below"),
    "far above": _FAR,
    "far below": _mirrored(_FAR, "is far below"),
    "marginally above": _MARGINAL,
    "marginally below": _mirrored(_MARGINAL, "is marginally below"),
    "similar": _within(SIMILAR, "is similar to", "a difference of at most {margin}"),
    "negligible": _within(MARGINAL, "differs negligibly from", "a difference of at most {margin}"),
    "times": Word("is at least {by} times", "at least that multiple", low=Fraction(0)),
    "about": _within(
        ABOUT,
        "is about {by} times",
        "that multiple or figure, give or take {margin} of it, or its rounding if that is more",
    ),
    "is": Word("is", "the figure that the words name, within its rounding", low=Fraction(0), high=Fraction(0)),
}
_SAID = {
    "above": "better, higher, more, increased",
    "significantly above": "significant",
    "far above": "fails, lost, restored",
    "marginally above": "marginal, slight",
    "similar": "similar, level, keeps, almost the same, roughly the same",
    "negligible": "negligible, not much",
    "times": "at least three times",
    "about": "about, roughly or almost, and a figure: almost 3, roughly half",
    "is": "a figure, also in words: threefold, twice",
}


def relative(operation: Operation) -> bool:
    """Whether a word is in percent of the right side for quantities that are no shares, and so has a margin."""
    return WORDS[operation].margin is not None


def in_words(margin: Fraction, share: bool) -> str:
    """`5 points`, or `5 %` of a quantity that is no share."""
    return f"{float(margin):g} {'points' if share else '%'}"


def room(factor: Fraction) -> Fraction:
    """How far from a factor that is about meant, in percent of it: `ABOUT`, or its rounding where that is more.

    A factor is rounded to its last decimal: 2 may be anything from 1.5 to 2.5. `loosely: about` of the audit's
    relations is the same.
    """
    decimals = next((places for places in range(10) if (factor * 10**places).denominator == 1), None)
    if decimals is None or factor == 0:
        return ABOUT
    return max(ABOUT, 100 * Fraction(1, 2 * 10**decimals) / abs(factor))


def phrase(operation: Operation, by: Fraction | None) -> str:
    """What stands between the two sides in a sentence: "is at least 3 times"."""
    if operation == "about" and by is None:
        return "is about"
    return WORDS[operation].phrase.format(by="" if by is None else f"{float(by):g}")


def table() -> list[dict[str, str]]:
    """The yardstick as the page prints it: the word, which words of documents it stands for, what it asks."""
    rows = []
    for operation, said in _SAID.items():
        word = WORDS[operation]  # type: ignore[index]
        margin = "" if word.margin is None else f"{float(word.margin):g}"
        points = "percentage point" if word.margin == 1 else "percentage points"
        of = f"{margin} {points} ({margin} percent of other quantities)"
        rows.append(
            {
                "word": operation.replace(" above", ""),
                "said": said,
                "means": word.meaning.format(margin=f"{margin} percent" if operation == "about" else of),
            }
        )
    return rows
