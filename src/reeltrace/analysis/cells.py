"""What every cell of cells.json holds, whatever the kind of its table."""

from __future__ import annotations

from typing import Any

from reeltrace.analysis import published as pub


def base_cell(cell: pub.Cell) -> dict[str, Any]:
    """What the document says of a cell."""
    return {
        "row": cell.row,
        "column": cell.column,
        "unit": cell.unit,
        "published": {
            "printed": cell.printed,
            "value": cell.value,
            "place": cell.place,
            "reason": cell.reason,
            "note": cell.note,
            "contradicted_by": [other.model_dump(mode="json") for other in cell.contradicted_by],
        },
    }
