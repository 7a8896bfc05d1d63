"""What the end-to-end tests take of the documents that are there: by what it is, and not by its name."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from conftest import PROJECT
from reeltrace.pipeline.named import module_of
from reeltrace.pipeline.plan import Plan, Task
from reeltrace.registry.reading import load

REGISTRY = load(PROJECT, "smoke")
PARAMS = REGISTRY.params
PLAN = Plan(REGISTRY, PROJECT)


def readers(name: str, stage: str = "aggregate") -> list[str]:
    """The keys of what reads an artifact."""
    return [task.key for task in PLAN.of(stage) if name in task.inputs]


def trained(names: Iterable[str]) -> list[str]:
    """The runs whose trainings are among the names of artifacts."""
    return list(dict.fromkeys(n.removeprefix("train/").rpartition("-s")[0] for n in names if n.startswith("train/")))


def measured(kind: str) -> list[str]:
    """The keys of the measurements of a kind."""
    return [task.key for task in PLAN.of("measure") if PARAMS.measurements[task.key].kind == kind]


def parts_of(tasks: list[Task]) -> set[object]:
    """What makes a table: modules of stages, with weights that were learned before or without, and measurements."""
    found: set[object] = {
        (module_of(task.spec), any(name.startswith("pretrain/") for name in task.inputs)) for task in tasks
    }
    return found | {PARAMS.measurements[task.key].kind for task in tasks if task.stage == "measure"}


def a_table_of_each() -> Iterator[str]:
    """Tables without times that together are made of all that tables are made of, the smallest first."""
    seen: set[object] = set()
    for name, tasks in sorted(PLAN.named().items(), key=lambda of: len(of[1])):
        if name not in PARAMS.tables or any(task.observes or task.stage == "timing" for task in tasks):
            continue
        if not parts_of(tasks) <= seen:
            seen |= parts_of(tasks)
            yield name


TABLE = next(key for key, table in PARAMS.tables.items() if table.kind == "accuracy")
DOCUMENT = PARAMS.tables[TABLE].document
RUN, *BESIDE = trained(PLAN[f"aggregate/{TABLE}"].inputs)
DATASET = PARAMS.runs[RUN].dataset
OTHER = next(
    n for n, run in PARAMS.runs.items() if run.dataset == DATASET and n not in (RUN, *BESIDE) and run.augment is None
)
AUGMENTED = next(name for name, run in PARAMS.runs.items() if run.augment is not None)
(TIMED,) = measured("latency")
FEATURES = trained(t.name for t in PLAN.of("train") if any(n.startswith("features/") for n in t.inputs))[0]


def file_of(path: str) -> str:
    """The file that holds a value at the smoke scale."""
    return REGISTRY.files.file_of(path, "smoke")


def rewrite(root: Path, path: str, new: str, key: str | None = None) -> None:
    """Write another value, or another key, at a path of the registry into the file that holds it."""
    section, entry, *_, name = path.split(".")
    file = root / file_of(path)
    place = re.search(rf"^{section}:\n(?:[ #].*\n|\n)*?  {entry}:", text := file.read_text(), re.MULTILINE)
    assert place, f"{section}.{entry} is not in {file}"
    after, count = re.subn(rf"\b{name}: [^,}}\n]+", f"{key or name}: {new}", text[place.end() :], count=1)
    assert count
    file.write_text(text[: place.end()] + after)
