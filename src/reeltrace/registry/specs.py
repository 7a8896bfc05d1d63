"""Specs: what a stage is given, and what its `spec.json` holds."""

from pydantic import Field

from reeltrace.kinds.measurement import Measurement
from reeltrace.kinds.table import Table
from reeltrace.registry.datasets import VideoView
from reeltrace.registry.fields import Spec, Strict, Transform
from reeltrace.registry.measurements import Network
from reeltrace.registry.models import AnyModel, Backbone
from reeltrace.registry.params import Override
from reeltrace.registry.runs import AnyAugment, Device, Protocol, Run


class FramesSpec(Spec):
    """Stage `frames`: every video of a set decoded once, its short side resized to `short_side` pixels.

    `folder` holds the videos where they are the user's own and not part of the `data` artifact.
    """

    short_side: int
    folder: str | None = None


class FrameView(Strict):
    """How a net on frames samples a video: sequences of `frames` frames, each `every` frames after the last one."""

    frames: int
    every: int


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
    augment: AnyAugment | None
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
    """Stage `measure`: one measurement. `networks` are the nets that a measurement of latency or of pictures uses."""

    measurement: Measurement
    networks: dict[str, Network] = Field(default_factory=dict)


class AggregateSpec(Spec):
    """Stage `aggregate`: one table, the seeds it spans, and everything the active scale overrides in its runs.

    `stand_in` says of each of its datasets, and of each backbone behind it, what it stands in for.
    """

    table: Table
    seeds: tuple[int, ...]
    stand_in: dict[str, str | None]
    overrides: tuple[Override, ...]


class ReadSpec(Strict):
    """One reading: what it takes the document to say, what it changes, and the tables under it.

    `runs` maps each run to the one under the reading; `tables` have only rows that these stand in.
    """

    detail: str
    reading: str
    says: str
    changes: tuple[Override, ...]
    runs: dict[str, str]
    tables: tuple[AggregateSpec, ...]


class ReadingSpec(Spec):
    """Stage `reading`: the readings of one document, and the tables that they touch as chosen, those rows alone.

    Of `changes`, `document` is the value as chosen and `here` the one under the reading.
    """

    document: str
    chosen: tuple[AggregateSpec, ...]
    readings: tuple[ReadSpec, ...]


class ReportSpec(Spec):
    """Stage `report`: the tables, in order, the datasets whose clips are shown, and the measurements that draw.

    `reference` is the report.json of another report, which this one is set beside; `readings` are the documents whose
    readings are shown.
    """

    tables: tuple[str, ...]
    datasets: tuple[str, ...]
    runs: dict[str, Run]
    seeds: tuple[int, ...]
    device: Device
    overrides: tuple[Override, ...]
    pictures: tuple[str, ...] = ()
    reference: str | None = None
    readings: tuple[str, ...] = ()
