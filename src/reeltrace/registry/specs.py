"""Specs: what a stage is given, and what its `spec.json` holds."""

from typing import Literal

from pydantic import Field

from reeltrace.kinds.measurement import Measurement
from reeltrace.kinds.table import Table
from reeltrace.registry.datasets import Clip, Generated, ImageSplit, Normalise, Videos
from reeltrace.registry.fields import Scale, Strict, Transform
from reeltrace.registry.measurements import Network
from reeltrace.registry.models import AnyModel, Backbone
from reeltrace.registry.params import Override
from reeltrace.registry.runs import Augment, Device, Protocol, Run


class Spec(Strict):
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


class FrameView(Strict):
    """How a net on frames samples a video: sequences of `frames` frames, each `every` frames after the last one."""

    frames: int
    every: int


class VideoView(Strict):
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


class ReportSpec(Spec):
    """Stage `report`: the tables, in order, the datasets whose clips are shown, and the measurements that draw."""

    tables: tuple[str, ...]
    datasets: tuple[str, ...]
    runs: dict[str, Run]
    seeds: tuple[int, ...]
    device: Device
    overrides: tuple[Override, ...]
    pictures: tuple[str, ...] = ()
