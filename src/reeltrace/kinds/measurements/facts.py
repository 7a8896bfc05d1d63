"""Facts that the document's own module counts."""

from collections.abc import Mapping
from typing import Any, Literal

from reeltrace.artifacts.formats import METRICS
from reeltrace.kinds.measurement import Entry, MeasurementKind, no_bound, no_files, no_names, one_processor


class FactsMeasurement(Entry):
    """Facts that the document's own module counts, by the part of it that the print speaks of."""

    kind: Literal["facts"]


def _words(asked: Mapping[str, Any]) -> dict[str, str]:
    return {"kind": str(asked["kind"])}


KIND = MeasurementKind(
    name="facts",
    params=FactsMeasurement,
    stage="reeltrace.measure.facts_stage",
    outputs=(METRICS,),
    calls_document=True,
    observes=False,
    offers=None,
    speaks_of=None,
    builds=None,
    names=no_names,
    files=no_files,
    least=no_bound,
    resources=one_processor,
    weight=2,
    words=_words,
    check=None,
    beside=None,
    draws=None,
)
