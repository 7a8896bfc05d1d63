"""Time and memory of whole networks, on the machine that the job ran on."""

import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Entry, MeasurementKind, Named, Nets, Resources, no_bound
from reeltrace.kinds.words import listed
from reeltrace.registry.fields import Name
from reeltrace.registry.measurements import Network

TOLERANCE = 1e-6


def _without_null(views: Any) -> Any:
    """Leave out the nets that a reduced scale does without: a merged mapping cannot lose a key."""
    return {net: view for net, view in views.items() if view is not None} if isinstance(views, dict) else views


class LatencyMeasurement(Entry):
    """Time and memory of one view of each net, on this machine: `views` names one of the net's views, null for none.

    `checkpoint` may name files with weights, by net; without them a net has its initial weights, which cost the same.
    """

    kind: Literal["latency"]
    of: Name
    views: Annotated[dict[Name, Name], BeforeValidator(_without_null), Field(min_length=1)]
    precisions: Annotated[tuple[Literal["float32", "bfloat16"], ...], Field(min_length=1)]
    warm_up: Annotated[int, Field(ge=0, le=1000, strict=True)]
    repeats: Annotated[int, Field(ge=1, le=10**5, strict=True)]
    device: Literal["auto", "cpu", "cuda"]
    threads: Annotated[int, Field(ge=1, le=1024, strict=True)]
    checkpoint: dict[Name, str] = Field(default_factory=dict)


def _speaks_of(asked: LatencyMeasurement) -> Nets:
    return Nets(of=asked.of, views=asked.views, precisions=asked.precisions)


def _names(asked: LatencyMeasurement, nets: Mapping[str, Mapping[str, Network]]) -> Iterator[Named]:
    yield Named("of", "measurement of networks", asked.of, nets)
    for net, view in asked.views.items():
        yield Named(f"views.{net}", "network", net, nets[asked.of])
        yield Named(f"views.{net}", "view", view, nets[asked.of][net].views)
    for net in asked.checkpoint:
        yield Named(f"checkpoint.{net}", "measured network", net, asked.views)


def _files(asked: LatencyMeasurement) -> Iterator[tuple[str, str]]:
    for net, path in asked.checkpoint.items():
        yield path, f"checkpoint.{net}"


def _resources(asked: LatencyMeasurement) -> Resources:
    return Resources(threads=asked.threads, gpus=int(asked.device != "cpu"))


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        "views": listed(f"{net} {view}" for net, view in asked["views"].items()),
        "precision": listed(asked["precisions"]),
        "passes": f"{asked['repeats']} after {asked['warm_up']} that do not count",
        "device": f"{asked['device']}, {asked['threads']} thread(s)",
        "weights": listed(f"{net} {path}" for net, path in asked["checkpoint"].items()),
    }


def _check(folder: Path, asked: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What it says of its passes is so."""
    for name, net in metrics["networks"].items():
        for precision in asked["precisions"]:
            found = net[precision]
            passes = found["seconds"]["all"]
            expected = {
                "seconds/median": statistics.median(passes),
                "seconds/fastest": min(passes),
                "seconds/slowest": max(passes),
                "views_per_second": 1 / statistics.median(passes),
                "repeats": len(passes),
            }
            for path, value in expected.items():
                stored = found["seconds"][path.partition("/")[2]] if "/" in path else found[path]
                if abs(stored - value) > TOLERANCE * max(1.0, value):
                    where = f"/networks/{name}/{precision}/{path} is {stored}, its passes give {value:.10g}"
                    yield METRICS, where


KIND = MeasurementKind(
    name="latency",
    params=LatencyMeasurement,
    stage="reeltrace.measure.latency_stage",
    outputs=(METRICS,),
    calls_document=False,
    observes=True,
    offers=None,
    speaks_of=_speaks_of,
    builds=None,
    names=_names,
    files=_files,
    least=no_bound,
    resources=_resources,
    weight=60,
    words=_words,
    check=_check,
    beside="reeltrace.analysis.blocks:times",
    draws=None,
)
