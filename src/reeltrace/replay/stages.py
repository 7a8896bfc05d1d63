"""Which artifacts can be made again from what they kept, and one of them made again and compared."""

from __future__ import annotations

import importlib
import importlib.metadata
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import reason_of
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import RECEIPT
from reeltrace.errors import CheckFailed, Problem, UserError
from reeltrace.kinds.dataset import DataSpec
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.machine import processor
from reeltrace.pipeline.named import module_of
from reeltrace.pipeline.plan import Plan, Task
from reeltrace.registry.specs import FeaturesSpec, FramesSpec, MeasureSpec, PretrainSpec, TrainSpec
from reeltrace.replay.compare import compare, same_arithmetic
from reeltrace.replay.recall import remembered

OTHERWISE = "differs on replay"
EXACTLY = "every byte"
NEARLY = "the tolerance of another machine"
NOT_HELD = "nothing: made by other versions, or on another processor"
MAKERS = ("av", "numpy", "scikit-learn")  # packages that decide the bytes of data, beside the processor


@dataclass(frozen=True)
class Replayed:
    """What a replay of an artifact found, and what the artifact was held to."""

    problems: list[Problem]
    held_to: str


def can_replay(task: Task) -> bool:
    """Whether an artifact is made again here: trained nets, features, counts and, at the small scales, data.

    Not weights and data that were downloaded, whose hashes are declared; nor times and pictures, which were observed.
    """
    spec = task.spec
    if isinstance(spec, MeasureSpec):
        kind = MEASUREMENTS.get(spec.measurement.kind)
        return not kind.observes and kind.draws is None
    if isinstance(spec, DataSpec | FramesSpec):
        return spec.scale != "paper"
    return isinstance(spec, TrainSpec | FeaturesSpec) or (isinstance(spec, PretrainSpec) and spec.training is not None)


def replay(plan: Plan, task: Task, root: Path) -> Replayed:
    """Run the stage of a finished artifact beside it, with training remembered, and compare all that it writes.

    Whatever an altered file makes of this is a problem of that artifact: nothing is raised.
    """
    folder = root / task.folder
    inputs = {name: root / plan[name].folder for name in task.inputs}
    stage: Any = importlib.import_module(module_of(task.spec))
    try:
        with tempfile.TemporaryDirectory(prefix="reeltrace-replay-") as work, remembered(folder):
            stage.run(task.spec, inputs, Path(work))
            exactly = same_arithmetic(folder, Path(work))
            found = list(compare(folder, Path(work), task.outputs, exactly=exactly))
        if found and isinstance(task.spec, DataSpec | FramesSpec) and _made_elsewhere(folder):
            return Replayed([], NOT_HELD)
        problems = [Problem(OTHERWISE, str(folder / each.file), each.found) for each in found]
        return Replayed(problems, EXACTLY if exactly else NEARLY)
    except OSError as error:
        return _failed(error.filename or folder, f"cannot be replayed ({reason_of(error)})")
    except (CheckFailed, UserError) as error:
        return _failed(folder, f"cannot be replayed: {error}")
    except Exception as error:
        return _failed(folder, f"cannot be replayed ({type(error).__name__}: {' '.join(str(error).split())[:200]})")


def _made_elsewhere(folder: Path) -> bool:
    """Whether the receipt tells of another processor, or of other versions of what encodes, decodes and draws."""
    receipt = read_json(folder / RECEIPT)
    then = {name: receipt["packages"].get(name) for name in MAKERS}
    now = {name: importlib.metadata.version(name) for name in MAKERS}
    return then != now or receipt["host"]["features"] != processor.features()


def _failed(where: object, found: str) -> Replayed:
    return Replayed([Problem(OTHERWISE, str(where), found)], EXACTLY)
