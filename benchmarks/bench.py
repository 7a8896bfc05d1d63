"""Every goal of speed in one table: what, ours, peer, ratio, goal, met.

    python benchmarks/bench.py [NAME ...] [--minutes 10] [--json figures.json]

Runs the brief forms of the benchmarks beside this file, one after the other, each in a process of its own. A row
without a peer is a measured value with a limit. Two kinds of times: of the processor where a machine's other work would
show, of the wall else; the ratios are taken within one run. What a benchmark needs and does not find (a GPU, ffmpeg,
pytorchvideo) is said in its place. `make bench` brings pytorchvideo, without its dependencies, into build/peers.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cold_report import machine

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / "build" / "peers"  # packages that are compared with, and that the project does not need
BENCHMARKS: dict[str, list[str]] = {
    "group_convolution": ["--brief"],
    "gpu_step": [],
    "video_networks": ["--brief"],
    "loading": ["--brief"],
    "frame_extraction": ["--brief"],
    "engines": [],
}
HEAD = f"{'what : peer':72}{'ours':>11}{'peer':>11}{'ratio':>8}  {'goal':9}met"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=10, help="no benchmark goes on after these (default 10)")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    asked = parser.parse_args()
    for name in asked.names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}: expected one of {', '.join(BENCHMARKS)}")
    print(machine(), flush=True)
    print(HEAD, flush=True)
    until, rows = time.monotonic() + 60 * asked.minutes, []
    for name in asked.names or BENCHMARKS:
        began = time.monotonic()
        found, why = run(name, until - began)
        for row in found:
            print(line(row), flush=True)
        if why:
            print(f"{name}: {why}", flush=True)
        rows += [{"benchmark": name, **row} for row in found] or [{"benchmark": name, "why": why}]
        print(f"    ({name}: {time.monotonic() - began:.0f} s)", flush=True)
    judged = [row["met"] for row in rows if row.get("met") is not None]
    print(f"{sum(judged)} of {len(judged)} goals met")
    if asked.json:
        asked.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


def run(name: str, seconds: float) -> tuple[list[dict[str, Any]], str]:
    """The rows of a benchmark, and where it has none, or is stopped, why."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *BENCHMARKS[name], "--json", str(file)]
        paths = [*filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), str(PEERS)]
        try:
            process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": folder},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            _, errors = process.communicate(timeout=max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            process.wait()
            return [], "the time is over"
        rows = json.loads(file.read_text())["rows"] if file.exists() else []
        said = errors.strip().splitlines()
        if process.returncode:
            return rows, said[-1] if said else f"ended with {process.returncode}"
        return rows, "; ".join(note.removeprefix("note: ") for note in said if note.startswith("note: "))


def line(row: dict[str, Any]) -> str:
    """A row of the table."""

    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
    met = {True: "yes", False: "no", None: ""}[row["met"]]
    return f"{row['what']:72}{number(row['ours']):>11}{number(row['peer']):>11}{ratio:>8}  {row['goal']:9}{met}"


if __name__ == "__main__":
    main()
