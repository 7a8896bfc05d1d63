"""The binder: both directions, and what it lets nobody do."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from reeltrace.report.binding import Binder, Number, anchor


@pytest.fixture
def binder() -> Binder:
    binder = Binder()
    trace = {"artifact": "results/quick/a/b/c.json", "pointer": "/x", "sha256": "0" * 64}
    binder.add(Number("d/1/r/c", "98.67", "a cell", trace=trace))
    binder.add_published("d/1/r/c", "100", "section 1")
    return binder


def page(binder: Binder, extra: str = "") -> str:
    cell, published = binder.cell("d", "1", "r", "c"), binder.published("d/1/r/c")
    return f"<html><body><table><tr><td>{cell}</td><td>{published}</td></tr></table>{extra}</body></html>"


def found(binder: Binder, html: str) -> list[str]:
    problems = binder.check(html, "page")
    assert all(p.kind == "unbound number" for p in problems)
    return [p.found for p in problems]


def test_a_bound_page_has_no_problems(binder: Binder) -> None:
    html = page(binder, f"<p>{binder.name('Table 3')}</p><style>p {{ margin: 3px }}</style><br/><img alt='7'/>")
    assert found(binder, html) == []
    assert binder.unshown() == []


@pytest.mark.parametrize(
    "extra",
    [
        "<p>accuracy 98.67</p>",
        "<table><td>3</td></table>",
        "<figure><figcaption>2 panels</figcaption></figure>",
        "<br/>4",
        "<span>half of it: ½ and ٣</span>",
    ],
)
def test_a_bare_numeral_is_found_anywhere(binder: Binder, extra: str) -> None:
    assert any("has no trace" in text for text in found(binder, page(binder, extra)))


def test_a_number_that_is_not_shown_is_found(binder: Binder) -> None:
    assert sorted(binder.unshown()) == ["d/1/r/c", "published:d/1/r/c"]
    texts = found(binder, "<html><body></body></html>")
    assert any("d/1/r/c is reported and never shown" in text for text in texts)
    assert any("published value of d/1/r/c is never shown" in text for text in texts)


def test_an_altered_value_is_found(binder: Binder) -> None:
    html = page(binder)
    assert found(binder, html.replace("98.67", "99.67")) == ["d/1/r/c shows '99.67', its artifact says '98.67'"]
    assert found(binder, html.replace(">100<", ">10<")) == ["d/1/r/c shows '10', its artifact says '100'"]


@pytest.mark.parametrize(
    "extra",
    [
        '<a data-trace="d/1/r/other">3</a>',
        '<span data-published="other">3</span>',
        "<span data-name>3 of them</span>",
        '<svg data-figure="other"><text>3</text></svg>',
    ],
)
def test_a_mark_that_nobody_registered_is_found(binder: Binder, extra: str) -> None:
    assert any("names an origin that does not exist" in text for text in found(binder, page(binder, extra)))


def test_unknown_and_doubled_ids_are_refused(binder: Binder) -> None:
    with pytest.raises(KeyError):
        binder.cell("d", "1", "r", "nowhere")
    with pytest.raises(ValueError, match="twice"):
        binder.add(Number("d/1/r/c", "1", "again"))


def test_data_that_other_data_stands_in_for_is_marked_in_a_name(binder: Binder) -> None:
    stand_in = {"MNIST": "8x8 digits in place of MNIST", "UCF-101": "clips in place of UCF-101"}
    shown = binder.formula("Moving MNIST-Dir, UCF-101 as it is, C_in", stand_in)
    assert Markup(shown).striptags() == "Moving MNIST-Dir stand-in, UCF-101 stand-in as it is, Cin"
    assert shown.count('title="8x8 digits in place of MNIST"') == 1 and "<sub>in</sub>" in shown
    assert found(binder, page(binder, shown)) == []
    assert binder.formula("Moving MNIST") == "<span data-name>Moving MNIST</span>"


def test_a_line_may_end_before_a_parenthesis(binder: Binder) -> None:
    shown = binder.formula("Plain(no aug), (a) on MNIST", {"MNIST": "f(x) in place of MNIST"})
    assert shown.count("<wbr>") == 1 and "Plain<wbr>(no aug)" in shown and 'title="f(x) in' in shown
    assert found(binder, page(binder, shown)) == []


def test_text_is_escaped(binder: Binder) -> None:
    assert str(binder.name("<b>1</b>")) == "<span data-name>&lt;b&gt;1&lt;/b&gt;</span>"
    assert str(binder.formula("<i> C_in, D_out 3")) == (
        "<span data-name>&lt;i&gt; C<sub>in</sub>, D<sub>out</sub> 3</span>"
    )
    assert found(binder, page(binder, str(binder.formula("<i> C_in, D_out 3")))) == []


@given(st.text(), st.text())
def test_different_ids_have_different_anchors(a: str, b: str) -> None:
    assert (anchor(a) == anchor(b)) == (a == b)
    assert re.fullmatch(
        r"n=[A-Za-z0-9._~/:@!$*()+,;=%-]*", anchor(a)
    )  # no browser writes these otherwise in an address


def test_an_element_that_a_template_marks_keeps_its_lines(binder: Binder) -> None:
    assert binder.words("seed 0\nseed 1") == "seed 0\nseed 1"
    assert found(binder, page(binder, "<td data-name>seed 0\nseed 1</td>")) == []
    assert found(binder, page(binder, "<td data-name>seed 0\nseed 2</td>"))


def test_a_published_value_is_a_link_only_where_no_value_from_here_leads_to_the_same_chain(binder: Binder) -> None:
    binder.add_published("d/1/r/alone", "7", "Table 1")
    assert "href" not in binder.published("d/1/r/c")
    assert 'href="#n=d/1/r/alone"' in binder.published("d/1/r/alone")
