"""What must hold of the page of any report."""

import re
from html.parser import HTMLParser
from typing import Any

from analysis.fabricated import Project
from reeltrace.analysis import published
from reeltrace.artifacts.json_values import read_json
from reeltrace.registry.fields import replaced


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.cells_without_scope = 0
        self.captions = 0
        self.tables = 0
        self.lang: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "a" and (values.get("href") or "").startswith("#"):
            self.links.append((values["href"] or "")[1:])
        self.sources += [
            v or "" for k, v in attrs if k in ("src", "href", "action", "data") and not (v or "#").startswith("#")
        ]
        self.cells_without_scope += tag == "th" and "scope" not in values
        self.captions += tag == "caption"
        self.tables += tag == "table"
        if tag == "html":
            self.lang = values.get("lang")


def check_page(html: str) -> None:
    """It is well-formed, accessible and needs nothing beside it."""
    page = Outline()
    page.feed(html)
    assert page.lang == "en"
    assert page.headings[0] == 1 and page.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(page.headings, page.headings[1:], strict=False))
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    assert page.cells_without_scope == 0
    assert all(source.startswith("data:") for source in page.sources)
    assert "http://" not in html and "https://" not in html
    assert "@import" not in html and "url(" not in html


def check_cells(content: Any, project: Project) -> None:
    """Every printed number is in report.json once, and nothing else but what is printed in words."""
    numbers, words = set(), set()
    for table in project.registry.params.tables.values():
        for cell in published.load(table.document, project.root).tables[table.table].cells:
            place = (table.document, table.table, cell.row, cell.column)
            (words if cell.unit == "text" else numbers).add(place)
    cells = [(cell["document"], cell["table"], cell["row"], cell["column"]) for cell in content["cells"]]
    assert len(cells) == len(set(cells)) and numbers <= set(cells) <= numbers | words


def marked_names(html: str, content: Any, project: Project) -> set[str]:
    """The names of data that other data stands in for, each of which is marked where it labels a number."""
    names, marked = set(replaced(content["stand_in"])), set()
    banner = html[html.index('class="banner"') : html.index('<section id="summary"')]
    assert all(f"in place of {name}" in banner for name in names)
    for key in project.registry.params.tables:
        own = replaced(read_json(project.folder(f"aggregate/{key}") / "cells.json")["stand_in"] or "")
        section = html[html.index(f'id="{key}"') :]
        section = section[: section.index("</section>")].partition('<details class="overrides"')[0]
        labels = re.findall(r"<(h3|th|caption|text|figcaption)\b[^>]*>(.*?)</\1>", section, re.DOTALL)
        heads = [text for tag, text in labels if tag == "text"]
        for tag, label in labels:
            words = " ".join(re.sub(r"<[^>]+>", "", label).split())
            for name in names:
                if not re.search(rf"(?i)(?<!\w){name}", words):
                    continue
                if name not in own:
                    assert "stand-in" not in words, (key, words)
                elif tag == "text":
                    assert "(stand-in)" in words or heads[heads.index(label) + 1] == "stand-in", (key, words)
                else:
                    assert re.search(rf"(?i){name}[\w-]* stand-in", words), (key, words)
                    marked.add(name)
    return marked
