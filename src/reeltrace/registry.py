"""`params.yaml` -> validated, typed experiments. The only reader of `params.yaml`.

A value may be a map over scales, `{paper: 50, quick: 8}`: `paper` is the document's, the others override it. `load`
resolves one scale, checks the whole file at every scale, and turns each run, measurement, table and dataset into the
spec of a stage. Nothing here trains, reads results, or imports torch.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from reeltrace import strict_yaml
from reeltrace.errors import UserError

Scale = Literal["paper", "quick", "smoke"]
SCALES: tuple[Scale, ...] = ("paper", "quick", "smoke")
PARAMS = Path("params.yaml")
MOST_VALUES = 100_000  # in a params.yaml with its aliases unfolded


def _no_flag(value: Any) -> Any:
    """Refuse true and false where a number is meant."""
    if isinstance(value, bool):
        raise ValueError(f"a number, not {str(value).lower()}")
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
PositiveInt = Annotated[int, Field(ge=1, le=10**6, strict=True)]
Count = Annotated[int, Field(ge=0, le=10**6, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**32, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
PositiveFloat = Annotated[float, BeforeValidator(_no_flag), Field(gt=0, le=1e38, allow_inf_nan=False)]
Fraction = Annotated[float, BeforeValidator(_no_flag), Field(ge=0, le=1, allow_inf_nan=False)]
Transform = Literal["original", "treverse", "r90", "r180", "r270"]
GroupName = Literal["z3", "t2", "p43d"]
Triple = tuple[PositiveInt, PositiveInt, PositiveInt]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Device(_Strict):
    """Where a job computes: kind, threads of one job, precision of autocast in training, processes that read clips."""

    kind: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    precision: Literal["float32", "bfloat16"]
    loaders: Annotated[int, Field(ge=0, le=64, strict=True)]


class Videos(_Strict):
    """Number of videos per split."""

    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt


class ImageSplit(_Strict):
    """Fractions of the digit images that each split may draw from; together at most 1."""

    train: Fraction
    validation: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _sum(self) -> Self:
        if min(self.train, self.validation, self.test) == 0 or self.train + self.validation + self.test > 1 + 1e-9:
            raise ValueError("the three fractions must be positive and add up to at most 1")
        return self


class ImagesDataset(_Strict):
    """A pool of digit images."""

    kind: Literal["images"]
    source: Literal["mnist", "sklearn-digits"]


class MovingDigitsDataset(_Strict):
    """Moving MNIST and Moving MNIST-Dir (basu2021, section 4.2). Sizes in pixels, speed in pixels per frame."""

    kind: Literal["moving-digits"]
    document: Name
    task: Literal["digit", "direction"]
    images: Name
    stand_in: str | None
    frames: Annotated[int, Field(ge=2, strict=True)]
    size: PositiveInt
    digit_size: PositiveInt
    speed: tuple[PositiveFloat, PositiveFloat]
    videos: Videos
    image_split: ImageSplit
    seed: Seed

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.digit_size >= self.size:
            raise ValueError(f"digit_size {self.digit_size} must be smaller than size {self.size}")
        if self.speed[0] > self.speed[1]:
            raise ValueError(f"speed must be [slowest, fastest], found {list(self.speed)}")
        room = self.size - self.digit_size
        if self.task == "direction" and self.speed[1] * (self.frames - 1) > room:
            raise ValueError(
                f"speed {self.speed[1]} x {self.frames - 1} steps leaves the frame: at most {room} pixels are free"
            )
        return self


class Generated(_Strict):
    """A stand-in set that is drawn and encoded here: groups (actor and background), and clips per class and group."""

    groups: PositiveInt
    clips_per_group: PositiveInt
    frames: tuple[PositiveInt, PositiveInt]
    seed: Seed

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.frames[0] > self.frames[1]:
            raise ValueError(f"frames must be [fewest, most], found {list(self.frames)}")
        return self


class Clip(_Strict):
    """What a net sees of a video: `frames` frames, every `stride`-th, of which a square is cut out and resized.

    `crop` and `size` are the sides of that square in pixels, in the stored frame and in the clip. `place` is where a
    training clip is cut: in the middle of the frame, or anywhere. Test clips are cut from the middle.
    """

    frames: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    stride: PositiveInt
    crop: PositiveInt
    size: PositiveInt
    place: Literal["center", "random"]

    @model_validator(mode="after")
    def _shrinks(self) -> Self:
        if self.size > self.crop:
            raise ValueError(f"size {self.size} is larger than crop {self.crop}; pixels would be made up")
        return self


Colour = tuple[Fraction, Fraction, Fraction]
Spread = tuple[PositiveFloat, PositiveFloat, PositiveFloat]


class Normalise(_Strict):
    """Mean and standard deviation of red, green and blue, which range from 0 to 1: a net sees (x - mean) / std."""

    mean: Colour
    std: Spread


class VideoDataset(_Strict):
    """UCF-101 or HMDB-51 (basu2021, section 4.8), or a stand-in set in the same layout.

    `classes` is how many the set must have. `generated` is null for the official files. Frames are stored with their
    short side at `short_side` pixels. `split` is one of the three official ones; of its training groups the fraction
    `validation` is held out. A test video is judged by the mean probability over `test_clips` clips. `broken_videos`
    says how many unreadable videos a training may do without.
    """

    kind: Literal["videos"]
    document: Name
    layout: Literal["ucf101", "hmdb51"]
    classes: Annotated[int, Field(ge=2, le=10**4, strict=True)]
    stand_in: str | None
    generated: Generated | None
    short_side: PositiveInt
    split: Literal[1, 2, 3]
    validation: Annotated[float, BeforeValidator(_no_flag), Field(gt=0, lt=1, allow_inf_nan=False)]
    clip: Clip
    test_clips: PositiveInt
    normalise: Normalise
    broken_videos: Count

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.clip.crop > self.short_side:
            raise ValueError(f"clip.crop {self.clip.crop} is larger than short_side {self.short_side}")
        if (self.generated is None) != (self.stand_in is None):
            raise ValueError("stand_in says what `generated` stands in for; give both or neither")
        return self


Dataset = Annotated[ImagesDataset | MovingDigitsDataset | VideoDataset, Field(discriminator="kind")]


class ResNetOptions(_Strict):
    """What basu2021 leaves open in its 3D ResNet-18: kernel and stride of the stem, and its max-pool."""

    stem_kernel: Triple
    stem_stride: Triple
    max_pool: Flag


class Model(_Strict):
    """A net: its architecture, its group, and the base widths C, of which it uses floor(C / sqrt|G|)."""

    architecture: Literal["cnn4", "resnet18"]
    group: GroupName
    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    batch_norm: Flag
    bias: Flag
    options: ResNetOptions | None = None

    @model_validator(mode="after")
    def _options(self) -> Self:
        if (self.architecture == "resnet18") != (self.options is not None):
            raise ValueError("options (stem_kernel, stem_stride, max_pool) belong to resnet18, and only to it")
        return self


class Protocol(_Strict):
    """A training schedule: an optimiser, its rate multiplied by `gamma` after each epoch in `milestones`.

    `momentum` is that of SGD and Adam's first decay rate; RPROP has neither momentum nor weight decay.
    """

    optimizer: Literal["sgd", "adam", "rprop"]
    epochs: PositiveInt
    learning_rate: PositiveFloat
    milestones: tuple[PositiveInt, ...]
    gamma: PositiveFloat
    momentum: Fraction
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    batch_size: PositiveInt

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.optimizer == "rprop" and (self.momentum or self.weight_decay):
            raise ValueError("rprop has no momentum and no weight decay; set both to 0")
        if self.momentum == 1:
            raise ValueError("momentum must be below 1")
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError(f"milestones must increase, found {list(self.milestones)}")
        if self.milestones and self.milestones[-1] >= self.epochs:
            raise ValueError(f"milestone {self.milestones[-1]} is not before the last of {self.epochs} epochs")
        return self


class Augment(_Strict):
    """Augmentation of the baselines: each clip, with this probability, reversed, or rotated by 90, 180 or 270."""

    kind: Literal["treverse", "rotate"]
    probability: Fraction


class Run(_Strict):
    """A dataset, a model, a protocol and an evaluation; trained once per seed."""

    dataset: Name
    model: Name
    protocol: Name
    augment: Augment | None = None
    evaluation: Annotated[tuple[Transform, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _original(self) -> Self:
        if "original" not in self.evaluation or len(set(self.evaluation)) != len(self.evaluation):
            raise ValueError("evaluation names each transform once, and `original` among them")
        return self


class Search(_Strict):
    """The open choices over which a printed parameter count is searched, and the printed thousands."""

    biases: Annotated[tuple[Flag, ...], Field(min_length=1)]
    batch_norms: Annotated[tuple[Flag, ...], Field(min_length=1)]
    classes: dict[GroupName, tuple[PositiveInt, ...]]
    printed_thousands: dict[GroupName, PositiveInt]


class StructureMeasurement(_Strict):
    """Parameters and feature-map sizes of one architecture under each group; built at full size, never trained."""

    kind: Literal["structure"]
    document: Name
    architecture: Literal["cnn4"]
    widths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    batch_norm: Flag
    bias: Flag
    input: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    classes: dict[GroupName, PositiveInt]
    search: Search | None = None


class AccuracyTable(_Strict):
    """A table of top-1 accuracies: each row is a run, each column a transform of the test set."""

    document: Name
    table: str
    kind: Literal["accuracy"]
    columns: Annotated[tuple[Transform, ...], Field(min_length=1)]
    rows: Annotated[dict[str, Name], Field(min_length=1)]


class Column(_Strict):
    """A column of a table that spans datasets: which dataset, under which transform of its test set."""

    dataset: Name
    transform: Transform


class VideoTable(_Strict):
    """A table of top-1 accuracies over several datasets: each row names, per dataset, the run that fills it."""

    document: Name
    table: str
    kind: Literal["video-accuracy"]
    columns: Annotated[dict[str, Column], Field(min_length=1)]
    rows: Annotated[dict[str, dict[Name, Name]], Field(min_length=1)]


class StructureTable(_Strict):
    """A table of architecture facts, read off one measurement."""

    document: Name
    table: str
    kind: Literal["structure"]
    measurement: Name


Table = Annotated[AccuracyTable | VideoTable | StructureTable, Field(discriminator="kind")]


class CellSource(_Strict):
    """Where the accuracy in one cell of a table comes from."""

    row: str
    column: str
    run: str
    transform: Transform


def cell_sources(table: AccuracyTable | VideoTable | StructureTable) -> tuple[CellSource, ...]:
    """The cells of a table of accuracies, row by row; none for a table of architecture facts."""
    if isinstance(table, AccuracyTable):
        return tuple(
            CellSource(row=row, column=column, run=run, transform=column)
            for row, run in table.rows.items()
            for column in table.columns
        )
    if isinstance(table, VideoTable):
        return tuple(
            CellSource(row=row, column=name, run=runs[column.dataset], transform=column.transform)
            for row, runs in table.rows.items()
            for name, column in table.columns.items()
        )
    return ()


class Params(_Strict):
    """`params.yaml`, resolved at one scale."""

    scale: Scale
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    device: Device
    datasets: dict[Name, Dataset]
    models: dict[Name, Model]
    protocols: dict[Name, Protocol]
    runs: dict[Name, Run]
    measurements: dict[Name, StructureMeasurement]
    tables: Annotated[dict[Name, Table], Field(min_length=1)]

    @model_validator(mode="after")
    def _seeds(self) -> Self:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must differ, found {list(self.seeds)}")
        return self


class Override(_Strict):
    """One place where the active scale departs from the document: `path` in params.yaml, both values."""

    path: str
    document: Any
    here: Any


# --- specs: what a stage is given, and what spec.json holds ---


class Spec(_Strict):
    """What every stage is told: which stage and key it is, and at which scale."""

    stage: str
    key: str
    scale: Scale


class ImagesSpec(Spec):
    """Stage `data`: a pool of digit images."""

    kind: Literal["images"]
    source: Literal["mnist", "sklearn-digits"]


class MovingDigitsSpec(Spec):
    """Stage `data`: a moving-digits dataset drawn from the pool `images`."""

    kind: Literal["moving-digits"]
    images: str
    task: Literal["digit", "direction"]
    stand_in: str | None
    frames: int
    size: int
    digit_size: int
    speed: tuple[float, float]
    videos: Videos
    image_split: ImageSplit
    seed: int


class VideosSpec(Spec):
    """Stage `data`: the videos and official splits of a set, downloaded and unpacked, or generated."""

    kind: Literal["videos"]
    layout: Literal["ucf101", "hmdb51"]
    classes: int
    generated: Generated | None


DataSpec = ImagesSpec | MovingDigitsSpec | VideosSpec


class FramesSpec(Spec):
    """Stage `frames`: every video of a set decoded once, its short side resized to `short_side` pixels."""

    short_side: int


class VideoView(_Strict):
    """How a run sees a set of videos; the fields are those of `VideoDataset`."""

    split: Literal[1, 2, 3]
    validation: float
    clip: Clip
    test_clips: int
    normalise: Normalise
    broken_videos: int


class TrainSpec(Spec):
    """Stage `train`: one run with one seed. `video` is None for a dataset of finished clips."""

    run: str
    seed: int
    dataset: str
    classes: int
    video: VideoView | None = None
    model: Model
    protocol: Protocol
    augment: Augment | None
    evaluation: tuple[Transform, ...]
    device: Device


class MeasureSpec(Spec):
    """Stage `measure`: architecture facts of one measurement."""

    measurement: StructureMeasurement


class AggregateSpec(Spec):
    """Stage `aggregate`: one table, the seeds it spans, and everything the active scale overrides in its runs.

    `assumptions` are the registry paths that this table's numbers rest on.
    """

    table: Table
    seeds: tuple[int, ...]
    stand_in: dict[str, str | None]
    overrides: tuple[Override, ...]


class ReportSpec(Spec):
    """Stage `report`: the tables, in order, and the datasets whose clips are shown."""

    tables: tuple[str, ...]
    datasets: tuple[str, ...]
    runs: dict[str, Run]
    seeds: tuple[int, ...]
    device: Device
    overrides: tuple[Override, ...]


CLASSES = {"digit": 10, "direction": 4}


# --- reading ---


def is_scaled(value: Any) -> bool:
    """Whether a YAML value is a map over scales, `{paper: ..., quick: ...}`."""
    return isinstance(value, dict) and bool(value) and set(value) <= set(SCALES)


def _resolve(value: Any, scale: Scale, path: tuple[str, ...] = ()) -> Any:
    """`value` at `scale`, maps over scales replaced by the value in force."""
    if is_scaled(value):
        if "paper" not in value:
            raise UserError(
                f"params.yaml: {'.'.join(path)}: found a map over scales without `paper`; "
                "the document's value (or null) must stand beside the override"
            )
        return value.get(scale, value["paper"])
    if isinstance(value, dict):
        return {key: _resolve(item, scale, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        for index, item in enumerate(value):
            if is_scaled(item):
                where = ".".join((*path, str(index)))
                raise UserError(
                    f"params.yaml: {where}: found a map over scales inside a list, where the report would not show it; "
                    "write the map around the whole list"
                )
        return [_resolve(item, scale, (*path, str(index))) for index, item in enumerate(value)]
    return value


def _overrides(value: Any, scale: Scale, path: tuple[str, ...] = ()) -> Iterator[Override]:
    if is_scaled(value):
        here = value.get(scale, value["paper"])
        if here != value["paper"]:
            yield Override(path=".".join(path), document=value["paper"], here=here)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _overrides(item, scale, (*path, str(key)))


def _complaint(error: ValidationError, raw: Any, scale: str) -> str:
    """The first validation error as one line: where, what was found, what was expected."""
    found_errors = error.errors(include_url=False)
    first = min(found_errors, key=lambda e: e["type"] != "extra_forbidden")  # a typo explains a missing key
    where, node = [], raw
    for part in first["loc"]:
        named = first["type"] == "missing" and part == first["loc"][-1]
        if isinstance(node, dict) and part not in node and not named:
            continue  # pydantic adds the tag of a union to the path; the file does not have it
        where.append(str(part))
        if isinstance(node, (dict, list)):
            try:
                node = node[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                node = None
    path = ".".join(where) or "the file"
    if first["type"] == "extra_forbidden":
        return f"params.yaml: {path}: unknown key; remove it or correct its spelling"
    if first["type"] == "missing":
        return f"params.yaml: {path}: missing; add it"
    found = repr(first["input"])
    found = found if len(found) <= 80 else found[:77] + "..."
    expected = first["msg"].removeprefix("Value error, ")
    return f"params.yaml: {path} (scale {scale}): found {found}; expected: {expected[0].lower()}{expected[1:]}"


def _check_names(params: Params) -> None:
    """Every name that one entry gives to another exists."""

    def check(where: str, what: str, name: str, known: Mapping[str, Any]) -> None:
        if name not in known:
            raise UserError(f"params.yaml: {where}: no {what} is named {name!r}; known: {', '.join(sorted(known))}")

    pools = {name: d for name, d in params.datasets.items() if d.kind == "images"}
    sets = {name: d for name, d in params.datasets.items() if d.kind != "images"}
    for name, dataset in params.datasets.items():
        if isinstance(dataset, MovingDigitsDataset):
            check(f"datasets.{name}.images", "image pool", dataset.images, pools)
    for name, run in params.runs.items():
        check(f"runs.{name}.dataset", "dataset", run.dataset, sets)
        check(f"runs.{name}.model", "model", run.model, params.models)
        check(f"runs.{name}.protocol", "protocol", run.protocol, params.protocols)
    for name, table in params.tables.items():
        if name != f"{table.document}-table{table.table.replace('.', '-')}":
            raise UserError(
                f"params.yaml: tables.{name}: expected the key {table.document}-table{table.table.replace('.', '-')}"
            )
        if isinstance(table, StructureTable):
            check(f"tables.{name}.measurement", "measurement", table.measurement, params.measurements)
            continue
        if isinstance(table, VideoTable):
            for row, runs in table.rows.items():
                for column in table.columns.values():
                    check(f"tables.{name}.columns", "dataset", column.dataset, sets)
                    if column.dataset not in runs:
                        raise UserError(f"params.yaml: tables.{name}.rows.{row}: no run for dataset {column.dataset!r}")
        for source in cell_sources(table):
            check(f"tables.{name}.rows.{source.row}", "run", source.run, params.runs)
            if source.transform not in params.runs[source.run].evaluation:
                raise UserError(
                    f"params.yaml: tables.{name}.rows.{source.row}: run {source.run!r} does not evaluate "
                    f"{source.transform!r}; add it to runs.{source.run}.evaluation"
                )


class Registry:
    """All experiments at the active scale, as specs. Build it with `load`."""

    def __init__(self, raw: Any, scale: Scale) -> None:
        self.scale: Scale = scale
        resolved = _resolve(raw, scale)
        resolved["scale"] = scale
        try:
            self.params = Params.model_validate(resolved)
        except ValidationError as error:
            raise UserError(_complaint(error, resolved, scale)) from None
        _check_names(self.params)
        self._all_overrides = tuple(_overrides(raw, scale))

    def overrides(self, *prefixes: str) -> tuple[Override, ...]:
        """The overrides in force under any of these registry paths."""
        return tuple(o for o in self._all_overrides if any(o.path == p or o.path.startswith(p + ".") for p in prefixes))

    def train_key(self, run: str, seed: int) -> str:
        """The key of a run's artifact for one seed."""
        return f"{run}-s{seed}"

    def run_paths(self, run: str) -> tuple[str, ...]:
        """The registry paths on which one run rests, most specific first."""
        r = self.params.runs[run]
        dataset = self.params.datasets[r.dataset]
        pool = (f"datasets.{dataset.images}",) if isinstance(dataset, MovingDigitsDataset) else ()
        return (
            f"runs.{run}",
            f"models.{r.model}",
            f"protocols.{r.protocol}",
            f"datasets.{r.dataset}",
            *pool,
            "device",
        )

    def data_spec(self, key: str) -> DataSpec:
        """The spec of one dataset."""
        dataset = self.params.datasets[key]
        if isinstance(dataset, ImagesDataset):
            return ImagesSpec(stage="data", key=key, scale=self.scale, **dict(dataset))
        if isinstance(dataset, VideoDataset):
            return VideosSpec(
                stage="data",
                key=key,
                scale=self.scale,
                kind="videos",
                layout=dataset.layout,
                classes=dataset.classes,
                generated=dataset.generated,
            )
        return MovingDigitsSpec(
            stage="data",
            key=key,
            scale=self.scale,
            **{k: v for k, v in dict(dataset).items() if k != "document"},
        )

    def frames_spec(self, key: str) -> FramesSpec:
        """The spec of the frame store of one video set."""
        dataset = self.params.datasets[key]
        assert isinstance(dataset, VideoDataset)
        return FramesSpec(stage="frames", key=key, scale=self.scale, short_side=dataset.short_side)

    def train_spec(self, run: str, seed: int) -> TrainSpec:
        """The spec of one run with one seed."""
        r, p = self.params.runs[run], self.params
        dataset = p.datasets[r.dataset]
        assert not isinstance(dataset, ImagesDataset)
        video = None
        if isinstance(dataset, MovingDigitsDataset):
            classes = CLASSES[dataset.task]
        else:
            classes = dataset.classes
            video = VideoView(**{name: getattr(dataset, name) for name in VideoView.model_fields})
        return TrainSpec(
            stage="train",
            key=self.train_key(run, seed),
            scale=self.scale,
            run=run,
            seed=seed,
            dataset=r.dataset,
            classes=classes,
            video=video,
            model=p.models[r.model],
            protocol=p.protocols[r.protocol],
            augment=r.augment,
            evaluation=r.evaluation,
            device=p.device,
        )

    def measure_spec(self, key: str) -> MeasureSpec:
        """The spec of one measurement."""
        return MeasureSpec(stage="measure", key=key, scale=self.scale, measurement=self.params.measurements[key])

    def table_runs(self, key: str) -> list[str]:
        """The runs behind one table, each once, in the order of its rows."""
        table = self.params.tables[key]
        return list(dict.fromkeys(source.run for source in cell_sources(table)))

    def aggregate_spec(self, key: str) -> AggregateSpec:
        """The spec of one table."""
        table = self.params.tables[key]
        runs = self.table_runs(key)
        paths = dict.fromkeys(path for run in runs for path in self.run_paths(run))
        if isinstance(table, StructureTable):
            paths[f"measurements.{table.measurement}"] = None
        elif runs:
            paths["seeds"] = None
        stand_in = {}
        for run in runs:
            name = self.params.runs[run].dataset
            dataset = self.params.datasets[name]
            assert not isinstance(dataset, ImagesDataset)
            stand_in[name] = dataset.stand_in
        return AggregateSpec(
            stage="aggregate",
            key=key,
            scale=self.scale,
            table=table,
            seeds=self.params.seeds if runs else (),
            stand_in=stand_in,
            overrides=self.overrides(*paths),
        )

    def used_runs(self) -> list[str]:
        """The runs that some table needs, in registry order."""
        needed = {run for key in self.params.tables for run in self.table_runs(key)}
        return [run for run in self.params.runs if run in needed]

    def used_datasets(self) -> list[str]:
        """The datasets that those runs train on, in registry order."""
        needed = {self.params.runs[run].dataset for run in self.used_runs()}
        return [name for name in self.params.datasets if name in needed]

    def report_spec(self) -> ReportSpec:
        """The spec of the report."""
        return ReportSpec(
            stage="report",
            key="all",
            scale=self.scale,
            tables=tuple(self.params.tables),
            datasets=tuple(self.used_datasets()),
            runs={run: self.params.runs[run] for run in self.used_runs()},
            seeds=self.params.seeds,
            device=self.params.device,
            overrides=self._all_overrides,
        )


def parse(text: str, scale: Scale | None = None) -> Registry:
    """A registry from the text of `params.yaml`; `scale` replaces the one named in it.

    The file is checked at every scale, so that a mistake in the paper's values shows on a laptop too. Raises
    `UserError` with the path of the key, the value found and what was expected.
    """
    try:
        _check_size(text)
        raw = yaml.load(text, Loader=strict_yaml.Loader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"params.yaml:{where} not valid YAML ({problem[:200]})") from None
    if not isinstance(raw, dict):
        raise UserError("params.yaml: found no keys; expected scale, seeds, device, datasets, runs, tables, ...")
    if _has_nonfinite(raw):
        raise UserError("params.yaml: found .nan or .inf; expected finite numbers")
    active = scale if scale is not None else raw.get("scale")
    if active not in SCALES:
        raise UserError(f"params.yaml: scale: found {active!r}; expected one of {', '.join(SCALES)}")
    registries = {s: Registry(raw, s) for s in SCALES}
    return registries[active]


def _check_size(text: str) -> None:
    """Refuse a text whose aliases would unfold into very many values, before they are unfolded."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, above: frozenset[int]) -> int:
        if id(node) in above:
            raise yaml.constructor.ConstructorError(None, None, "an anchor contains itself", node.start_mark)
        if id(node) not in sizes:
            children: list[yaml.Node] = []
            if isinstance(node, yaml.MappingNode):
                children = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                children = node.value
            sizes[id(node)] = 1 + sum(size(child, above | {id(node)}) for child in children)
        if sizes[id(node)] > MOST_VALUES:
            problem = f"more than {MOST_VALUES} values"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return sizes[id(node)]

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        size(root, frozenset())


def _has_nonfinite(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nonfinite(v) for v in value.values())
    if isinstance(value, list):
        return any(_has_nonfinite(v) for v in value)
    return isinstance(value, float) and not math.isfinite(value)


def load(path: Path = PARAMS, scale: Scale | None = None) -> Registry:
    """Read and check a `params.yaml`. See `parse`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run the command in the folder that holds params.yaml") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    return parse(text, scale)


def spec_json(spec: Spec) -> dict[str, Any]:
    """What `spec.json` holds: plain JSON values of a spec."""
    return spec.model_dump(mode="json")
