"""Stage `aggregate`: one table's cells.json and curves.csv from finished runs and measurements."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.analysis.published import load
from reeltrace.analysis.sources import Source
from reeltrace.analysis.tables import aggregate
from reeltrace.artifacts.files import atomic_write, read_whole, sha256_file
from reeltrace.artifacts.formats import CELLS, CURVES, HISTORY, METRICS, TIMING
from reeltrace.artifacts.json_values import canonical_json, parse_json, read_json
from reeltrace.artifacts.names import SPEC
from reeltrace.errors import CheckFailed
from reeltrace.kinds.table import cell_sources

if TYPE_CHECKING:
    from reeltrace.registry.specs import AggregateSpec


def run(spec: AggregateSpec, inputs: Mapping[str, Path], work: Path) -> dict[str, Any]:
    """Write `cells.json` and `curves.csv` into `work`. Reads the transcription below the current folder."""
    for name, text in outputs(spec, inputs, Path()).items():
        with atomic_write(work / name) as handle:
            handle.write(text.encode())
    return {}


def outputs(spec: AggregateSpec, inputs: Mapping[str, Path], root: Path) -> dict[str, str]:
    """The text of each output file; `verify` calls this too and compares it with what lies on disk."""
    document = load(spec.table.document, root)
    sources = {
        name: read_source(f"results/{spec.scale}/{name}", folder)
        for name, folder in sorted(inputs.items())
        if name.split("/")[0] in ("train", "measure", "timing")
    }
    return {CELLS: canonical_json(aggregate(spec, document, sources, inputs)), CURVES: curves(spec, inputs)}


def read_source(artifact: str, folder: Path) -> Source:
    """What an artifact measured, with its spec; `artifact` is its path below the project's root."""
    spec = Source(f"{artifact}/{SPEC}", read_json(folder / SPEC), sha256_file(folder / SPEC))
    file = TIMING if artifact.split("/")[2] == "timing" else METRICS
    return Source(f"{artifact}/{file}", read_json(folder / file), sha256_file(folder / file), spec)


def curves(spec: AggregateSpec, inputs: Mapping[str, Path]) -> str:
    """CSV: epoch, then the validation top-1 (percent) of each run and seed; blank where a run had fewer epochs."""
    columns: dict[str, dict[int, float]] = {}
    for run_name in sorted({place.run for place in cell_sources(spec.table)}):
        for seed in spec.seeds:
            key = f"{run_name}-s{seed}"
            columns[key] = {
                int(line["epoch"]): float(line["validation_top1"])
                for line in read_history(inputs[f"train/{key}"] / HISTORY)
            }
    epochs = sorted({epoch for column in columns.values() for epoch in column})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *columns])
    writer.writerows([epoch, *(column.get(epoch, "") for column in columns.values())] for epoch in epochs)
    return text.getvalue()


def read_history(path: Path) -> list[dict[str, Any]]:
    """The lines of a history.jsonl. Raises `CheckFailed` naming the line that is not one."""
    try:
        lines = read_whole(path).decode().splitlines()
    except FileNotFoundError:
        raise CheckFailed(f"{path}: missing; run its stage again") from None
    except UnicodeDecodeError as error:
        raise CheckFailed(f"{path}: not UTF-8 text (byte {error.start}); run its stage again") from None
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = parse_json(line)
            int(entry["epoch"]), float(entry["validation_top1"])
        except (KeyError, TypeError, ValueError):
            raise CheckFailed(f"{path}: line {number} is not an epoch's record; run its stage again") from None
        found.append(entry)
    return found
