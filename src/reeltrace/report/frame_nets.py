"""What the report says of nets on frames: ratios of training times, and what an RCN carries in time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reeltrace.artifacts.formats import HIDDEN
from reeltrace.errors import CheckFailed
from reeltrace.report import figures
from reeltrace.report.binding import Binder, Number

QUANTITIES = {
    "mean": "mean",
    "std": "deviation",
    "diagonal_mean": "mean of the diagonal",
    "diagonal_std": "its deviation",
}


def bind_ratio(binder: Binder, identity: str, title: str, trace: Mapping[str, str], cell: Mapping[str, Any]) -> None:
    """The time of a row as a multiple of another row's, ours and the document's."""
    ratio = cell["reproduced"]["ratio"]
    base = trace["pointer"].removesuffix("/value")
    theirs = ratio["published"]
    if theirs is not None:
        binder.add(
            Number(
                id=f"{identity}/published-ratio",
                printed=theirs["printed"],
                title=f"{title}: published time over that of {ratio['to']}",
                trace={**trace, "pointer": f"{base}/ratio/published/value"},
                facts=(("Computed from", f"{cell['published']['printed']} and the value of {ratio['to']}"),),
            )
        )
    binder.add(
        Number(
            id=f"{identity}/ratio",
            printed=ratio["printed"],
            title=f"{title}: time here over that of {ratio['to']}",
            trace={**trace, "pointer": f"{base}/ratio/value"},
            sources=tuple(ratio["trace"]),
        )
    )


def hidden_figures(table: Mapping[str, Any], inputs: Mapping[str, Path], binder: Binder) -> list[dict[str, Any]]:
    """Per row of a table: curves of the four quantities of w_hh over the units, and a heat map of each matrix."""
    found = []
    for entry in table["hidden"]:
        name = f"train/{entry['run']}-s{entry['seed']}"
        curves = {
            words: tuple((unit, float(values[key]["value"])) for unit, values in enumerate(entry["units"], start=1))
            for key, words in QUANTITIES.items()
        }
        identity = f"hidden/{table['key']}/{entry['row']}"
        found.append(
            {
                "row": entry["row"],
                "run": name,
                "svg": figures.unit_curves(
                    f"w_hh by unit: {entry['row']}", curves, binder.figure(identity, [entry["trace"]["artifact"]])
                ),
                "maps": heat_maps(inputs[name] / HIDDEN),
            }
        )
    return found


def heat_maps(path: Path) -> list[str]:
    """Each matrix as a PNG data URI, see `figures.heat`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            matrices = [stored[name] for name in sorted(stored.files)]
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise CheckFailed(f"{path}: not readable as matrices ({type(error).__name__}); run its stage again") from None
    return [figures.heat(matrix) for matrix in matrices]
