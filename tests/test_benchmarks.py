"""The benchmarks can be run as they say; what they measure belongs to a quiet machine, and is not looked at here."""

import sys

import pytest

from conftest import PROJECT, run_in
from reeltrace.registry.reading import load

BENCHMARKS = sorted(path.name for path in (PROJECT / "benchmarks").glob("*.py"))


def test_there_are_benchmarks() -> None:
    assert "training_step.py" in BENCHMARKS


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_how_it_is_called(name: str) -> None:
    said = run_in(PROJECT, sys.executable, f"benchmarks/{name}", "--help").stdout
    assert f"python benchmarks/{name}" in said or "usage:" in said


def test_a_step_of_training_is_timed() -> None:
    runs = load(PROJECT, "smoke").params.runs
    said = run_in(
        PROJECT, sys.executable, "benchmarks/training_step.py", *list(runs)[:1], "--scale", "smoke", "--turns", "1"
    ).stdout
    assert said.splitlines()[-1].split()[0] == next(iter(runs))
    assert all(float(ms) > 0 for ms in said.splitlines()[-1].split()[-4:])
