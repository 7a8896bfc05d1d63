"""Claims on the page: their counts, and each rule as sentences with the document's numbers beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reeltrace.analysis import claims, yardstick
from reeltrace.analysis.expressions import Reference, parse
from reeltrace.analysis.paired import ALPHA, p_words
from reeltrace.analysis.prose import ProseValue
from reeltrace.report.binding import Binder, Number
from reeltrace.report.chains import table_words

WHICH = ("print", "here")
TITLES = {"print": "on print", "here": "here"}


def bind_counts(binder: Binder, judged: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """Register how many claims got each outcome, here and on print; the counts as report.json has them."""
    sets: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
        ("count/claims", "verdict", claims.HERE, "Claims here"),
        ("count/claims-print", "published_verdict", claims.ON_PRINT, "Claims on print"),
    )
    counts: dict[str, dict[str, int]] = {}
    for prefix, key, outcomes, title in sets:
        counts[prefix] = {}
        for outcome in outcomes:
            of = tuple(f"claim/{c['id']}" for c in judged if c[key] == outcome)
            binder.add(Number(f"{prefix}/{outcome}", str(len(of)), f"{title}: {outcome}", rule="count", of=of))
            counts[prefix][outcome] = len(of)
    of = tuple(f"claim/{c['id']}" for c in judged if c["by_construction"] and c["verdict"] not in ("holds", "not run"))
    if of:
        title = "Claims that do not hold and cannot be expected to on stand-in data"
        binder.add(Number("count/claims/by construction", str(len(of)), title, rule="count", of=of))
    return {"claims": counts["count/claims"], "claims_print": counts["count/claims-print"]}


@dataclass
class _Numbers:
    """The numbers of one claim; the first one has the chain that the others open too."""

    binder: Binder
    claim: Mapping[str, Any]
    first: str = ""

    def add(self, part: str, printed: str, title: str, rule: str, of: tuple[str, ...]) -> str:
        identity = f"claim/{self.claim['id']}/{part}"
        if not self.first:
            title = f"{self.claim['document']}, {self.claim['title']}: {title}"
        self.binder.add(Number(identity, printed, title, rule=rule, of=() if self.first else of, chain=self.first))
        self.first = self.first or identity
        return identity


def sentences(claim: Mapping[str, Any], told: Mapping[str, ProseValue], binder: Binder) -> list[dict[str, Any]]:
    """A rule for the page: per comparison its two sides, the words between them, and what it came to, registered.

    A side has the `cell` it is, or `text`; where it is computed, its `print` and `here` are the ids of its values.
    `print` and `here` of a comparison are the ids of its difference with interval and p-values.
    """
    numbers = _Numbers(binder, claim)
    cells = [f"{claim['document']}/{'/'.join(cell)}" for c in claim["rule"] for cell in c["cells"]]
    if claim["p_adjusted"] is not None:
        rule = f"Holm over the claims of {claim['family']}"
        numbers.add("p", p_words(claim["p_adjusted"]), "p-value here", rule, tuple(dict.fromkeys(cells)))
    shown = []
    for index, comparison in enumerate(claim["rule"], start=1):
        of = tuple(f"{claim['document']}/{'/'.join(cell)}" for cell in comparison["cells"])
        shown.append(
            {
                **{side: _side(numbers, comparison, side, f"{index}/{side}", of, told) for side in ("left", "right")},
                **{which: _difference(numbers, comparison, which, f"{index}/{which}", of) for which in WHICH},
                "words": yardstick.phrase(comparison["op"], comparison["by"]),
                "only": TITLES.get(comparison["only"] or ""),
                "how": {which: comparison[which]["how"] for which in WHICH},
                "fails": {which: comparison[which]["holds"] is False for which in WHICH},
            }
        )
    return shown


def _side(
    numbers: _Numbers,
    comparison: Mapping[str, Any],
    side: str,
    part: str,
    of: tuple[str, ...],
    told: Mapping[str, ProseValue],
) -> dict[str, Any]:
    what = comparison[side]
    shown: dict[str, Any] = {"cell": what.get("cell"), "text": None, "print": None, "here": None}
    if "prose" in what:
        value = told[what["prose"]]
        return {**shown, "text": f"{value.printed}{f' ({value.note})' if value.note else ''}"}
    if "cell" in what:
        identity = f"{numbers.claim['document']}/{'/'.join(what['cell'])}"
        if identity in numbers.binder.numbers or comparison["here"][side] is None:
            return shown
        rule = "mean over seeds" if what["cell"][2] == claims.BEST_EPOCH else "of the first seed"
        title = f"{what['cell'][1]}, {what['cell'][2]}, here"
        return {**shown, "here": numbers.add(f"{part}/here", _number(comparison["here"][side]), title, rule, of)}
    expression = parse(what["expression"])
    shown["text"] = expression.shown(lambda r: _named(r, told))
    for which in WHICH:
        value = comparison[which][side]
        if value is not None:
            title = f"{shown['text']}, {TITLES[which]}"
            shown[which] = numbers.add(f"{part}/{which}", _number(value), title, str(expression), of)
    return shown


def _named(reference: Reference, told: Mapping[str, ProseValue]) -> str:
    if reference.prose:
        return told[reference.prose].printed
    return f"({table_words(reference.table)} {reference.row}, {reference.column})"


def _difference(
    numbers: _Numbers, comparison: Mapping[str, Any], which: str, part: str, of: tuple[str, ...]
) -> str | None:
    """The id of a difference with its interval and p-value; None where nothing is random."""
    found = comparison[which]
    if found["interval"] is None:
        return None
    low, high = found["interval"]
    difference = f"{_signed(found['difference'])}{' %' if found['relative'] else ''}"
    printed = f"{difference} [{_signed(low)}, {_signed(high)}], {p_words(found['p'])}"
    if found["p_of_videos"] is not None:
        printed += f", of the videos alone {p_words(found['p_of_videos'])}"
    if found["p"] > ALPHA and found["visible"] is not None:
        printed += f", seen from {_signed(found['visible']).lstrip('+')} on"
    return numbers.add(part, printed, f"difference {TITLES[which]}", found["how"], of)


def _signed(value: float) -> str:
    """Two decimals and a sign, or three significant digits of a small one."""
    text = f"{value:+.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:+.2g}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("+-")


def _number(value: float) -> str:
    """Four significant digits; whole numbers whole, in groups of three."""
    if value == int(value) and abs(value) < 1e15:
        text = f"{int(value):,}"
    else:
        text = f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.4g}"
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text
