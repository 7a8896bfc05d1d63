"""`params.yaml` -> validated, typed experiments. The only reader of `params.yaml`.

A value may be a map over scales, `{paper: 50, quick: 8}`: `paper` is the document's, the others override it. `load`
resolves one scale, checks the whole file at every scale, and turns each run, measurement, table and dataset into the
spec of a stage. Nothing here trains, reads results, or imports torch.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
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
    """UCF-101 or HMDB-51 (basu2021, section 4.8), a stand-in set in the same layout, or a folder that the user names.

    `folder` belongs to the layout `listed`: it holds the videos and the lists of them, see docs/videos.md. `classes` is
    how many the set must have. `generated` is null for the official files. Frames are stored with their short side at
    `short_side` pixels. `split` is one of the three official ones; of its training groups the fraction `validation` is
    held out. A test video is judged by the mean probability over `test_clips` clips. `broken_videos` says how many
    unreadable videos a training may do without.
    """

    kind: Literal["videos"]
    document: Name
    layout: Literal["ucf101", "hmdb51", "listed"]
    folder: Annotated[str, Field(min_length=1)] | None = None
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
        if (self.layout == "listed") != (self.folder is not None):
            raise ValueError("folder names where a listed set lies; give it with the layout `listed`, and only there")
        if self.layout == "listed" and (self.generated is not None or self.split != 1):
            raise ValueError("a listed set is not generated and has one split; set generated to null and split to 1")
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


# --- nets on frames: iqbal2017 and singh2019supp ---


class Stills(_Strict):
    """Still frames that a backbone is trained on: every n-th frame of the videos of a set, under one protocol."""

    dataset: Name
    split: Literal[1, 2, 3]
    every: PositiveInt
    protocol: Name


class Backbone(_Strict):
    """A pre-trained 2D ResNet. Stage `pretrain` makes its weights; all nets built on it have its sizes.

    `width` is that of the first stage. The weights are a declared download (`weights`, a key of declared.yaml), or are
    learned from `stills`, beginning with those of the backbone `initial` where one is named. `normalise` is what its
    pixels are scaled with.
    """

    architecture: Literal["resnet18", "resnet50"]
    width: PositiveInt
    stem_kernel: PositiveInt
    stem_stride: PositiveInt
    max_pool: Flag
    normalise: Normalise
    weights: str | None = None
    stills: Stills | None = None
    initial: Name | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.weights is None) == (self.stills is None):
            raise ValueError("weights come from a declared download or from stills; give one of the two")
        if self.initial is not None and self.stills is None:
            raise ValueError("initial is where a training on stills begins; give stills too")
        return self


class Connection(_Strict):
    """A connection through time between two layers, counted from zero (iqbal2017, sections 4.2 and 5.4)."""

    source: Annotated[int, Field(ge=1, le=104, strict=True)]
    target: Annotated[int, Field(ge=1, le=104, strict=True)]
    kind: Literal["identity", "linear", "non-linear"]
    delay: PositiveInt = 1

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.source >= self.target:
            raise ValueError(f"a connection leads to a later layer, found {self.source} to {self.target}")
        return self


class StResNetModel(_Strict):
    """A spatio-temporal residual network on sequences of `frames` frames; the last step is the output.

    With `fixed_statistics` batch norm keeps the mean and variance of the pre-training: a gradient is then the same in
    however many pieces it is accumulated.
    """

    architecture: Literal["st-resnet"]
    backbone: Name
    frames: PositiveInt
    connections: tuple[Connection, ...]
    fixed_statistics: Flag

    @model_validator(mode="after")
    def _context(self) -> Self:
        if self.frames > 1 + sum(connection.delay for connection in self.connections):
            raise ValueError(f"no chain of connections reaches back {self.frames} frames; lower frames")
        return self


class BaselineModel(_Strict):
    """A classifier on features of frames (iqbal2017, section 5.2): their mean with a linear layer, or a GRU.

    `units` is the width of the GRU. With `z_norm` each feature is first brought to mean 0 and deviation 1 over the
    frames of the training split.
    """

    architecture: Literal["average-pool", "gru"]
    backbone: Name
    block: Literal["block2", "block3", "block4"]
    z_norm: Flag
    units: PositiveInt | None = None

    @model_validator(mode="after")
    def _units(self) -> Self:
        if (self.architecture == "gru") != (self.units is not None):
            raise ValueError("units belong to gru, and only to it")
        return self


class RCNModel(_Strict):
    """A recurrent convolutional network (singh2019supp). `input_init` is that of w_xh, `hidden_init` that of w_hh."""

    architecture: Literal["rcn"]
    backbone: Name
    input_init: Literal["random", "pretrained"]
    hidden_init: Literal["random", "identity"]
    halve: Flag


class StillsModel(_Strict):
    """A backbone itself, in training on still frames."""

    architecture: Literal["stills"]
    backbone: Name


FrameModel = StResNetModel | BaselineModel | RCNModel
AnyModel = Annotated[Model | FrameModel | StillsModel, Field(discriminator="architecture")]


class Protocol(_Strict):
    """A training schedule: an optimiser, its rate multiplied by `gamma` after each epoch in `milestones`.

    `momentum` is that of SGD and Adam's first decay rate; RPROP has neither momentum nor weight decay. The optimiser
    steps after the share `update_after` of the training clips, or after each batch where that is null.
    """

    optimizer: Literal["sgd", "adam", "rprop"]
    epochs: PositiveInt
    learning_rate: PositiveFloat
    milestones: tuple[PositiveInt, ...]
    gamma: PositiveFloat
    momentum: Fraction
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    batch_size: PositiveInt
    update_after: Fraction | None = None

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.update_after == 0:
            raise ValueError("update_after must be above 0 and at most 1, or null for every batch")
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
    """A dataset, a model, a protocol and an evaluation; trained once per seed.

    `split` is the official split where it is not the dataset's own, `every` the sampling of frames that an ST-ResNet
    sees, `stand_in` says what the dataset stands in for where that is not what the dataset itself says.
    """

    dataset: Name
    model: Name
    protocol: Name
    augment: Augment | None = None
    evaluation: Annotated[tuple[Transform, ...], Field(min_length=1)]
    split: Literal[1, 2, 3] | None = None
    every: PositiveInt | None = None
    stand_in: str | None = None

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


Json = Any  # a plain value of YAML; what it must be is checked where it is used
Architecture = Literal["slowfast", "nonlocal_i3d", "r2plus1d"]
NetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ()+.,_-]*$", max_length=60)]


class View(_Strict):
    """What one inference looks at: frames, and the side of the square crop in pixels. `boxes` is for detection."""

    frames: PositiveInt
    crop: PositiveInt
    boxes: Annotated[int, Field(ge=0, le=1000, strict=True)] = 0


class Network(_Strict):
    """A net at its published size: `config` holds the values in which it differs from the architecture's defaults."""

    architecture: Architecture
    config: dict[str, Json]
    views: Annotated[dict[Name, View], Field(min_length=1)]


class NetworksMeasurement(_Strict):
    """Parameters, multiply-adds per view and the sizes of stages of whole nets, counted without memory for weights."""

    kind: Literal["networks"]
    document: Name
    networks: Annotated[dict[Name, Network], Field(min_length=1)]


class Printed(_Strict):
    """A net as one configuration, and the number of parameters that the document prints for it."""

    architecture: Architecture
    config: dict[str, Json]
    parameters: Annotated[int, Field(ge=1, strict=True)]


class SearchMeasurement(_Strict):
    """Which of the open choices gives every printed parameter count: each choice has settings, by label."""

    kind: Literal["search"]
    document: Name
    networks: Annotated[dict[Name, Printed], Field(min_length=1)]
    choices: Annotated[dict[Name, dict[str, dict[str, Json]]], Field(min_length=1)]


class LatencyMeasurement(_Strict):
    """Time and memory of one view of each net, on this machine: `views` names one of the net's views.

    `checkpoint` may name files with weights, by net; without them a net has its initial weights, which cost the same.
    """

    kind: Literal["latency"]
    document: Name
    of: Name
    views: Annotated[dict[Name, Name], Field(min_length=1)]
    precisions: Annotated[tuple[Literal["float32", "bfloat16"], ...], Field(min_length=1)]
    warm_up: Annotated[int, Field(ge=0, le=1000, strict=True)]
    repeats: PositiveInt
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    checkpoint: dict[Name, str] = {}


class FactsMeasurement(_Strict):
    """Architecture facts that a document prints about image networks, counted on networks that are built here."""

    kind: Literal["facts"]
    document: Name


Measurement = Annotated[
    StructureMeasurement | NetworksMeasurement | SearchMeasurement | LatencyMeasurement | FactsMeasurement,
    Field(discriminator="kind"),
]


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


class MeasuredColumn(_Strict):
    """Where the values of a column are read: a measurement and a pointer into its metrics.json.

    In the pointer `{row}` and `{column}` stand for the cell's keys and `{word}` for one of the row's own words; a row
    without that word has no such value. What is read is divided by `divisor`, rounded to a whole number if `whole` says
    so, and multiplied by `factor`: a number, or the word of the row that holds it. `machine` marks times and memory,
    which belong to the machine that they were measured on.
    """

    measurement: Name
    pointer: Annotated[str, StringConstraints(pattern=r"^/")]
    divisor: PositiveFloat = 1.0
    whole: Flag = False
    factor: PositiveFloat | Name = 1.0
    machine: Flag = False


class DerivedColumn(_Strict):
    """A column that follows from published values: `of` names two of them, "column", "table/column" or
    "table/row/column"; without a row they stand in the cell's own."""

    operation: Literal["quotient", "product"]
    of: tuple[str, str]


class Scatter(_Strict):
    """A drawing of one quantity over another, each [table, column]; a point per row."""

    kind: Literal["scatter"]
    title: str
    across: tuple[str, str]
    up: tuple[str, str]


class Panels(_Strict):
    """A drawing of several columns of the table side by side, on one logarithmic scale each; a line per row."""

    kind: Literal["panels"]
    title: str
    columns: Annotated[tuple[str, ...], Field(min_length=1)]


class MeasuredTable(_Strict):
    """A table of quantities. Each column is measured here, derived from published values, or published only.

    `rows` holds, per row, the words that pointers and factors use. `published_only` says why nothing is set beside the
    columns that are in neither list. `beside` names measurements that are shown whole below the table, `drawings` the
    document's figures that are drawn again from this table, by number.
    """

    document: Name
    table: str
    kind: Literal["measured"]
    published_only: Annotated[str, Field(min_length=1)]
    rows: dict[str, dict[Name, str | int]] = {}
    measured: dict[str, MeasuredColumn] = {}
    derived: dict[str, DerivedColumn] = {}
    beside: tuple[Name, ...] = ()
    drawings: dict[str, Annotated[Scatter | Panels, Field(discriminator="kind")]] = {}

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        both = sorted(self.measured.keys() & self.derived.keys())
        if both:
            raise ValueError(f"column {both[0]!r} is both measured and derived; give one")
        return self


class StructureTable(_Strict):
    """A table of architecture facts, read off one measurement."""

    document: Name
    table: str
    kind: Literal["structure"]
    measurement: Name


Quantity = Literal["error", "clip-top1", "top1", "training-time"]
RowRuns = Name | Annotated[tuple[Name, ...], Field(min_length=2)] | dict[str, Name]


class ResultTable(_Strict):
    """A table of results of runs: each column is a quantity, each row says which run has it.

    A row is one run for all columns, or a run per column, or several runs whose mean is meant. A row or a column of the
    document that is not named here was not run. Times are also compared as multiples of that of the row `time_unit`.
    """

    document: Name
    table: str
    kind: Literal["results"]
    columns: Annotated[dict[str, Quantity], Field(min_length=1)]
    rows: Annotated[dict[str, RowRuns], Field(min_length=1)]
    time_unit: str | None = None

    @model_validator(mode="after")
    def _unit_of_time(self) -> Self:
        if self.timed != (self.time_unit is not None) or (self.timed and self.time_unit not in self.rows):
            raise ValueError("time_unit names the row to whose training time the others are compared, if there is one")
        return self

    def runs_of(self, row: str, column: str) -> tuple[Name, ...]:
        """The runs behind one cell; none where the cell was not run."""
        if row not in self.rows or column not in self.columns:
            return ()
        runs = self.rows[row]
        if isinstance(runs, dict):
            return (runs[column],) if column in runs else ()
        return (runs,) if isinstance(runs, str) else runs

    @property
    def timed(self) -> bool:
        """Whether a column is about the time that training took."""
        return "training-time" in self.columns.values()


AnyTable = AccuracyTable | VideoTable | StructureTable | MeasuredTable | ResultTable
Table = Annotated[AnyTable, Field(discriminator="kind")]


class CellSource(_Strict):
    """Where the accuracy in one cell of a table comes from."""

    row: str
    column: str
    run: str
    transform: Transform


def cell_sources(table: AnyTable) -> tuple[CellSource, ...]:
    """The cells of a table of accuracies, row by row; none for a table of architecture facts.

    A cell that is the mean of several runs comes once per run.
    """
    if isinstance(table, ResultTable):
        return tuple(
            CellSource(row=row, column=column, run=run, transform="original")
            for row in table.rows
            for column in table.columns
            for run in table.runs_of(row, column)
        )
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


def is_numbered(table: str) -> bool:
    """Whether a table is known by a number, such as 7.2, or by a name."""
    return re.fullmatch(r"\d+(\.\d+)*", table) is not None


def table_key(table: AnyTable) -> str:
    """The key that a table has in params.yaml: `basu2021-table1`, `mahler2020-table7-2`, `gavves-lecture5-resnext`."""
    slug = re.sub(r"[^a-z0-9]+", "-", table.table.lower()).strip("-")
    return f"{table.document}-table{slug}" if is_numbered(table.table) else f"{table.document}-{slug}"


def measurements_of(table: AnyTable) -> tuple[str, ...]:
    """The measurements that a table reads, each once."""
    if isinstance(table, StructureTable):
        return (table.measurement,)
    if isinstance(table, MeasuredTable):
        return tuple(dict.fromkeys([*(column.measurement for column in table.measured.values()), *table.beside]))
    return ()


class Params(_Strict):
    """`params.yaml`, resolved at one scale."""

    scale: Scale
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    device: Device
    datasets: dict[Name, Dataset]
    backbones: dict[Name, Backbone] = Field(default_factory=dict)
    models: dict[Name, Annotated[Model | FrameModel, Field(discriminator="architecture")]]
    protocols: dict[Name, Protocol]
    runs: dict[Name, Run]
    measurements: dict[Name, Measurement]
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
    layout: Literal["ucf101", "hmdb51", "listed"]
    folder: str | None = None
    classes: int
    generated: Generated | None


DataSpec = ImagesSpec | MovingDigitsSpec | VideosSpec


class FramesSpec(Spec):
    """Stage `frames`: every video of a set decoded once, its short side resized to `short_side` pixels.

    `folder` holds the videos where they are the user's own and not part of the `data` artifact.
    """

    short_side: int
    folder: str | None = None


class FrameView(_Strict):
    """How a net on frames samples a video: sequences of `frames` frames, each `every` frames after the last one."""

    frames: int
    every: int


class VideoView(_Strict):
    """How a run sees a set of videos; the fields are those of `VideoDataset`."""

    split: Literal[1, 2, 3]
    validation: float
    clip: Clip
    test_clips: int
    normalise: Normalise
    broken_videos: int


class TrainSpec(Spec):
    """Stage `train`: one run with one seed. `video` is None for a dataset of finished clips.

    `backbone` and `sequences` are those of a net on frames; a net on clips has neither.
    """

    run: str
    seed: int
    dataset: str
    classes: int
    video: VideoView | None = None
    sequences: FrameView | None = None
    backbone: Backbone | None = None
    model: AnyModel
    protocol: Protocol
    augment: Augment | None
    evaluation: tuple[Transform, ...]
    device: Device


class PretrainSpec(Spec):
    """Stage `pretrain`: the weights of one backbone; `training` is how, null where they are a declared download."""

    backbone: Backbone
    training: TrainSpec | None


class FeaturesSpec(Spec):
    """Stage `features`: pooled features of every frame of a set from one backbone."""

    dataset: str
    backbone_name: str
    backbone: Backbone
    crop: int
    size: int
    device: Device


class TimingSpec(Spec):
    """Stage `timing`: how long the runs of one table took to train, as their receipts say."""

    runs: tuple[str, ...]
    seeds: tuple[int, ...]


class MeasureSpec(Spec):
    """Stage `measure`: one measurement. `networks` are the nets that a latency measurement speaks of."""

    measurement: Measurement
    networks: dict[str, Network] = {}


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


def _check_backbone(params: Params, name: str, backbone: Backbone, check: Callable[..., None]) -> None:
    if backbone.stills is not None:
        where = f"backbones.{name}.stills"
        sets = {key: d for key, d in params.datasets.items() if isinstance(d, VideoDataset)}
        check(f"{where}.dataset", "set of videos", backbone.stills.dataset, sets)
        check(f"{where}.protocol", "protocol", backbone.stills.protocol, params.protocols)
    if backbone.initial is not None:
        check(f"backbones.{name}.initial", "backbone", backbone.initial, params.backbones)
        seen: set[str] = {name}
        other: str | None = backbone.initial
        while other is not None and other in params.backbones:
            if other in seen:
                raise UserError(f"params.yaml: backbones.{name}.initial: {other!r} begins with itself; take it out")
            seen.add(other)
            other = params.backbones[other].initial
        for field in ("architecture", "width", "stem_kernel", "stem_stride", "max_pool"):
            mine, theirs = getattr(backbone, field), getattr(params.backbones[backbone.initial], field)
            if mine != theirs:
                raise UserError(
                    f"params.yaml: backbones.{name}.{field}: found {mine!r}; expected {theirs!r}, "
                    f"that of {backbone.initial!r}, with whose weights it begins"
                )


def _check_frame_model(params: Params, name: str, model: FrameModel) -> None:
    wanted = "resnet18" if isinstance(model, RCNModel) else "resnet50"
    found = params.backbones[model.backbone].architecture
    if found != wanted:
        needs = f"{model.architecture} needs a {wanted}"
        raise UserError(f"params.yaml: models.{name}.backbone: {model.backbone!r} is a {found}; {needs}")


def _check_frame_run(params: Params, name: str, run: Run) -> None:
    """What only nets on frames have, and what they cannot have."""
    model, is_video = params.models[run.model], isinstance(params.datasets[run.dataset], VideoDataset)
    if not is_video and run.split is not None:
        raise UserError(f"params.yaml: runs.{name}.split: dataset {run.dataset!r} has no official splits; remove it")
    if (run.every is not None) != isinstance(model, StResNetModel):
        raise UserError(f"params.yaml: runs.{name}.every: belongs to runs of an st-resnet, and each of them needs it")
    if isinstance(model, Model):
        return
    if not is_video:
        raise UserError(f"params.yaml: runs.{name}.dataset: {model.architecture} needs a set of videos")
    if run.augment is not None or (run.evaluation != ("original",) and not isinstance(model, RCNModel)):
        raise UserError(
            f"params.yaml: runs.{name}: {model.architecture} is trained without augmentation and evaluated on "
            "[original] only"
        )


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
    for name, backbone in params.backbones.items():
        _check_backbone(params, name, backbone, check)
    for name, model in params.models.items():
        if not isinstance(model, Model):
            check(f"models.{name}.backbone", "backbone", model.backbone, params.backbones)
            _check_frame_model(params, name, model)
    for name, run in params.runs.items():
        check(f"runs.{name}.dataset", "dataset", run.dataset, sets)
        check(f"runs.{name}.model", "model", run.model, params.models)
        check(f"runs.{name}.protocol", "protocol", run.protocol, params.protocols)
        _check_frame_run(params, name, run)
    for name, asked in params.measurements.items():
        if isinstance(asked, LatencyMeasurement):
            nets = {n: m.networks for n, m in params.measurements.items() if isinstance(m, NetworksMeasurement)}
            check(f"measurements.{name}.of", "measurement of networks", asked.of, nets)
            for net, view in asked.views.items():
                check(f"measurements.{name}.views.{net}", "network", net, nets[asked.of])
                check(f"measurements.{name}.views.{net}", "view", view, nets[asked.of][net].views)
            for net in asked.checkpoint:
                check(f"measurements.{name}.checkpoint.{net}", "measured network", net, asked.views)
    for name, table in params.tables.items():
        if name != (expected := table_key(table)):
            raise UserError(f"params.yaml: tables.{name}: expected the key {expected}")
        if isinstance(table, StructureTable | MeasuredTable):
            for measurement in measurements_of(table):
                check(f"tables.{name}", "measurement", measurement, params.measurements)
            if isinstance(table, MeasuredTable):
                _check_factors(name, table)
            continue
        if isinstance(table, VideoTable):
            for row, runs in table.rows.items():
                for column in table.columns.values():
                    check(f"tables.{name}.columns", "dataset", column.dataset, sets)
                    if column.dataset not in runs:
                        raise UserError(f"params.yaml: tables.{name}.rows.{row}: no run for dataset {column.dataset!r}")
        if isinstance(table, ResultTable):
            _check_result_rows(name, table)
        for source in cell_sources(table):
            check(f"tables.{name}.rows.{source.row}", "run", source.run, params.runs)
            if source.transform not in params.runs[source.run].evaluation:
                raise UserError(
                    f"params.yaml: tables.{name}.rows.{source.row}: run {source.run!r} does not evaluate "
                    f"{source.transform!r}; add it to runs.{source.run}.evaluation"
                )


def _check_factors(name: str, table: MeasuredTable) -> None:
    """A word that a column multiplies by is a number in every row that has it, and some row has it."""
    for column, asked in table.measured.items():
        if isinstance(asked.factor, str):
            where = f"params.yaml: tables.{name}.measured.{column}.factor"
            found = {row: words[asked.factor] for row, words in table.rows.items() if asked.factor in words}
            if not found:
                raise UserError(f"{where}: no row has the word {asked.factor!r}; give a number or a word of the rows")
            for row, value in found.items():
                if not isinstance(value, int):
                    raise UserError(
                        f"{where}: in row {row!r} the word {asked.factor!r} is {value!r}, expected a number"
                    )


def _check_result_rows(name: str, table: ResultTable) -> None:
    for row, runs in table.rows.items():
        for column in runs if isinstance(runs, dict) else ():
            if column not in table.columns:
                raise UserError(
                    f"params.yaml: tables.{name}.rows.{row}: no column is named {column!r}; "
                    f"known: {', '.join(table.columns)}"
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
        model = self.params.models[r.model]
        backbone = () if isinstance(model, Model) else self.backbone_paths(model.backbone)
        paths = (
            f"runs.{run}",
            f"models.{r.model}",
            f"protocols.{r.protocol}",
            f"datasets.{r.dataset}",
            *pool,
            *backbone,
            "device",
        )
        return tuple(dict.fromkeys(paths))

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
        if isinstance(dataset, ImagesDataset):
            return ImagesSpec(stage="data", key=key, scale=self.scale, **dict(dataset))
        if isinstance(dataset, VideoDataset):
            return VideosSpec(
                stage="data",
                key=key,
                scale=self.scale,
                kind="videos",
                layout=dataset.layout,
                folder=dataset.folder,
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
        return FramesSpec(
            stage="frames", key=key, scale=self.scale, short_side=dataset.short_side, folder=dataset.folder
        )

    def train_spec(self, run: str, seed: int) -> TrainSpec:
        """The spec of one run with one seed."""
        r, p = self.params.runs[run], self.params
        dataset, model = p.datasets[r.dataset], p.models[r.model]
        assert not isinstance(dataset, ImagesDataset)
        video, backbone, sequences = None, None, None
        if isinstance(dataset, MovingDigitsDataset):
            classes = CLASSES[dataset.task]
        else:
            classes = dataset.classes
            video = self._view(dataset, r.split)
        if not isinstance(model, Model):
            assert video is not None
            backbone = p.backbones[model.backbone]
            video = video.model_copy(update={"normalise": backbone.normalise})
        if isinstance(model, StResNetModel):
            assert r.every is not None
            sequences = FrameView(frames=model.frames, every=r.every)
        return TrainSpec(
            stage="train",
            key=self.train_key(run, seed),
            scale=self.scale,
            run=run,
            seed=seed,
            dataset=r.dataset,
            classes=classes,
            video=video,
            sequences=sequences,
            backbone=backbone,
            model=model,
            protocol=p.protocols[r.protocol],
            augment=r.augment,
            evaluation=r.evaluation,
            device=p.device,
        )

    def _view(self, dataset: VideoDataset, split: Literal[1, 2, 3] | None) -> VideoView:
        view = VideoView(**{name: getattr(dataset, name) for name in VideoView.model_fields})
        return view if split is None else view.model_copy(update={"split": split})

    def pretrain_spec(self, name: str) -> PretrainSpec:
        """The spec of one backbone."""
        p, backbone = self.params, self.params.backbones[name]
        training = None
        if (stills := backbone.stills) is not None:
            dataset = p.datasets[stills.dataset]
            assert isinstance(dataset, VideoDataset)
            view = self._view(dataset, stills.split).model_copy(update={"normalise": backbone.normalise})
            training = TrainSpec(
                stage="pretrain",
                key=name,
                scale=self.scale,
                run=name,
                seed=p.seeds[0],
                dataset=stills.dataset,
                classes=dataset.classes,
                video=view,
                sequences=FrameView(frames=1, every=stills.every),
                backbone=backbone,
                model=StillsModel(architecture="stills", backbone=name),
                protocol=p.protocols[stills.protocol],
                augment=None,
                evaluation=("original",),
                device=p.device,
            )
        return PretrainSpec(stage="pretrain", key=name, scale=self.scale, backbone=backbone, training=training)

    def features_key(self, run: str) -> str | None:
        """The key of the features that a run reads; None where it reads none."""
        r = self.params.runs[run]
        model = self.params.models[r.model]
        return f"{r.dataset}-{model.backbone}" if isinstance(model, BaselineModel) else None

    def features_specs(self) -> dict[str, FeaturesSpec]:
        """The features that the used runs read, by key."""
        found: dict[str, FeaturesSpec] = {}
        for run in self.used_runs():
            key = self.features_key(run)
            if key is None or key in found:
                continue
            r, p = self.params.runs[run], self.params
            model, dataset = p.models[r.model], p.datasets[r.dataset]
            assert isinstance(model, BaselineModel) and isinstance(dataset, VideoDataset)
            found[key] = FeaturesSpec(
                stage="features",
                key=key,
                scale=self.scale,
                dataset=r.dataset,
                backbone_name=model.backbone,
                backbone=p.backbones[model.backbone],
                crop=dataset.clip.crop,
                size=dataset.clip.size,
                device=p.device,
            )
        return found

    def used_backbones(self) -> list[str]:
        """The backbones whose weights some used run needs, each after the one that it begins with."""
        found: dict[str, None] = {}

        def need(name: str) -> None:
            initial = self.params.backbones[name].initial
            if initial is not None:
                need(initial)
            found[name] = None

        for run in self.used_runs():
            if (name := self.weights_of(run)) is not None:
                need(name)
        return list(found)

    def weights_of(self, run: str) -> str | None:
        """The backbone whose weights a run begins with, or whose features it reads; None where it has none."""
        model = self.params.models[self.params.runs[run].model]
        if isinstance(model, Model) or (isinstance(model, RCNModel) and model.input_init == "random"):
            return None
        return model.backbone

    def timing_spec(self, key: str) -> TimingSpec:
        """The spec of the training times of one table."""
        return TimingSpec(
            stage="timing", key=key, scale=self.scale, runs=tuple(self.table_runs(key)), seeds=self.params.seeds
        )

    def measure_spec(self, key: str) -> MeasureSpec:
        """The spec of one measurement."""
        asked = self.params.measurements[key]
        networks: dict[str, Network] = {}
        if isinstance(asked, LatencyMeasurement):
            of = self.params.measurements[asked.of]
            assert isinstance(of, NetworksMeasurement)
            networks = {name: of.networks[name] for name in asked.views}
        return MeasureSpec(stage="measure", key=key, scale=self.scale, measurement=asked, networks=networks)

    def table_runs(self, key: str) -> list[str]:
        """The runs behind one table, each once, in the order of its rows."""
        table = self.params.tables[key]
        return list(dict.fromkeys(source.run for source in cell_sources(table)))

    def aggregate_spec(self, key: str) -> AggregateSpec:
        """The spec of one table."""
        table = self.params.tables[key]
        runs = self.table_runs(key)
        paths = dict.fromkeys(path for run in runs for path in self.run_paths(run))
        for measurement in measurements_of(table):
            paths[f"measurements.{measurement}"] = None
        if runs:
            paths["seeds"] = None
        stand_in = {}
        for run in runs:
            name = self.params.runs[run].dataset
            dataset = self.params.datasets[name]
            assert not isinstance(dataset, ImagesDataset)
            stand_in[name] = self.params.runs[run].stand_in or dataset.stand_in
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
        """The datasets that those runs and their backbones train on, in registry order."""
        needed = {self.params.runs[run].dataset for run in self.used_runs()}
        needed |= {b.stills.dataset for name in self.used_backbones() if (b := self.params.backbones[name]).stills}
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
