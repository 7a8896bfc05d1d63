"""The cells of a table of quantities: measured here, derived from published values, or published only.

A measured quantity without randomness (parameters, sizes, multiply-adds) is compared to the last printed digit. A time
or an amount of memory belongs to a machine and is never compared. A derived value uses nothing but what the document
prints: it says whether the document agrees with itself, as far as the rounding of what it prints lets one know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from reeltrace.analysis import published as pub
from reeltrace.analysis.cells import base_cell
from reeltrace.analysis.expressions import Interval, combine
from reeltrace.analysis.sources import Source, get
from reeltrace.analysis.verdicts import (
    Circumstances,
    Ours,
    judge_average,
    judge_equal,
    judge_number,
    judge_observed,
    judge_share,
)
from reeltrace.artifacts.pointers import escape_pointer, pointer, pointer_to
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.rounding import printed
from reeltrace.kinds.tables.measured import DerivedColumn, Fitted, MeasuredColumn, MeasuredTable, place
from reeltrace.kinds.unit import UNITS, Value, marks, rounding_of

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec

_WORD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Reading:
    """What a measurement says of a cell, as the cell's own quantity, and where it stands.

    `bounds` are the fastest and the slowest of several times; `device` is said of times and memory; `score` is how many
    of how many were right, where the value is their share in percent, and `missing` how many more there should be;
    `average` marks a mean average precision, and says of what it is one and how that departs from the document.
    """

    value: Fraction | str | list[int]
    trace: Mapping[str, str]
    bounds: tuple[Fraction, Fraction] | None = None
    device: str | None = None
    score: tuple[int, int] | None = None
    missing: int = 0
    average: Mapping[str, str] | None = None


def quantity_cells(
    spec: AggregateSpec, table: MeasuredTable, document: pub.Document, measured: Mapping[str, Source]
) -> list[dict[str, Any]]:
    """Every cell of a table of quantities that is one, with its origin: "measured", "derived" or "published".

    `measured` has its measurements by name.
    """
    print_ = document.tables[table.table]
    cells = []
    for row in print_.rows:
        for column in print_.columns:
            cell = print_.cell(row.key, column.key)
            if cell.in_unit.compare is None:
                continue
            kind = "derived" if column.key in table.derived else "quoted"
            if column.key in table.measured:
                asked = table.measured[column.key]
                source = measured[asked.measurement]
                overridden = any(o.path.startswith(f"measurements.{asked.measurement}.") for o in spec.overrides)
                words = {"row": row.key, "column": column.key, **table.rows.get(row.key, {})}
                reading = _read(asked, words, source)
                made = _measured_cell(
                    cell, asked, reading, overridden, document.test_of(cell), _unmeasured(table, asked, words)
                )
                kind = "timed" if asked.machine else _sort(cell, reading)
                of_network = reading is not None and reading.average is None
                if (
                    made["reproduced"] is not None
                    and of_network
                    and (network := _network(asked, table.rows.get(row.key, {})))
                ):
                    made["reproduced"]["network"] = network
                if row.key in asked.fitted and made["verdict"] == "exact":
                    made |= _fitted(made, asked.fitted[row.key], measured)
            elif column.key in table.derived:
                made = _derived_cell(spec.key, cell, table.derived[column.key], table.table, document)
            else:
                verdict = ("not given", cell.reason) if cell.printed is None else ("not run", table.published_only)
                made = _without_value("published", "published only", *verdict)
            cells.append({**base_cell(cell, document), "kind": kind, **made})
    return cells


def _without_value(origin: str, circumstances: str, verdict: str, reason: str | None) -> dict[str, Any]:
    return {
        "origin": origin,
        "reproduced": None,
        "derivation": None,
        "trace": [],
        "verdict": verdict,
        "reason": reason or "",
        "circumstances": circumstances,
    }


# --- measured ---


def _read(asked: MeasuredColumn, known: Mapping[str, str | int], source: Source) -> Reading | None:
    """The value that a column asks for in one row; None where the row has no such value or it was not measured."""
    wanted = _WORD.findall(asked.pointer)
    if any(word not in known for word in wanted) or (isinstance(asked.factor, str) and asked.factor not in known):
        return None
    path = _WORD.sub(lambda match: escape_pointer(str(known[match[1]])), asked.pointer)
    found = _at(source, path)
    if found is None:
        return None
    trace = source.trace(path)
    if isinstance(found, str):
        return Reading(found, trace)
    if isinstance(found, list) and all(isinstance(part, int) for part in found):
        return Reading(found, trace)
    if isinstance(found, dict) and found.keys() >= {"correct", "total"}:
        left_out = _at(source, f"{path.rpartition('/')[0]}/left_out")
        return _scored(found, {**trace, "pointer": f"{path}/percent"}, len(left_out or ()))
    if isinstance(found, dict) and found.keys() >= {"mean", "percent"}:
        return _averaged(found, {**trace, "pointer": f"{path}/percent"})
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise CheckFailed(f"{source.artifact}: {path} is {found!r}, not a quantity; correct the pointer in params.yaml")
    factor = Fraction(str(known[asked.factor] if isinstance(asked.factor, str) else asked.factor))

    def scaled(number: float) -> Fraction:
        exact = Fraction(number) / Fraction(str(asked.divisor))
        return (Fraction(printed(exact, 0)) if asked.whole else exact) * factor

    bounds = None
    if path.endswith("/median"):
        ends = [_at(source, f"{path.removesuffix('median')}{end}") for end in ("fastest", "slowest")]
        bounds = (scaled(ends[0]), scaled(ends[1]))
    return Reading(scaled(found), trace, bounds, _device(source, path) if asked.machine else None)


def _scored(found: Mapping[str, Any], trace: Mapping[str, str], missing: int) -> Reading:
    """A share of a test set, in percent. Raises CheckFailed where its counts do not agree."""
    correct, total = found["correct"], found["total"]
    whole = isinstance(correct, int) and isinstance(total, int) and 0 <= correct <= total and total > 0
    if not whole or abs(100 * correct / total - found.get("percent", -1)) > 1e-6:
        raise CheckFailed(
            f"{trace['artifact']}: {trace['pointer']} does not follow from its counts; run its stage again"
        )
    return Reading(Fraction(100 * correct, total), trace, score=(correct, total), missing=missing)


def _averaged(found: Mapping[str, Any], trace: Mapping[str, str]) -> Reading:
    """A mean average precision, in percent. Raises CheckFailed where its two values do not agree."""
    average, percent = found["mean"], found["percent"]
    if not isinstance(percent, float) or not isinstance(average, float) or abs(100 * average - percent) > 1e-6:
        raise CheckFailed(f"{trace['artifact']}: {trace['pointer']} does not follow from its mean; run its stage again")
    words = {"of": str(found.get("of", "")), "departs": str(found.get("departs") or "")}
    return Reading(Fraction(percent), trace, average=words)


def _at(source: Source, path: str) -> Any:
    try:
        return pointer(source.metrics, path)
    except KeyError:
        return None


def _device(source: Source, path: str) -> str:
    """On what a time or an amount of memory was measured: the nearest words above it."""
    while path:
        path = path.rpartition("/")[0]
        found = _at(source, path)
        if isinstance(found, dict) and "device" in found:
            view = _at(source, f"{path.rpartition('/')[0]}/view")
            return describe_device(found) + (f", view {view}" if view else "")
    raise CheckFailed(f"{source.artifact}: does not say on which device it was measured; run its stage again")


def describe_device(found: Mapping[str, Any]) -> str:
    """`AMD EPYC 7763, 2 threads, float32`."""
    threads = f"{found['threads']} thread" + ("s" if found["threads"] != 1 else "")
    return f"{found['device']}, {threads if found['kind'] == 'cpu' else 'GPU'}, {found['precision']}"


def _unmeasured(table: MeasuredTable, asked: MeasuredColumn, known: Mapping[str, str | int]) -> str:
    """Why a row has no value: nobody measured it yet, or it is none that is measured here."""
    if asked.without is None:
        return f"{asked.measurement} has no such value for this row, as made here"
    return asked.without if all(word in known for word in _WORD.findall(asked.pointer)) else table.published_only


def _measured_cell(
    cell: pub.Cell,
    asked: MeasuredColumn,
    reading: Reading | None,
    overridden: bool,
    test: pub.TestSet | None,
    unmeasured: str,
) -> dict[str, Any]:
    if reading is None:
        why = cell.reason if cell.printed is None else unmeasured
        return _without_value("measured", "not measured", "not given" if cell.printed is None else "not run", why)
    if reading.device is not None:
        verdict, reason = judge_observed(cell, reading.device)
    elif reading.score is not None:
        share = float(reading.value)  # type: ignore[arg-type]  # a score is a share
        under = Circumstances("paper", (), overridden=False, missing=reading.missing)
        verdict, reason = judge_share(cell, test, Ours((share,), ((share, reading.score[1]),)), under)
    elif reading.average is not None:
        value = float(reading.value)  # type: ignore[arg-type]  # an average is a number
        verdict, reason = judge_average(cell, value, reading.average["departs"])
    elif overridden and cell.printed is not None:
        verdict, reason = "not comparable", "measured with overridden values: not the published network"
    elif isinstance(reading.value, Fraction):
        verdict, reason = judge_number(cell, reading.value, "measured")
    else:
        verdict, reason = judge_equal(cell, _plain(reading.value, cell.unit))
    reproduced: dict[str, Any] = {
        "value": _plain(reading.value, cell.unit),
        "printed": format_quantity(reading.value, cell.unit),
    }
    if reading.bounds is not None:
        reproduced["range"] = [float(bound) for bound in reading.bounds]
        reproduced["range_printed"] = [format_quantity(bound, cell.unit) for bound in reading.bounds]
    return {
        "origin": "measured",
        "reproduced": reproduced,
        "derivation": None,
        "trace": [dict(reading.trace)],
        "verdict": verdict,
        "reason": reason,
        "circumstances": reading.device or (reading.average or {}).get("of") or "full size",
    }


def _sort(cell: pub.Cell, reading: Reading | None) -> str:
    """Words are described, numbers and sizes are counted."""
    if reading is not None and (reading.score is not None or reading.average is not None):
        return "trained"
    value = cell.value if reading is None else reading.value
    return "described" if cell.in_unit.number is None and not isinstance(value, list) else "counted"


def _network(asked: MeasuredColumn, words: Mapping[str, str | int]) -> str:
    """Which of several networks a value is of: the words of the row that the pointer uses."""
    return ", ".join(str(words[word]) for word in _WORD.findall(asked.pointer) if word in words)


def _fitted(made: Mapping[str, Any], fit: Fitted, measured: Mapping[str, Source]) -> dict[str, Any]:
    """An equal value of a network that was chosen because of it: by how many settings, and out of how many."""
    source = measured[fit.search]
    tried, giving = int(get(source, "search", "tried")), len(get(source, "search", "exact"))
    of = f"{giving} of {tried:,} settings of what the document leaves open"
    return {
        "verdict": "exact, fitted",
        "reason": f"{made['reason']}; fitted: {fit.to} ({of} {'gives' if giving == 1 else 'give'} the printed count)",
        "fitted": {"search": fit.search, "to": fit.to, "settings": tried, "giving": giving},
        "trace": [*made["trace"], source.trace(pointer_to("search"))],
    }


# --- derived ---


def _derived_cell(key: str, cell: pub.Cell, asked: DerivedColumn, table: str, document: pub.Document) -> dict[str, Any]:
    places = [(number, row or cell.row, column) for number, row, column in (place(of, table, None) for of in asked.of)]
    operands = []
    for number, row, column in places:
        try:
            operands.append(document.tables[number].cell(row, column))
        except KeyError:
            raise UserError(
                f"tables.{key}.derived.{cell.column}.of: table {number} of {document.path} has no cell {row!r}, "
                f"{column!r}"
            ) from None
    if any(operand.printed is None for operand in operands):
        return _without_value("derived", "from published values", "not given", "what it follows from is not given")
    for operand, (number, row, column) in zip(operands, places, strict=True):
        if operand.in_unit.number is None:
            raise UserError(
                f"tables.{key}.derived.{cell.column}.of: table {number} of {document.path} has no number in {row!r}, "
                f"{column!r}, but {operand.unit} {operand.printed!r}"
            )
    left, right = (published_number(operand) for operand in operands)
    if asked.operation == "quotient" and right == 0:
        raise UserError(f"tables.{key}.derived.{cell.column}: divides by a published zero")
    value = left / right if asked.operation == "quotient" else left * right
    sign = "/" if asked.operation == "quotient" else "x"
    how = f"{operands[0].printed} {sign} {operands[1].printed} ="
    of, by = (_bounds(operand) for operand in operands)
    left_open = None if of is None or by is None else combine("/" if sign == "/" else "*", of, by)
    verdict, reason = judge_number(cell, value, how, left_open)
    return {
        "origin": "derived",
        "reproduced": {"value": float(value), "printed": format_quantity(value, cell.unit)},
        "derivation": {
            "operation": asked.operation,
            "of": [
                {"table": number, "row": row, "column": column, "printed": operand.printed, "place": operand.place}
                for (number, row, column), operand in zip(places, operands, strict=True)
            ],
        },
        "trace": [],
        "verdict": verdict,
        "reason": reason,
        "circumstances": "from published values",
    }


def published_number(cell: pub.Cell) -> Fraction:
    """The exact number that a cell of a unit of numbers prints."""
    number = cell.in_unit.number
    assert cell.printed is not None and number is not None
    return Fraction(number(cell.printed))


def _bounds(cell: pub.Cell) -> Interval | None:
    """Between which numbers lies what a cell prints rounded; None where the print is a bound itself."""
    assert cell.printed is not None
    if marks(cell.printed).bound not in (None, "~"):
        return None
    number, half = published_number(cell), rounding_of(cell.in_unit, cell.printed)
    return number - half, number + half


# --- printing ---


def format_quantity(value: Fraction | str | list[int], unit: str) -> str:
    """A quantity as the document would print it: `59,342,488`, `8x56^2`, `0.52s`, `2.888 GB`, `1.344e-6`."""
    return UNITS.get(unit).write(value)


def _plain(value: Fraction | str | list[int], unit: str) -> Value:
    if isinstance(value, list):
        return [*value]
    if isinstance(value, str):
        return value
    return value.numerator if UNITS.get(unit).whole and value.denominator == 1 else float(value)
