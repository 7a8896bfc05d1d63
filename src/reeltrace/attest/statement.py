"""The statement that is signed: in-toto's, with SLSA's provenance, of one report.

https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1; what they have no field for is called reeltrace_...,
as SLSA asks of extensions. docs/verification.md goes through it field by field.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reeltrace.artifacts.files import sha256_bytes
from reeltrace.artifacts.formats import HTML, JSON
from reeltrace.artifacts.json_values import canonical_json, parse_json
from reeltrace.artifacts.names import MANIFEST, RECEIPT
from reeltrace.artifacts.root_hash import MANIFESTS_AND_RECEIPTS, file_hashes, root_of

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:reeltrace:report:1"
MACHINE = "urn:reeltrace:machine:"
REPORT = "report/all"
SUBJECTS = (HTML, JSON)


@dataclass(frozen=True)
class Made:
    """What is there to be attested: artifacts by "stage/key", the hashes of the report's files, the receipts read."""

    scale: str
    folders: Mapping[str, Path]
    inputs: tuple[str, ...]  # of the report
    report: Mapping[str, str]  # by file, `SUBJECTS`
    receipts: Mapping[str, Any]

    def hashes(self) -> dict[str, str]:
        """The sha256 of every manifest and receipt, by "stage/key/file"."""
        return file_hashes(self.folders, MANIFESTS_AND_RECEIPTS)


@dataclass(frozen=True)
class Around:
    """What a report was made in: digests of files and trees of the project by name, the commit, this machine.

    `pins` are sources of data from outside, each a resource of in-toto; `machine` is as receipts have it.
    """

    project: Mapping[str, str]
    texts: Mapping[str, str]
    pins: tuple[Mapping[str, Any], ...]
    git: Mapping[str, Any]
    host: Mapping[str, Any]
    versions: Mapping[str, str]


def roots(hashes: Mapping[str, str], inputs: Iterable[str]) -> dict[str, str]:
    """The root over the manifests of the report's inputs, as the page prints it, and that over all files."""
    return {
        "manifests": root_of({(file := f"{name}/{MANIFEST}"): hashes[file] for name in inputs}),
        "all": root_of(hashes),
    }


def build(made: Made, around: Around, hashes: Mapping[str, str], time: str, number: int, previous: str) -> bytes:
    """The text of the statement: canonical JSON. `number` and `previous` are those of its line in the log."""
    started = [str(receipt["started"]) for receipt in made.receipts.values() if receipt.get("started")]
    where = f"results/{made.scale}"
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": f"{where}/{REPORT}/{file}", "digest": {"sha256": made.report[file]}} for file in SUBJECTS
            ],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {"scale": made.scale, "command": "snakemake --cores all"},
                    "internalParameters": {},
                    "resolvedDependencies": [
                        *(_resource(name, sha256) for name, sha256 in sorted(around.project.items())),
                        *_commit(around.git),
                        *around.pins,
                        *(_resource(name, sha256) for name, sha256 in sorted(around.texts.items())),
                        *(_resource(f"{where}/{name}", sha256) for name, sha256 in sorted(hashes.items())),
                    ],
                },
                "runDetails": {
                    "builder": {
                        "id": f"{MACHINE}{around.host.get('name') or 'unknown'}",
                        "version": dict(around.versions),
                        "reeltrace_host": dict(around.host),
                    },
                    "metadata": {
                        "invocationId": f"{number}-{roots(hashes, made.inputs)['all'][:16]}",
                        "startedOn": min(started, default=time),
                        "finishedOn": time,
                        "reeltrace_log": {"number": number, "previous": previous},
                        "reeltrace_roots": roots(hashes, made.inputs),
                        "reeltrace_machines": machines(made.receipts.values()),
                    },
                },
            },
        }
    ).encode()


def line(statement: bytes, scale: str, key: str) -> dict[str, Any]:
    """The line of the log that a signed statement belongs to, every field of it.

    Raises `ValueError`, `LookupError`, `TypeError` or `AttributeError` where the statement is not of this form.
    """
    value = parse_json(statement)
    metadata = value["predicate"]["runDetails"]["metadata"]
    return {
        "number": metadata["reeltrace_log"]["number"],
        "previous": metadata["reeltrace_log"]["previous"],
        "time": metadata["finishedOn"],
        "scale": scale,
        "report": {entry["name"].rpartition("/")[2]: entry["digest"]["sha256"] for entry in value["subject"]},
        "roots": metadata["reeltrace_roots"],
        "statement": sha256_bytes(statement),
        "key": key,
    }


def machines(receipts: Iterable[Any]) -> list[dict[str, Any]]:
    """On which machines, by which versions and from which commits the artifacts were made, most first."""
    counted: Counter[tuple[tuple[str, Any], ...]] = Counter()
    for receipt in receipts:
        host, git = receipt.get("host") or {}, receipt.get("git") or {}
        told = {
            **{name: host.get(name) for name in ("name", "platform", "processor")},
            "python": receipt.get("python"),
            "torch": (receipt.get("packages") or {}).get("torch"),
            "commit": git.get("commit"),
            "dirty": git.get("dirty"),
        }
        counted[tuple(told.items())] += 1
    return [
        {**dict(told), "artifacts": count} for told, count in sorted(counted.items(), key=lambda e: (-e[1], str(e[0])))
    ]


def recorded(statement: Any) -> dict[str, str]:
    """By the path of each file below the project that a statement covers as an artifact's or a subject, its sha256.

    Raises `LookupError`, `TypeError` or `AttributeError` where the statement is not of this form.
    """
    listed = [*statement["subject"], *statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    ends = (f"/{MANIFEST}", f"/{RECEIPT}", *(f"/{REPORT}/{file}" for file in SUBJECTS))
    return {
        entry["name"]: entry["digest"]["sha256"]
        for entry in listed
        if entry["name"].startswith("results/") and entry["name"].endswith(ends)
    }


def _resource(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def _commit(git: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not git.get("commit"):
        return []
    told = {"local changes": bool(git.get("dirty"))}
    return [{"name": "checkout", "digest": {"gitCommit": git["commit"]}, "annotations": told}]
