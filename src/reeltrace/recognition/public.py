"""The names that public implementations give to weights, in the names that ours have; and the network that they are of.

Names and shapes alone: no file is read here, and no weight is looked at. A network's configuration is read from the
shapes as far as they tell it; what they do not tell is that of the public configurations, and may be given.

| implementation | networks |
|---|---|
| PySlowFast (facebookresearch/SlowFast), and the Caffe2 files of its list | SlowFast, non-local I3D |
| pytorchvideo | SlowFast, I3D |
| torchvision, VMZ, ig65m | R(2+1)D |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reeltrace.errors import UserError
from reeltrace.models.r2plus1d import intermediate_channels

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Values = dict[str, Any]

PYSLOWFAST, PYTORCHVIDEO, TORCHVISION = "PySlowFast", "pytorchvideo", "torchvision"
_BOTTLENECK = {"a": 0, "b": 1, "c": 2}  # the convolutions of a block by their letters
_PUBLIC_WINDOW = 7  # the side of the maps that the public networks were trained on: crop 224 over 32


@dataclass(frozen=True)
class Taken:
    """Public names as ours: `names` from the public one to ours, `unknown` those that no rule fits."""

    implementation: str
    names: dict[str, str]
    unknown: list[str]


def ours(names: Iterable[str]) -> Taken:
    """Our names for those of a public implementation, which is told by its first stage. Raises UserError for none."""
    names = list(names)
    for implementation, first, rules in (
        (PYSLOWFAST, r"s1\.pathway0_stem\.", _pyslowfast),
        (PYTORCHVIDEO, r"blocks\.0\.", _pytorchvideo),
        (TORCHVISION, r"stem\.0\.", _torchvision),
    ):
        if any(re.match(first, name) for name in names):
            rename = rules(names)
            found = {name: new for name in names if (new := rename(name)) is not None}
            return Taken(implementation, found, [name for name in names if name not in found])
    shown = ", ".join(sorted(names)[:3])
    raise UserError(
        f"holds weights named {shown}, ...: expected the names of {PYSLOWFAST} (s1.pathway0_stem...), {PYTORCHVIDEO} "
        f"(blocks.0...) or {TORCHVISION}, VMZ or ig65m (stem.0...)"
    )


# --- PySlowFast ---


def _pyslowfast(names: Sequence[str]) -> Callable[[str], str | None]:
    pathways = ("slow", "fast") if any(re.match(r"s1\.pathway1_", name) for name in names) else ("stages",)
    between: dict[tuple[str, str], set[int]] = {}  # numbers of the blocks with a non-local one behind, by stage
    for name in names:
        if hit := re.match(r"s(\d)\.pathway(\d)_nonlocal(\d+)\.", name):
            between.setdefault((hit[1], hit[2]), set()).add(int(hit[3]))

    def at(stage: str, pathway: str, block: int) -> str | None:
        """The place of a block in its stage: one later for each non-local block before it."""
        if int(pathway) >= len(pathways):
            return None
        before = sum(number < block for number in between.get((stage, pathway), ()))
        return f"{pathways[int(pathway)]}.{int(stage) - 1}.{block + before}"

    def renamed(name: str) -> str | None:
        if hit := re.fullmatch(r"s1\.pathway(\d)_stem\.(conv|bn)\.(\w+)", name):
            return f"{pathways[int(hit[1])]}.0.0.{_part(hit[2])}.{hit[3]}" if int(hit[1]) < len(pathways) else None
        if hit := re.fullmatch(r"s(\d)_fuse\.(conv_f2s|bn)\.(\w+)", name):
            return f"laterals.{int(hit[1]) - 1}.{_part(hit[2])}.{hit[3]}"
        if hit := re.fullmatch(r"s(\d)\.pathway(\d)_res(\d+)\.(.+)", name):
            place, rest = at(hit[1], hit[2], int(hit[3])), _of_block(hit[4])
            return f"{place}.{rest}" if place and rest else None
        if hit := re.fullmatch(r"s(\d)\.pathway(\d)_nonlocal(\d+)\.(.+)", name):
            place, rest = at(hit[1], hit[2], int(hit[3])), _of_nonlocal(hit[4])
            if not place or not rest:
                return None
            stage, _, number = place.rpartition(".")
            return f"{stage}.{int(number) + 1}.{rest}"
        return _of_head("head.projection", name)

    return renamed


def _part(name: str) -> str:
    return "norm" if name.startswith(("bn", "norm")) else "conv"


def _of_block(rest: str) -> str | None:
    if hit := re.fullmatch(r"branch1(_bn)?\.(\w+)", rest):
        return f"shortcut.{'norm' if hit[1] else 'conv'}.{hit[2]}"
    if hit := re.fullmatch(r"branch2\.([abc])(_bn)?\.(\w+)", rest):
        return f"branch.{_BOTTLENECK[hit[1]]}.{'norm' if hit[2] else 'conv'}.{hit[3]}"
    return None


def _of_nonlocal(rest: str) -> str | None:
    if hit := re.fullmatch(r"(conv_theta|conv_phi|conv_g|conv_out|bn)\.(\w+)", rest):
        own = {"conv_out": "z", "bn": "norm"}.get(hit[1], hit[1].removeprefix("conv_"))
        return f"{own}.{hit[2]}"
    return None


def _of_head(public: str, name: str) -> str | None:
    return f"head.fc.{name.removeprefix(f'{public}.')}" if re.fullmatch(rf"{re.escape(public)}\.\w+", name) else None


# --- pytorchvideo ---


def _pytorchvideo(names: Sequence[str]) -> Callable[[str], str | None]:
    two = any(".multipathway_blocks." in name for name in names)
    with_blocks = {int(hit[1]) for name in names if (hit := re.match(r"blocks\.(\d+)\..*res_blocks\.", name))}
    stage = {number: place for place, number in enumerate(sorted(with_blocks), start=1)}  # a pooling block has none
    last = max((int(hit[1]) for name in names if (hit := re.match(r"blocks\.(\d+)\.proj\.", name))), default=-1)

    def renamed(name: str) -> str | None:
        if hit := re.fullmatch(r"blocks\.(\d+)\.multipathway_fusion\.(conv_fast_to_slow|norm)\.(\w+)", name):
            number = 0 if hit[1] == "0" else stage.get(int(hit[1]))
            return None if number is None else f"laterals.{number}.{_part(hit[2])}.{hit[3]}"
        pathway = "stages"
        if two and (hit := re.fullmatch(r"(blocks\.\d+\.)multipathway_blocks\.([01])\.(.+)", name)):
            pathway, name = ("slow", "fast")[int(hit[2])], hit[1] + hit[3]
        if hit := re.fullmatch(r"blocks\.0\.(conv|norm)\.(\w+)", name):
            return f"{pathway}.0.0.{hit[1]}.{hit[2]}"
        if (hit := re.fullmatch(r"blocks\.(\d+)\.res_blocks\.(\d+)\.(.+)", name)) and int(hit[1]) in stage:
            rest = _of_pytorchvideo_block(hit[3])
            return rest and f"{pathway}.{stage[int(hit[1])]}.{hit[2]}.{rest}"
        return _of_head(f"blocks.{last}.proj", name)

    return renamed


def _of_pytorchvideo_block(rest: str) -> str | None:
    if hit := re.fullmatch(r"branch1_(conv|norm)\.(\w+)", rest):
        return f"shortcut.{hit[1]}.{hit[2]}"
    if hit := re.fullmatch(r"branch2\.(conv|norm)_([abc])\.(\w+)", rest):
        return f"branch.{_BOTTLENECK[hit[2]]}.{hit[1]}.{hit[3]}"
    return None


# --- torchvision, VMZ, ig65m ---


def _torchvision(names: Sequence[str]) -> Callable[[str], str | None]:
    # a bottleneck's 1 x 1^2 convolutions are not factored; their normalisation is called as that of a factored one
    plain = {hit[1] for name in names if (hit := re.fullmatch(r"(layer\d\.\d+\.conv\d)\.0\.weight", name))}

    def renamed(name: str) -> str | None:
        if hit := re.fullmatch(r"stem\.([0134])\.(\w+)", name):
            return f"stages.0.{int(hit[1]) // 3}.{'norm' if int(hit[1]) % 3 else 'conv'}.{hit[2]}"
        if hit := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name):
            return f"stages.{hit[1]}.{hit[2]}.shortcut.{'norm' if hit[3] == '1' else 'conv'}.{hit[4]}"
        if hit := re.fullmatch(r"(layer(\d)\.(\d+)\.conv(\d))\.([\d.]+)\.(\w+)", name):
            whole = {"0": "conv", "1": "norm"}
            halves = {"0.0": "0.conv", "0.1": "0.norm", "0.3": "1.conv", "1": "1.norm"}
            part = (whole if hit[1] in plain else halves).get(hit[5])
            return part and f"stages.{hit[2]}.{hit[3]}.branch.{int(hit[4]) - 1}.{part}.{hit[6]}"
        return _of_head("fc", name)

    return renamed


# --- Caffe2 ---

_CAFFE2: tuple[tuple[str, str], ...] = (
    (r"nonlocal_conv(\d)_(\d+)_(theta|phi|g|out)", r"s\1.pathway0_nonlocal\2.conv_\3"),
    (r"nonlocal_conv(\d)_(\d+)_bn", r"s\1.pathway0_nonlocal\2.bn"),
    (r"t_pool1_subsample_bn", r"s1_fuse.bn"),
    (r"t_pool1_subsample", r"s1_fuse.conv_f2s"),
    (r"t_res(\d)_\d+_branch2c_bn_subsample_bn", r"s\1_fuse.bn"),
    (r"t_res(\d)_\d+_branch2c_bn_subsample", r"s\1_fuse.conv_f2s"),
    (r"res_conv1_bn", r"s1.pathway0_stem.bn"),
    (r"t_res_conv1_bn", r"s1.pathway1_stem.bn"),
    (r"(?:res_)?conv1", r"s1.pathway0_stem.conv"),
    (r"t_(?:res_)?conv1", r"s1.pathway1_stem.conv"),
    (r"res(\d)_(\d+)_branch2([abc])(_bn)?", r"s\1.pathway0_res\2.branch2.\3\4"),
    (r"t_res(\d)_(\d+)_branch2([abc])(_bn)?", r"s\1.pathway1_res\2.branch2.\3\4"),
    (r"res(\d)_(\d+)_branch1(_bn)?", r"s\1.pathway0_res\2.branch1\3"),
    (r"t_res(\d)_(\d+)_branch1(_bn)?", r"s\1.pathway1_res\2.branch1\3"),
    (r"pred", r"head.projection"),
)
_CAFFE2_ENDS = {"w": "weight", "b": "bias", "s": "weight", "rm": "running_mean", "riv": "running_var"}
_OF_TRAINING = re.compile(r"momentum|lr|model_iter")


def from_caffe2(name: str) -> str | None:
    """PySlowFast's name for a blob of its Caffe2 files; None for what belongs to training. Others stay as they are."""
    if _OF_TRAINING.search(name):
        return None
    layer, _, end = name.rpartition("_")
    if end in _CAFFE2_ENDS:
        for pattern, public in _CAFFE2:
            if hit := re.fullmatch(pattern, layer):
                return f"{hit.expand(public)}.{_CAFFE2_ENDS[end]}"
    return name


# --- which network ---


def kind_of(shapes: Shapes) -> str:
    """The network that weights with our names are of."""
    if any(name.startswith("slow.") for name in shapes):
        return "slowfast"
    return "r2plus1d" if "stages.0.1.conv.weight" in shapes else "nonlocal_i3d"


def configuration(shapes: Shapes, implementation: str) -> Values:
    """The values of the network that weights with our names and these shapes are of.

    Raises UserError where a weight that tells one is missing.
    """
    try:
        return {"slowfast": _slowfast, "nonlocal_i3d": _i3d, "r2plus1d": _r2plus1d}[kind_of(shapes)](
            shapes, implementation
        )
    except KeyError as error:
        raise UserError(f"lacks {error.args[0]!s}, by our name; the file is not whole, or of another network") from None


def _blocks(shapes: Shapes, pathway: str) -> tuple[list[list[int]], list[list[int]]]:
    """Of each of the four stages: the temporal kernels of its blocks, and after which of them a non-local one comes."""
    kernels: list[list[int]] = [[] for _ in range(4)]
    after: list[list[int]] = [[] for _ in range(4)]
    for stage in range(4):
        prefix = f"{pathway}.{stage + 1}."
        places = sorted({int(name.removeprefix(prefix).split(".")[0]) for name in shapes if name.startswith(prefix)})
        for place in places:
            if f"{prefix}{place}.theta.weight" in shapes:
                after[stage].append(len(kernels[stage]) - 1)
            else:
                kernels[stage].append(shapes[f"{prefix}{place}.branch.0.conv.weight"][2])
    return kernels, after


def _patterns(kernels: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[int]]:
    """Temporal kernels of the blocks of each stage, as a pattern that repeats and how many blocks it holds for."""
    found = [_pattern(list(stage)) for stage in kernels]
    return [pattern for pattern, _ in found], [blocks for _, blocks in found]


def _pattern(kernels: list[int]) -> tuple[list[int], int]:
    blocks = len(kernels)
    for length in range(1, blocks + 1):
        pattern = kernels[:length]
        for holds in dict.fromkeys((blocks, max((i + 1 for i, k in enumerate(kernels) if k != 1), default=blocks))):
            if kernels == [pattern[i % length] if i < holds else 1 for i in range(blocks)]:
                return pattern, holds
    return [1], 0  # no block at all


def _head(implementation: str) -> Values:
    mean = "probabilities" if implementation == PYSLOWFAST else "logits"
    return {"head_window": _PUBLIC_WINDOW, "head_mean": mean}


def _nonlocal(shapes: Shapes, after: list[list[int]]) -> Values:
    there = any(after)
    return {
        "nonlocal_after": after,
        **({"nonlocal_bias": any(name.endswith(".theta.bias") for name in shapes)} if there else {}),
    }


def _slowfast(shapes: Shapes, implementation: str) -> Values:
    slow, after = _blocks(shapes, "slow")
    fast, _ = _blocks(shapes, "fast")
    (slow_kernels, slow_blocks), (fast_kernels, fast_blocks) = _patterns(slow), _patterns(fast)
    stems = [shapes[f"{pathway}.0.0.conv.weight"] for pathway in ("slow", "fast")]
    lateral = shapes["laterals.0.conv.weight"]
    return {
        "classes": shapes["head.fc.weight"][0],
        "blocks": list(map(len, slow)),
        "width": stems[0][0],
        "beta_inverse": max(1, stems[0][0] // stems[1][0]),
        "lateral_kernel": lateral[2],
        "lateral_ratio": max(1, lateral[0] // lateral[1]),
        "stem_kernels": [stem[2] for stem in stems],
        "slow_temporal_kernels": slow_kernels,
        "fast_temporal_kernels": fast_kernels,
        "slow_temporal_blocks": slow_blocks,
        "fast_temporal_blocks": fast_blocks,
        **_nonlocal(shapes, after),
        "slow_frames": "spread",
        **_head(implementation),
    }


def _i3d(shapes: Shapes, implementation: str) -> Values:
    found, after = _blocks(shapes, "stages")
    kernels, blocks = _patterns(found)
    stem = shapes["stages.0.0.conv.weight"]
    return {
        "classes": shapes["head.fc.weight"][0],
        "blocks": list(map(len, found)),
        "width": stem[0],
        "stem_kernel": stem[2],
        "temporal_kernels": kernels,
        "temporal_blocks": blocks,
        **_nonlocal(shapes, after),
        **_head(implementation),
    }


def _r2plus1d(shapes: Shapes, implementation: str) -> Values:
    def at(stage: int) -> list[int]:
        return sorted({int(n.split(".")[2]) for n in shapes if re.match(rf"stages\.{stage}\.\d+\.branch\.", n)})

    bottleneck = "stages.1.0.branch.2.conv.weight" in shapes
    width = shapes["stages.0.1.conv.weight"][0]
    if bottleneck:  # the first block of stage 2: from four times the width
        between, given = shapes["stages.2.0.branch.1.0.conv.weight"][0], 4 * width
    else:
        between, given = shapes["stages.2.0.branch.1.0.conv.weight"][0], width
    per = {rule: intermediate_channels(of, 2 * width) for rule, of in (("convolution", 2 * width), ("block", given))}
    rule = next((rule for rule, channels in per.items() if channels == between), "convolution")
    return {
        "classes": shapes["head.fc.weight"][0],
        "block": "bottleneck" if bottleneck else "basic",
        "blocks": [len(at(stage)) for stage in range(1, 5)],
        "width": width,
        "stem_kernel": shapes["stages.0.1.conv.weight"][2],
        "stem_between": shapes["stages.0.0.conv.weight"][0],
        "rule": rule,
        "channels": shapes["stages.0.0.conv.weight"][1],
        # VMZ and ig65m take the channels between for each convolution, and add 1e-3; torchvision does neither
        "norm_eps": 1e-3 if rule == "convolution" else 1e-5,
    }
