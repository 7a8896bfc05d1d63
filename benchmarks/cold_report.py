"""How long everything takes from nothing, and where the time goes.

    python benchmarks/cold_report.py [--scale quick] [--cores all] [--older] [--json figures.json]

Clones the committed state of this project into an empty folder, runs `snakemake --cores all` there with the environment
that this script runs in, and prints the wall time and its split: seconds and processor seconds of each stage as the
receipts say, what is left of the processors for starting processes, scheduling and waiting, and the time from the end
of the last stage to the end of the command, in which everything is checked and recorded with DVC. `--older` emulates a
processor with AVX2 and nothing newer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reeltrace.errors import known_names
from reeltrace.machine import processor

PROJECT = Path(__file__).resolve().parents[1]
OLDER = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def at_least(least: int) -> Callable[[str], int]:
    """A whole number for an option, from `least` on."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number, {least} or more")
        return int(text)

    return number


def check_runs(
    parser: argparse.ArgumentParser, names: Iterable[str], scale: str, groups: Sequence[str] | None = None
) -> None:
    """End with one line where params.yaml and documents/ have no run of such a name.

    Where `groups` names some runs with convolutions over a group, one without them will not do either.
    """
    from reeltrace.registry.reading import load

    params = load(scale=scale).params  # type: ignore[arg-type]
    for name in names:
        if name not in params.runs:
            parser.error(f"unknown run {name!r}; {known_names(name, params.runs)}")
        if groups is not None and not hasattr(params.models[params.runs[name].model], "group"):
            parser.error(f"{name} has no convolution over a group; expected a run such as {', '.join(groups)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", default="quick", choices=("quick", "smoke"))
    parser.add_argument("--cores", default="all")
    parser.add_argument("--older", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder) / "project", asked)
    print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(folder)], check=True)
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("\nscale: quick", f"\nscale: {asked.scale}"), "utf-8")
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **(OLDER if asked.older else {})}
    environment.pop("PYTHONPATH", None)
    began = time.time()
    log = folder.parent / "log"
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(
            [tools / "snakemake", "--cores", asked.cores],
            cwd=folder,
            env=environment,
            stdout=file,
            stderr=file,
            check=False,
        )
    wall = time.time() - began
    if done.returncode:
        shutil.copyfileobj(log.open(encoding="utf-8"), sys.stderr)
        sys.exit(f"snakemake ended with {done.returncode}")
    receipts = [json.loads(p.read_bytes()) for p in folder.glob("results/*/*/*/receipt.json")]
    ends = [datetime.fromisoformat(r["started"]).timestamp() + r["duration_s"] for r in receipts]
    stages: dict[str, dict[str, float]] = {}
    for receipt in receipts:
        of = stages.setdefault(receipt["stage"], {"artifacts": 0, "seconds": 0.0, "processor": 0.0})
        of["artifacts"] += 1
        of["seconds"] += receipt["duration_s"]
        of["processor"] += receipt["processor_s"]
    cores = len(os.sched_getaffinity(0)) if asked.cores == "all" else int(asked.cores)
    return {
        "scale": asked.scale,
        "machine": machine(asked.older),
        "cores": cores,
        "wall": wall,
        "stages": stages,
        "after_the_last_stage": began + wall - max(ends),
        "left": cores * wall - sum(of["processor"] for of in stages.values()),
    }


def machine(older: bool | None = None) -> str:
    """The processor, what it can do, and whether it is held to less; as this process is, where that is not said."""
    flags = [flag for flag in FLAGS if flag in (processor.features() or ())]
    emulated = ", held to AVX2" if (is_held() if older is None else older) else ""
    return f"{processor.name()} ({', '.join(flags)}{emulated})"


def is_held() -> bool:
    """Whether this process emulates a processor with AVX2 and nothing newer."""
    return OLDER.items() <= os.environ.items()


def hold_to_older() -> None:
    """Begin this process anew so that it does, unless it does: torch reads that when it is loaded."""
    if not is_held():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **OLDER})


def table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['scale']} scale, {found['cores']} cores of {found['machine']}",
        f"{'wall time':<24}{found['wall']:>10.1f} s",
        "",
        f"{'stage':<24}{'count':>6}{'seconds':>10}{'processor':>11}",
    ]
    for name, of in sorted(found["stages"].items(), key=lambda item: -item[1]["processor"]):
        lines.append(f"{name:<24}{of['artifacts']:>6}{of['seconds']:>10.1f}{of['processor']:>11.1f}")
    lines += [
        f"{'left of the processors':<24}{'':>6}{'':>10}{found['left']:>11.1f}",
        f"{'after the last stage':<24}{'':>6}{found['after_the_last_stage']:>10.1f}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
