"""Pictures of weights and feature maps in the report: which they are, what they show, and every number beside them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import BEST, METRICS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import SPEC
from reeltrace.errors import CheckFailed
from reeltrace.kinds.measurements.pictures import altered
from reeltrace.kinds.words import span
from reeltrace.report.binding import Binder, Number

if TYPE_CHECKING:
    from reeltrace.registry.specs import ReportSpec


def describe_pictures(binder: Binder, key: str, spec: ReportSpec, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The pictures of one measurement as report.json holds them, with each picture's own bytes under "uri".

    Every number in it is registered with the binder. Raises `CheckFailed` where a picture is not the one that was
    drawn.
    """
    folder = inputs[f"measure/{key}"]
    metrics, asked = read_json(folder / METRICS), read_json(folder / SPEC)["measurement"]
    where = {"artifact": f"results/{spec.scale}/measure/{key}/{METRICS}", "sha256": sha256_file(folder / METRICS)}

    def add(identity: str, printed: object, title: str, pointer: str, chain: str = "") -> str:
        name = f"pictures/{key}/{identity}"
        words = title if chain else f"{asked['document']}, {title}"
        binder.add(Number(name, str(printed), words, {**where, "pointer": pointer}, chain=chain))
        return name

    def file(identity: str, entry: Mapping[str, Any], title: str, pointer: str) -> dict[str, Any]:
        number = add(f"{identity}/bytes", f"{entry['bytes']:,}", f"{title} {entry['path']}: bytes", f"{pointer}/bytes")
        return {**entry, "id": number}

    videos = []
    for index, video in enumerate(metrics["videos"]):
        described = file(f"video-{index + 1}", video, f"video {index + 1}", f"/videos/{index}")
        frames = span(video["start"], video["start"] + video["frames"] - 1)
        described["shown"] = add(
            f"video-{index + 1}/frames", frames, "Frames of the clip", f"/videos/{index}/start", described["id"]
        )
        videos.append(described)
    return {
        "measurement": key,
        "document": asked["document"],
        "network": metrics["network"],
        "view": metrics["view"],
        "run": None,
        "checkpoint": file("checkpoint", metrics["checkpoint"], "file of weights", "/checkpoint"),
        "videos": videos,
        "figures": [
            {
                **figure,
                "answers": [],
                "pictures": [
                    _picture(folder, figure["figure"], picture, f"/figures/{f}/pictures/{p}", add)
                    for p, picture in enumerate(figure["pictures"])
                ],
            }
            for f, figure in enumerate(metrics["figures"])
        ],
    }


def describe_run_pictures(binder: Binder, key: str, spec: ReportSpec, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """The pictures of a net that was trained here, as `describe_pictures` gives those of other weights."""
    folder = inputs[f"measure/{key}"]
    metrics, asked = read_json(folder / METRICS), read_json(folder / SPEC)["measurement"]
    where = {"artifact": f"results/{spec.scale}/measure/{key}/{METRICS}", "sha256": sha256_file(folder / METRICS)}
    trained = f"train/{asked['run']}-s{spec.seeds[0]}"

    def add(identity: str, printed: object, title: str, pointer: str, chain: str = "") -> str:
        name = f"pictures/{key}/{identity}"
        words = title if chain else f"{asked['document']}, {title}"
        binder.add(Number(name, str(printed), words, {**where, "pointer": pointer}, chain=chain))
        return name

    size = metrics["checkpoint"]["bytes"]
    return {
        "measurement": key,
        "document": asked["document"],
        "network": metrics["network"],
        "view": f"a test clip of class {metrics['clip']['class']}",
        "run": trained,
        "checkpoint": {
            "path": f"results/{spec.scale}/{trained}/{BEST}",
            **metrics["checkpoint"],
            "id": add("checkpoint/bytes", f"{size:,}", f"weights of {trained}: bytes", "/checkpoint/bytes"),
        },
        "videos": [],
        "figures": [
            {
                **figure,
                "video": None,
                "left_out": None,
                "pictures": [
                    _picture(folder, f"{figure['figure']}", picture, f"/figures/{f}/pictures/{p}", add)
                    for p, picture in enumerate(figure["pictures"])
                ],
            }
            for f, figure in enumerate(metrics["figures"])
        ],
    }


def _picture(folder: Path, number: str, picture: Mapping[str, Any], pointer: str, add: Any) -> dict[str, Any]:
    path = folder / picture["file"]
    if (problem := altered(path, picture["sha256"])) is not None:
        raise CheckFailed(f"{path}: {problem}; run its stage again")
    under = f" {picture['transform']}" if picture.get("transform") else ""
    identity = f"{number}/{picture['layer']}{under}"
    shape = add(identity, _shape(picture["shape"]), f"Figure {number}, {picture['layer']}: shape", f"{pointer}/shape")

    def part(name: str, printed: str, title: str) -> str:
        return str(add(f"{identity}/{name}", printed, title, f"{pointer}/{name}", chain=shape))

    return {
        **picture,
        "transform": picture.get("transform"),
        "ids": {
            "shape": shape,
            "channels": part("channels", _numbers(picture["channels"]), "Channels shown, counted from 0"),
            "frames": part("frames", _numbers(picture["frames"]), "Points in time shown, counted from 0"),
            "black": part("black", f"{picture['black']:.3g}", "Black is"),
            "white": part("white", f"{picture['white']:.3g}", "White is"),
        },
        "uri": "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode(),
    }


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _numbers(values: Sequence[int]) -> str:
    """ "0 to 63" where the values follow each other, else the list of them."""
    if len(values) > 2 and list(values) == list(range(values[0], values[0] + len(values))):
        return f"{values[0]} to {values[-1]}"
    return ", ".join(map(str, values))
