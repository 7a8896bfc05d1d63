"""What a forger does: change a result, then make every hash and every page that follows from it agree again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from reeltrace.analysis.stage import outputs as aggregate_outputs
from reeltrace.artifacts.files import atomic_write
from reeltrace.artifacts.formats import HTML, JSON, METRICS, PREDICTIONS, SCORES
from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.artifacts.names import MANIFEST, SPEC
from reeltrace.artifacts.protocol import make_manifest
from reeltrace.artifacts.runs import CLIP_LABEL, LABEL, predicted
from reeltrace.pipeline.plan import Plan, Task
from reeltrace.registry.specs import AggregateSpec, ReportSpec
from reeltrace.report.document import build


def following(plan: Plan, name: str) -> Iterator[Task]:
    """An artifact and all that is made from it, in an order in which they can be made."""
    reached = {name}
    for task in plan:
        if task.name in reached or reached & set(task.inputs):
            reached.add(task.name)
            yield task


def forge(plan: Plan, root: Path, name: str) -> list[Path]:
    """Make all that follows from an altered artifact agree with it: manifests, tables, the report. Returns the folders.

    Receipts stay as they are; so do times, which are read from those.
    """
    folders = []
    for task in following(plan, name):
        folder = root / task.folder
        if not (folder / MANIFEST).is_file():
            continue
        if task.name != name:
            for file, text in _made_again(plan, task, root).items():
                (folder / file).write_bytes(text.encode())
        write_json(folder / MANIFEST, rehash(plan, task, root))
        folders.append(folder)
    return folders


def rehash(plan: Plan, task: Task, root: Path) -> Any:
    """The manifest of an artifact as its files and those of its inputs are now, made by the code that made it."""
    folder = root / task.folder
    code = read_json(folder / MANIFEST)["code"]
    inputs = {each: root / plan[each].folder for each in task.inputs}
    return make_manifest(folder, task.stage, task.key, code["sha256"], inputs, code.get("texts"))


def perfect(folder: Path) -> None:
    """Let the best checkpoint of a run have every test clip or video right: in predictions, metrics and scores.

    The files agree with each other, as `verify` recomputes them, and with nothing that was computed.
    """
    metrics, scores = read_json(folder / METRICS), read_json(folder / SCORES)
    with np.load(folder / PREDICTIONS, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    under = metrics["best"]["test"]
    for transform, score in under.items():
        arrays[predicted("best", transform)] = arrays[LABEL].copy()
        score.update(correct=score["total"], top1=100.0)
        if CLIP_LABEL in arrays:
            arrays[predicted("best", transform, clips=True)] = arrays[CLIP_LABEL].copy()
            score["clip"].update(correct=score["clip"]["total"], top1=100.0)
        scores[transform] = 100.0
    for each in metrics["equivariance"]["best"].values():
        each["agreement"] = 100.0
    write_json(folder / METRICS, metrics)
    write_json(folder / SCORES, scores)
    with atomic_write(folder / PREDICTIONS) as file:
        np.savez(file, **arrays)


def _made_again(plan: Plan, task: Task, root: Path) -> dict[str, str]:
    """The texts of a table or of the report from what its inputs are now; nothing for other artifacts."""
    folder = root / task.folder
    inputs = {each: root / plan[each].folder for each in task.inputs}
    if task.stage == "aggregate":
        return dict(aggregate_outputs(_spec(folder, AggregateSpec), inputs, root))
    if task.stage == "report":
        built = build(_spec(folder, ReportSpec), inputs, root)
        return {JSON: built.json, HTML: built.html}
    return {}


def _spec(folder: Path, model: Any) -> Any:
    return TypeAdapter(model).validate_python(read_json(folder / SPEC))
