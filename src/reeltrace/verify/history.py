"""What `verify` recomputes of a training's course: which epoch was best, and how the kept ones did in validation."""

import json
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import read_whole
from reeltrace.artifacts.formats import HISTORY, METRICS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.runs import CHECKPOINTS
from reeltrace.errors import Problem
from reeltrace.verify.problems import TAMPERED

TOLERANCE = 1e-6


def course(folder: Path) -> list[Problem]:
    """The epochs in metrics.json are the best and the last of history.jsonl, with the validation that stands there."""
    metrics, path = read_json(folder / METRICS), folder / HISTORY
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in read_whole(path).splitlines()]
        best = max(lines, key=lambda line: (line["validation_top1"], -line["validation_loss"], -line["epoch"]))
    except (ValueError, KeyError, TypeError):
        return [Problem(TAMPERED, str(path), "not the history of a training")]
    problems = []
    for checkpoint, line in zip(CHECKPOINTS, (best, lines[-1]), strict=True):
        kept = metrics[checkpoint]
        found = {"epoch": kept["epoch"], **{name: kept["validation"][name] for name in ("top1", "loss")}}
        right = {"epoch": line["epoch"], "top1": line["validation_top1"], "loss": line["validation_loss"]}
        for name, value in found.items():
            if abs(value - right[name]) > TOLERANCE:
                place = f"/{checkpoint}/{name}" if name == "epoch" else f"/{checkpoint}/validation/{name}"
                said = f"{place} is {value}, {HISTORY} gives {right[name]}"
                problems.append(Problem(TAMPERED, str(folder / METRICS), said))
    return problems
