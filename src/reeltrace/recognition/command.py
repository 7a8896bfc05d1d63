"""What the commands `convert` and `recognise` do, and the lines that they print."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reeltrace.errors import UserError
from reeltrace.recognition import convert as converting
from reeltrace.recognition import showing
from reeltrace.recognition.annotate import SUFFIXES, Said
from reeltrace.recognition.flow import flow_stream, raft
from reeltrace.recognition.nets import HOW_TO_GET, Loaded, load_net, random_net
from reeltrace.recognition.recognise import (
    TOP,
    Guess,
    Stream,
    best,
    choose_device,
    read_labels,
    read_truth,
    recognise,
    recognise_set,
    score,
    stream_of,
)
from reeltrace.recognition.views import Views, open_video


@dataclass(frozen=True)
class Asked:
    """What `reeltrace recognise` was asked for. `random` names a network with random weights; `view` values of the view
    that differ from the checkpoint's; `flow` and `raft` are for the second stream."""

    path: Path
    checkpoint: Path | None
    random: str | None
    labels: Path | None
    truth: Path | None
    views: str
    output: Path | None
    figure: Path | None
    view: Mapping[str, int | None]
    flow: Path | None
    raft: Path | None
    random_raft: bool
    device: str
    seed: int


def convert(
    file: Path, architecture: str, output: Path, changes: Sequence[str], view: Mapping[str, int | None]
) -> list[str]:
    """Bring a public file into a checkpoint of ours; see `recognition.convert`. `changes` are "name=value"."""
    said = converting.convert(file, architecture, output, dict(map(_change, changes)), view)
    seen = said["view"]
    return [
        f"{output}: {said['weights']} weights of {said['implementation']}'s {said['network']}",
        "  " + ("; ".join(f"{name} {json.dumps(value)}" for name, value in said["config"].items()) or "as by default"),
        f"  view: {seen['frames']} frames {seen['stride']} apart, crop {seen['crop']} of {seen['side']} pixels",
    ]


def _change(text: str) -> tuple[str, Any]:
    name, given, value = text.partition("=")
    if not given or not name:
        raise UserError(f"--set {text}: expected NAME=VALUE, as in alpha=8 or nonlocal_pool=[2,2,2]")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


# --- recognise ---


def recognise_lines(asked: Asked, tell: Callable[[str], None] = lambda line: None) -> Iterator[str]:
    """The lines of `reeltrace recognise`, as they are found; files are written on the way. `tell` is for progress.

    Of a video its five likeliest classes; of a folder with `truth` a line per video, and how many were right.
    """
    views = Views.read(asked.views)
    _check_outputs(asked)
    loaded = _net(asked)
    labels = read_labels(asked.labels, loaded.config.classes)
    truth = None if asked.truth is None else read_truth(asked.truth, labels)
    header = None if truth is not None else open_video(asked.path)
    streams = _streams(asked, loaded)
    if truth is not None:
        yield from _of_set(asked, loaded, streams, views, labels, truth, tell)
        return
    assert header is not None
    tell(f"{asked.path.name}: {views} views of {loaded.view.frames} frames")
    found = recognise(asked.path, loaded, streams, views)
    said = [Said(labels[number], float(found[number])) for number in best(found)]
    yield f"{asked.path}: {views} views, {_nets(asked, loaded)}"
    if header.careful or header.damage:
        yield f"  note: {header.damage or header.careful}"
    for line in said:
        yield f"  {100 * (line.share or 0):5.1f} %  {line.words}"
    if asked.output is not None:
        count = showing.annotate(asked.path, header, said, asked.output)
        yield f"{asked.output}: {count} frames"
    if asked.figure is not None:
        numbers = showing.figure(asked.path, header, said, asked.figure, asked.seed)
        yield f"{asked.figure}: frames {', '.join(map(str, numbers))}"


def _of_set(
    asked: Asked,
    loaded: Loaded,
    streams: Sequence[Stream],
    views: Views,
    labels: Sequence[str],
    truth: Mapping[str, int],
    tell: Callable[[str], None],
) -> Iterator[str]:
    found = []
    for each in recognise_set(asked.path, truth, lambda path: recognise(path, loaded, streams, views)):
        found.append(each)
        tell(f"{len(found)} of {len(truth)}")
        if isinstance(each, Guess):
            right = each.guesses[0] == each.truth
            yield f"{each.video}: {labels[each.guesses[0]]} ({'right' if right else f'it is {labels[each.truth]}'})"
        else:
            yield f"left out: {each[1]}"
    result = score(found)
    if result.total:
        first, five = (f"{100 * n / result.total:.1f} % ({n} of {result.total})" for n in (result.top1, result.top5))
        yield f"top-1 {first}, top-{TOP} {five}; {views} views, {_nets(asked, loaded)}"
    if result.left_out:
        yield f"{len(result.left_out)} of {len(truth)} videos were left out"


def _nets(asked: Asked, loaded: Loaded) -> str:
    origin = "random weights" if asked.checkpoint is None else f"the weights of {loaded.origin}"
    second = "" if asked.flow is None else f" and the same on optical flow, with {asked.flow},"
    return f"{loaded.network}{second} with {origin}"


def _check_outputs(asked: Asked) -> None:
    """What would only fail after all the work."""
    if asked.truth is not None and (asked.output is not None or asked.figure is not None):
        raise UserError("--truth is for a folder of videos; -o and --figure show a single one: leave one of them out")
    if asked.truth is None and asked.path.is_dir():
        raise UserError(f"{asked.path}: a folder; name the classes of its videos with --truth, or a single video")
    if asked.output is not None and asked.output.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{asked.output}: found the suffix {asked.output.suffix!r}; expected one of {', '.join(SUFFIXES)}"
        )
    if asked.output is not None and asked.output.resolve() == asked.path.resolve():
        raise UserError(f"{asked.output}: is the video itself; name another file with -o")
    if asked.figure is not None:
        showing.check_figure(asked.figure)
    if asked.flow is None and (asked.raft is not None or asked.random_raft):
        raise UserError("--raft is for optical flow; name the network that sees it with --flow")


def _net(asked: Asked) -> Loaded:
    if (asked.checkpoint is None) == (asked.random is None):
        raise UserError(f"recognise needs a --checkpoint: {HOW_TO_GET}, which is one or the other")
    loaded = load_net(asked.checkpoint) if asked.checkpoint is not None else random_net(asked.random or "", asked.seed)
    return replace(loaded, view=loaded.view.changed(**dict(asked.view)))


def _streams(asked: Asked, loaded: Loaded) -> list[Stream]:
    device = choose_device(asked.device, "--device")
    streams = [stream_of(loaded, device)]
    if asked.flow is not None:
        second = load_net(asked.flow)
        if second.config.classes != loaded.config.classes:
            raise UserError(
                f"{asked.flow}: {second.config.classes} classes beside {loaded.config.classes}; name two networks of "
                "one set"
            )
        # both see the same squares of the same frames, each with its own normalisation
        second = replace(second, view=replace(loaded.view, mean=second.view.mean, std=second.view.std))
        streams.append(flow_stream(second, raft(asked.raft, device, random=asked.random_raft), device))
    return streams
