"""The ledger: every path it names exists. Claims are tested beside it, in test_claims.py."""

from pathlib import Path

import pytest

from conftest import write_files
from reeltrace.analysis import assumptions
from reeltrace.analysis.cross_checks import unknown_paths
from reeltrace.analysis.published import load as load_published
from reeltrace.errors import UserError
from reeltrace.registry.documents import compose, read

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = tuple(compose(read(REPOSITORY)).headers)


def test_the_ledger_names_registry_paths_and_files_that_exist() -> None:
    trees = compose(read(REPOSITORY)).trees.values()
    for ledger in assumptions.load(DOCUMENTS, REPOSITORY):
        assert [path for a in ledger.assumptions for path in unknown_paths(a, trees)] == []
        assert all((REPOSITORY / a.code).exists() for a in ledger.assumptions if a.code)
        document = load_published(ledger.document, REPOSITORY)
        assert {t for a in ledger.assumptions for t in a.tables} <= set(document.tables)


def test_a_path_may_exist_at_one_scale_only() -> None:
    trees = [{"a": {"b": None, "d": 1}}, {"a": {"b": {"c": 1}, "d": 1}}]

    def unknown(*paths: str) -> list[str]:
        found = {"id": "i", "open": "o", "choice": "c", "why": "w", "tables": ("1",), "registry": paths}
        return unknown_paths(assumptions.Assumption.model_validate(found), trees)

    assert unknown("a.b", "a.b.c", "a.d") == []
    assert unknown("a.b.x", "a.d.e", "b", "a.b.c.d", "") == ["a.b.x", "a.d.e", "b", "a.b.c.d", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "assumptions: [{id: a, open: o, choice: c, why: w, tables: ['1'], registry: []}]",
            "names a registry path",
        ),
        ("assumptions: [{id: a}]", "Field required"),
    ],
)
def test_a_wrong_ledger_is_refused(tmp_path: Path, text: str, words: str) -> None:
    write_files(tmp_path, {"documents/d/assumptions.yaml": text})
    with pytest.raises(UserError, match=words):
        assumptions.load(["d"], tmp_path)
