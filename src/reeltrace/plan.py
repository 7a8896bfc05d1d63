"""The registry as a graph of tasks: which stage, which key, from which artifacts, into which files, by which code.

Both engines are made from this one graph, and the leaf command runs one of its nodes. Nothing here does the work of a
stage or imports a room.
"""

import ast
import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import grimp
from grimp import ImportGraph
from grimp.exceptions import SourceSyntaxError

from reeltrace.artifacts import formats
from reeltrace.artifacts.files import not_a_folder, reason_of, sha256_file
from reeltrace.artifacts.names import DOCUMENTS, MANIFEST, RECEIPT, SPEC
from reeltrace.document_code import module_path
from reeltrace.errors import UserError, known_names
from reeltrace.kinds.architecture import ARCHITECTURES, STILLS, Architecture
from reeltrace.kinds.brought import module_file
from reeltrace.kinds.dataset import DATASETS, DataSpec, trained_on
from reeltrace.kinds.measurement import MEASUREMENTS, MeasurementKind
from reeltrace.kinds.network import NETWORKS
from reeltrace.kinds.points import Named, Point, module_in, references
from reeltrace.kinds.table import TABLES, kind_of, measurements_of, shown_below
from reeltrace.kinds.unit import UNITS, Unit, units_of
from reeltrace.registry.fields import Spec
from reeltrace.registry.header import HEADER
from reeltrace.registry.reading import Registry, load
from reeltrace.registry.specs import (
    AggregateSpec,
    FeaturesSpec,
    MeasureSpec,
    PretrainSpec,
    ReportSpec,
    TrainSpec,
)

Stage = Literal["data", "frames", "pretrain", "features", "measure", "train", "timing", "aggregate", "report"]
STAGES: tuple[Stage, ...] = (
    "data",
    "frames",
    "pretrain",
    "features",
    "measure",
    "train",
    "timing",
    "aggregate",
    "report",
)
MODULES: dict[str, str] = {
    "frames": "reeltrace.data.frames_stage",
    "pretrain": "reeltrace.training.pretrain_stage",
    "features": "reeltrace.training.features_stage",
    "timing": "reeltrace.analysis.timing",
    "aggregate": "reeltrace.analysis.stage",
    "report": "reeltrace.report.stage",
}
# A module for each kind, so that a change in one makes nothing of another kind stale.
MAKES = {making.stage for kind in DATASETS.all().values() for making in kind.makings}
MEASURES = {kind.stage for kind in MEASUREMENTS.all().values()}
TRAINS = {kind.stage for kind in ARCHITECTURES.all().values()}
STAGE_MODULES = tuple(sorted({*MODULES.values(), *MAKES, *MEASURES, *TRAINS}))
RESULTS = Path("results")
TEMPLATES = Path("reports/templates")
PACKAGE = Path("src/reeltrace")
PUBLISHED = "published.yaml"
TEXTS = (HEADER, PUBLISHED, "claims.yaml", "assumptions.yaml")  # of a document, besides its templates
TEMPLATE = ".html.j2"


def module_of(spec: Spec) -> str:
    """The module whose `run` does the work of a spec."""
    if isinstance(spec, MeasureSpec):
        return MEASUREMENTS.get(spec.measurement.kind).stage
    if isinstance(spec, DataSpec):
        return DATASETS.get(spec.kind).making(spec).stage
    if isinstance(spec, TrainSpec):
        return ARCHITECTURES.get(spec.model.architecture).stage
    return MODULES[spec.stage]


@dataclass(frozen=True)
class Task:
    """One node of the graph. Paths are relative to the project's root.

    `inputs` are names "stage/key"; `outputs` the files (and folders, with a slash) beside spec, manifest and receipt;
    `sources` the code and text files that its result depends on; `params` the keys of params.yaml behind its spec;
    `given` those of the sources that the user names, with the key of params.yaml that does.
    """

    spec: Spec
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    texts: tuple[Path, ...]
    code: Callable[[], tuple[Path, ...]] = field(repr=False, compare=False)
    given: tuple[tuple[Path, str], ...] = ()

    @property
    def sources(self) -> tuple[Path, ...]:
        """The code, found when it is asked for, the texts, and the files that the user gives."""
        return tuple(dict.fromkeys((*self.code(), *self.read)))

    @property
    def read(self) -> tuple[Path, ...]:
        """The sources that are no code: the texts, and the files that the user gives."""
        return tuple(dict.fromkeys((*self.texts, *(path for path, _ in self.given))))

    @property
    def stage(self) -> str:
        return self.spec.stage

    @property
    def key(self) -> str:
        return self.spec.key

    @property
    def name(self) -> str:
        return f"{self.stage}/{self.key}"

    @property
    def folder(self) -> Path:
        return RESULTS / self.spec.scale / self.stage / self.key

    @property
    def spec_path(self) -> Path:
        return self.folder / SPEC

    @property
    def manifest(self) -> Path:
        return self.folder / MANIFEST

    @property
    def observes(self) -> bool:
        """Whether its result is what was seen on one machine at one time, and differs when it is made again."""
        return isinstance(self.spec, MeasureSpec) and MEASUREMENTS.get(self.spec.measurement.kind).observes

    @property
    def command(self) -> str:
        """The leaf command, as one gives it in an activated environment."""
        return f"reeltrace run {self.stage} {self.key}"

    @property
    def launch(self) -> str:
        """The leaf command as both engines give it: `workflow/reeltrace` finds the interpreter, whatever PATH says."""
        return f"sh workflow/{self.command}"

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything the task leaves behind except its spec: manifest first, receipt second."""
        return (self.manifest, self.folder / RECEIPT, *(self.folder / name for name in self.outputs))


FRAMES_OUTPUTS = (formats.ABOUT, formats.BROKEN_VIDEOS, formats.FRAMES.name, f"{formats.SHARDS}/")
TRAIN_OUTPUTS = (formats.BEST, formats.HISTORY, formats.LAST, formats.METRICS, formats.PREDICTIONS, formats.SCORES)
PRETRAIN_OUTPUTS = (formats.ABOUT, formats.WEIGHTS)
LEARNED_OUTPUTS = (*PRETRAIN_OUTPUTS, formats.HISTORY)
FEATURES_OUTPUTS = (formats.ABOUT, "block2.npy", "block3.npy", "block4.npy")
TIMING_OUTPUTS = (formats.TIMING,)
AGGREGATE_OUTPUTS = (formats.CELLS, formats.CURVES)
REPORT_OUTPUTS = (formats.HTML, formats.JSON)


class Plan:
    """All tasks of the active scale, in an order in which they can run."""

    def __init__(self, registry: Registry, root: Path = Path()) -> None:
        self.registry = registry
        self.root = root
        self._sources: dict[tuple[str, tuple[str, ...], Path | None], tuple[Path, ...]] = {}
        self._imports: ImportGraph | None = None
        self.tasks: dict[str, Task] = {task.name: task for task in self._tasks()}

    def __getitem__(self, name: str) -> Task:
        """The task "stage/key". Raises `UserError` naming what there is."""
        try:
            return self.tasks[name]
        except KeyError:
            stage = name.partition("/")[0]
            if stage not in STAGES:
                raise UserError(f"no stage is named {stage!r}; expected one of {', '.join(STAGES)}") from None
            key, keys = name.partition("/")[2], (task.key for task in self.of(stage))
            raise UserError(f"no {stage} is named {key!r}; {known_names(key, keys)}") from None

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks.values())

    def of(self, stage: str) -> list[Task]:
        """The tasks of one stage."""
        return [task for task in self if task.stage == stage]

    def inputs_of(self, task: Task) -> list[Task]:
        """The tasks whose artifacts `task` reads."""
        return [self.tasks[name] for name in task.inputs]

    def before(self, task: Task) -> list[Path]:
        """What Snakemake takes as the inputs of a task."""
        return [task.spec_path, *task.sources, *(source.manifest for source in self.inputs_of(task))]

    def behind(self, task: Task) -> list[Task]:
        """`task` and everything that it is made of, in an order in which they can run."""
        seen: dict[str, None] = {}
        waiting = [task.name]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen[name] = None
                waiting.extend(self.tasks[name].inputs)
        return [each for each in self if each.name in seen]

    def named(self) -> dict[str, list[Task]]:
        """What one may ask for by name: every document and every table, with everything that it is made of.

        Raises `UserError` where the name of a document would mean something else.
        """
        asked: dict[str, dict[str, Task]] = {}
        for task in self.of("aggregate"):
            document = self.registry.params.tables[task.key].document
            if document in (*STAGES, "all"):
                raise UserError(
                    f"{DOCUMENTS / document}: {document!r} names a stage or everything; give the folder another name"
                )
            for name in (document, task.key):
                asked.setdefault(name, {}).update({each.name: each for each in self.behind(task)})
        return {name: list(tasks.values()) for name, tasks in asked.items()}

    def _tasks(self) -> Iterator[Task]:
        registry, params = self.registry, self.registry.params
        data = list(registry.used_datasets())
        decoded = [key for key in data if registry.is_decoded(key)]
        pools = dict.fromkeys(pool.name for key in data for pool in registry.pools_of(key))
        for key in (*pools, *data):
            spec = registry.data_spec(key)
            yield self._task(
                spec,
                inputs=tuple(f"data/{pool.name}" for pool in registry.pools_of(key)),
                outputs=DATASETS.get(spec.kind).making(spec).outputs,
                params=(f"datasets.{key}",),
            )
        for key in decoded:
            yield self._task(
                registry.frames_spec(key),
                inputs=(f"data/{key}",),
                outputs=FRAMES_OUTPUTS,
                params=(f"datasets.{key}",),
            )
        used = {name for table in params.tables.values() for name in measurements_of(table)}
        used.update(registry.drawn_pictures())
        yield from self._pretrained()
        for key, asked in params.measurements.items():
            if key in used:
                yield self._task(
                    registry.measure_spec(key),
                    inputs=(),
                    outputs=MEASUREMENTS.get(asked.kind).outputs,
                    params=tuple(f"measurements.{name}" for name in self._measured_with(key)),
                    given=self._given_to(key),
                )
        for run in registry.used_runs():
            for seed in params.seeds:
                yield self._task(
                    registry.train_spec(run, seed),
                    inputs=(*self._clips_of(params.runs[run].dataset), *self._learned_before(run)),
                    outputs=(*TRAIN_OUTPUTS, *self._found_further(run)),
                    params=registry.spec_paths(run),
                )
        for key in self._timed():
            yield self._task(
                registry.timing_spec(key),
                inputs=tuple(
                    f"train/{registry.train_key(run, seed)}"
                    for run in registry.table_runs(key)
                    for seed in params.seeds
                ),
                outputs=TIMING_OUTPUTS,
                params=(f"tables.{key}", "seeds"),
            )
        for key, table in params.tables.items():
            runs = registry.table_runs(key)
            paths = dict.fromkeys(path for run in runs for path in registry.run_paths(run))
            inputs = [f"train/{registry.train_key(run, seed)}" for run in runs for seed in params.seeds]
            for measurement in measurements_of(table):
                inputs.append(f"measure/{measurement}")
                paths[f"measurements.{measurement}"] = None
            if runs:
                paths["seeds"] = None
            if key in self._timed():
                inputs.append(f"timing/{key}")
            yield self._task(
                registry.aggregate_spec(key),
                inputs=tuple(inputs),
                outputs=AGGREGATE_OUTPUTS,
                params=(f"tables.{key}", *paths),
                texts=(DOCUMENTS / table.document / PUBLISHED,),
            )
        yield self._task(
            registry.report_spec(),
            inputs=(
                *(f"aggregate/{key}" for key in params.tables),
                *(f"data/{key}" for key in data),
                *(f"frames/{key}" for key in decoded),
                *(f"measure/{key}" for key in params.measurements if key in used),
                *(f"pretrain/{key}" for key in registry.used_backbones()),
                *(f"features/{key}" for key in registry.features_specs()),
                *(f"timing/{key}" for key in self._timed()),
                *(f"train/{registry.train_key(run, seed)}" for run in registry.used_runs() for seed in params.seeds),
            ),
            outputs=REPORT_OUTPUTS,
            params=(
                "seeds",
                "device",
                "datasets",
                "backbones",
                "models",
                "protocols",
                "runs",
                "measurements",
                "tables",
            ),
            texts=tuple(report_texts(self.root, self.registry.files.headers)),
        )

    def _measured_with(self, key: str) -> tuple[str, ...]:
        """A measurement and, where it speaks of the nets of another one, that one."""
        nets = self.registry.nets_of(key)
        return (key,) if nets is None else (key, nets.of)

    def _given_to(self, key: str) -> tuple[tuple[Path, str], ...]:
        """The user's files that a measurement reads; another content makes it stale, as other code does."""
        asked, place = self.registry.params.measurements[key], self.registry.files.place
        found = MEASUREMENTS.get(asked.kind).files(asked)
        return tuple((Path(path), place(f"measurements.{key}.{where}")) for path, where in found)

    def _pretrained(self) -> Iterator[Task]:
        """Backbones, and the features of frames that they give."""
        registry, params = self.registry, self.registry.params
        for name in registry.used_backbones():
            backbone = params.backbones[name]
            initial = () if backbone.initial is None else (f"pretrain/{backbone.initial}",)
            if (stills := backbone.stills) is None:
                yield self._task(registry.pretrain_spec(name), initial, PRETRAIN_OUTPUTS, params=(f"backbones.{name}",))
                continue
            learned = (f"protocols.{stills.protocol}", f"datasets.{stills.dataset}", "device", "seeds")
            yield self._task(
                registry.pretrain_spec(name),
                inputs=(*self._clips_of(stills.dataset), *initial),
                outputs=LEARNED_OUTPUTS,
                params=(f"backbones.{name}", *learned),
            )
        for spec in registry.features_specs().values():
            yield self._task(
                spec,
                inputs=(f"frames/{spec.dataset}", f"pretrain/{spec.backbone_name}"),
                outputs=FEATURES_OUTPUTS,
                params=(f"backbones.{spec.backbone_name}", f"datasets.{spec.dataset}", "device"),
            )

    def _learned_before(self, run: str) -> tuple[str, ...]:
        """The weights that a run begins with, or the features that it reads."""
        if (features := self.registry.features_key(run)) is not None:
            return (f"features/{features}",)
        backbone = self.registry.weights_of(run)
        return () if backbone is None else (f"pretrain/{backbone}",)

    def _found_further(self, run: str) -> tuple[str, ...]:
        """The files that a run leaves beside those of every run."""
        further = self._net(run).further
        return () if further is None else further.outputs

    def _net(self, run: str) -> Architecture:
        """The kind of net that a run trains."""
        params = self.registry.params
        return ARCHITECTURES.get(params.models[params.runs[run].model].architecture)

    def _measured_by(self, key: str) -> MeasurementKind:
        """The kind of a measurement."""
        return MEASUREMENTS.get(self.registry.params.measurements[key].kind)

    def _timed(self) -> list[str]:
        """The tables that print training times."""
        return [key for key, table in self.registry.params.tables.items() if kind_of(table).timed(table)]

    def _clips_of(self, dataset: str) -> tuple[str, ...]:
        """The artifacts that a training on `dataset` reads: for videos its splits and its frames."""
        frames = (f"frames/{dataset}",) if self.registry.is_decoded(dataset) else ()
        return (f"data/{dataset}", *frames)

    def own_module(self, spec: Spec) -> Path | None:
        """The module of its document that a task calls; None where it calls none."""
        if isinstance(spec, MeasureSpec) and MEASUREMENTS.get(spec.measurement.kind).calls_document:
            return module_path(spec.measurement.document, self.root)
        return None

    def named_by_kinds(self, spec: Spec) -> tuple[str, ...]:
        """The modules that a task loads by their names: those of the kinds it asks, and what these name for it."""
        params, named = self.registry.params, set[str]()
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
        elif isinstance(spec, DataSpec):  # as here
            named = {home for home in [DATASETS.home(spec.kind)] if module_file(home) is not None}
        elif isinstance(spec, AggregateSpec):
            named = {TABLES.home(spec.table.kind), module_in(kind_of(spec.table).cells)}
            own = units_of(spec.table.document).keys() & UNITS.brought().keys()
            named |= {module for unit in own for module in _modules(UNITS, UNITS.get(unit))}
            for shown in map(self._measured_by, shown_below(spec.table)):
                named |= {MEASUREMENTS.home(shown.name), *([module_in(shown.beside)] if shown.beside else ())}
        elif isinstance(spec, ReportSpec):
            tables = [kind_of(params.tables[key]) for key in spec.tables]
            named = {ARCHITECTURES.home(self._net(run).name) for run in spec.runs}
            named |= {MEASUREMENTS.home(asked.kind) for asked in params.measurements.values()}
            named |= {TABLES.home(table.name) for table in tables}
            named |= {module_in(table.chart) for table in tables if table.chart is not None}
            drawings = (self._measured_by(key).draws for key in spec.pictures)
            named |= {module_in(drawing.describe) for drawing in drawings if drawing}
            datasets = [params.datasets[key] for key in spec.datasets]
            named |= {DATASETS.home(dataset.kind) for dataset in datasets}
            named |= {module_in(trained_on(dataset).shown.describe) for dataset in datasets}
            named |= self._brought()
        return tuple(sorted(named))

    def _brought(self) -> set[str]:
        """The modules of documents that declare kinds, and those of documents that these name."""
        found: set[str] = set()
        for point in Point.every:
            for kind in point.brought().values():
                found |= _modules(point, kind)
        return found

    def code(self, module: str, named: tuple[str, ...] = (), own: Path | None = None) -> tuple[Path, ...]:
        """The files that the stage in `module` loads, with those that kinds name and a document's own module.

        See `code_of`.
        """
        if self._imports is None:
            self._imports = imports(self.root)
        asked = (module, named, own)
        if asked not in self._sources:  # many tasks share few modules
            self._sources[asked] = code_of(module, self.root, self._imports, named, own)
        return self._sources[asked]

    def _task(
        self,
        spec: Spec,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        params: tuple[str, ...],
        texts: tuple[Path, ...] = (),
        given: tuple[tuple[Path, str], ...] = (),
    ) -> Task:
        return Task(
            spec=spec,
            inputs=tuple(dict.fromkeys(inputs)),
            outputs=outputs,
            params=("scale", *params),
            texts=texts,
            code=partial(self.code, module_of(spec), self.named_by_kinds(spec), self.own_module(spec)),
            given=given,
        )


def _modules(point: Point[Any], kind: Named) -> set[str]:
    """The modules of documents that declare one of their kinds, or that it names."""
    found = {point.home(kind.name), *map(module_in, references(kind))}
    return {name for name in found if module_file(name) is not None}


def report_texts(root: Path, documents: Iterable[str]) -> list[Path]:
    """The text files of the report: templates, and of each document its header, cells, claims and assumptions.

    Raises `OSError` for a folder that cannot be read, since its texts would not be missed.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    found: list[Path] = []
    for folder in (TEMPLATES, *(DOCUMENTS / name for name in documents)):
        for inside, _, names in os.walk(root / folder, onerror=refuse):
            found += [Path(inside, name) for name in names if folder == TEMPLATES or _is_text(name)]
    return sorted(path.relative_to(root) for path in found if path.is_file() and not path.name.startswith("."))


def _is_text(name: str) -> bool:
    """Whether a file of a document is one that the report reads."""
    return name in TEXTS or name.endswith(TEMPLATE)


def code_of(
    module: str,
    root: Path = Path(),
    graph: ImportGraph | None = None,
    named: tuple[str, ...] = (),
    own: Path | None = None,
) -> tuple[Path, ...]:
    """The files of this package that `module` loads, directly or through others, itself included.

    Taken from the source text (`graph`, or what `imports` finds now), so that asking is quick and imports nothing. What
    a function imports when it is called counts, what only type checkers see does not. The packages around a module are
    loaded with it; only the outermost, which holds the version and nothing else, does not count. A YAML file that bears
    a module's name holds what the module declares, and counts with it. `named` are modules that the stage loads by
    their names, of this package or of a document, `own` is one outside the package that it calls. A transcription may
    use any unit: what loads their point loads all of ours.

    Raises `UserError` where the file of such a module is missing.
    """
    graph = imports(root) if graph is None else graph
    outside = {path for name in (module, *named) if (path := module_file(name)) is not None} | ({own} if own else set())
    inside = [name for name in (module, *named) if module_file(name) is None]
    for each in inside:
        if each not in graph.modules:
            raise UserError(f"{_file_of(each, root)}: missing; restore it with `git checkout {PACKAGE}`")
    beside, imported = of_documents(outside, root)
    loaded: set[str] = set()
    waiting = [*inside, *(imported & graph.modules)]
    while waiting:
        name = waiting.pop()
        if name != PACKAGE.name and name not in loaded:
            loaded.add(name)
            waiting += [name.rpartition(".")[0], *graph.find_modules_directly_imported_by(name)]
            waiting += graph.find_children(UNITS.package) if name == Unit.__module__ else ()
    files = {_file_of(name, root) for name in loaded}
    declared = {path.with_suffix(".yaml") for path in files}
    return tuple(sorted(files | beside | {path for path in declared if (root / path).is_file()}))


def of_documents(paths: Iterable[Path], root: Path) -> tuple[set[Path], set[str]]:
    """Modules of documents, by their files, with those that they import: all these files, and all names imported.

    Raises `UserError` where one is missing or not Python.
    """
    files: set[Path] = set()
    names: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            found = imported_by(path, root)
            names |= found
            waiting += [other for name in found if (other := module_file(name)) and (root / other).is_file()]
    return files, names


def imported_by(path: Path, root: Path) -> set[str]:
    """What a file outside this package imports, wherever in it. Raises `UserError` where it is not Python."""
    try:
        tree = ast.parse((root / path).read_bytes(), str(path))
    except FileNotFoundError:
        raise UserError(f"{path}: missing; restore it with `git checkout {path}`") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}:{getattr(error, 'lineno', 1)}: not valid Python; correct it") from None
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imports(root: Path = Path()) -> ImportGraph:
    """Which module of the package below `root` imports which. Raises `UserError` for one that is not Python."""
    with _found_below(root):
        try:
            return grimp.build_graph(PACKAGE.name, exclude_type_checking_imports=True, cache_dir=None)
        except SourceSyntaxError as error:
            where = os.path.relpath(Path(error.filename).resolve(), root.resolve())
            raise UserError(f"{where}:{error.lineno}: not valid Python; correct it") from None
        except UnicodeError as error:
            raise UserError(f"{PACKAGE}: {error}; correct it") from None
        except OSError as error:  # which grimp puts into words of its own
            for path in sorted((root / PACKAGE).rglob("*.py")):
                check_readable(path.relative_to(root), root)
            raise UserError(f"{PACKAGE}: {' '.join(str(error).split())}; correct that") from None


@contextlib.contextmanager
def _found_below(root: Path) -> Iterator[None]:
    """Let importlib, which grimp asks, find the package below `root`, whichever copy of it this process runs.

    Its path is relative: in an ASCII locale grimp cannot read the name of a folder around it that has other letters.
    """
    running = sys.modules[PACKAGE.name]
    asked = ModuleType(PACKAGE.name)
    asked.__spec__ = ModuleSpec(PACKAGE.name, None, is_package=True)
    asked.__spec__.submodule_search_locations = [os.path.relpath(root / PACKAGE)]
    sys.modules[PACKAGE.name] = asked
    try:
        yield
    finally:
        sys.modules[PACKAGE.name] = running


def _file_of(module: str, root: Path) -> Path:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py")


def code_sha256(task: Task, root: Path = Path()) -> str:
    """One hash over the task's source files: their paths and their contents.

    Raises `UserError` where a file is missing.
    """
    check_given(task, root)
    return files_sha256(task.sources, root, task.name)


def texts_sha256(task: Task, root: Path = Path()) -> dict[str, str]:
    """By path, the hash of each text and given file of a task that is there."""
    return {path.as_posix(): sha256_file(root / path) for path in task.read if (root / path).is_file()}


def package_sha256(root: Path = Path()) -> str:
    """One hash over all files of this package, whether a stage imports them or not."""
    paths = (path.relative_to(root) for path in (root / PACKAGE).rglob("*") if path.is_file())
    return files_sha256(sorted(path for path in paths if "__pycache__" not in path.parts), root, "the package")


def files_sha256(paths: Iterable[Path], root: Path, reader: str) -> str:
    """One hash over files: paths and contents. Raises `UserError`, naming `reader`, where one is missing."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(f"{path.as_posix()}\0{sha256_file(root / path)}\n".encode())
        except FileNotFoundError:
            raise UserError(f"{path}: missing; {reader} needs it. Restore it with `git checkout {path}`") from None
        except OSError as error:
            raise _unreadable(path, error) from None
    return digest.hexdigest()


def check_sources(plan: "Plan") -> None:
    """Raises `UserError` for the first file that some task is made of and that is not there or cannot be read."""
    for task in plan:
        check_given(task, plan.root)
    readers = {path: task.name for task in plan for path in task.sources}
    for path, reader in readers.items():
        if not (plan.root / path).exists():
            raise UserError(f"{path}: missing; {reader} needs it. Restore it with `git checkout {path}`")
        check_readable(path, plan.root)


def check_readable(path: Path, root: Path = Path()) -> None:
    """Raises `UserError` where a file cannot be opened."""
    try:
        with (root / path).open("rb"):
            pass
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read ({reason_of(error)}); correct that and run the same command again")


def check_given(task: Task, root: Path = Path()) -> None:
    """Raises `UserError`, naming the key of params.yaml, where a file that the user names is not there."""
    for path, key in task.given:
        if not (root / path).is_file():
            what = "not a file" if (root / path).exists() else "missing"
            raise UserError(f"{path}: {what}; {task.name} needs it. Put it there, or correct {key}")


def load_plan(root: Path = Path()) -> Plan:
    """The plan of the project below `root`. Raises `UserError` where its results can lie nowhere."""
    registry = load(root)
    if found := not_a_folder(root / RESULTS / registry.scale / "logs" / "any.log"):
        raise UserError(found)
    return Plan(registry, root)
