"""The specs that follow from `params.yaml` and `documents/`."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache, partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from reeltrace.errors import UserError, short
from reeltrace.kinds.architecture import ARCHITECTURES, PIXELS, STILLS, Architecture
from reeltrace.kinds.brought import bring
from reeltrace.kinds.dataset import DataSpec, Pool, decoded_of, kind_of, pools_of, trained_on
from reeltrace.kinds.measurement import MEASUREMENTS, Nets
from reeltrace.kinds.points import Misfit
from reeltrace.kinds.table import TableEntry, cell_sources, measurements_of, rows_of_runs, shown_below, with_runs
from reeltrace.kinds.table import kind_of as kind_of_table
from reeltrace.registry.datasets import VideoView
from reeltrace.registry.documents import Composition, compose, read
from reeltrace.registry.fields import SCALES, Scale, Spec
from reeltrace.registry.measurements import Network
from reeltrace.registry.models import BackboneEntry, Entry
from reeltrace.registry.params import Override, Params, backbone_of, check_names
from reeltrace.registry.readings import BETWEEN, Derived, with_derived
from reeltrace.registry.sizes import check_sizes
from reeltrace.registry.specs import (
    AggregateSpec,
    FeaturesSpec,
    FramesSpec,
    FrameView,
    MeasureSpec,
    PretrainSpec,
    ReadingSpec,
    ReadSpec,
    ReportSpec,
    TimingSpec,
    TrainSpec,
)
from reeltrace.registry.trees import differences


def _complaint(error: ValidationError, raw: Any, scale: Scale, files: Composition) -> str:
    """The first validation error as one line: where, what was found, what was expected."""
    first = Misfit.of(error)
    where, node = [], raw
    for part in first.loc:
        named = first.kind == "missing" and part == first.loc[-1]
        if isinstance(node, dict) and part not in node and not named:
            continue  # pydantic adds the tag of a union to the path; the file does not have it
        where.append(str(part))
        if isinstance(node, (dict, list)):
            try:
                node = node[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                node = None
    path = ".".join(where) or "the file"
    place = files.place(path, scale)
    if first.kind == "extra_forbidden":
        return f"{place}: unknown key; remove it or correct its spelling"
    if first.kind == "missing":
        return f"{place}: missing; add it"
    expected = first.message.removeprefix("Value error, ")
    return f"{place} (scale {scale}): found {short(first.found)}; expected: {expected[0].lower()}{expected[1:]}"


class Registry:
    """All experiments at the active scale, as specs. Build it with `load`."""

    def __init__(self, files: Composition, scale: Scale) -> None:
        self.scale: Scale = scale
        self.files = files
        tree = files.trees[scale]
        whole = with_derived(tree, files.readings[scale])
        try:
            self.params = Params.model_validate(whole)
        except ValidationError as error:
            raise UserError(_complaint(error, whole, scale, files)) from None
        place = partial(files.place, scale=scale)
        check_names(self.params, place)
        if scale in files.mistaken:
            raise files.mistaken[scale]
        check_sizes(self.params, (self.train_spec(run, self.params.seeds[0]) for run in self.params.runs), place)
        here = {key: value for key, value in tree.items() if key != "scale"}
        self._all_overrides = tuple(
            (Override(path=path, document=theirs, here=ours), frozenset(accumulate(path.split("."), "{}.{}".format)))
            for path, theirs, ours in differences(files.written, here)
        )

    def overrides(self, *prefixes: str) -> tuple[Override, ...]:
        """The overrides in force under any of these registry paths."""
        asked = frozenset(prefixes)
        return tuple(override for override, above in self._all_overrides if not asked.isdisjoint(above))

    def train_key(self, run: str, seed: int) -> str:
        """The key of a run's artifact for one seed."""
        return f"{run}-s{seed}"

    def run_paths(self, run: str) -> tuple[str, ...]:
        """The registry paths on which one run rests, most specific first."""
        r = self.params.runs[run]
        pools = (f"datasets.{pool.name}" for pool in self.pools_of(r.dataset))
        model = self.params.models[r.model]
        name = backbone_of(model)
        backbone = () if name is None else self.backbone_paths(name)
        paths = (
            f"runs.{run}",
            f"models.{r.model}",
            f"protocols.{r.protocol}",
            f"datasets.{r.dataset}",
            *pools,
            *backbone,
            "device",
        )
        return tuple(dict.fromkeys(paths))

    def spec_paths(self, run: str) -> tuple[str, ...]:
        """The registry paths in the spec of one run; those behind its inputs are in theirs."""
        r = self.params.runs[run]
        model = self.params.models[r.model]
        name = backbone_of(model)
        backbone = () if name is None else (f"backbones.{name}",)
        return (
            f"runs.{run}",
            f"models.{r.model}",
            f"protocols.{r.protocol}",
            f"datasets.{r.dataset}",
            *backbone,
            "device",
        )

    def backbone_paths(self, name: str) -> tuple[str, ...]:
        """The registry paths on which a backbone's weights rest."""
        backbone = self.params.backbones[name]
        paths = [f"backbones.{name}"]
        if backbone.stills is not None:
            paths += [f"protocols.{backbone.stills.protocol}", f"datasets.{backbone.stills.dataset}"]
        if backbone.initial is not None:
            paths += self.backbone_paths(backbone.initial)
        return tuple(paths)

    def data_spec(self, key: str) -> DataSpec:
        """The spec of one dataset."""
        dataset = self.params.datasets[key]
        spec = kind_of(dataset).spec
        names = spec.model_fields.keys() - Spec.model_fields.keys()
        own = {name: value for name, value in dataset if name in names}
        return spec(stage="data", key=key, scale=self.scale, **own)

    def pools_of(self, key: str) -> tuple[Pool, ...]:
        """The pools that a dataset is drawn from."""
        return pools_of(self.params.datasets[key])

    def is_decoded(self, key: str) -> bool:
        """Whether a dataset is a set of videos, whose frames are decoded."""
        return decoded_of(self.params.datasets[key]) is not None

    def frames_spec(self, key: str) -> FramesSpec:
        """The spec of the frame store of one video set."""
        dataset = self.params.datasets[key]
        decoded = decoded_of(dataset)
        assert decoded is not None
        side, folder = decoded.short_side(dataset), decoded.folder(dataset)
        return FramesSpec(stage="frames", key=key, scale=self.scale, short_side=side, folder=folder)

    def train_spec(self, run: str, seed: int) -> TrainSpec:
        """The spec of one run with one seed."""
        r, p = self.params.runs[run], self.params
        dataset, model = p.datasets[r.dataset], p.models[r.model]
        backbone, sequences, video = None, None, self._view(r.dataset, r.split)
        if (name := backbone_of(model)) is not None:
            assert video is not None
            backbone = p.backbones[name]
            video = video.model_copy(update={"normalise": backbone.normalise})
        if r.every is not None:
            sequences = FrameView(frames=model.frames, every=r.every)  # type: ignore[attr-defined]  # as its kind says
        return TrainSpec(
            stage="train",
            key=self.train_key(run, seed),
            scale=self.scale,
            run=run,
            seed=seed,
            dataset=r.dataset,
            classes=trained_on(dataset).classes(dataset),
            video=video,
            sequences=sequences,
            backbone=backbone,
            model=model,
            protocol=p.protocols[r.protocol],
            augment=r.augment,
            evaluation=r.evaluation,
            device=p.device,
        )

    def _view(self, key: str, split: Literal[1, 2, 3] | None) -> VideoView | None:
        """How a set of videos is seen under a split, its own where none is named; None for finished clips."""
        dataset = self.params.datasets[key]
        if (decoded := decoded_of(dataset)) is None:
            return None
        view = decoded.view(dataset)
        return view if split is None else view.model_copy(update={"split": split})

    def pretrain_spec(self, name: str) -> PretrainSpec:
        """The spec of one backbone."""
        p, backbone = self.params, self.params.backbones[name]
        training = None
        if (stills := backbone.stills) is not None:
            dataset = p.datasets[stills.dataset]
            view = self._view(stills.dataset, stills.split)
            assert view is not None
            training = TrainSpec(
                stage="pretrain",
                key=name,
                scale=self.scale,
                run=name,
                seed=p.seeds[0],
                dataset=stills.dataset,
                classes=trained_on(dataset).classes(dataset),
                video=view.model_copy(update={"normalise": backbone.normalise}),
                sequences=FrameView(frames=1, every=stills.every),
                backbone=backbone,
                model=BackboneEntry.model_validate(
                    ARCHITECTURES.get(STILLS).params(architecture=STILLS, backbone=name)
                ),
                protocol=p.protocols[stills.protocol],
                augment=None,
                evaluation=("original",),
                device=p.device,
            )
        return PretrainSpec(stage="pretrain", key=name, scale=self.scale, backbone=backbone, training=training)

    def features_key(self, run: str) -> str | None:
        """The key of the features that a run reads; None where it reads none."""
        model, kind = self._net(run)
        return None if kind.fed in PIXELS else f"{self.params.runs[run].dataset}-{backbone_of(model)}"

    def features_specs(self, runs: Iterable[str] | None = None) -> dict[str, FeaturesSpec]:
        """The features that runs read, by key; those that tables need where none are named."""
        found: dict[str, FeaturesSpec] = {}
        for run in self.used_runs() if runs is None else runs:
            key = self.features_key(run)
            if key is None or key in found:
                continue
            r, p = self.params.runs[run], self.params
            backbone, view = backbone_of(p.models[r.model]), self._view(r.dataset, None)
            assert backbone is not None and view is not None
            found[key] = FeaturesSpec(
                stage="features",
                key=key,
                scale=self.scale,
                dataset=r.dataset,
                backbone_name=backbone,
                backbone=p.backbones[backbone],
                crop=view.clip.crop,
                size=view.clip.size,
                device=p.device,
            )
        return found

    def used_backbones(self, runs: Iterable[str] | None = None) -> list[str]:
        """The backbones whose weights some of these runs needs, as above, each after the one that it begins with."""
        found: dict[str, None] = {}

        def need(name: str) -> None:
            initial = self.params.backbones[name].initial
            if initial is not None:
                need(initial)
            found[name] = None

        for run in self.used_runs() if runs is None else runs:
            if (name := self.weights_of(run)) is not None:
                need(name)
        return list(found)

    def weights_of(self, run: str) -> str | None:
        """The backbone whose weights a run begins with, or whose features it reads; None where it has none."""
        model, kind = self._net(run)
        return None if kind.backbone is None or not kind.backbone.learned(model) else backbone_of(model)

    def _net(self, run: str) -> tuple[Entry, Architecture]:
        """The net of a run, and its kind."""
        model = self.params.models[self.params.runs[run].model]
        return model, ARCHITECTURES.get(model.architecture)

    def _learned_from(self, run: str) -> Iterator[str]:
        """The backbones whose weights a run rests on: its own, the one that this began with, and so on."""
        name = self.weights_of(run)
        while name is not None:
            yield name
            name = self.params.backbones[name].initial

    def timing_spec(self, key: str) -> TimingSpec:
        """The spec of the training times of one table."""
        return TimingSpec(
            stage="timing", key=key, scale=self.scale, runs=tuple(self.table_runs(key)), seeds=self.params.seeds
        )

    def nets_of(self, key: str) -> Nets | None:
        """The networks of another measurement that this one speaks of; None where it speaks of none."""
        asked = self.params.measurements[key]
        speaks_of = MEASUREMENTS.get(asked.kind).speaks_of
        return None if speaks_of is None else speaks_of(asked)

    def measure_spec(self, key: str) -> MeasureSpec:
        """The spec of one measurement."""
        asked = self.params.measurements[key]
        networks: dict[str, Network] = {}
        if (nets := self.nets_of(key)) is not None:
            of = self.params.measurements[nets.of]
            offers = MEASUREMENTS.get(of.kind).offers
            assert offers is not None  # as is checked with all names
            networks = {name: offers(of)[name] for name in nets.views}
        return MeasureSpec(stage="measure", key=key, scale=self.scale, measurement=asked, networks=networks)

    def drawn_pictures(self) -> list[str]:
        """The measurements that draw pictures, and for which the user has named what they need, or a run has it."""
        trained = set(self.used_runs())
        return [
            key
            for key, asked in self.params.measurements.items()
            if asked.document in self.files.headers
            and (drawing := MEASUREMENTS.get(asked.kind).draws) is not None
            and drawing.wanted(asked)
            and trained.issuperset(drawing.runs(asked))
        ]

    def pictured_runs(self, key: str) -> tuple[str, ...]:
        """The runs whose nets a measurement draws."""
        asked = self.params.measurements[key]
        drawing = MEASUREMENTS.get(asked.kind).draws
        return () if drawing is None else tuple(drawing.runs(asked))

    def table_runs(self, key: str) -> list[str]:
        """The runs behind one table, each once, in the order of its rows."""
        table = self.params.tables[key]
        return list(dict.fromkeys(source.run for source in cell_sources(table)))

    def aggregate_spec(self, key: str) -> AggregateSpec:
        """The spec of one table."""
        return self._aggregate_spec(key, self.params.tables[key], {})

    def _aggregate_spec(self, key: str, table: TableEntry, read_as: Mapping[str, str]) -> AggregateSpec:
        """The spec of a table, or of some of its rows; `read_as` are the runs that stand there in place of others."""
        runs = list(dict.fromkeys(source.run for source in cell_sources(table)))
        paths = dict.fromkeys(path for run in runs for path in self.run_paths(run))
        for measurement in measurements_of(table):
            paths[f"measurements.{measurement}"] = None
        if runs:
            paths["seeds"] = None
        said: dict[str, list[str | None]] = {}
        for run in runs:
            name, made = self.params.runs[run].dataset, self.params.runs[read_as.get(run, run)]
            dataset = self.params.datasets[made.dataset]
            said.setdefault(name, []).append(made.stand_in or trained_on(dataset).stand_in(dataset))
            for backbone in self._learned_from(run):
                said.setdefault(f"backbones.{backbone}", []).append(self.params.backbones[backbone].stand_in)
        return AggregateSpec(
            stage="aggregate",
            key=key,
            scale=self.scale,
            table=with_runs(table, read_as) if read_as else table,
            seeds=self.params.seeds if runs else (),
            stand_in={name: "; ".join(dict.fromkeys(filter(None, each))) or None for name, each in said.items()},
            overrides=self.overrides(*paths),
        )

    # --- readings ---

    def read_documents(self) -> list[str]:
        """The documents of which some reading touches a table."""
        return [name for name in self.files.headers if self._touching(name)]

    def reading_spec(self, document: str) -> ReadingSpec:
        """The spec of the readings of one document."""
        touching = self._touching(document)
        every = dict.fromkeys(run for derived in touching for run in derived.runs)
        return ReadingSpec(
            stage="reading",
            key=document,
            scale=self.scale,
            document=document,
            chosen=tuple(self._read_tables(dict.fromkeys(every, ""), {})),
            readings=tuple(
                ReadSpec(
                    detail=derived.detail,
                    reading=derived.reading,
                    says=derived.says,
                    changes=tuple(
                        Override(path=p, document=before, here=after) for p, before, after in derived.changes
                    ),
                    runs=dict(derived.runs),
                    tables=tuple(self._read_tables(derived.runs, derived.runs)),
                )
                for derived in touching
            ),
        )

    def reading_runs(self) -> list[str]:
        """The runs under readings that touch a table, in the order of these."""
        found = dict.fromkeys(
            derived.runs[run]
            for document in self.files.headers
            for derived in self._touching(document)
            for run in derived.runs
            if run in self._shown_runs
        )
        return list(found)

    def declared(self, path: str) -> tuple[str, ...]:
        """A path of the registry as files have it: one of a reading is that of what it changes, and where it does."""
        section, _, key = path.partition(".")
        if BETWEEN not in key:
            return (path,)
        for derived in self.files.readings[self.scale]:
            if key in derived.entries.get(section, ()):
                chosen = f"{section}.{key.partition(BETWEEN)[0]}"
                return (chosen, *(f"{derived.path}.{where}.{chosen}" for where in ("changes", self.scale)))
        return (path,)

    @cached_property
    def _shown_runs(self) -> frozenset[str]:
        """The runs of tables that can be shown under a reading: those without training times."""
        tables = (table for table in self.params.tables.values() if not kind_of_table(table).timed(table))
        return frozenset(source.run for table in tables for source in cell_sources(table))

    def _touching(self, document: str) -> list[Derived]:
        every = self.files.readings[self.scale]
        return [d for d in every if d.document == document and not self._shown_runs.isdisjoint(d.runs)]

    def _read_tables(self, of: Mapping[str, str], read_as: Mapping[str, str]) -> Iterator[AggregateSpec]:
        """The tables in which runs of `of` stand, those rows alone, each run replaced by that of `read_as`.

        What is measured apart and shown below a table is the same under every reading, and left out.
        """
        for key, table in self.params.tables.items():
            if not kind_of_table(table).timed(table) and (rows := rows_of_runs(table, of)):
                shown = {"beside": ()} if shown_below(table) else {}
                yield self._aggregate_spec(key, table.model_copy(update={"rows": rows, **shown}), read_as)

    def used_runs(self) -> list[str]:
        """The runs that some table needs, in registry order."""
        needed = {run for key in self.params.tables for run in self.table_runs(key)}
        return [run for run in self.params.runs if run in needed]

    def used_datasets(self, runs: Iterable[str] | None = None) -> list[str]:
        """The datasets that these runs, as above, and their backbones train on, in registry order."""
        asked = self.used_runs() if runs is None else list(runs)
        needed = {self.params.runs[run].dataset for run in asked}
        needed |= {b.stills.dataset for name in self.used_backbones(asked) if (b := self.params.backbones[name]).stills}
        return [name for name in self.params.datasets if name in needed]

    def report_spec(self) -> ReportSpec:
        """The spec of the report. It shows the sets that runs see, and none that only a backbone learned from."""
        seen = {self.params.runs[run].dataset for run in self.used_runs()}
        return ReportSpec(
            stage="report",
            key="all",
            scale=self.scale,
            tables=tuple(self.params.tables),
            datasets=tuple(name for name in self.used_datasets() if name in seen),
            runs={run: self.params.runs[run] for run in self.used_runs()},
            seeds=self.params.seeds,
            device=self.params.device,
            overrides=tuple(override for override, _ in self._all_overrides),
            pictures=tuple(self.drawn_pictures()),
            reference=self.params.reference,
            readings=tuple(self.read_documents()) if self.params.readings else (),
        )


def registry_of(files: Mapping[str, str], scale: Scale | None = None, root: Path = Path()) -> Registry:
    """A registry from the texts of its files, see `documents.read`; `scale` replaces the one that params.yaml names.

    The kinds that documents bring are those of these files from then on; what they name is looked for below `root`.

    The files are checked at every scale, so that a mistake in the paper's values shows on a laptop too. Raises
    `UserError` with the file, the path of the key, the value found and what was expected.
    """
    bring(files, root)
    return _registry_of(tuple(files.items()), scale)


@lru_cache(maxsize=4)
def _registry_of(files: tuple[tuple[str, str], ...], scale: Scale | None) -> Registry:
    """A leaf command asks three times for the same texts, and gets the same registry."""
    composition = compose(dict(files), scale)
    registries = {each: Registry(composition, each) for each in SCALES}
    return registries[composition.scale]


def load(root: Path = Path(), scale: Scale | None = None) -> Registry:
    """The registry of the project below `root`. See `registry_of`."""
    return registry_of(read(root), scale, root)


def spec_json(spec: Spec) -> dict[str, Any]:
    """What `spec.json` holds: plain JSON values of a spec."""
    return spec.model_dump(mode="json")
