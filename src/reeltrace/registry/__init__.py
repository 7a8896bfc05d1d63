"""`params.yaml` -> validated, typed experiments. The only reader of `params.yaml`.

A value may be a map over scales, `{paper: 50, quick: 8}`: `paper` is the document's, the others override it. `load`
resolves one scale, checks the whole file at every scale, and turns each run, measurement, table and dataset into the
spec of a stage. Nothing here trains, reads results, or imports torch.
"""

from reeltrace.registry.datasets import Clip, ImageSplit, MovingDigitsDataset, VideoDataset, Videos
from reeltrace.registry.fields import SCALES
from reeltrace.registry.measurements import (
    LatencyMeasurement,
    Measurement,
    Network,
    NetworksMeasurement,
    Printed,
    Search,
    SearchMeasurement,
    StructureMeasurement,
    View,
)
from reeltrace.registry.models import Backbone, RCNModel
from reeltrace.registry.params import Override
from reeltrace.registry.reading import PARAMS, Registry, load, parse, spec_json
from reeltrace.registry.runs import Protocol
from reeltrace.registry.specs import (
    AggregateSpec,
    FeaturesSpec,
    FramesSpec,
    FrameView,
    ImagesSpec,
    MeasureSpec,
    MovingDigitsSpec,
    PretrainSpec,
    ReportSpec,
    Spec,
    TimingSpec,
    TrainSpec,
    VideosSpec,
    VideoView,
)
from reeltrace.registry.tables import (
    AccuracyTable,
    CellSource,
    DerivedColumn,
    MeasuredColumn,
    MeasuredTable,
    Quantity,
    ResultTable,
    StructureTable,
    VideoTable,
    cell_sources,
    is_numbered,
    measurements_of,
)

__all__ = [
    "PARAMS",
    "SCALES",
    "AccuracyTable",
    "AggregateSpec",
    "Backbone",
    "CellSource",
    "Clip",
    "DerivedColumn",
    "FeaturesSpec",
    "FrameView",
    "FramesSpec",
    "ImageSplit",
    "ImagesSpec",
    "LatencyMeasurement",
    "MeasureSpec",
    "MeasuredColumn",
    "MeasuredTable",
    "Measurement",
    "MovingDigitsDataset",
    "MovingDigitsSpec",
    "Network",
    "NetworksMeasurement",
    "Override",
    "PretrainSpec",
    "Printed",
    "Protocol",
    "Quantity",
    "RCNModel",
    "Registry",
    "ReportSpec",
    "ResultTable",
    "Search",
    "SearchMeasurement",
    "Spec",
    "StructureMeasurement",
    "StructureTable",
    "TimingSpec",
    "TrainSpec",
    "VideoDataset",
    "VideoTable",
    "VideoView",
    "Videos",
    "VideosSpec",
    "View",
    "cell_sources",
    "is_numbered",
    "load",
    "measurements_of",
    "parse",
    "spec_json",
]
