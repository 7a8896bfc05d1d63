"""What check.py has of its own, since it imports nothing of ours, does what the project's own code does."""

import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.fabricated import Project
from reeltrace.bundle import check
from reeltrace.report import binding, embedded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text('aé[]{}\n" ', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab{}[] ", max_size=4), inner, max_size=4),
    max_leaves=20,
)
LINES = st.lists(st.text('{}[], a"', max_size=6), max_size=12)
WORDS = st.sampled_from(["98.33", "1 692", "a", "&lt;b&gt;", "&#8722;5", "  two\n words ", "&nbsp;", "<", "&", ""])
NAMES = st.sampled_from(["a", "td", "span", "sup", "br", "img", "p", "svg", "text"])
MARK = st.sampled_from(
    ["", ' data-trace="x/1"', " data-trace", ' data-published="y"', ' class="z" data-published="&amp;"']
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    """Some HTML: marked elements, elements in them, void ones, end tags that are missing or too many."""
    parts = []
    for _ in range(draw(st.integers(0, 4))):
        name, inside = draw(NAMES), draw(elements(depth - 1)) if depth else ""
        close = draw(st.sampled_from([f"</{name}>", f"</{name}>", "", f"</{name}></{name}>"]))
        parts.append(f"{draw(WORDS)}<{name}{draw(MARK)}>{inside}{draw(WORDS)}{close}")
    return "".join(parts) + draw(WORDS)


@given(VALUES)
def test_the_indentation_of_any_json_comes_back_the_same(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    flat = "\n".join(line.lstrip(" ") for line in text.split("\n"))
    assert check.indented(flat) == embedded.indented(flat)
    assert check.indented(flat) == text or embedded._flat(text)[0] == "\4"


@given(LINES)
def test_any_lines_are_indented_alike(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert check.indented(text) == embedded.indented(text)


def marked_here(page: str) -> list[tuple[str, str, str]]:
    """What the project's own parser finds, of the marks that check.py reads."""
    seen = binding._Page()
    seen.MARKS = check.Page.MARKS
    seen.feed(page)
    seen.close()
    return seen.marked


@settings(deadline=None)
@given(elements())
def test_marked_elements_of_any_page_are_read_alike(page: str) -> None:
    assert check.marked_on(page) == marked_here(page)


def test_marked_elements_of_a_report_are_read_alike(finished: Project) -> None:
    page = (finished.folder("report/all") / "report.html").read_text(encoding="utf-8")
    found = check.marked_on(page)
    assert len(found) > 300 and found == marked_here(page)
    broken = re.sub(r"</(?:td|a|span)>", "", page, count=9)
    assert check.marked_on(broken) == marked_here(broken) != found


def test_void_elements_are_the_same() -> None:
    assert check.VOID == binding.VOID
