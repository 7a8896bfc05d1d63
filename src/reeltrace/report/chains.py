"""The chain behind a number, link by link: artifact, spec, command, code, data. Receipts are named, never read here:
what may differ between two identical runs must not reach the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import ABOUT, METRICS
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT, SPEC
from reeltrace.errors import CheckFailed, UserError
from reeltrace.kinds.architecture import ARCHITECTURES
from reeltrace.kinds.dataset import DATASETS
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.points import Point
from reeltrace.kinds.words import listed
from reeltrace.registry.table_names import is_numbered


def describe(name: str, folder: Path, scale: str) -> dict[str, Any]:
    """One finished artifact as the report shows it: hashes, settings, inputs, and the commands that make it again.

    `name` is "stage/key". Raises `CheckFailed` when spec or manifest are not there.
    """
    manifest, spec = read_json(folder / MANIFEST), read_json(folder / SPEC)
    stage, _, key = name.partition("/")
    path = f"results/{scale}/{name}"
    try:
        return {
            "name": name,
            "stage": stage,
            "key": key,
            "path": path,
            "manifest_sha256": sha256_file(folder / MANIFEST),
            "spec_sha256": manifest["spec"]["sha256"],
            "code_sha256": manifest["code"]["sha256"],
            "inputs": {other: entry["sha256"] for other, entry in sorted(manifest["inputs"].items())},
            "outputs": {file: entry["sha256"] for file, entry in sorted(manifest["outputs"].items())},
            "settings": {**settings(spec), **_arithmetic(folder, manifest)},
            "command": f"reeltrace run {stage} {key}",
            "workflow": f"snakemake --cores all {path}/{MANIFEST}",
            "receipt": f"{path}/{RECEIPT}",
        }
    except (KeyError, TypeError, AttributeError):
        raise CheckFailed(f"{folder / MANIFEST}: its fields are not those of a manifest; run {name} again") from None


def _arithmetic(folder: Path, manifest: Mapping[str, Any]) -> dict[str, str]:
    """In what precision and on what kind of processor an artifact was computed, where its results say so."""
    name = next((name for name in (METRICS, ABOUT) if name in manifest["outputs"]), None)
    found = read_json(folder / name).get("arithmetic") if name and (folder / name).is_file() else None
    if found is None:
        return {}
    chosen = " (chosen for this device)" if found["asked"] == "auto" else ""
    on = found["gpu"] or f"a CPU with {processor_words(found['processor'])}"
    evaluated = ", float32 in evaluation" if found["precision"] != "float32" else ""
    return {"arithmetic": f"{found['precision']}{chosen}{evaluated}, on {on}"}


def processor_words(found: Mapping[str, Any]) -> str:
    """Instruction sets of a processor, and the variables that lowered what was used of them."""
    limits = ", ".join(f"{name}={value}" for name, value in sorted((found.get("limits") or {}).items()))
    return listed(found.get("features") or ["unknown instruction sets"]) + (f"; limited by {limits}" if limits else "")


def _said_by(point: Point[Any], name: str, entry: Mapping[str, Any]) -> Any:
    """What a kind says of an entry. Raises `UserError`, with the file, where the kind of a document fails."""
    try:
        return point.get(name).words(entry)
    except Exception as error:
        if name not in point.brought():
            raise
        from reeltrace.kinds.brought import module_file  # here, for it reads YAML

        file = module_file(point.home(name))
        raise UserError(f"{file}: words of {name!r} fails ({type(error).__name__}: {error}); correct it") from None


def _augmentation(augment: Mapping[str, Any] | None) -> str:
    if augment is None:
        return "none"
    if augment["kind"] != "affine":
        return f"{augment['kind']}, p = {augment['probability']}"
    low, high = augment["scale"]
    return (
        f"mirrored, p = {augment['flip']}; turned by up to {augment['degrees']} degrees, shifted by up to "
        f"{augment['translate']} of the sides, scaled by {low} to {high}, sheared by up to {augment['shear']} degrees"
    )


def settings(spec: Mapping[str, Any]) -> dict[str, str]:
    """What a reader wants to know of a spec, in one line each."""
    stage = spec.get("stage")
    if stage == "train":
        model, augment = spec["model"], spec.get("augment")
        on_frames = spec.get("backbone") is not None
        return {
            "seed": str(spec["seed"]),
            "dataset": f"{spec['dataset']}, {spec['classes']} classes",
            "model": _said_by(ARCHITECTURES, model["architecture"], model) + _sequences(spec.get("sequences")),
            **(_backbone(spec["backbone"]) if on_frames else {}),
            "protocol": _protocol(spec["protocol"]),
            "augmentation": _augmentation(augment),
            "device": f"{spec['device']['kind']}, {spec['device']['threads']} thread(s), {spec['device']['precision']}",
            **_view(spec.get("video")),
        }
    if stage == "data":
        said: dict[str, str] = _said_by(DATASETS, spec["kind"], spec)
        return said
    if stage == "pretrain":
        training = {} if spec["training"] is None else {"protocol": _protocol(spec["training"]["protocol"])}
        return {**_backbone(spec["backbone"]), **training}
    if stage == "features":
        square = f"{spec['crop']} x {spec['crop']} pixels from the middle, seen as {spec['size']} x {spec['size']}"
        return {"dataset": spec["dataset"], "frames": square, **_backbone(spec["backbone"])}
    if stage == "frames":
        return {"stored frames": f"short side of {spec['short_side']} pixels"}
    if stage == "measure":
        asked = spec["measurement"]
        measured: dict[str, str] = _said_by(MEASUREMENTS, asked["kind"], asked)
        return measured
    if stage == "aggregate":
        return {
            "table": f"{spec['table']['document']}, {table_words(spec['table']['table'])}",
            "seeds": listed(spec["seeds"]),
        }
    return {}


def _backbone(backbone: Mapping[str, Any]) -> dict[str, str]:
    """A backbone as the report lists it."""
    stem = f"stem {backbone['stem_kernel']} x {backbone['stem_kernel']} with stride {backbone['stem_stride']}"
    pool = "with" if backbone["max_pool"] else "without"
    origin = f"declared download {backbone['weights']}"
    if (stills := backbone["stills"]) is not None:
        origin = f"trained on every {stills['every']} frames of {stills['dataset']}, split {stills['split']}"
        origin += f", from {backbone['initial']}" if backbone["initial"] else ""
    return {
        "backbone": f"{backbone['architecture']}, width {backbone['width']}, {stem}, {pool} max-pool",
        "weights": origin,
    }


def _protocol(protocol: Mapping[str, Any]) -> str:
    share, warmup, micro = (protocol.get(name) for name in ("update_after", "warmup", "micro_batch"))
    falling = (
        "along half a cosine"
        if protocol.get("cosine")
        else f"times {protocol['gamma']} after {listed(protocol['milestones'])}"
    )
    return (
        f"{protocol['optimizer'].upper()}, {protocol['epochs']} epochs, rate {protocol['learning_rate']} "
        + (f"after {warmup['epochs']} epochs from {warmup['start']}, " if warmup else "")
        + f"{falling}, momentum {protocol['momentum']}, "
        f"weight decay {protocol['weight_decay']}, batches of {protocol['batch_size']}"
        + (f" in parts of {micro}" if micro else "")
        + (f", update after {100 * share:g} % of the data" if share else "")
    )


def _view(video: Mapping[str, Any] | None) -> dict[str, str]:
    """How a run sees videos; nothing where its clips are finished ones."""
    if not video:
        return {}
    clip, place = video["clip"], "the middle" if video["clip"]["place"] == "center" else "a random place"
    return {
        "split": f"official split {video['split']}, {video['validation']} of its training groups held out",
        "clips": (
            f"{clip['frames']} frames with stride {clip['stride']}, {clip['crop']} x {clip['crop']} pixels from "
            f"{place} (in testing from the middle), seen as {clip['size']} x {clip['size']}"
        ),
        "testing": f"mean probability over {video['test_clips']} clip(s) of each video",
    }


def _sequences(sequences: Mapping[str, Any] | None) -> str:
    """How a net sees sequences of frames; nothing where it sees none."""
    return f"; sequences of {sequences['frames']}, every {sequences['every']} frames" if sequences else ""


def artifact_name(path: str) -> str:
    """ "train/x-s0" of "results/quick/train/x-s0/metrics.json"."""
    return "/".join(path.split("/")[2:4])


def table_words(table: str) -> str:
    """ "Table 7.2" for a numbered table, its name for another."""
    return f"Table {table}" if is_numbered(table) else table


def derivation_words(derivation: Mapping[str, Any]) -> str:
    """`7020 (section 7.1.1, Table 7.2, SlowFast, GFLOPS per run) / 13450 (...)`."""
    sign = " / " if derivation["operation"] == "quotient" else " x "
    return sign.join(f"{of['printed']} ({of['place']}, {of['row']}, {of['column']})" for of in derivation["of"])
