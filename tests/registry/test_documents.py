"""The folders of documents and params.yaml as one registry: what goes over what, and how a mistake is named."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PROJECT, refusal, write_files
from invented import FILES, changed
from reeltrace.registry.documents import compose, keys, merged, read
from reeltrace.registry.fields import SCALES, Scale
from reeltrace.registry.reading import registry_of

HEADER = 'title: A study\nauthor: me\nyear: "2026"\nvenue: here\n'
PARAMS = FILES["params.yaml"]
ADAM = {
    "optimizer": "adam",
    "epochs": 9,
    "learning_rate": 0.1,
    "milestones": [5],
    "gamma": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "batch_size": 4,
}


def files(**documents: Mapping[str, Any]) -> dict[str, str]:
    """Folders of documents, each as {file: content}; content of YAML values or, as a string, of text."""
    found = {"params.yaml": PARAMS}
    for name, folder in documents.items():
        for file, content in folder.items():
            text = content if isinstance(content, str) else yaml.safe_dump(content)
            found[f"documents/{name}/{file}.yaml"] = text
    return found


def one(protocol: Any = ADAM, **more: Any) -> dict[str, Any]:
    return {"document": HEADER, "experiments": {"protocols": {"p": protocol}}, **more}


def test_a_reduced_scale_goes_over_the_document_and_the_user_over_both() -> None:
    quick = {"protocols": {"p": {"epochs": 3, "milestones": [2]}}}
    composed = compose({**files(a=one(quick=quick)), "params.yaml": PARAMS + "protocols: {p: {batch_size: 8}}\n"})
    found = {scale: tree["protocols"]["p"] for scale, tree in composed.trees.items()}
    assert found["paper"] == found["smoke"] == ADAM  # the user's changes are of the active scale
    assert found["quick"] == {**ADAM, "epochs": 3, "milestones": [2], "batch_size": 8}
    assert composed.written["protocols"]["p"] == ADAM


def test_a_mapping_is_merged_and_anything_else_replaced() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1, 2]}, {"a": {"c": 3}, "d": [4]}) == {"a": {"b": 1, "c": 3}, "d": [4]}
    assert merged({"a": None}, {"a": {"b": 1}}) == {"a": {"b": 1}}
    assert merged({"a": {"b": 1}}, {"a": None}) == {"a": None}


@pytest.mark.parametrize("scale", SCALES)
def test_what_the_user_changes_is_listed_as_a_departure(scale: Scale) -> None:
    registry = registry_of(changed(protocols={"drift-deep": {"epochs": 150}}), scale)
    listed = {o.path: (o.document, o.here) for o in registry.report_spec().overrides}
    assert listed["protocols.drift-deep.epochs"] == (100, 150)
    assert registry.params.protocols["drift-deep"].epochs == 150


def test_each_value_is_known_by_the_file_that_gives_it() -> None:
    quick = {"protocols": {"p": {"epochs": 3, "milestones": [2]}}}
    composed = compose({**files(a=one(quick=quick)), "params.yaml": PARAMS + "protocols: {p: {batch_size: 8}}\n"})
    assert composed.file_of("protocols.p.epochs", "quick") == "documents/a/quick.yaml"
    assert composed.file_of("protocols.p.epochs", "paper") == "documents/a/experiments.yaml"
    assert composed.file_of("protocols.p.gamma") == "documents/a/experiments.yaml"
    assert composed.file_of("protocols.p.batch_size") == "params.yaml"
    assert composed.file_of("protocols.p.missing") == "documents/a/experiments.yaml"
    assert composed.file_of("seeds") == "params.yaml"
    assert composed.files_of("protocols.p") == [
        "documents/a/experiments.yaml",
        "documents/a/quick.yaml",
        "params.yaml",
    ]
    assert composed.place("protocols.p.epochs") == "documents/a/quick.yaml: protocols.p.epochs"


def test_a_mistake_names_the_file_that_makes_it() -> None:
    broken = {**FILES, "documents/nobody2024/quick.yaml": "protocols: {drift: {epochs: many}}\n"}
    message = refusal(registry_of, broken)
    assert message.startswith("documents/nobody2024/quick.yaml: protocols.drift.epochs (scale quick): found 'many'")
    message = refusal(registry_of, changed(protocols={"drift": {"epochs": 0}}))
    assert message.startswith("params.yaml: protocols.drift.epochs (scale quick): found 0")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            files(a=one(), b=one()),
            "documents/b/experiments.yaml: protocols.p: declared in documents/a/experiments.yaml too; rename one, or "
            "move it to documents/common/experiments.yaml if both mean the same",
        ),
        (
            files(a=one(), b=one() | {"experiments": {}, "quick": {"protocols": {"p": {"epochs": 1}}}}),
            "documents/b/quick.yaml: protocols.p: documents/b/experiments.yaml does not have it",
        ),
        (
            files(a=one(quick={"protocols": {"q": {"epochs": 1}}})),
            "documents/a/quick.yaml: protocols.q: documents/a/experiments.yaml does not have it; nearest: p",
        ),
        (
            files(a=one({**ADAM, "epochs": {"paper": 9, "quick": 1}})),
            "documents/a/experiments.yaml: protocols.p.epochs: found a map over scales (paper, quick); write the "
            "document's value here, and the others into quick.yaml, smoke.yaml beside it",
        ),
        (
            files(a=one({**ADAM, "milestones": [{"paper": 9}]})),
            "documents/a/experiments.yaml: protocols.p.milestones.0: found a map over scales",
        ),
        (files(a=one(experiments={"protocol": {}})), "documents/a/experiments.yaml: protocol: unknown key; did you"),
        (files(a=one(experiments={"protocols": [1]})), "documents/a/experiments.yaml: protocols: found [1]; expected"),
        (files(a=one(experiments="- 1")), "documents/a/experiments.yaml: found [1]; expected keys with values"),
        (files(a=one(experiments="a: [")), "documents/a/experiments.yaml: line 2, column 1: not valid YAML"),
        (files(a=one(document="title: x")), "documents/a/document.yaml: author: field required"),
        (files(a=one(document=HEADER + "titel: y")), "documents/a/document.yaml: titel: extra inputs"),
        (
            files(a=one(experiments={"tables": {"a-table1": {"document": "b"}}})),
            "documents/a/experiments.yaml: tables.a-table1.document: the folder says that; remove it",
        ),
        (
            files(a=one(), common={"experiments": {"tables": {"a-table1": {}}}}),
            "documents/common/experiments.yaml: tables: belongs to a document; move 'a-table1' into its folder",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS + "documents: x"},
            "params.yaml: line 17, column 1: not valid YAML (key 'docum",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS.replace("documents: all", "documents: [b]")},
            "params.yaml: documents: no document or table 'b'; nearest: a",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS.replace("documents: all", "documents: some")},
            "params.yaml: documents: found 'some'; expected all, or a list of documents and tables",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS + "protocols: {q: {epochs: 1}}\n"},
            "params.yaml: protocols.q: no document has it; nearest: p",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS + "runs: {q: {epochs: 1}}\n"},
            "params.yaml: runs.q: no document has it; it has no runs",
        ),
        ({**files(a=one()), "params.yaml": PARAMS + "protocol: {}\n"}, "params.yaml: protocol: unknown key; did you"),
        (
            {**files(a=one()), "params.yaml": PARAMS.replace("seeds: {paper: [0, 1, 2], quick", "seeds: {quick")},
            "params.yaml: seeds: found a map over scales without `paper`",
        ),
        (
            {**files(a=one()), "params.yaml": PARAMS.replace("[0, 1, 2]", "[{paper: 0}]").replace("{paper: [", "[")},
            "params.yaml: line",
        ),
    ],
)
def test_a_mistake_in_how_files_fit_together_is_named(found: dict[str, str], said: str) -> None:
    message = refusal(compose, found)
    assert message.lower().startswith(said.lower())


def test_documents_come_in_the_order_of_their_positions_then_of_their_names() -> None:
    found = files(
        b=one(experiments={}), a=one(experiments={}, document=HEADER + "position: 2\n"), c=one(experiments={})
    )
    found["documents/d/document.yaml"] = HEADER + "position: 1\n"
    assert list(compose(found).headers) == ["d", "a", "b", "c"]


def test_a_subset_of_documents_and_tables() -> None:
    asked = {**FILES, "params.yaml": PARAMS.replace("documents: all", "documents: [someone2025-table1-3, nobody2024]")}
    registry = registry_of(asked)
    assert {table.document for table in registry.params.tables.values()} == {"nobody2024", "someone2025"}
    assert "someone2025-table1-3" in registry.params.tables and "someone2025-table1-4" not in registry.params.tables
    assert list(registry.files.headers) == ["nobody2024", "someone2025"]
    assert registry.report_spec().tables == tuple(registry.params.tables)


def test_a_folder_without_its_files_is_named(tmp_path: Path) -> None:
    write_files(tmp_path, files(a=one()))
    assert read(tmp_path) == files(a=one())
    (tmp_path / "documents/b").mkdir()
    assert refusal(read, tmp_path).startswith("documents/b/document.yaml: not found; ")
    (tmp_path / "documents/b").rename(tmp_path / "documents/B c")
    assert refusal(read, tmp_path).startswith("documents/B c: expected lower-case letters")
    (tmp_path / "documents/B c").rename(tmp_path / "documents/.b")  # an editor's
    assert read(tmp_path) == files(a=one())


def test_every_document_of_the_project_says_what_it_is() -> None:
    for key in keys(PROJECT):
        assert (PROJECT / "documents" / key / "README.md").is_file()
