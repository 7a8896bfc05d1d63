"""What documents describe and what is not here: one list per document, held to the text where that is at hand."""

from pathlib import Path

import pytest

from conftest import write_files
from reeltrace.analysis import not_reproduced
from reeltrace.analysis.not_reproduced import Coverage, Described, Shown, problems
from reeltrace.analysis.places import Text
from reeltrace.errors import UserError

TEXT = Text(
    "1. Nets\n\nWords.\n\nFigure 1: a net.\n\na\tb\n\nTable 1: counts.\n\nA.1. More\n\nFigure A.1: another.\n\n"
    "2. Others\n\nFigure 1: a third.\n"
)


def described(**given: object) -> Described:
    return Described.model_validate({"id": "i", "what": "w", "place": "section 1", "because": "b", **given})


def found(*entries: Described, shown: tuple[str, ...] = (), tables: dict[str, str] | None = None) -> list[str]:
    figures = (Shown(figures=shown, how="h"),) if shown else ()
    return list(problems(Coverage("d", entries, figures), tables or {}, TEXT))


def test_every_table_and_figure_is_somewhere() -> None:
    first, second = described(figures=["1"]), described(figures=["1"], place="section 2")
    more = described(figures=["A.1"], place="section A.1", tables=["1"])
    assert found(first, second, more) == []
    assert found(first, second, described(figures=["A.1"]), tables={"counts": "section 1, Table 1"}) == []
    assert found(first, more) == ["figure 1 is neither transcribed nor shown nor said to be not reproduced"]
    assert [line[:9] for line in found(first, second)] == ["table 1 i", "figure A."]
    assert found(second, more, shown=("1",))[0].startswith("figure 1 is neither"), "shown says not which of the two"


def test_a_place_that_the_text_does_not_have_is_named() -> None:
    first, more = described(figures=["1"]), described(figures=["A.1"], tables=["1"])
    other = described(figures=["1"], place="section 3")
    assert found(first, more, other)[0] == "i: the text has no section 3"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not_reproduced: [{id: a, what: w, place: p}]", "Field required"),
        ("not_reproduced: [{id: a, what: '', place: p, because: b}]", "at least 1 character"),
        (
            "not_reproduced: [{id: a, what: w, place: p, because: b, figures: ['2']}]\n"
            "shown: [{figures: ['2'], how: h}]",
            "figure 2 stands twice",
        ),
        ("not_reproduced: []\nshown: [{figures: [], how: h}]", "at least 1 item"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str, words: str) -> None:
    write_files(tmp_path, {"documents/d/not_reproduced.yaml": text})
    with pytest.raises(UserError, match=words):
        not_reproduced.load(["d"], tmp_path)
