"""All experiments as one value at one scale, and the names in it checked against each other."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from reeltrace.errors import UserError, known_names
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import Dataset, decoded_of, is_pool, pools_of
from reeltrace.kinds.measurement import MEASUREMENTS, Measurement
from reeltrace.kinds.table import Lookup, Table, kind_of
from reeltrace.registry.fields import Name, Place, Scale, Seed, Strict
from reeltrace.registry.models import Backbone, BackboneEntry, Entry, RunModel
from reeltrace.registry.runs import Device, Protocol, Run
from reeltrace.registry.table_names import table_key


class Params(Strict):
    """All experiments at one scale. `reference` is a report.json that the report is set beside, as `before`.

    `readings` says whether the report shows the readings of what the documents leave open, and so waits for them.
    """

    scale: Scale
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=1000)]
    device: Device
    reference: str | None = None
    readings: Annotated[bool, Field(strict=True)] = False
    datasets: dict[Name, Dataset]
    backbones: dict[Name, Backbone] = Field(default_factory=dict)
    models: dict[Name, RunModel]
    protocols: dict[Name, Protocol]
    runs: dict[Name, Run]
    measurements: dict[Name, Measurement]
    tables: Annotated[dict[Name, Table], Field(min_length=1)]

    @model_validator(mode="after")
    def _reference(self) -> Self:
        if self.reference is not None and "results" in PurePath(self.reference).parts[:1]:
            raise ValueError("reference: a report.json outside of results/, where the next report would replace it")
        return self

    @model_validator(mode="after")
    def _seeds(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ, found {list(self.seeds)}")
        return self


class Override(Strict):
    """One place where what is run departs from the document: `path` in the registry, both values."""

    path: str
    document: Any
    here: Any


def backbone_of(model: Entry) -> str | None:
    """The backbone that a net grows from; None for one that grows from none."""
    return model.backbone if isinstance(model, BackboneEntry) else None


def _check_backbone(params: Params, name: str, backbone: Backbone, check: Callable[..., None], place: Place) -> None:
    if backbone.stills is not None:
        where = f"backbones.{name}.stills"
        sets = {key: d for key, d in params.datasets.items() if decoded_of(d) is not None}
        check(f"{where}.dataset", "set of videos", backbone.stills.dataset, sets)
        check(f"{where}.protocol", "protocol", backbone.stills.protocol, params.protocols)
    if backbone.initial is not None:
        check(f"backbones.{name}.initial", "backbone", backbone.initial, params.backbones)
        seen: set[str] = {name}
        other: str | None = backbone.initial
        while other is not None and other in params.backbones:
            if other in seen:
                raise UserError(f"{place(f'backbones.{name}.initial')}: {other!r} begins with itself; take it out")
            seen.add(other)
            other = params.backbones[other].initial
        for field in ("architecture", "width", "stem_kernel", "stem_stride", "max_pool"):
            mine, theirs = getattr(backbone, field), getattr(params.backbones[backbone.initial], field)
            if mine != theirs:
                raise UserError(
                    f"{place(f'backbones.{name}.{field}')}: found {mine!r}; expected {theirs!r}, "
                    f"that of {backbone.initial!r}, with whose weights it begins"
                )


def _check_model(params: Params, name: str, model: Entry, check: Callable[..., None], place: Place) -> None:
    """The backbone that a net grows from is there, and of the architecture that it needs."""
    needed = ARCHITECTURES.get(model.architecture).backbone
    backbone = backbone_of(model)
    if needed is None or backbone is None:
        return
    check(f"models.{name}.backbone", "backbone", backbone, params.backbones)
    found = params.backbones[backbone].architecture
    if found != needed.architecture:
        needs = f"{model.architecture} needs a {needed.architecture}"
        raise UserError(f"{place(f'models.{name}.backbone')}: {backbone!r} is a {found}; {needs}")


def _check_run(params: Params, name: str, run: Run, place: Place) -> None:
    """What only some kinds of nets have, and what they cannot have."""
    model, is_video = params.models[run.model], decoded_of(params.datasets[run.dataset]) is not None
    kind = ARCHITECTURES.get(model.architecture)
    if not is_video and run.split is not None:
        raise UserError(f"{place(f'runs.{name}.split')}: dataset {run.dataset!r} has no official splits; remove it")
    if (run.every is not None) != (kind.fed == "sequences"):
        sampled = [k for k, each in ARCHITECTURES.all().items() if each.in_runs and each.fed == "sequences"]
        raise UserError(
            f"{place(f'runs.{name}.every')}: belongs to runs of an {' or '.join(sampled)}, and each of them needs it"
        )
    if not is_video and kind.on_videos:
        raise UserError(f"{place(f'runs.{name}.dataset')}: {model.architecture} needs a set of videos")
    altered = run.augment is not None and not kind.augmented
    if altered or (run.evaluation != ("original",) and not kind.transformed):
        raise UserError(
            f"{place(f'runs.{name}')}: {model.architecture} is trained without augmentation and evaluated on "
            "[original] only"
        )


def check_names(params: Params, place: Place) -> None:
    """Every name that one entry gives to another exists. `place` puts its file before a path of the registry."""

    def check(where: str, what: str, name: str, known: Mapping[str, Any]) -> None:
        if name not in known:
            raise UserError(f"{place(where)}: no {what} is named {name!r}; {known_names(name, sorted(known))}")

    pools = {name: d for name, d in params.datasets.items() if is_pool(d)}
    sets = {name: d for name, d in params.datasets.items() if name not in pools}
    for name, dataset in params.datasets.items():
        for pool in pools_of(dataset):
            known = {other: d for other, d in params.datasets.items() if d.kind == pool.kind and not pools_of(d)}
            check(f"datasets.{name}.{pool.where}", pool.what, pool.name, known)
            for key in pool.same:
                if getattr(dataset, key) != getattr(known[pool.name], key):
                    raise UserError(
                        f"{place(f'datasets.{name}.{key}')} (scale {params.scale}): differs from datasets.{pool.name}."
                        f"{key}, which {pool.where} names; give both the same"
                    )
    for name, backbone in params.backbones.items():
        _check_backbone(params, name, backbone, check, place)
    for name, model in params.models.items():
        _check_model(params, name, model, check, place)
    for name, run in params.runs.items():
        check(f"runs.{name}.dataset", "dataset", run.dataset, sets)
        check(f"runs.{name}.model", "model", run.model, params.models)
        check(f"runs.{name}.protocol", "protocol", run.protocol, params.protocols)
        _check_run(params, name, run, place)
    kinds = {name: MEASUREMENTS.get(asked.kind) for name, asked in params.measurements.items()}
    nets = {name: kind.offers(params.measurements[name]) for name, kind in kinds.items() if kind.offers}
    for name, asked in params.measurements.items():
        for named in kinds[name].names(asked, nets):
            check(f"measurements.{name}.{named.where}", named.what, named.name, named.known)
        drawing = kinds[name].draws
        for pictured in () if drawing is None else drawing.runs(asked):
            check(f"measurements.{name}.run", "run", pictured, params.runs)
    for name, table in params.tables.items():
        if name != (expected := table_key(table)):
            raise UserError(f"{place(f'tables.{name}')}: expected the key {expected}")
        kind = kind_of(table)
        for measurement in kind.measurements(table):
            check(f"tables.{name}", "measurement", measurement, params.measurements)
        for measurement in kind.beside(table):
            if kinds[measurement].beside is None:
                what = f"{measurement!r} is of kind {kinds[measurement].name}, which is not shown below a table"
                raise UserError(f"{place(f'tables.{name}.beside')}: {what}; take it out")
        kind.check(table, Lookup(f"tables.{name}", place, sets))
        for source in kind.sources(table):
            check(f"tables.{name}.rows.{source.row}", "run", source.run, params.runs)
            if source.transform not in params.runs[source.run].evaluation:
                raise UserError(
                    f"{place(f'tables.{name}.rows.{source.row}')}: run {source.run!r} does not evaluate "
                    f"{source.transform!r}; add it to runs.{source.run}.evaluation"
                )
