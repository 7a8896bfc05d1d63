"""The modules that a task loads by their names: that of its stage, and those that the kinds it asks name for it."""

from pathlib import Path
from typing import Any

from reeltrace.kinds.architecture import ARCHITECTURES, STILLS
from reeltrace.kinds.brought import module_file
from reeltrace.kinds.dataset import DATASETS, DataSpec, trained_on
from reeltrace.kinds.document_code import module_path
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.network import NETWORKS
from reeltrace.kinds.points import Named, Point, module_in, references
from reeltrace.kinds.table import TABLES, kind_of, shown_below
from reeltrace.kinds.unit import UNITS, units_of
from reeltrace.registry.fields import Spec
from reeltrace.registry.reading import Registry
from reeltrace.registry.specs import (
    AggregateSpec,
    FeaturesSpec,
    MeasureSpec,
    PretrainSpec,
    ReadingSpec,
    ReportSpec,
    TrainSpec,
)

MODULES: dict[str, str] = {
    "frames": "reeltrace.data.frames_stage",
    "pretrain": "reeltrace.training.pretrain_stage",
    "features": "reeltrace.training.features_stage",
    "timing": "reeltrace.analysis.timing",
    "aggregate": "reeltrace.analysis.stage",
    "reading": "reeltrace.analysis.readings",
    "report": "reeltrace.report.stage",
}
# A module for each kind, so that a change in one makes nothing of another kind stale.
MAKES = {making.stage for kind in DATASETS.all().values() for making in kind.makings}
MEASURES = {kind.stage for kind in MEASUREMENTS.all().values()}
TRAINS = {kind.stage for kind in ARCHITECTURES.all().values()}
STAGE_MODULES = tuple(sorted({*MODULES.values(), *MAKES, *MEASURES, *TRAINS}))


def module_of(spec: Spec) -> str:
    """The module whose `run` does the work of a spec."""
    if isinstance(spec, MeasureSpec):
        return MEASUREMENTS.get(spec.measurement.kind).stage
    if isinstance(spec, DataSpec):
        return DATASETS.get(spec.kind).making(spec).stage
    if isinstance(spec, TrainSpec):
        return ARCHITECTURES.get(spec.model.architecture).stage
    return MODULES[spec.stage]


def own_module(spec: Spec, root: Path) -> Path | None:
    """The module of its document that a task calls; None where it calls none."""
    if isinstance(spec, MeasureSpec) and MEASUREMENTS.get(spec.measurement.kind).calls_document:
        return module_path(spec.measurement.document, root)
    return None


def named_by_kinds(registry: Registry, spec: Spec) -> tuple[str, ...]:
    """The modules that a task loads by their names: those of the kinds it asks, and what these name for it."""
    params, named = registry.params, set[str]()
    if isinstance(spec, TrainSpec):
        kind = ARCHITECTURES.get(spec.model.architecture)
        named = {ARCHITECTURES.home(kind.name), *kind.code}
        if kind.fed == "clips":  # which the kind of the dataset opens
            dataset = params.datasets[spec.dataset]
            named |= {DATASETS.home(dataset.kind), module_in(trained_on(dataset).splits)}
    elif isinstance(spec, PretrainSpec | FeaturesSpec):
        named = {ARCHITECTURES.home(STILLS), *ARCHITECTURES.get(STILLS).code}
    elif isinstance(spec, MeasureSpec):  # whose stage asks nothing of its kind
        named = {home for home in [MEASUREMENTS.home(spec.measurement.kind)] if module_file(home) is not None}
        builds = MEASUREMENTS.get(spec.measurement.kind).builds
        own = () if builds is None else builds(spec.measurement)
        for each in {*own, *(network.architecture for network in spec.networks.values())}:
            named |= {NETWORKS.home(each), *NETWORKS.get(each).code}
        for run in registry.pictured_runs(spec.key):  # whose net and clips it builds again
            named |= set(named_by_kinds(registry, registry.train_spec(run, params.seeds[0])))
    elif isinstance(spec, DataSpec):  # as here
        named = {home for home in [DATASETS.home(spec.kind)] if module_file(home) is not None}
    elif isinstance(spec, ReadingSpec):
        named = {module for table in spec.chosen for module in _of_cells(table)}
    elif isinstance(spec, AggregateSpec):
        named = _of_cells(spec)
        for shown in (MEASUREMENTS.get(params.measurements[key].kind) for key in shown_below(spec.table)):
            named |= {MEASUREMENTS.home(shown.name), *([module_in(shown.beside)] if shown.beside else ())}
    elif isinstance(spec, ReportSpec):
        tables = [kind_of(params.tables[key]) for key in spec.tables]
        named = {ARCHITECTURES.home(params.models[params.runs[run].model].architecture) for run in spec.runs}
        named |= {MEASUREMENTS.home(asked.kind) for asked in params.measurements.values()}
        named |= {TABLES.home(table.name) for table in tables}
        named |= {module_in(table.chart) for table in tables if table.chart is not None}
        drawings = (MEASUREMENTS.get(params.measurements[key].kind).draws for key in spec.pictures)
        named |= {module_in(drawing.describe) for drawing in drawings if drawing}
        datasets = [params.datasets[key] for key in spec.datasets]
        named |= {DATASETS.home(dataset.kind) for dataset in datasets}
        named |= {module_in(trained_on(dataset).shown.describe) for dataset in datasets}
        named |= _brought()
    return tuple(sorted(named))


def _of_cells(spec: AggregateSpec) -> set[str]:
    """The modules that make the cells of a table."""
    named = {TABLES.home(spec.table.kind), module_in(kind_of(spec.table).cells)}
    own = units_of(spec.table.document).keys() & UNITS.brought().keys()
    return named | {module for unit in own for module in _modules(UNITS, UNITS.get(unit))}


def _brought() -> set[str]:
    """The modules of documents that declare kinds, and those of documents that these name."""
    found: set[str] = set()
    for point in Point.every:
        for kind in point.brought().values():
            found |= _modules(point, kind)
    return found


def documents_of_kinds() -> tuple[str, ...]:
    """The folders of documents that bring kinds."""
    return tuple(sorted({module.split(".")[1] for module in _brought()}))


def _modules(point: Point[Any], kind: Named) -> set[str]:
    """The modules of documents that declare one of their kinds, or that it names."""
    found = {point.home(kind.name), *map(module_in, references(kind))}
    return {name for name in found if module_file(name) is not None}
