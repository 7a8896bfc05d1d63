"""The report in Firefox: what the tests in Chromium ask at length is asked here once, of the other engine."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.fabricated import Project
from report.firefox import TIMEOUT_S, Firefox

pytestmark = pytest.mark.slow
CELL = "nobody2024/3/plain/treverse"
NUMBER = f'td a[data-trace="{CELL}"]'
PANEL = "document.getElementById('panel')"
LINE = "document.getElementById('selfcheck-line')"
NAMED = "[...document.querySelectorAll('#selfcheck-found li')].map((e) => e.firstChild.data.trim())"
SETTLED = (
    "document.querySelector('#selfcheck-line.agree, #selfcheck-line.disagree') !== null"
    " && document.querySelector('#selfcheck-tools button:not([disabled])') !== null"
)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    with contextlib.closing(Firefox(tmp_path_factory.mktemp("firefox"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(finished: Project) -> str:
    return (finished.folder("report/all") / "report.html").as_uri()


def wait_for(firefox: Firefox, condition: str) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not firefox.js(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_from_a_file_without_a_word_or_a_request_and_agrees_with_itself(
    firefox: Firefox, page: str, width: int
) -> None:
    firefox.open(page, width)
    wait_for(firefox, SETTLED)
    assert "all agree" in firefox.js(f"{LINE}.textContent"), firefox.js(NAMED)
    assert firefox.js("[innerWidth, document.documentElement.scrollWidth <= innerWidth]") == [width, True]
    assert firefox.js("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert firefox.said() == []
    requested = firefox.requested()  # the pictures in the page; a file is not told of
    assert requested and [url for url in requested if url != page and not url.startswith("data:")] == []


def test_an_altered_digit_is_named_and_put_back(firefox: Firefox, page: str) -> None:
    firefox.open(page)
    wait_for(firefox, SETTLED)
    firefox.click("#selfcheck-digit")
    wait_for(firefox, f"{SETTLED} && {LINE}.textContent.includes('not agree')")
    named = firefox.js(NAMED)
    assert len(named) == 1 and "the page shows" in named[0]
    assert firefox.js("document.querySelector('.selfcheck-altered').dataset.trace") in named[0]
    firefox.click("#selfcheck-back")
    wait_for(firefox, f"{SETTLED} && {LINE}.textContent.includes('all agree')")
    assert firefox.said() == []


def test_words_and_tiles_find_cells(firefox: Firefox, page: str) -> None:
    firefox.open(page)
    firefox.click("#find-words")
    firefox.type("treverse plain")
    wait_for(firefox, "document.querySelectorAll('#found tbody tr').length > 0")
    shown = firefox.js("[...document.querySelectorAll('#found tbody th')].map((cell) => cell.textContent)")
    assert all("treverse" in text and "plain" in text.lower() for text in shown)
    firefox.open(page)
    tile = '.tile[data-filter="v:not exact"]'
    count = int(firefox.js(f"document.querySelector({json.dumps(f'{tile} [data-trace]')}).textContent"))
    firefox.click(tile)
    wait_for(firefox, f"document.querySelectorAll('#found tbody tr').length === {count}")
    assert count > 0


def test_a_number_opens_its_chain_and_a_permanent_link_does(firefox: Firefox, page: str) -> None:
    firefox.open(page)
    firefox.click(NUMBER)
    assert firefox.js(f"{PANEL}.open") and firefox.js("location.hash") == f"#n={CELL}"
    shown = firefox.js(f"{PANEL}.textContent")
    for part in ("/best/test/treverse/top1", "train/drift-plain-s0", "reeltrace run train", "data/drifting-digits"):
        assert part in shown
    firefox.type("\ue00c")  # Escape, as WebDriver writes it
    wait_for(firefox, f"!{PANEL}.open && location.hash === ''")
    firefox.open("about:blank")
    firefox.open(f"{page}#n=nobody2024/8/plain/HMDB-51%20by%2090")
    wait_for(firefox, f"{PANEL}?.open")
    assert "HMDB-51" in firefox.js("document.getElementById('panel-title').innerText")
    assert firefox.said() == []


def test_without_scripts_it_is_readable_and_a_number_leads_to_its_chain(page: str, tmp_path: Path) -> None:
    with contextlib.closing(Firefox(tmp_path / "profile", scripts=False)) as firefox:
        firefox.open(page)
        assert firefox.js(f"{LINE}.textContent") == "Not checked: this needs a script."
        assert firefox.js("document.getElementById('find').hidden")
        assert "not exact" in firefox.js("document.querySelector('main').innerText")
        firefox.click(NUMBER)
        wait_for(firefox, f"location.hash === {json.dumps(f'#n={CELL}')}")
        wait_for(firefox, "document.querySelector(':target').innerText.includes('/best/test/treverse/top1')")
