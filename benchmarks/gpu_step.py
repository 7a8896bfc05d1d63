"""A step of training at the published scale on a GPU, and which of its parts make it fast.

    python benchmarks/gpu_step.py [RUN ...] [--scale paper] [--device cuda] [--batch 64] [--steps 50]
                                  [--json figures.json]

Trains the nets of Tables 3 to 5 on random clips that lie on the device, in bfloat16, channels-last: steps as they are
(captured, each convolution in its quickest way), launched one by one, and with `conv3d` throughout. Milliseconds of a
step with its update, by the device's clock; the goals are 5 ms for a plain net, and multiples of that net's time for
those over a group. `--device cpu` computes the same without a card, to try the script; its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from cold_report import at_least, check_runs

from reeltrace.models import group_conv
from reeltrace.registry.reading import load
from reeltrace.training import loop
from reeltrace.training.optimizers import Optimizer
from reeltrace.training.residence import Resident
from reeltrace.training.steps import Computed, Step, step_of

RUNS = (
    "dir-cnn4-z3",
    "dir-cnn4-t2",
    "digit-cnn4-p43d",
    "dir-resnet18-z3",
    "dir-resnet18-t2",
    "digit-resnet18-p43d",
)
PLAIN = 5.0  # milliseconds
GOALS = {"t2": 1.1, "p43d": 1.25}  # of the time of the plain net before it
WAYS = ("as it is", "one by one", "conv3d")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=RUNS, metavar="RUN", help=f"runs of params.yaml: {', '.join(RUNS)}")
    parser.add_argument("--scale", default="paper", choices=("paper", "quick", "smoke"))
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--batch", type=at_least(1), default=64)
    parser.add_argument("--steps", type=at_least(1), default=50)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    check_runs(parser, asked.runs, asked.scale, RUNS[:3])
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu tries the script without one")
    device = torch.device(asked.device)
    loop.make_repeatable(device, 1)
    print(torch.cuda.get_device_name(device) if asked.device == "cuda" else "CPU: its figures say nothing")
    print(f"{'milliseconds a step':22}" + "".join(f"{way:>12}" for way in WAYS) + f"{'goal':>9}  met")
    rows, plain = [], None
    for run in asked.runs:
        group, times = measure(run, asked, device)
        if group == "z3":
            plain = times["as it is"]
        goal = PLAIN if group == "z3" else None if plain is None else GOALS[group] * plain
        met = None if goal is None else times["as it is"] <= goal
        ours, peer = times["as it is"], times["conv3d"]
        rows.append(
            {"what": f"a step of {run}: conv3d, launched one by one, ms", "ours": ours, "peer": peer}
            | {"ratio": ours / peer, "goal": "" if goal is None else f"<= {goal:.2f} ms", "met": met, **times}
        )
        print(
            f"{run:22}"
            + "".join(f"{times[way]:>12.2f}" for way in WAYS)
            + ("" if goal is None else f"{goal:>9.2f}  {'yes' if met else 'no'}"),
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2) + "\n")


def measure(run: str, asked: argparse.Namespace, device: torch.device) -> tuple[str, dict[str, float]]:
    """The group of a net, and the milliseconds of its step by way."""
    spec = load(scale=asked.scale).train_spec(run, 0)
    clips = random_clips(spec.classes, asked, device)
    times = {}
    for way in WAYS:
        net = loop.new_model(spec).to(device).train()
        parameters = list(net.parameters())
        if way == "as it is" and device.type == "cuda":  # nothing is captured elsewhere
            step: Step = step_of(net, parameters, clips, True, run)
        else:
            step = Computed(net, parameters, clips, True)
        chosen = group_conv._ways
        try:
            if way == "conv3d":
                group_conv._ways = lambda *_: ()
            times[way] = of_step(step, Optimizer(spec.protocol, parameters), clips, asked)
        finally:
            group_conv._ways = chosen
    return str(spec.model.group), times


def of_step(step: Step, optimizer: Optimizer, clips: Resident, asked: argparse.Namespace) -> float:
    """Milliseconds of a step and its update, on batches that differ."""
    labels = torch.from_numpy(clips.labels).to(clips.pixels.device)

    def steps(count: int) -> None:
        for number in range(count):
            at = torch.arange(asked.batch, device=labels.device).add(number).remainder(len(clips))
            optimizer.step(list(step(clips.pixels[at], labels[at], 1.0).gradients), 0.001)
        if labels.is_cuda:
            torch.cuda.synchronize()

    steps(3)
    began = time.perf_counter()
    steps(asked.steps)
    return 1000 * (time.perf_counter() - began) / asked.steps


def random_clips(classes: int, asked: argparse.Namespace, device: torch.device) -> Resident:
    """Four batches of random clips of 32 frames of 32 x 32 pixels, on the device."""
    draws = np.random.default_rng(0)
    count = 4 * asked.batch
    pixels = draws.integers(0, 256, (count, 32, 32, 32), dtype=np.uint8)
    labels = draws.integers(0, classes, count)
    names = tuple(str(number) for number in range(classes))
    return Resident(Path(), "train", pixels, labels, names, torch.from_numpy(pixels).to(device).unsqueeze(1))


if __name__ == "__main__":
    main()
