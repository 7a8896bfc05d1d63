"""Every value that is transcribed from a document stands at its place in that document's text."""

import os
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from conftest import PROJECT
from reeltrace.analysis import not_reproduced, prose, published
from reeltrace.analysis.places import Text
from reeltrace.analysis.spans import Spans, load, misplaced, name_of, unbound

DOCUMENTS = ("basu2021", "gavves-lecture5", "iqbal2017", "mahler2020", "singh2019supp")


def bound(key: str) -> Spans:
    spans = load(key, PROJECT)
    assert spans is not None
    return spans


def content(key: str) -> bytes:
    """The document's text; the test is skipped where it cannot be had."""
    given = os.environ.get("REELTRACE_TEXTS")
    folder = Path(given) if given else PROJECT.parent / "shared" / "seeds"
    path = folder / bound(key).text.name
    if not path.is_file():
        pytest.skip(f"the text of {key} is not at {path}; REELTRACE_TEXTS names the folder of the documents' texts")
    return path.read_bytes()


@pytest.mark.parametrize("key", DOCUMENTS)
def test_each_value_has_a_span_and_is_the_one_that_was_found(key: str) -> None:
    assert unbound(published.load(key, PROJECT), prose.load(key, PROJECT), bound(key)) == []


@pytest.mark.parametrize("key", DOCUMENTS)
def test_the_test_sets_of_the_prose_are_those_of_the_tables(key: str) -> None:
    named = {value.test for value in prose.load(key, PROJECT).values()} - {None}
    assert named <= set(published.load(key, PROJECT).tests)


@pytest.mark.parametrize("key", DOCUMENTS)
def test_each_value_stands_at_its_place(key: str) -> None:
    assert misplaced(published.load(key, PROJECT), prose.load(key, PROJECT), bound(key), content(key)) == []


@pytest.mark.parametrize("key", DOCUMENTS)
def test_every_table_and_figure_is_here_or_said_not_to_be(key: str) -> None:
    """Each caption of the text is that of a table that is transcribed, of a figure that is shown, or in the list."""
    (coverage,) = not_reproduced.load([key], PROJECT)
    tables = {name: table.place for name, table in published.load(key, PROJECT).tables.items()}
    assert list(not_reproduced.problems(coverage, tables, Text(content(key).decode()))) == []


@pytest.mark.parametrize("key", DOCUMENTS)
def test_two_cells_that_change_places_are_seen(key: str) -> None:
    document, values, spans, text = published.load(key, PROJECT), prose.load(key, PROJECT), bound(key), content(key)
    for name, table in document.tables.items():
        printed = [cell for cell in table.cells if cell.printed is not None]
        pairs = [(a, b) for a, b in combinations(printed, 2) if a.unit == b.unit and a.printed != b.printed]
        for a, b in pairs[:: max(1, len(pairs) // 3)]:
            swapped = {id(a): b.printed, id(b): a.printed}
            cells = tuple(c.model_copy(update={"printed": swapped.get(id(c), c.printed)}) for c in table.cells)
            other = replace(document, tables={**document.tables, name: table.model_copy(update={"cells": cells})})
            first, second = name_of(name, a), name_of(name, b)
            moved = {**spans.cells, first: spans.cells[second], second: spans.cells[first]}
            assert misplaced(other, values, spans.model_copy(update={"cells": moved}), text), (first, second)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("basu2021", "gain-ucf-t2-resnet", "gain-ucf-p43d-resnet"),
        ("basu2021", "gain-ucf-t2-resnet", "gain-hmdb-t2-resnet"),
        ("mahler2020", "i3d-map", "atr-map"),
        ("mahler2020", "layers-over-r101", "layers-over-r50"),
        ("mahler2020", "kinetics-600-clips", "kinetics-700-clips"),
        ("iqbal2017", "block4-layer", "block3-layer"),
        ("singh2019supp", "clip-short", "clip-long"),
        ("gavves-lecture5", "googlenet-layers", "googlenet-layers-with-pooling"),
    ],
)
def test_two_values_of_the_prose_that_change_places_are_seen(key: str, one: str, other: str) -> None:
    document, values, spans = published.load(key, PROJECT), dict(prose.load(key, PROJECT)), bound(key)
    text = content(key)
    printed = {one: values[other].printed, other: values[one].printed}
    values.update({name: values[name].model_copy(update={"printed": text_}) for name, text_ in printed.items()})
    moved = {**spans.prose, one: spans.prose[other], other: spans.prose[one]}
    assert misplaced(document, values, spans.model_copy(update={"prose": moved}), text)
