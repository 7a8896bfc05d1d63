"""What `verify` recomputes of runs on finished clips: their labels are those of the test set."""

from pathlib import Path
from typing import Any

from reeltrace.artifacts.formats import CLIPS, PREDICTIONS
from reeltrace.errors import Problem
from reeltrace.verify.problems import TAMPERED, is_input


def labels(folder: Path, results: Path, spec: Any, metrics: Any, predictions: dict[str, Any]) -> list[Problem]:
    """The labels of a run's predictions are those of its test clips, in their order."""
    data = results / "data" / spec["dataset"]
    index = data / CLIPS.name
    if index.is_file() and is_input(folder, data) and _test_labels(index) != predictions["label"].tolist():
        found = f"its labels are not those of {data.name}/{index.name}"
        return [Problem(TAMPERED, str(folder / PREDICTIONS), found)]
    return []


def _test_labels(index: Path) -> list[int] | None:
    lines = index.read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    if not {"split", "label"} <= set(columns):
        return None
    split, label = columns.index("split"), columns.index("label")
    rows = [line.split(",") for line in lines[1:]]
    return [int(row[label]) for row in rows if row[split] == "test"]
