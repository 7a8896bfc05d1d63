"""Parameters, multiply-adds and stages of whole networks, at their published size."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Entry, MeasurementKind, no_bound, no_files, no_names, one_processor
from reeltrace.kinds.words import plain
from reeltrace.registry.fields import Name
from reeltrace.registry.measurements import Network


class NetworksMeasurement(Entry):
    """Parameters, multiply-adds per view and the sizes of stages of whole nets, counted without memory for weights."""

    kind: Literal["networks"]
    networks: Annotated[dict[Name, Network], Field(min_length=1)]


def _offers(asked: NetworksMeasurement) -> Mapping[str, Network]:
    return asked.networks


def _builds(asked: NetworksMeasurement) -> Iterable[str]:
    return (network.architecture for network in asked.networks.values())


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: f"{net['architecture']}; " + "; ".join(f"{key} {plain(value)}" for key, value in net["config"].items())
        for name, net in asked["networks"].items()
    }


KIND = MeasurementKind(
    name="networks",
    params=NetworksMeasurement,
    stage="reeltrace.measure.networks_stage",
    outputs=(METRICS,),
    calls_document=False,
    observes=False,
    offers=_offers,
    speaks_of=None,
    builds=_builds,
    names=no_names,
    files=no_files,
    least=no_bound,
    resources=one_processor,
    weight=7,
    words=_words,
    check=None,
    beside="reeltrace.analysis.blocks:counts",
    draws=None,
)
