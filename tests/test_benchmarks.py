"""The benchmarks can be run as they say; what they measure belongs to a quiet machine, and is not looked at here."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import PROJECT, environment, run_in
from reeltrace.registry.reading import load

PARAMS = load(PROJECT, "paper").params
GROUPS = {run: getattr(PARAMS.models[of.model], "group", None) for run, of in PARAMS.runs.items()}
PLAIN = next(run for run, group in GROUPS.items() if group is None)
OVER_A_GROUP = next(run for run, group in GROUPS.items() if group == "z3")
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


@pytest.mark.parametrize(
    ("called", "words"),
    [
        (("group_convolution.py", "nosuch"), "unknown run 'nosuch'; nearest of "),
        (("group_convolution.py", "--turns", "1"), "argument --turns: found '1'; expected a whole number, 2 or more"),
        (("group_convolution.py", PLAIN), f"{PLAIN} has no convolution over a group"),
        (("gpu_step.py", "--device", "cpu", "nosuch"), "unknown run 'nosuch'"),
        (("gpu_step.py", "--device", "cpu", PLAIN), f"{PLAIN} has no convolution over a group"),
        (("gpu_step.py", "--steps", "0"), "argument --steps: found '0'; expected a whole number, 1 or more"),
        (("training_step.py", "nosuch"), "unknown run 'nosuch'"),
        (("video_networks.py", "--device", "cuda"), "no GPU here; --device cpu measures on the processor"),
        (("loading.py", "--epochs", "x"), "argument --epochs: found 'x'"),
    ],
)
def test_what_cannot_be_measured_is_a_line(called: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        [sys.executable, f"benchmarks/{called[0]}", *called[1:]],
        cwd=PROJECT,
        env={**environment(PROJECT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert done.returncode in (1, 2)


def test_a_step_on_a_processor_is_not_tried_as_a_graph() -> None:
    few = "--scale", "smoke", "--device", "cpu", "--batch", "1", "--steps", "1"
    done = run_in(PROJECT, sys.executable, "benchmarks/gpu_step.py", OVER_A_GROUP, *few)
    assert done.stdout.splitlines()[-1].split()[0] == OVER_A_GROUP
    assert "captured" not in done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed")
def test_a_brief_look_at_extraction_gives_a_record_for_each_row() -> None:
    few = "--brief", "--frames", "20", "--rounds", "1"
    said = run_in(PROJECT, sys.executable, "benchmarks/frame_extraction.py", *few).stdout
    records = [json.loads(line) for line in said.splitlines()]
    assert len({record["what"] for record in records}) == 4
    for record in records:
        assert list(record) == ["what", "ours", "peer", "ratio", "goal", "met"]
        assert record["ratio"] == pytest.approx(record["ours"] / record["peer"], rel=0.02)
        assert record["met"] == (record["ratio"] >= float(record["goal"].removeprefix(">= ")))


def test_without_ffmpeg_extraction_is_not_compared() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/frame_extraction.py", "--brief"],
        cwd=PROJECT,
        env={**environment(PROJECT), "PATH": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "ffmpeg is not installed" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the times of threads are read from /proc")
def test_the_parts_of_a_frame_are_timed() -> None:
    said = run_in(PROJECT, sys.executable, "benchmarks/frame_parts.py", "--turns", "1", "--short-sides", "32").stdout
    chosen = next(line for line in said.splitlines() if line.startswith("bilinear, to rgb24 "))
    assert chosen.split()[-3:] == ["0", "0.00", "0.00%"]
