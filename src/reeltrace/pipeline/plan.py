"""The registry as a graph of tasks: which stage, which key, from which artifacts, into which files, by which code.

Both engines are made from this one graph, and the leaf command runs one of its nodes. Nothing here does the work of a
stage or imports a room.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grimp import ImportGraph

from reeltrace.artifacts import formats
from reeltrace.artifacts.files import not_a_folder
from reeltrace.artifacts.json_values import canonical_json
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError, known_names
from reeltrace.kinds.architecture import ARCHITECTURES, Architecture
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.table import cell_sources, kind_of, measurements_of
from reeltrace.pipeline.code import code_of, imports
from reeltrace.pipeline.graph import RESULTS, STAGES, TEMPLATES, Graph, Node, code_sha256
from reeltrace.pipeline.named import documents_of_kinds, module_of, named_by_kinds, own_module
from reeltrace.registry.documents import PARAMS
from reeltrace.registry.fields import SCALES, Scale, Spec
from reeltrace.registry.header import HEADER
from reeltrace.registry.reading import Registry, load, spec_json
from reeltrace.registry.specs import MeasureSpec

__all__ = ["STAGES", "Plan", "Task", "code_sha256", "load_plan", "report_texts"]

PUBLISHED = "published.yaml"
# of a document, besides its templates
TEXTS = (
    HEADER,
    PUBLISHED,
    "prose.yaml",
    "spans.json",
    "relations.yaml",
    "claims.yaml",
    "assumptions.yaml",
    "not_reproduced.yaml",
)
TEMPLATE = ".html.j2"


@dataclass(frozen=True)
class Task(Node):
    """One node of the graph with its spec; `params` are the keys of params.yaml behind that."""

    spec: Spec
    params: tuple[str, ...]

    def spec_text(self) -> str:
        """As in `Node`."""
        return canonical_json(spec_json(self.spec))

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


FRAMES_OUTPUTS = (formats.ABOUT, formats.BROKEN_VIDEOS, formats.FRAMES.name, f"{formats.SHARDS}/")
TRAIN_OUTPUTS = (formats.BEST, formats.HISTORY, formats.LAST, formats.METRICS, formats.PREDICTIONS, formats.SCORES)
PRETRAIN_OUTPUTS = (formats.ABOUT, formats.WEIGHTS)
LEARNED_OUTPUTS = (*PRETRAIN_OUTPUTS, formats.HISTORY)
FEATURES_OUTPUTS = (formats.ABOUT, "block2.npy", "block3.npy", "block4.npy")
TIMING_OUTPUTS = (formats.TIMING,)
AGGREGATE_OUTPUTS = (formats.CELLS, formats.CURVES)
READING_OUTPUTS = (formats.READINGS,)
REPORT_OUTPUTS = (formats.HTML, formats.JSON)


class Plan(Graph[Task]):
    """All tasks of the active scale, in an order in which they can run."""

    def __init__(self, registry: Registry, root: Path = Path()) -> None:
        self.registry = registry
        self.root = root
        self.scale = registry.scale
        self.tables = {key: (table.document, table.table) for key, table in registry.params.tables.items()}
        self._sources: dict[tuple[str, tuple[str, ...], Path | None], tuple[Path, ...]] = {}
        self._imports: ImportGraph | None = None
        tasks = {task.name: task for task in self._tasks()}
        asides = {task.name: task for task in self._readings() if task.name not in tasks}
        if registry.params.readings:
            tasks, asides = {**tasks, **asides}, {}
        report = self._report(tasks.values())
        self.tasks: Mapping[str, Task] = {**tasks, report.name: report}
        self.asides: Mapping[str, Task] = asides

    def _data(self, runs: Iterable[str]) -> Iterator[Task]:
        """The sets that runs train on, and their frames."""
        registry = self.registry
        data = registry.used_datasets(runs)
        decoded = [key for key in data if registry.is_decoded(key)]
        pools = dict.fromkeys(pool.name for key in data for pool in registry.pools_of(key))
        for key in dict.fromkeys((*pools, *data)):
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
                inputs=(f"data/{key}", *(f"data/{pool.name}" for pool in registry.pools_of(key))),
                outputs=FRAMES_OUTPUTS,
                params=(f"datasets.{key}",),
            )

    def _measured(self, keys: Iterable[str]) -> Iterator[Task]:
        for key in keys:
            yield self._task(
                self.registry.measure_spec(key),
                inputs=tuple(self._pictured(key)),
                outputs=MEASUREMENTS.get(self.registry.params.measurements[key].kind).outputs,
                params=tuple(f"measurements.{name}" for name in self._measured_with(key)),
                given=self._given_to(key),
            )

    def _trained(self, runs: Iterable[str]) -> Iterator[Task]:
        registry, params = self.registry, self.registry.params
        for run in runs:
            for seed in params.seeds:
                yield self._task(
                    registry.train_spec(run, seed),
                    inputs=(*self._clips_of(params.runs[run].dataset), *self._learned_before(run)),
                    outputs=(*TRAIN_OUTPUTS, *self._found_further(run)),
                    params=registry.spec_paths(run),
                )

    def _readings(self) -> Iterator[Task]:
        """The runs under readings with what they are made of, and what is found of each document."""
        registry, params = self.registry, self.registry.params
        runs = registry.reading_runs()
        yield from self._data(runs)
        yield from self._pretrained(runs)
        yield from self._trained(runs)
        for document in registry.read_documents():
            spec = registry.reading_spec(document)
            tables = (*spec.chosen, *(table for reading in spec.readings for table in reading.tables))
            read = list(dict.fromkeys(source.run for each in tables for source in cell_sources(each.table)))
            yield self._task(
                spec,
                inputs=tuple(f"train/{registry.train_key(run, seed)}" for run in read for seed in params.seeds),
                outputs=READING_OUTPUTS,
                params=(
                    *(f"tables.{table.key}" for table in spec.chosen),
                    *(path for run in read for path in registry.run_paths(run)),
                    *(f"{reading.detail}.{reading.reading}" for reading in spec.readings),
                    "seeds",
                ),
                texts=(DOCUMENTS / document / PUBLISHED,),
            )

    def _tasks(self) -> Iterator[Task]:
        """All but the report, and what it does not wait for."""
        registry, params = self.registry, self.registry.params
        yield from self._data(registry.used_runs())
        used = {name for table in params.tables.values() for name in measurements_of(table)}
        used.update(registry.drawn_pictures())
        yield from self._pretrained(registry.used_runs())
        pictured = [key for key in used if registry.pictured_runs(key)]  # after the runs whose nets they draw
        yield from self._measured(key for key in params.measurements if key in used and key not in pictured)
        yield from self._trained(registry.used_runs())
        yield from self._measured(key for key in params.measurements if key in pictured)
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

    def _report(self, tasks: Iterable[Task]) -> Task:
        """The report, which reads all these."""
        registry, params = self.registry, self.registry.params
        return self._task(
            registry.report_spec(),
            inputs=tuple(task.name for task in tasks),
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
                *(() if params.reference is None else ("reference",)),
                *(("readings",) if params.readings else ()),
            ),
            given=() if params.reference is None else ((Path(params.reference), f"{PARAMS}: reference"),),
            texts=tuple(report_texts(self.root, self.registry.files.headers, documents_of_kinds())),
        )

    def _measured_with(self, key: str) -> tuple[str, ...]:
        """A measurement and, where it speaks of the nets of another one, that one."""
        nets = self.registry.nets_of(key)
        return (key,) if nets is None else (key, nets.of)

    def _pictured(self, key: str) -> Iterator[str]:
        """The trainings whose nets a measurement draws, and the clips that they were trained on."""
        for run in self.registry.pictured_runs(key):
            yield f"train/{self.registry.train_key(run, self.registry.params.seeds[0])}"
            yield from self._clips_of(self.registry.params.runs[run].dataset)

    def _given_to(self, key: str) -> tuple[tuple[Path, str], ...]:
        """The user's files that a measurement reads; another content makes it stale, as other code does."""
        asked, place = self.registry.params.measurements[key], self.registry.files.place
        found = MEASUREMENTS.get(asked.kind).files(asked)
        return tuple((Path(path), place(f"measurements.{key}.{where}")) for path, where in found)

    def _pretrained(self, runs: Iterable[str]) -> Iterator[Task]:
        """The backbones of runs, and the features of frames that they give."""
        registry, params = self.registry, self.registry.params
        for name in registry.used_backbones(runs):
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
        for spec in registry.features_specs(runs).values():
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

    def _timed(self) -> list[str]:
        """The tables that print training times."""
        return [key for key, table in self.registry.params.tables.items() if kind_of(table).timed(table)]

    def _clips_of(self, dataset: str) -> tuple[str, ...]:
        """The artifacts that a training on `dataset` reads: for videos its splits and its frames."""
        frames = (f"frames/{dataset}",) if self.registry.is_decoded(dataset) else ()
        return (f"data/{dataset}", *frames)

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
            stage=spec.stage,
            key=spec.key,
            scale=spec.scale,
            spec=spec,
            inputs=tuple(dict.fromkeys(inputs)),
            outputs=outputs,
            params=("scale", *dict.fromkeys(each for path in params for each in self.registry.declared(path))),
            texts=texts,
            code=partial(self.code, module_of(spec), named_by_kinds(self.registry, spec), own_module(spec, self.root)),
            given=given,
        )


def report_texts(root: Path, documents: Iterable[str], drawing: Iterable[str] = ()) -> list[Path]:
    """The text files of the report: templates, and of each document its header, cells, claims and assumptions.

    Of the folders that are `drawing`, as they bring kinds which another document may use, the templates alone.

    Raises `OSError` for a folder that cannot be read, since its texts would not be missed.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    whole = [DOCUMENTS / name for name in documents]
    found: list[Path] = []
    for folder in dict.fromkeys((TEMPLATES, *whole, *(DOCUMENTS / name for name in drawing))):
        for inside, _, names in os.walk(root / folder, onerror=refuse):
            for name in names:
                if folder == TEMPLATES or name.endswith(TEMPLATE) or (folder in whole and name in TEXTS):
                    found.append(Path(inside, name))
    return sorted(path.relative_to(root) for path in found if path.is_file() and not path.name.startswith("."))


def load_plan(root: Path = Path(), scale: Scale | None = None) -> Plan:
    """The plan of the project below `root`, at the scale that params.yaml names or at `scale` as if it named that.

    Raises `UserError` where its results can lie nowhere.
    """
    registry = load(root, scale)
    if found := not_a_folder(root / RESULTS / registry.scale / "logs" / "any.log"):
        raise UserError(found)
    return Plan(registry, root)


def scale_named(name: str) -> Scale:
    """The scale of that name. Raises `UserError` where there is none."""
    for scale in SCALES:
        if scale == name:
            return scale
    raise UserError(f"--scale: no scale is named {name!r}; {known_names(name, SCALES)}")
