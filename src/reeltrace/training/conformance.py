"""The conformance check: does this processor compute every convolution of every net as it should?

`python -m reeltrace.training.conformance` collects each distinct convolution of every net at every scale
and computes it forward and backward, in each arithmetic and layout, against float64. Each is computed in a process of
its own, several times on memory that held other rubbish before: what ends the process, differs from float64 or from
itself is named with its shape. Checked is what the nets do, that is, the way that `precision` chooses; where that is
not the plain one, the plain one is computed too, and its failure recorded, for it says whether the other way is needed.

A convolution is computed with the largest batch that a net gives it, or with fewer samples where it would otherwise
exceed the bound on multiply-adds; what exceeds the bound with a single one is skipped, and listed.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import faulthandler
import math
import multiprocessing
import os
import platform
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reeltrace.artifacts.json_values import read_json, write_json
from reeltrace.errors import UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.architectures.stills import describe_backbone
from reeltrace.kinds.dataset import trained_on
from reeltrace.kinds.network import build_video, video_config
from reeltrace.machine import processor
from reeltrace.machine.affinity import processors
from reeltrace.models.backbones import build
from reeltrace.models.conv3d import Conv3d
from reeltrace.models.group_conv import GroupConv3d
from reeltrace.models.groups import get_group
from reeltrace.registry.fields import SCALES
from reeltrace.registry.reading import Registry, load
from reeltrace.registry.specs import TrainSpec
from reeltrace.training import features_stage, loop
from reeltrace.training.backbones import initial_net
from reeltrace.training.evaluation import BATCH
from reeltrace.training.precision import conform, way_of

SCHEMA = 1
TABLE = Path("build/conformance.json")
CHANNELS = 3
LARGEST = 300.0  # millions of multiply-adds of one forward pass
RUBBISH = (float("nan"), 3e38, -7.0)
# The largest difference to float64, as a share of the largest value of a tensor. The operands are rounded to 24, 11 and
# 8 binary digits, and sums run in float32.
TOLERANCE = {"float32": 1e-4, "tf32": 1e-2, "bfloat16": 2e-2}
LAYOUTS = ("channels-last", "default")
LAYERS: dict[str, type[nn.Module]] = {"Conv2d": nn.Conv2d, "nn.Conv3d": nn.Conv3d, "Conv3d": Conv3d}


@dataclass(frozen=True, order=True)
class Convolution:
    """A convolution as a layer of a net has it, and the size (H, W) or (T, H, W) of what it is given.

    `layer` is a key of LAYERS or "GroupConv3d", `group` that one's group. `weights` is the layout of the weights.
    """

    layer: str
    group: str | None
    lifting: bool
    in_channels: int
    out_channels: int
    groups: int
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    bias: bool
    weights: str
    size: tuple[int, ...]

    @classmethod
    def of(cls, module: nn.Module, x: Tensor) -> Convolution:
        """The convolution that a layer makes of an input."""
        one = tuple(1 for _ in x.shape[2:])
        if isinstance(module, GroupConv3d):
            layer, group, groups, dilation = "GroupConv3d", module.group.name, 1, one
        else:
            assert isinstance(module, nn.Conv2d | nn.Conv3d)
            layer = next(name for name, kind in LAYERS.items() if type(module) is kind)
            group, groups, dilation = None, module.groups, tuple(module.dilation)
        assert not isinstance(module.padding, str)
        strides = torch.empty(module.weight.shape, device="meta").stride()
        return cls(
            layer,
            group,
            bool(getattr(module, "lifting", False)),
            module.in_channels,
            module.out_channels,
            groups,
            tuple(module.kernel_size),
            tuple(module.stride),
            tuple(module.padding),
            dilation,
            module.bias is not None,
            "default" if module.weight.stride() == strides else "channels-last",
            tuple(x.shape[2:]),
        )

    def build(self) -> nn.Module:
        """The layer, with random weights."""
        if self.group is not None:
            return GroupConv3d(
                get_group(self.group),
                self.in_channels,
                self.out_channels,
                _triple(self.kernel),
                _triple(self.stride),
                _triple(self.padding),
                self.bias,
                self.lifting,
            )
        layer = LAYERS[self.layer](
            self.in_channels,
            self.out_channels,
            self.kernel,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.bias,
        )
        return layer.to(memory_format=_format(self.weights, len(self.size)))

    @property
    def orientations(self) -> int:
        """Elements of the group; 1 without one."""
        return 1 if self.group is None else get_group(self.group).order

    @property
    def channels(self) -> int:
        """Channels of the input, orientations counted."""
        return self.in_channels * (1 if self.lifting else self.orientations)

    @property
    def multiply_adds(self) -> int:
        """Of one sample, forward."""
        spans = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        out = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(self.size, self.padding, spans, self.stride, strict=True)]
        filters = self.out_channels * self.orientations
        return math.prod(out) * filters * (self.channels // self.groups) * math.prod(self.kernel)

    def way(self, dtype: torch.dtype, batch: int) -> str:
        """The way that it is computed on a CPU."""
        shape = (self.out_channels, self.in_channels // self.groups, *self.kernel)
        return way_of((batch, self.channels, *self.size), shape, self.stride, self.padding, dtype)


@dataclass
class Use:
    """Who makes a convolution: nets as "scale/net", the largest batch, and what is computed.

    Without `trained` it is inference alone; `autocast` is whether a CPU may compute it in bfloat16.
    """

    batch: int = 0
    input_gradient: bool = False
    trained: bool = False
    autocast: bool = False
    nets: list[str] = field(default_factory=list)


# --- the convolutions of every net ---


def collect(registries: Iterable[Registry]) -> dict[Convolution, Use]:
    """Every distinct convolution of the nets of some scales, in the order of first use, found without computing."""
    found: dict[Convolution, Use] = {}
    seen: set[str] = set()
    for registry in registries:
        for name, spec in _trainings(registry):
            data = registry.params.datasets[spec.dataset]
            given = trained_on(data).clips(data)
            size = (spec.sequences.frames if spec.sequences else given.frames, given.size, given.size)
            batch = max(spec.protocol.micro_batch or spec.protocol.batch_size, BATCH)
            same = f"{spec.model.model_dump_json(exclude={'backbone'})} {spec.backbone} {size} {batch}"
            if same not in seen and ARCHITECTURES.get(spec.model.architecture).conforms:
                seen.add(same)
                with torch.device("meta"):
                    net = initial_net(spec, None)
                    clips = torch.empty(batch, CHANNELS, *size)
                _watch(net.module, clips, found, f"{registry.scale}/{name}", trained=True, autocast=net.autocast)
        for key, features in registry.features_specs().items():
            with torch.device("meta"):
                backbone = build({**describe_backbone(features.backbone), "classes": 1})
                stills = torch.empty(features_stage.BATCH, CHANNELS, 1, features.size, features.size)
            _watch(backbone, stills, found, f"{registry.scale}/features {key}", trained=False, autocast=False)
        for name, network, view_, low in _measured(registry):
            same = f"{network} {view_}"
            if same not in seen:
                seen.add(same)
                with torch.device("meta"):
                    video_net = build_video(video_config(network.architecture, network.config))
                    clip = torch.empty(1, CHANNELS, view_.frames, view_.crop, view_.crop)
                _watch(video_net, clip, found, f"{registry.scale}/{name}", trained=False, autocast=low)
    return found


def _trainings(registry: Registry) -> Iterator[tuple[str, TrainSpec]]:
    seed = registry.params.seeds[0]
    for run in registry.used_runs():
        yield run, registry.train_spec(run, seed)
    for name in registry.used_backbones():
        training = registry.pretrain_spec(name).training
        if training is not None:
            yield f"pretrain {name}", training


def _measured(registry: Registry) -> Iterator[tuple[str, Any, Any, bool]]:
    """Nets that are timed or drawn: name, network, view, and whether bfloat16 is asked for."""
    for key in registry.params.measurements:
        networks = registry.measure_spec(key).networks
        if (nets := registry.nets_of(key)) is not None:
            for name, view in nets.views.items():
                yield f"{key} {name}", networks[name], networks[name].views[view], "bfloat16" in nets.precisions


def _watch(
    net: nn.Module, x: Tensor, found: dict[Convolution, Use], name: str, *, trained: bool, autocast: bool
) -> None:
    """Let a net on the meta device see its input, and note what its convolutions are given."""

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        given = arguments[0]
        use = found.setdefault(Convolution.of(module, given), Use())
        use.batch = max(use.batch, len(given))
        use.input_gradient |= given.requires_grad
        use.trained |= trained
        use.autocast |= autocast
        if name not in use.nets:
            use.nets.append(name)

    kinds = (GroupConv3d, nn.Conv2d, nn.Conv3d)
    hooks = [module.register_forward_pre_hook(note) for module in net.modules() if isinstance(module, kinds)]
    net.train(trained)
    with torch.set_grad_enabled(trained):
        net(x)
    for hook in hooks:
        hook.remove()


# --- one convolution ---


@dataclass(frozen=True)
class Variant:
    """How a convolution is computed: arithmetic, layout of its input, and by the guarded way or the plain one."""

    arithmetic: str
    layout: str
    guarded: bool


def variants(
    convolution: Convolution, use: Use, batch: int, device: str, arithmetics: Sequence[str] = tuple(TOLERANCE)
) -> list[Variant]:
    """What is to be checked: the arithmetics that the nets use on a device, in each layout; guarded ones first."""
    on_cpu = ("float32", "bfloat16") if use.autocast else ("float32",)
    used = [name for name in (on_cpu if device == "cpu" else TOLERANCE) if name in arithmetics]
    found = [Variant(arithmetic, layout, True) for arithmetic in used for layout in LAYOUTS]
    if use.trained and device == "cpu":
        for arithmetic in used:
            if convolution.way(getattr(torch, arithmetic), batch) != "plain":
                found += [Variant(arithmetic, layout, False) for layout in LAYOUTS]
    return found


def check(convolution: Convolution, use: Use, batch: int, asked: Sequence[Variant], device: str) -> Iterator[Any]:
    """Compute each variant; yielded are its errors by tensor, and which tensors differed from run to run."""
    torch.set_num_threads(1)
    loop.make_repeatable(torch.device(device), 1)
    draws = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    x = torch.randn(batch, convolution.channels, *convolution.size, generator=draws)
    layer = convolution.build()
    wanted = _compute(copy.deepcopy(layer).double(), x.double(), use, device)
    for variant in asked:
        module = copy.deepcopy(layer)
        if variant.guarded and use.trained:  # what is only measured is not guarded
            conform(module)
        given = x.contiguous(memory_format=_format(variant.layout, len(convolution.size)))
        runs = []
        with _arithmetic(variant.arithmetic, device):
            for rubbish in RUBBISH:
                _litter(rubbish, [x, *wanted.values()])
                runs.append(_compute(module, given, use, device))
        yield {
            "errors": {name: _error(runs[0][name], value) for name, value in wanted.items()},
            "varies": [name for name in wanted if not all(torch.equal(runs[0][name], run[name]) for run in runs[1:])],
        }


def _compute(module: nn.Module, x: Tensor, use: Use, device: str) -> dict[str, Tensor]:
    """Output in evaluation and, of a trained one, output and gradients in training; on the CPU."""
    module, x = module.to(device), x.to(device)
    with torch.inference_mode() if not use.trained else torch.no_grad():
        found = {"evaluation": module.eval()(x)}
    if use.trained:
        module.train()
        given = x.detach().requires_grad_(use.input_gradient)
        out = module(given)
        # the same numbers for every arithmetic, in the layout of the output
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        upstream = torch.empty_like(out).copy_(upstream.to(out.device))
        named = [("input gradient", given)] if use.input_gradient else []
        named += [(f"{name} gradient", parameter) for name, parameter in module.named_parameters()]
        gradients = torch.autograd.grad(out, [tensor for _, tensor in named], upstream)
        found["output"] = out.detach()
        found |= {name: gradient for (name, _), gradient in zip(named, gradients, strict=True)}
    return {name: value.to("cpu", torch.float64) for name, value in found.items()}


@contextlib.contextmanager
def _arithmetic(name: str, device: str) -> Iterator[None]:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = name == "tf32"
    with torch.autocast(device, torch.bfloat16, enabled=name == "bfloat16"):
        yield


def _litter(value: float, like: Sequence[Tensor]) -> None:
    """Leave rubbish in the memory that is handed out next."""
    sizes = [tensor.numel() for tensor in like] + [1 << power for power in range(6, 20)]
    blocks = [torch.full((size,), value) for size in sizes for _ in range(2)]
    blocks += [torch.full((size,), value, dtype=torch.bfloat16) for size in sizes]
    del blocks


def _error(found: Tensor, wanted: Tensor) -> float:
    """The largest difference as a share of the largest value; infinite where a number is not finite."""
    largest = wanted.abs().max().item()
    error = (found - wanted).abs().max().item()
    return error / (largest or 1.0) if math.isfinite(error) else math.inf


# --- all of them, each in a process of its own ---

Item = tuple[int, Variant]


def check_all(
    found: Sequence[tuple[Convolution, Use, int, Sequence[Variant]]],
    device: str,
    processes: int,
    progress: bool = False,
) -> dict[Item, dict[str, Any]]:
    """Check convolutions, given with use, batch and variants; by number and variant what `check` yields, or how its
    process ended.

    On a CPU each convolution has a process of its own. One that dies is tried again, variant by variant, so that the
    fault is put down to the one that has it. On a GPU, which a process takes seconds to reach, many share one until
    it dies.
    """
    everything: list[list[Item]] = [
        [(number, variant) for variant in asked] for number, (*_, asked) in enumerate(found)
    ]
    waiting = [items for items in everything if items]
    if device != "cpu":
        waiting = [[item for items in waiting for item in items]]
    waiting.reverse()
    if device == "cpu":  # what torch loads for this takes a second: once, and not in every process
        loop.make_repeatable(torch.device(device), 1)
    context: Any = multiprocessing.get_context("fork" if device == "cpu" else "spawn")
    done: dict[Item, dict[str, Any]] = {}
    running: dict[Any, tuple[Any, Connection, list[Item]]] = {}
    began, total = time.monotonic(), sum(map(len, everything))
    while waiting or running:
        while waiting and len(running) < processes:
            items = waiting.pop()
            ours, theirs = context.Pipe(duplex=False)
            subset = {number: found[number][:3] for number in dict.fromkeys(number for number, _ in items)}
            process = context.Process(target=_work, args=(theirs, subset, items, device))
            process.start()
            theirs.close()
            running[ours] = (process, ours, items)
        for ready in wait(list(running)):
            process, ours, items = running[ready]
            try:
                item, result = ours.recv()
                done[item] = result
                continue
            except EOFError:
                process.join()
                del running[ready]
            if process.exitcode == 0:
                pass
            elif len(items) == 1:
                done[items[0]] = {"ended": _how(process.exitcode)}
            else:
                waiting += _smaller(items, done)
            if progress:
                spent = time.monotonic() - began
                print(f"\r{len(done)} of {total} ({spent:.0f} s)", end="", file=sys.stderr, flush=True)
    if progress:
        print(file=sys.stderr)
    return done


def _smaller(items: list[Item], done: dict[Item, dict[str, Any]]) -> list[list[Item]]:
    """The parts of a job whose process died: its convolutions or, where it was one, the variants of that."""
    numbers = list(dict.fromkeys(number for number, _ in items))
    if len(numbers) == 1:
        return [[item] for item in items]  # those that ended well too: the heap may have been damaged by then
    unfinished = [item for item in items if item not in done]
    first = unfinished[0][0] if unfinished else numbers[-1]
    parts = ([item for item in unfinished if item[0] != first], [item for item in items if item[0] == first])
    return [part for part in parts if part]


def _work(
    results: Connection, found: dict[int, tuple[Convolution, Use, int]], items: Sequence[Item], device: str
) -> None:
    if device == "cpu":
        faulthandler.disable()
        with contextlib.suppress(OSError):  # what the C library says of a damaged heap; the parent says it by shape
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for number in dict.fromkeys(number for number, _ in items):
        convolution, use, batch = found[number]
        asked = [variant for other, variant in items if other == number]
        for variant, result in zip(asked, check(convolution, use, batch, asked, device), strict=True):
            results.send(((number, variant), result))
    results.close()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the process ended with {signal.Signals(-code).name}"
    return f"the process ended with code {code}"


def verdict(result: dict[str, Any], arithmetic: str) -> str | None:
    """What is wrong with a result, in words; None where it conforms."""
    if "ended" in result:
        return str(result["ended"])
    name, error = max(result["errors"].items(), key=lambda item: item[1])
    if error > TOLERANCE[arithmetic]:
        return f"{name} is wrong by {error:.2g} of the largest value"
    if result["varies"]:
        return f"{', '.join(result['varies'])} differ(s) from run to run"
    return None


# --- the table ---


def table(
    found: dict[Convolution, Use],
    device: str,
    largest: float,
    processes: int,
    arithmetics: Sequence[str] = tuple(TOLERANCE),
    progress: bool = False,
) -> dict[str, Any]:
    """Check the convolutions within `largest` million multiply-adds; the table of shapes and errors, as JSON data."""
    chosen, skipped = [], []
    for convolution, use in found.items():
        batch = min(use.batch, int(largest * 1e6 // convolution.multiply_adds))
        if batch < 1:
            skipped.append({**asdict(convolution), "multiply_adds": convolution.multiply_adds, "nets": use.nets})
        else:
            chosen.append((convolution, use, batch, variants(convolution, use, batch, device, arithmetics)))
    results = check_all(chosen, device, processes, progress)
    rows: list[dict[str, Any]] = []
    for number, (convolution, use, batch, asked) in enumerate(chosen):
        of = []
        for variant in asked:
            result = results[(number, variant)]
            dtype = torch.bfloat16 if variant.arithmetic == "bfloat16" else torch.float32
            guarded = variant.guarded and use.trained and device == "cpu"
            of.append(
                {
                    "arithmetic": variant.arithmetic,
                    "layout": variant.layout,
                    "way": convolution.way(dtype, batch) if guarded else "plain",
                    "used": variant.guarded,
                    "failure": verdict(result, variant.arithmetic),
                    "errors": {k: v if math.isfinite(v) else None for k, v in result.get("errors", {}).items()},
                }
            )
        rows.append(
            {
                **asdict(convolution),
                **{name: value for name, value in asdict(use).items() if name != "batch"},
                "batch": batch,
                "of_batch": use.batch,
                "multiply_adds": convolution.multiply_adds,
                "results": of,
            }
        )
    return {
        "schema": SCHEMA,
        "device": torch.cuda.get_device_name() if device == "cuda" else processor.name(),
        "kind": device,
        "processor": processor.describe(),
        "torch": str(torch.__version__),
        "largest": largest,
        "tolerance": TOLERANCE,
        "convolutions": rows,
        "skipped": skipped,
    }


def convolutions_of(written: dict[str, Any]) -> dict[Convolution, Use]:
    """The convolutions of a table that was written before, with their use; those that were skipped are left out."""
    found = {}
    for row in written["convolutions"]:
        fields: dict[str, Any] = {
            name: tuple(v) if isinstance(v := row[name], list) else v for name in Convolution.__annotations__
        }
        use = {name: row[name] for name in Use.__annotations__ if name != "batch"}
        found[Convolution(**fields)] = Use(batch=row["of_batch"], **use)
    return found


def summary(written: dict[str, Any]) -> list[str]:
    """The table in a few lines; what does not conform comes last, one line for each."""
    rows, lines = written["convolutions"], []
    limits = ", ".join(f"{k}={v}" for k, v in written["processor"]["limits"].items())
    lines.append(
        f"{len(rows)} convolutions within {written['largest']:g} million multiply-adds, {len(written['skipped'])} "
        f"above them skipped; {written['kind']}, torch {written['torch']}{', ' + limits if limits else ''}"
    )
    results = [(row, result) for row in rows for result in row["results"]]
    for arithmetic, tolerance in written["tolerance"].items():
        of = [result for _, result in results if result["arithmetic"] == arithmetic and result["used"]]
        errors = [error for result in of for error in result["errors"].values() if error is not None]
        if of:
            lines.append(
                f"{arithmetic}: {len(of)} computed, largest error {max(errors, default=math.nan):.2g} (at most "
                f"{tolerance:g}), {sum(result['failure'] is not None for result in of)} do not conform"
            )
    ways = {way: [r for _, r in results if r["used"] and r["way"] == way] for way in ("sliced", "float32")}
    plain = [(row, r) for row, r in results if not r["used"]]
    lines.append(
        "computed another way: "
        + ", ".join(f"{len(of)} {way}" for way, of in ways.items())
        + f"; asked for plainly, {sum(r['failure'] is not None for _, r in plain)} of these {len(plain)} fail here"
    )
    lines += [f"not used, plain: {shape(row)}, {named(r)}: {r['failure']}" for row, r in plain if r["failure"]]
    return lines + failures(written)


def failures(written: dict[str, Any]) -> list[str]:
    """One line for each result that a net would use and that does not conform."""
    return [
        f"FAILS: {shape(row)}, {named(result)}: {result['failure']}; in {row['nets'][0]}"
        for row in written["convolutions"]
        for result in row["results"]
        if result["used"] and result["failure"] is not None
    ]


def shape(row: dict[str, Any]) -> str:
    """A convolution in words."""

    def by(values: Sequence[int]) -> str:
        return "x".join(map(str, values))

    group = f" {row['group']}" if row["group"] else ""
    more = f" groups {row['groups']}" if row["groups"] > 1 else ""
    return (
        f"{row['layer']}{group} {row['in_channels']} to {row['out_channels']}{more} kernel {by(row['kernel'])} stride "
        f"{by(row['stride'])} padding {by(row['padding'])} on {row['batch']} of {by(row['size'])}"
    )


def named(result: dict[str, Any]) -> str:
    """The variant of a result in words."""
    return f"{result['arithmetic']} {result['layout']}"


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, write the table, print its summary. Returns 1 where a net would meet a convolution that fails."""
    parser = argparse.ArgumentParser(prog="python -m reeltrace.training.conformance", description=__doc__)
    parser.add_argument("--scale", action="append", choices=SCALES, help="scales whose nets to take (default: all)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--arithmetic", action="append", choices=tuple(TOLERANCE), help="default: all that nets use")
    parser.add_argument(
        "--largest", type=float, default=LARGEST, help="millions of multiply-adds, above: fewer samples"
    )
    parser.add_argument("--write", type=Path, default=TABLE, help=f"where the table goes (default: {TABLE})")
    parser.add_argument("--shapes", type=Path, help="a table written before: its convolutions, and not those of params")
    parser.add_argument("--project", type=Path, default=Path(), help="folder of params.yaml and documents/")
    parser.add_argument("--processes", type=int, default=processors())
    asked = parser.parse_args(arguments)
    try:
        if asked.device == "cuda" and not torch.cuda.is_available():
            raise UserError("--device cuda, but no CUDA device is available here; use cpu")
        torch.set_num_threads(1)  # no pool of threads, which would not outlive a fork
        if asked.shapes:
            found = convolutions_of(read_json(asked.shapes))
        else:
            found = collect(load(asked.project, scale) for scale in asked.scale or SCALES)
        processes = asked.processes if asked.device == "cpu" else 1
        arithmetics = asked.arithmetic or tuple(TOLERANCE)
        written = table(found, asked.device, asked.largest, processes, arithmetics, progress=sys.stderr.isatty())
        write_json(asked.write, written)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(summary(written)))
    return 1 if failures(written) else 0


def watch_the_heap() -> None:
    """Start this process again with glibc's checks of the heap, which end it when a buffer was written past.

    Elsewhere than on Linux with glibc nothing happens: damage then shows only where it happens to.
    """
    if os.environ.get("GLIBC_TUNABLES") or platform.libc_ver()[0] != "glibc" or "cuda" in sys.argv:
        return
    changed = {"GLIBC_TUNABLES": "glibc.malloc.check=3", "LD_PRELOAD": "libc_malloc_debug.so.0"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **changed})  # noqa: S606


def _format(layout: str, axes: int) -> torch.memory_format:
    if layout == "default":
        return torch.contiguous_format
    return torch.channels_last if axes == 2 else torch.channels_last_3d


def _triple(values: tuple[int, ...]) -> tuple[int, int, int]:
    t, h, w = values
    return t, h, w


if __name__ == "__main__":
    watch_the_heap()
    sys.exit(main())
