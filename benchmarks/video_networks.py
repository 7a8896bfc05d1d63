"""Our video networks against the public implementations: the time of one forward pass on the same input.

Each network lives in a process of its own and runs once whenever it is asked, ours and theirs in turns, so that a
noisy machine troubles both alike; the public one may belong to another interpreter. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

SIDE = 224


def our_r2plus1d_18() -> nn.Module:
    from reeltrace.models.r2plus1d import R2Plus1D, R2Plus1DConfig

    return R2Plus1D(R2Plus1DConfig(blocks=(2, 2, 2, 2), rule="block"))


def torchvision_r2plus1d_18() -> nn.Module:
    from torchvision.models.video import r2plus1d_18

    network: nn.Module = r2plus1d_18(weights=None)
    return network


def our_slowfast_50() -> nn.Module:
    from reeltrace.models.slowfast import SlowFast, SlowFastConfig

    config = SlowFastConfig(blocks=(3, 4, 6, 3), lateral_kernel=7, nonlocal_after=((), (), (), ()))
    return SlowFast(config)


def pytorchvideo_slowfast_50() -> nn.Module:
    from pytorchvideo.models.slowfast import create_slowfast

    network: nn.Module = create_slowfast(
        head_pool_kernel_sizes=((8, SIDE // 32, SIDE // 32), (32, SIDE // 32, SIDE // 32))
    )

    class OfOneClip(nn.Module):
        """Takes the clip that ours takes; the slow pathway sees every fourth frame."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, clip: Tensor) -> Tensor:
            logits: Tensor = self.network([clip[:, :, ::4], clip])
            return logits

    return OfOneClip()


def our_nonlocal() -> nn.Module:
    from reeltrace.models.nonlocal_block import NonLocal

    return NonLocal(1024, "softmax", (1, 2, 2))


def pytorchvideo_nonlocal() -> nn.Module:
    from pytorchvideo.layers.nonlocal_net import create_nonlocal

    network: nn.Module = create_nonlocal(dim_in=1024, dim_inner=512, pool_size=(1, 2, 2), instantiation="softmax")
    return network


# name: (ours, theirs, shape of the input)
PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[], nn.Module], tuple[int, ...]]] = {
    "r2plus1d_18": (our_r2plus1d_18, torchvision_r2plus1d_18, (1, 3, 16, 112, 112)),
    "slowfast_50": (our_slowfast_50, pytorchvideo_slowfast_50, (1, 3, 32, SIDE, SIDE)),
    "nonlocal": (our_nonlocal, pytorchvideo_nonlocal, (1, 1024, 8, 14, 14)),
}
SIDES = ("ours", "theirs")
PEERS = {"r2plus1d_18": "torchvision", "slowfast_50": "pytorchvideo", "nonlocal": "pytorchvideo"}
GOALS = {"r2plus1d_18": 1.0, "slowfast_50": 0.5, "nonlocal": 1.0}  # of their time


def serve(pair: str, side: str, threads: int, device: str, precision: str) -> None:
    """Build one network; then, for each line read, run it once and write the seconds that it took."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    ours, theirs, shape = PAIRS[pair]
    network = (ours if side == "ours" else theirs)().to(device).eval()
    x = torch.randn(shape).to(device)
    print(json.dumps({"parameters": sum(p.numel() for p in network.parameters())}), flush=True)
    autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.no_grad(), autocast:
        for _ in sys.stdin:
            # of one thread the processor's time, which other work on the machine changes little
            clock = time.process_time if device == "cpu" and threads == 1 else time.perf_counter
            started = clock()
            network(x)
            if device == "cuda":
                torch.cuda.synchronize()
            print(json.dumps({"seconds": clock() - started}), flush=True)


class Network:
    """A network in a process of its own."""

    def __init__(self, python: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [python, "-W", "ignore", __file__, "--serve", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.parameters: int = self._answer()["parameters"]

    def seconds(self) -> float:
        """Run it once."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds: float = self._answer()["seconds"]
        return seconds

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args)} ended with {self.process.wait()}")  # type: ignore[arg-type]
        answer: dict[str, Any] = json.loads(line)
        return answer


def compare(pair: str, python: str, turns: int, *arguments: str) -> dict[str, Any]:
    """Medians of both and the quartiles of their ratio over the turns."""
    networks = {side: Network(sys.executable if side == "ours" else python, pair, side, *arguments) for side in SIDES}
    parameters = {side: network.parameters for side, network in networks.items()}
    if parameters["ours"] != parameters["theirs"]:
        raise SystemExit(f"{pair}: not the same network, parameters are {parameters}")
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for turn in range(turns + 2):
        # Swap who goes first, and forget the first two turns: memory and kernels warm up there.
        for side in sorted(SIDES, reverse=turn % 2 == 1):
            seconds = networks[side].seconds()
            if turn >= 2:
                times[side].append(seconds)
    for network in networks.values():
        network.stop()
    ours, theirs = (statistics.median(times[side]) for side in SIDES)
    quartiles = statistics.quantiles([a / b for a, b in zip(times["ours"], times["theirs"], strict=True)], n=4)
    return {
        "what": f"{pair}, one clip forward: {PEERS[pair]}, ms",
        "ours": 1e3 * ours,
        "peer": 1e3 * theirs,
        "goal": f"<= {GOALS[pair]:g}",
        "met": ours / theirs <= GOALS[pair],
        "pair": pair,
        "input": list(PAIRS[pair][2]),
        "parameters": parameters["ours"],
        "ratio": ours / theirs,
        "ratio_quartiles": quartiles,
    }


def main() -> None:
    from cold_report import at_least  # another interpreter, which serves, has none of what it imports

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", nargs="*", help=f"which of {', '.join(PAIRS)} (default: all that --python allows)")
    parser.add_argument("--python", help="interpreter that has pytorchvideo, for the pairs that need it")
    parser.add_argument("--turns", type=at_least(2), default=15, help="turns per pair (default %(default)s)")
    parser.add_argument("--brief", action="store_true", help="few turns")
    parser.add_argument("--threads", type=at_least(1), default=1, help="threads of PyTorch (default %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    asked = parser.parse_args()
    if asked.brief:
        asked.turns = min(asked.turns, 7)
    for pair in asked.pairs:
        if pair not in PAIRS:
            parser.error(f"unknown pair {pair!r}: expected one of {', '.join(PAIRS)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu measures on the processor")
    there = asked.python or importlib.util.find_spec("pytorchvideo")
    pairs = asked.pairs or (list(PAIRS) if there else ["r2plus1d_18"])
    if not there:
        print("note: pytorchvideo is not installed; SlowFast and non-local blocks are not compared", file=sys.stderr)
    print(f"{'pair':12} {'input':22} {'ours ms':>9} {'theirs ms':>9} {'ratio':>6}  quartiles")
    rows = []
    for pair in pairs:
        python = sys.executable if pair == "r2plus1d_18" else (asked.python or sys.executable)
        row = compare(pair, python, asked.turns, str(asked.threads), asked.device, asked.precision)
        rows.append(row)
        low, _, high = row["ratio_quartiles"]
        print(
            f"{pair:12} {'x'.join(map(str, row['input'])):22} {row['ours']:9.1f} {row['peer']:9.1f} "
            f"{row['ratio']:6.3f}  {low:.3f}-{high:.3f}",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        pair, side, threads, device, precision = sys.argv[2:]
        serve(pair, side, int(threads), device, precision)
    else:
        main()
