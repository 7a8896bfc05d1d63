"""The run as a Workflow Run RO-Crate (Provenance profile): https://w3id.org/ro/wfrun/provenance.

The workflow is the Snakefile, each stage a tool and a step, each artifact one execution of its stage: what it took are
the manifests of its inputs, what it gave is its own manifest with the small files behind it. Times, memory and machine
are those of its receipt. Large files (checkpoints, frames, predictions) stay where they are; the
manifests have their hashes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltrace import __version__
from reeltrace.artifacts.files import sha256_file
from reeltrace.artifacts.formats import HTML, JSON
from reeltrace.artifacts.json_values import read_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT, SPEC
from reeltrace.errors import CheckFailed, UserError

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
COMPLETED = "http://schema.org/CompletedActionStatus"
MIT = "https://spdx.org/licenses/MIT"
SMALL = 1_000_000  # bytes; larger files stay in the results
KEPT = {".json": "application/json", ".csv": "text/csv", ".html": "text/html", ".jsonl": "application/jsonl"}
BYTES, SECONDS = "http://qudt.org/vocab/unit/BYTE", "http://qudt.org/vocab/unit/SEC"
REPORT = "report/all"
WORKFLOW = "Snakefile"
PROJECT = {
    "params.yaml": "application/yaml",
    "dvc.yaml": "application/yaml",
    "requirements.lock": "text/plain",
    "README.md": "text/markdown",
    "LICENSE": "text/plain",
    "CITATION.cff": "application/yaml",
}
DO = {
    "data": "Prepares a dataset: downloads, draws or splits it",
    "frames": "Decodes videos into frames at the training resolution",
    "pretrain": "Trains a backbone on still frames",
    "features": "Computes features of frames with a frozen backbone",
    "train": "Trains a network and evaluates it under every transform that its tables need",
    "measure": "Counts or times a network that is not trained",
    "timing": "Takes the times of trainings from their receipts",
    "aggregate": "Sets what was found beside what a table prints",
    "reading": "Sets what was found beside what is found where a document is read otherwise",
    "report": "Renders the report",
}


def write(folder: Path, results: Mapping[str, Path], root: Path) -> int:
    """Write the crate into `folder`, which must not exist or be empty; the number of artifacts in it.

    `results` maps "stage/key" to the folder of each finished artifact, below `root`. Raises `UserError` where there is
    something in the folder, `CheckFailed` where an artifact is incomplete. What was half written is removed.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: there is something already; name a new folder")
    if REPORT not in results:
        raise CheckFailed("no finished report; run: snakemake --cores all")
    work = folder.with_name(f".{folder.name}.work")
    shutil.rmtree(work, ignore_errors=True)
    try:
        build(results, root).write(work)
        if folder.exists():
            folder.rmdir()
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return len(results)


def build(results: Mapping[str, Path], root: Path) -> ROCrate:
    """The crate of finished artifacts."""
    from rocrate.rocrate import ROCrate

    receipts = {name: _receipt(folder) for name, folder in results.items()}
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(TERMS)
    _describe_root(crate, receipts[REPORT])
    stages = [stage for stage in DO if any(name.startswith(f"{stage}/") for name in results)]
    tools = {stage: _tool(crate, stage) for stage in stages}
    workflow, steps = _workflow(crate, root, tools)
    for name, encoding in PROJECT.items():
        if (root / name).is_file():
            crate.add_file(root / name, name, properties={"name": name, "encodingFormat": encoding})
    if readme := crate.dereference("README.md"):
        readme["about"] = crate.root_dataset
    files = {name: _files(crate, folder, root) for name, folder in sorted(results.items())}
    actions = {
        name: _action(crate, name, tools[name.split("/")[0]], files, results[name], receipts[name])
        for name in sorted(results)
    }
    _run(crate, workflow, steps, actions, files, receipts)
    return crate


def _receipt(folder: Path) -> Mapping[str, Any]:
    found = read_json(folder / RECEIPT)
    if not isinstance(found, dict) or "started" not in found:
        raise CheckFailed(f"{folder / RECEIPT}: is not a receipt; run its stage again")
    return found


def _describe_root(crate: ROCrate, receipt: Mapping[str, Any]) -> None:
    crate.name = "A run of Reeltrace: published video action recognition experiments, re-run"
    crate.description = (
        "The artifacts of one run, each with the hashes of what it was made from, and the report that sets them beside "
        "the published numbers. What was made at a reduced scale or on stand-in data says so in the report."
    )
    crate.license = _entity(crate, MIT, "CreativeWork", name="MIT License", identifier="MIT")
    crate.root_dataset["datePublished"] = receipt["started"]
    authors = _entity(crate, "#authors", "Organization", name="The Reeltrace authors")
    crate.root_dataset["author"] = authors
    crate.root_dataset["publisher"] = authors
    crate.root_dataset["conformsTo"] = [
        _entity(crate, uri, "CreativeWork", name=name, version=version) for uri, name, version in PROFILES
    ]


def _entity(crate: ROCrate, identity: str, kind: str | list[str], **properties: Any) -> ContextEntity:
    from rocrate.model.contextentity import ContextEntity

    found: ContextEntity = crate.add(ContextEntity(crate, identity, properties={"@type": kind, **properties}))
    return found


def _tool(crate: ROCrate, stage: str) -> ContextEntity:
    return _entity(
        crate,
        f"#tool-{stage}",
        "SoftwareApplication",
        name=f"reeltrace run {stage}",
        description=DO[stage],
        softwareVersion=__version__,
    )


def _workflow(
    crate: ROCrate, root: Path, tools: Mapping[str, ContextEntity]
) -> tuple[Entity, dict[str, ContextEntity]]:
    workflow = crate.add_workflow(
        root / WORKFLOW,
        WORKFLOW,
        main=True,
        lang="snakemake",
        properties={
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "Reeltrace",
            "version": __version__,
            "encodingFormat": "text/plain",
        },
    )
    workflow["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
    workflow["license"] = {"@id": MIT}
    workflow["hasPart"] = list(tools.values())
    steps = {
        stage: _entity(crate, f"{WORKFLOW}#{stage}", "HowToStep", name=stage, position=str(position), workExample=tool)
        for position, (stage, tool) in enumerate(tools.items(), start=1)
    }
    workflow["step"] = list(steps.values())
    return workflow, steps


def _files(crate: ROCrate, folder: Path, root: Path) -> dict[str, Entity]:
    """The small files of an artifact in the crate, by name, its manifest among them."""
    outputs = read_json(folder / MANIFEST).get("outputs")
    names = [MANIFEST, RECEIPT, SPEC, *(outputs if isinstance(outputs, dict) else ())]
    found = {}
    for name in names:
        path = folder / name
        if path.suffix in KEPT and path.is_file() and (path.stat().st_size <= SMALL or name in (HTML, JSON)):
            place = path.relative_to(root).as_posix()
            found[name] = crate.add_file(
                path,
                place,
                properties={
                    "name": place,
                    "encodingFormat": KEPT[path.suffix],
                    "contentSize": str(path.stat().st_size),
                    "sha256": sha256_file(path),
                },
            )
    if MANIFEST not in found:
        raise CheckFailed(f"{folder / MANIFEST}: missing; run its stage again")
    return found


def _action(
    crate: ROCrate,
    name: str,
    tool: ContextEntity,
    files: Mapping[str, Mapping[str, Entity]],
    folder: Path,
    receipt: Mapping[str, Any],
) -> Entity:
    inputs = [files[other][MANIFEST] for other in read_json(folder / MANIFEST).get("inputs", {}) if other in files]
    used = [
        _entity(
            crate,
            f"#usage-{name}-{part}",
            "PropertyValue",
            name=part,
            propertyID=f"https://w3id.org/ro/terms/reeltrace#{part}",
            unitCode=unit,
            value=str(receipt[part]),
        )
        for part, unit in (("peak_memory_bytes", BYTES), ("processor_s", SECONDS))
        if receipt.get(part) is not None
    ]
    host = receipt.get("host", {})
    return crate.add_action(
        tool,
        identifier=f"#action-{name}",
        object=_one_or_all([files[name][SPEC], *inputs] if SPEC in files[name] else inputs),
        result=_one_or_all([entity for file, entity in files[name].items() if file not in (SPEC, RECEIPT)]),
        properties={
            "name": f"reeltrace run {name.replace('/', ' ')}",
            "description": f"On {host.get('processor', 'an unnamed processor')}, commit "
            f"{(receipt.get('git') or {}).get('commit', 'unknown')}"
            + (", with local changes" if (receipt.get("git") or {}).get("dirty") else ""),
            "startTime": receipt["started"],
            "endTime": _end(receipt),
            "actionStatus": COMPLETED,
            "resourceUsage": used,
            "subjectOf": files[name][RECEIPT],
        },
    )


def _one_or_all(entities: list[Entity]) -> Entity | list[Entity]:
    """JSON-LD as RO-Crate wants it: one value by itself, several in a list."""
    return entities[0] if len(entities) == 1 else entities


def _end(receipt: Mapping[str, Any]) -> str:
    from datetime import datetime, timedelta

    return (datetime.fromisoformat(receipt["started"]) + timedelta(seconds=float(receipt["duration_s"]))).isoformat(
        timespec="seconds"
    )


def _run(
    crate: ROCrate,
    workflow: Entity,
    steps: Mapping[str, ContextEntity],
    actions: Mapping[str, Entity],
    files: Mapping[str, Mapping[str, Entity]],
    receipts: Mapping[str, Mapping[str, Any]],
) -> None:
    """The execution of the workflow, and that each step of it was controlled by the engine."""
    begun = min(receipts.values(), key=lambda receipt: str(receipt["started"]))["started"]
    ended = max(map(_end, receipts.values()))
    outcome = crate.add_action(
        workflow,
        identifier="#run",
        object=crate.dereference("params.yaml"),
        result=[entity for name, entity in files[REPORT].items() if name in (HTML, JSON)],
        properties={
            "name": "snakemake --cores all",
            "description": "From the first artifact that was made to the report, whatever was made in between by hand",
            "startTime": begun,
            "endTime": ended,
            "actionStatus": COMPLETED,
        },
    )
    controls: Iterable[Entity] = [
        _entity(
            crate,
            f"#control-{name}",
            "ControlAction",
            name=f"{name} in the workflow",
            instrument=steps[name.split("/")[0]],
            object=action,
            actionStatus=COMPLETED,
        )
        for name, action in actions.items()
    ]
    engine = _entity(
        crate,
        "https://snakemake.github.io",
        "SoftwareApplication",
        name="Snakemake",
        url="https://snakemake.github.io",
        softwareVersion=str((receipts[REPORT].get("packages") or {}).get("snakemake", "")),
    )
    organised = _entity(
        crate,
        "#organised",
        "OrganizeAction",
        name="Snakemake's run of the workflow",
        instrument=engine,
        object=list(controls),
        result=outcome,
        startTime=begun,
        endTime=ended,
    )
    crate.root_dataset["mentions"] = [outcome, organised, *actions.values()]
