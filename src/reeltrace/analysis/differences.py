"""What stands in a cell of the difference between a share found here and the published one."""

from __future__ import annotations

from typing import Any

from reeltrace.analysis.published import Cell, TestSet
from reeltrace.analysis.verdicts import Circumstances, Ours, compared, signed
from reeltrace.kinds.rounding import printed


def difference(cell: Cell, test: TestSet | None, ours: Ours, circumstances: Circumstances) -> dict[str, Any]:
    """The entry `difference` of a share, in percentage points, ours minus the published; none where nothing is printed.

    The interval and what could have been seen are those of two numbers of one procedure: without the document's scale,
    data and protocol they mean nothing, and are left out.
    """
    if cell.printed is None or cell.in_unit.share is None or cell.in_unit.number is None:
        return {}
    published = 100 * float(cell.in_unit.number(cell.printed)) / cell.in_unit.share.whole
    found: dict[str, Any] = {"value": ours.share - published, "printed": signed(ours.share - published)}
    predicted = compared(cell, test, ours) if circumstances.faithful else None
    if predicted is not None:
        found |= {
            "interval": list(predicted.interval),
            "interval_printed": [signed(end) for end in predicted.interval],
            "detectable": predicted.detectable,
            "detectable_printed": printed(predicted.detectable, 1),
        }
    return {"difference": found}
