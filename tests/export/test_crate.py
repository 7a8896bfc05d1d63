"""The RO-Crate: what the Provenance Run Crate profile asks of it; its files and hashes are those of the results."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltrace.artifacts.files import sha256_file
from reeltrace.errors import CheckFailed, UserError
from reeltrace.export.crate import PROFILES, write


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


@pytest.fixture
def crate(results: dict[str, Path], tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path / "crate"
    assert write(folder, results, tmp_path) == 4
    graph = json.loads((folder / "ro-crate-metadata.json").read_text())["@graph"]
    return folder, {entity["@id"]: entity for entity in graph}


def test_it_says_which_profiles_it_follows(crate: tuple[Path, dict[str, Any]]) -> None:
    _, entities = crate
    assert [entry["@id"] for entry in entities["./"]["conformsTo"]] == [uri for uri, _, _ in PROFILES]
    main = entities[entities["./"]["mainEntity"]["@id"]]
    assert {"ComputationalWorkflow", "HowTo"} <= set(main["@type"])
    assert {part["@id"] for part in main["hasPart"]} == {f"#tool-{s}" for s in ("data", "train", "aggregate", "report")}


def test_each_artifact_is_one_execution_of_its_stage_with_its_inputs(crate: tuple[Path, dict[str, Any]]) -> None:
    _, entities = crate
    action = entities["#action-train/net-s0"]
    assert action["instrument"]["@id"] == "#tool-train"
    assert {part["@id"] for part in listed(action["object"])} == {
        "results/smoke/train/net-s0/spec.json",
        "results/smoke/data/digits/manifest.json",
    }
    assert {part["@id"] for part in listed(action["result"])} == {
        "results/smoke/train/net-s0/manifest.json",
        "results/smoke/train/net-s0/metrics.json",
    }
    assert (action["startTime"], action["endTime"]) == ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:06+00:00")
    assert action["description"].endswith("with local changes")
    control = entities["#control-train/net-s0"]
    assert (control["instrument"]["@id"], control["object"]["@id"]) == ("Snakefile#train", "#action-train/net-s0")
    assert entities["#organised"]["result"]["@id"] == "#run"
    assert entities["#run"]["endTime"] == "2026-01-02T03:05:05+00:00"


def test_no_reference_leads_nowhere_and_files_are_those_of_the_results(
    crate: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, entities = crate

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [value["@id"]] if "@id" in value else []
        return [found for part in listed(value) if part is not value for found in references(part)]

    named = {r for e in entities.values() for key, value in e.items() if key != "@id" for r in references(value)}
    assert {name for name in named if not name.startswith("http")} <= entities.keys()
    files = [entity for entity in entities.values() if "File" in listed(entity["@type"]) and "sha256" in entity]
    assert len(files) >= 4 * 3
    for entity in files:
        assert sha256_file(folder / entity["@id"]) == entity["sha256"] == sha256_file(tmp_path / entity["@id"])
    assert not (folder / "results/smoke/data/digits/clips.npy").exists()  # bulk stays where it is


def test_nothing_is_overwritten_and_nothing_half_written_stays(results: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "crate"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="there is something already"):
        write(folder, results, tmp_path)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    (results["train/net-s0"] / "receipt.json").write_text("[]")
    with pytest.raises(CheckFailed, match="is not a receipt"):
        write(tmp_path / "new", results, tmp_path)
    assert not [path for path in tmp_path.iterdir() if "new" in path.name]
