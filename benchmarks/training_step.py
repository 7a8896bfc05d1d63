"""What one step of training costs in each arithmetic and layout, per clip.

    python benchmarks/training_step.py [RUN ...] [--scale quick] [--turns 7] [--steps 3] [--older]

Builds the nets of the named runs at a scale, and trains them on one thread on random clips of that scale's shape:
bfloat16 autocast with channels-last weights, float32 with channels-last weights, float32 in the default layout. One
turn times some steps of each, one after the other in one process; the table shows the medians over the turns, and what
the first costs as a multiple of the second. `--older` emulates a processor with AVX2 and nothing newer.
"""

import argparse
import statistics
import time

from cold_report import at_least, check_runs, hold_to_older, machine

RUNS = ("dir-cnn4-z3", "digit-cnn4-p43d", "digit-resnet18-z3")
WAYS = {
    "bfloat16, channels-last": (True, True),
    "float32, channels-last": (False, True),
    "float32, default layout": (False, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", default=RUNS, metavar="RUN", help=f"runs of params.yaml: {', '.join(RUNS)}")
    parser.add_argument("--scale", default="quick", choices=("quick", "smoke", "paper"))
    parser.add_argument("--turns", type=at_least(1), default=7)
    parser.add_argument("--steps", type=at_least(1), default=3, help="of each arithmetic in a turn")
    parser.add_argument("--older", action="store_true")
    asked = parser.parse_args()
    check_runs(parser, asked.runs, asked.scale)
    if asked.older:
        hold_to_older()
    print(machine())
    print(
        f"{'milliseconds per clip':22}{'clip':>15}{'batch':>7}"
        + "".join(f"{way:>26}" for way in WAYS)
        + f"{'ratio':>8}"
    )
    for run in asked.runs:
        print(row(run, asked), flush=True)


def row(run: str, asked: argparse.Namespace) -> str:
    """One line of the table."""
    import torch
    import torch.nn.functional as F

    from reeltrace.kinds.dataset import trained_on
    from reeltrace.registry.reading import load
    from reeltrace.training import loop
    from reeltrace.training.optimizers import Optimizer
    from reeltrace.training.precision import conform

    registry = load(scale=asked.scale)
    spec = registry.train_spec(run, 0)
    dataset = registry.params.datasets[spec.dataset]
    seen = trained_on(dataset).clips(dataset)
    shape = (seen.frames, seen.size, seen.size)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = spec.protocol.batch_size
    clips = torch.rand(batch, 3, *shape)
    labels = torch.randint(spec.classes, (batch,))
    steps = []
    for bfloat16, last in WAYS.values():
        net = loop.new_model(spec).train()
        conform(net)
        layout = torch.channels_last_3d if last else torch.contiguous_format
        net, x = net.to(memory_format=layout), clips.contiguous(memory_format=layout)
        weights = list(net.parameters())
        optimizer = Optimizer(spec.protocol, weights)

        def step(net=net, x=x, weights=weights, optimizer=optimizer, bfloat16=bfloat16) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                logits = net(x)
            loss = F.cross_entropy(logits.float(), labels)
            optimizer.step(list(torch.autograd.grad(loss, weights)), 0.001)

        step()  # oneDNN chooses its kernels
        steps.append(step)
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(asked.turns):
        for step, found in zip(steps, times, strict=True):
            began = time.process_time()
            for _ in range(asked.steps):
                step()
            found.append(1000 * (time.process_time() - began) / asked.steps / batch)
    medians = [statistics.median(found) for found in times]
    size = "x".join(map(str, (3, *shape)))
    return (
        f"{run:22}{size:>15}{batch:>7}" + "".join(f"{ms:>26.2f}" for ms in medians) + f"{medians[0] / medians[1]:>8.2f}"
    )


if __name__ == "__main__":
    main()
