"""Numbers of the prose: read, refused where they are not of their unit, and those of the project's documents."""

from pathlib import Path

import pytest

from conftest import PROJECT, write_files
from reeltrace.analysis.prose import FILE, load
from reeltrace.errors import UserError
from reeltrace.registry.reading import load as load_registry

VALUE = '{id: gain, printed: "1.41", unit: points, place: section 4, note: almost}'


def written(tmp_path: Path, *values: str) -> Path:
    lines = "".join(f"  - {value}\n" for value in values)
    write_files(tmp_path, {f"documents/nobody2024/{FILE}": f"values:\n{lines}"})
    return tmp_path


def test_a_value_has_its_print_unit_place_and_note(tmp_path: Path) -> None:
    found = load("nobody2024", written(tmp_path, VALUE))["gain"]
    assert (found.printed, found.unit, found.place, found.note) == ("1.41", "points", "section 4", "almost")
    assert found.value == 1.41


def test_a_document_without_the_file_has_none(tmp_path: Path) -> None:
    assert load("nobody2024", tmp_path) == {}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([VALUE, VALUE], "id 'gain' appears twice"),
        ([VALUE.replace("points", "count")], "'1.41' is not a count"),
        ([VALUE.replace("points", "leagues")], "Input should be"),
        ([VALUE.replace("id: gain", "id: a/b")], "must hold none of"),
        ([VALUE.replace("note", "remark")], "Extra inputs"),
        ([VALUE.replace('printed: "1.41", ', "")], "Field required"),
    ],
)
def test_what_is_refused_names_the_file(tmp_path: Path, values: list[str], says: str) -> None:
    with pytest.raises(UserError, match=rf"documents/nobody2024/{FILE}: .*{says}"):
        load("nobody2024", written(tmp_path, *values))


def test_every_document_of_the_project_has_located_values() -> None:
    for document in sorted({table.document for table in load_registry(PROJECT).params.tables.values()}):
        assert load(document, PROJECT), document
