"""Readings in the real engines: made when they are asked for, shown when the report asks for them, known to both."""

import json
from pathlib import Path

import pytest
import yaml

from conftest import run_in, snakemake
from e2e.chosen import REGISTRY
from e2e.test_engines import NOTHING, assert_clean_in_both, dvc, planned_by_snakemake

pytestmark = pytest.mark.slow
READING = REGISTRY.files.readings["smoke"][0]
FILE = f"documents/{READING.document}/readings.yaml"
RUN, READ = next(iter(READING.runs.items()))


def test_readings_are_made_when_they_are_asked_for_and_shown_when_the_report_asks(copy: Path) -> None:
    all_of_it = yaml.safe_load((copy / FILE).read_text())[READING.detail][READING.reading]
    one = {READING.detail: {READING.reading: {**all_of_it, "runs": [RUN]}}}
    (copy / FILE).write_text(yaml.safe_dump(one))
    run_in(copy, "reeltrace", "sync")  # DVC's report depends on whatever lies in documents/
    assert_clean_in_both(copy)  # nothing waits for readings

    made = {f"train {READ}-s0", f"reading {READING.document}"}
    made |= {f"data {key}" for key in READING.entries.get("datasets", ())}
    assert planned_by_snakemake(copy, "readings") == made
    snakemake(copy, "readings")
    assert NOTHING in snakemake(copy, "-n", "readings")
    assert_clean_in_both(copy)
    run_in(copy, "reeltrace", "verify")
    report = copy / "results/smoke/report/all/report.html"
    assert 'id="readings"' not in report.read_text()

    with (copy / "params.yaml").open("a") as file:
        file.write("\nreadings: true\n")
    run_in(copy, "reeltrace", "sync")
    assert planned_by_snakemake(copy) == {"report all"}  # what was made is taken as it is
    snakemake(copy)
    assert 'id="readings"' in report.read_text()
    run_in(copy, "reeltrace", "verify")
    assert_clean_in_both(copy)

    one[READING.detail][READING.reading]["says"] = "other words"
    (copy / FILE).write_text(yaml.safe_dump(one))
    said = {f"reading {READING.document}", "report all"}  # the nets are the same
    changed = {name.replace("-", " ", 1) for name in json.loads(dvc(copy, "status", "--json"))}
    assert changed == said == planned_by_snakemake(copy)
