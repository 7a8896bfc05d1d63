"""The report in a real browser: Debian's Chromium, driven over its debugging pipe."""

import base64
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project

pytestmark = pytest.mark.slow
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
TIMEOUT_S = 60
AXE = "4.10.3"  # of axe-core


def chromium() -> str:
    """The browser's path. Without one the tests are skipped on a laptop and fail where CI is set."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on PATH; install Debian's package chromium")
        pytest.skip("no chromium on PATH; install Debian's package chromium to test the report in a browser")
    return found


class Browser:
    """One page of a headless Chromium. Messages are JSON with a null byte behind each (file descriptors 3 and 4)."""

    def __init__(self, profile: Path) -> None:
        read_commands, self._write = os.pipe()
        self._read, write_events = os.pipe()
        # Above 4, so that moving them to 3 and 4 in the child overwrites neither.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (read_commands, write_events)]

        def place() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [chromium(), *FLAGS, f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4, *ends),
            preexec_fn=place,
        )
        for fd in (*ends, read_commands, write_events):
            os.close(fd)
        self._buffer = b""
        self._next = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._next += 1
        message: dict[str, Any] = {"id": self._next, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._next:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._read, 1 << 16)
            assert chunk, "chromium ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def open(self, path: Path, width: int, height: int = 900, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + TIMEOUT_S
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            assert time.monotonic() < end, "the page did not load"
            self.events.append(self._receive())
        while self.js("document.documentElement.classList.contains('opening')"):  # and is not all laid out yet
            assert time.monotonic() < end, "the page was not laid out"
            time.sleep(0.02)

    def js(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def key(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                text="\r" if key == "Enter" and kind == "keyDown" else "",
            )

    def click(self, selector: str) -> None:
        """A real click in the middle of the element, after scrolling to it."""
        box = self.js(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'}); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)


def wait_for(browser: Browser, condition: str) -> None:
    """History moves and loading end later than the call that starts them."""
    end = time.monotonic() + TIMEOUT_S
    while not browser.js(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with contextlib.closing(Browser(tmp_path_factory.mktemp("profile"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(finished: Project) -> Path:
    return finished.folder("report/all") / "report.html"


CELL = "nobody2024/3/plain/treverse"
NUMBER = f'td a[data-trace="{CELL}"]'


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (390, True)])
def test_the_page_loads_clean_and_fits_the_window(browser: Browser, report: Path, width: int, dark: bool) -> None:
    browser.open(report, width, dark=dark)
    assert browser.js("document.querySelectorAll('table.accuracy').length") == 6 + 7
    assert browser.js("document.querySelectorAll('table.structure:not(.quantities)').length") == 2
    assert browser.js("document.querySelectorAll('table.quantities').length") == 3
    assert browser.js("window.innerWidth") == width
    assert browser.js("document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.js("[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    background = browser.js("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) is dark
    methods = [event.get("method") for event in browser.events]
    assert "Runtime.exceptionThrown" not in methods and "Runtime.consoleAPICalled" not in methods
    assert "Log.entryAdded" not in methods
    requested = {
        e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"
    }
    assert report.as_uri() in requested
    assert all(url == report.as_uri() or url.startswith("data:") for url in requested)


@pytest.mark.parametrize("width", [1280, 390])
def test_selecting_a_number_opens_its_chain(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width)
    assert not browser.js("document.getElementById('panel').open")
    browser.click(NUMBER)
    assert browser.js("document.getElementById('panel').open")
    shown = browser.js("document.getElementById('panel').textContent")
    for part in ("/best/test/treverse/top1", "train/drift-plain-s0", "reeltrace run train", "data/drifting-digits"):
        assert part in shown
    assert browser.js("document.getElementById('panel').scrollWidth <= window.innerWidth")
    browser.key("Escape", 27)
    assert not browser.js("document.getElementById('panel').open")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize(
    ("identity", "parts"),
    [
        ("nobody2024/8/plain/HMDB-51 by 90", ["/best/test/r90/top1", "train/shorts-plain-s0", "frames/hmdb51"]),
        ("nobody2024/8/plain/HMDB-51 by 90/clip", ["/best/test/r90/clip/top1", "compared with the accuracy on videos"]),
        ("nobody2024/A2/Two speeds/on an Alpha", ["Derived", "2160", "10000", "Alpha"]),
        (
            "nobody2024/A3/Two speeds/size",
            ["/networks/two-speeds/parameters", "measure/nobody2024-networks"],
        ),
        ("datasets/ucf101/broken/0", ["frames/ucf101/broken.json", "/0/video", "no frame can be decoded"]),
        ("datasets/ucf101/side/test", ["data/ucf101/about.json", "/counts/split1/test"]),
    ],
)
def test_numbers_on_videos_open_their_chains(
    browser: Browser, report: Path, width: int, identity: str, parts: list[str]
) -> None:
    browser.open(report, width)
    browser.click(f'main a[data-trace="{identity}"]')
    assert browser.js("document.getElementById('panel').open")
    shown = browser.js("document.getElementById('panel').innerText")
    assert all(part in shown for part in parts)


def test_a_wide_table_fits_a_wide_window(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    box = "document.querySelector('#nobody2024-table8 .tablebox')"
    assert browser.js(f"{box}.scrollWidth <= {box}.clientWidth")


def test_the_strips_of_videos_are_in_colour_and_none_is_stretched(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    shown = browser.js(
        "[...document.querySelectorAll('.photographic img')].map((image) => {"
        " const x = document.createElement('canvas').getContext('2d'); x.drawImage(image, 0, 0);"
        " const [r, g, b] = x.getImageData(2, 2, 1, 1).data;"
        " return [image.naturalWidth, image.naturalHeight, r !== g || g !== b]; })"
    )
    assert len(shown) == 2 * 5 * 8
    assert all(width == height and coloured for width, height, coloured in shown)


def test_the_keyboard_opens_and_closes_a_chain_and_focus_returns(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.js(f"document.querySelector({json.dumps(NUMBER)}).focus()")
    browser.key("Enter", 13)
    assert browser.js("document.getElementById('panel').open")
    assert browser.js("document.activeElement.closest('dialog') !== null")
    browser.key("Escape", 27)
    assert not browser.js("document.getElementById('panel').open")
    assert browser.js("document.activeElement.dataset.trace") == CELL


def test_without_scripts_a_number_leads_to_its_chain(browser: Browser, report: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report, 1280)
        browser.click(NUMBER)
        assert browser.js("location.hash") == f"#n={CELL}"
        assert browser.js("document.querySelector(':target').closest('details').open")
        wait_for(browser, "document.querySelector(':target').innerText.includes('/best/test/treverse/top1')")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_the_address_says_which_chain_is_open_and_back_closes_it(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.click(NUMBER)
    assert browser.js("location.hash") == f"#n={CELL}"
    browser.js("document.querySelector('#panel a[href^=\"#artifact-\"]').click()")
    assert browser.js("location.hash").startswith("#artifact-aggregate-nobody2024-table3")
    assert browser.js("document.getElementById('panel').innerText").count("manifest") > 0
    browser.js("history.back()")
    wait_for(browser, f"location.hash === '#n={CELL}'")
    assert browser.js("document.getElementById('panel').open")
    browser.js("history.back()")
    wait_for(browser, "!document.getElementById('panel').open")
    assert browser.js("location.href") == report.as_uri()


def test_closing_leads_back_to_the_address_from_before(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.click(NUMBER)
    browser.js("document.querySelector('#panel a[href^=\"#artifact-\"]').click()")
    browser.key("Escape", 27)
    wait_for(browser, "location.hash === ''")
    assert not browser.js("document.getElementById('panel').open")


def test_a_permanent_link_opens_the_panel_above_its_number(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.call("Page.navigate", url="about:blank")
    browser.call("Page.navigate", url=f"{report.as_uri()}#n=nobody2024/8/plain/HMDB-51%20by%2090")
    wait_for(browser, "document.getElementById('panel')?.open")
    assert "HMDB-51" in browser.js("document.getElementById('panel-title').innerText")
    wait_for(
        browser,
        "(() => { const box = document.querySelector('#nobody2024-table8').getBoundingClientRect();"
        " return box.top < innerHeight && box.bottom > 0; })()",
    )
    assert not browser.js("document.querySelectorAll('details.traces[open]').length")
    browser.key("Escape", 27)
    wait_for(browser, "!document.getElementById('panel').open && location.hash === ''")


def test_the_panel_has_the_path_to_the_source_and_the_commands_of_both_engines(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.click(NUMBER)
    steps = browser.js("[...document.querySelectorAll('#panel .step')].map((step) => step.textContent)")
    assert steps == ["Number", "Artifact", "Read from", "Code", "Data and weights", "Source"]
    commands = browser.js("[...document.querySelectorAll('#panel .command code')].map((code) => code.textContent)")
    assert commands[0] == "snakemake --cores all results/quick/aggregate/nobody2024-table3/manifest.json"
    assert commands[1] == "dvc repro aggregate-nobody2024-table3"
    assert commands[-1] == f"reeltrace explain '{CELL}'"
    hashes = browser.js("[...document.querySelectorAll('#panel .route .hash')].map((code) => code.title)")
    assert len(hashes) >= 4 and all(len(sha256) == len("sha256 ") + 64 for sha256 in hashes)


def test_every_number_opens_a_chain(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    opened = browser.js(
        "[...document.querySelectorAll('main a[data-trace]:not(.tile), main a[data-published]')].map((number) => {"
        " number.click(); const panel = document.getElementById('panel');"
        " return panel.open && panel.innerText.length > 60; })"
    )
    assert len(opened) > 100 and all(opened)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_tile_lists_the_cells_it_counts_and_again_none(browser: Browser, report: Path, width: int) -> None:
    browser.open(report, width)
    tile = '.tile[data-filter="v:not exact"]'
    count = int(browser.js(f"document.querySelector('{tile} [data-trace]').textContent"))
    browser.click(tile)
    wait_for(browser, "document.getElementById('found-line').textContent !== ''")
    assert browser.js("document.getElementById('found-line').textContent").startswith(f"{count} of ")
    assert browser.js("document.querySelectorAll('#found tbody tr').length") == count > 0
    assert browser.js(f"document.querySelector('{tile}').getAttribute('aria-pressed')") == "true"
    browser.click("#found tbody a")
    assert browser.js("document.getElementById('panel').innerText").count("not exact") > 0
    browser.key("Escape", 27)
    browser.click(tile)
    wait_for(browser, "document.getElementById('found-line').textContent === ''")
    assert browser.js("document.getElementById('found').hidden")


def test_words_and_filters_narrow_the_list(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    browser.js("document.getElementById('find-words').focus()")
    for letter in "treverse plain":
        browser.call("Input.dispatchKeyEvent", type="char", text=letter)
    wait_for(browser, "document.querySelectorAll('#found tbody tr').length > 0")
    all_ = browser.js("document.querySelectorAll('#found tbody tr').length")
    shown = browser.js("[...document.querySelectorAll('#found tbody th')].map((cell) => cell.textContent)")
    assert all("treverse" in text and "plain" in text.lower() for text in shown)
    browser.js(
        "(() => { const select = document.getElementById('find-table'); select.value = 'nobody2024, Table 3';"
        " select.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    wait_for(browser, f"document.querySelectorAll('#found tbody tr').length < {all_}")
    tables = browser.js("[...document.querySelectorAll('#found tbody tr')].map((row) => row.cells[0].textContent)")
    assert set(tables) == {"nobody2024, Table 3"}
    assert browser.js("document.getElementById('find-scale').options.length") > 2


def test_a_part_of_a_cell_opens_the_chain_of_its_number(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    for part in (f'td [data-trace="{CELL}/interval"]', f'td [data-published="{CELL}"]'):
        browser.click(part)
        assert browser.js("location.hash") == f"#n={CELL}"
        browser.key("Escape", 27)
        wait_for(browser, "location.hash === ''")


def test_a_tile_of_claims_shows_those_claims_only(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    rows = "[...document.querySelectorAll('#claims tr[data-here]')]"
    if not browser.js(f"{rows}.length"):
        pytest.skip("the claims do not say their outcomes yet")
    outcome = browser.js("document.querySelector('.tile[data-filter^=\"here:\"]:not(.none)').dataset.filter.slice(5)")
    browser.click(f'.tile[data-filter="here:{outcome}"]')
    assert browser.js(f"{rows}.filter((row) => !row.hidden).every((row) => row.dataset.here === '{outcome}')")
    browser.js("document.querySelector('#claims .shown-part button').click()")
    assert browser.js(f"{rows}.every((row) => !row.hidden)")


def test_the_table_of_tables_sorts_by_each_column(browser: Browser, report: Path) -> None:
    browser.open(report, 1280)
    values = "[...document.querySelectorAll('#statistics tbody tr')].map((row) => Number(row.cells[%d].dataset.sort))"
    for column in range(4):
        button = f"document.querySelectorAll('#statistics .sorter')[{column}]"
        browser.js(f"{button}.click()")
        first = browser.js(values % column)
        browser.js(f"{button}.click()")
        assert browser.js(values % column) == sorted(first, reverse=column == 0)
        assert first == sorted(first, reverse=column != 0)


def text_of(pdf: Path) -> str:
    """The text of a PDF, or of what stands in its place where poppler is not installed: nothing."""
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on PATH; install Debian's package poppler-utils to read what is printed")
    return subprocess.run(["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True).stdout


def test_it_prints_what_is_folded_but_not_the_rows_of_the_appendix(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    browser.open(report, 1280)
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert len(printed) > 50_000 and printed.startswith(b"%PDF")
    (tmp_path / "report.pdf").write_bytes(printed)
    text = text_of(tmp_path / "report.pdf")
    assert "Path in params.yaml" in text and "How to read the verdicts" not in text
    assert "Clear" not in text and "Appendix: chains and artifacts" in text
    shown = " ".join(text.split())
    assert "its numbers are not printed" in shown
    hidden = browser.js(
        "document.querySelector('#claims tbody details ul li').textContent.replace(/\\s+/g, ' ').trim()"
    )
    assert len(hidden) > 40 and hidden[:40] not in shown


@pytest.mark.parametrize(("width", "tables"), [(688, "section.table:not(.broad) table"), (1032, ".broad table")])
def test_tables_fit_the_page_in_print(browser: Browser, report: Path, width: int, tables: str) -> None:
    """A4 within its margins, upright or, for tables of many columns, on its side."""
    browser.open(report, width)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        wider = browser.js(
            f"[...document.querySelectorAll('{tables}')].filter((table) =>"
            " table.getBoundingClientRect().right > innerWidth + 1).map((table) => table.closest('section').id)"
        )
        assert wider == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")


def test_behind_a_strict_policy_it_is_readable(browser: Browser, report: Path, tmp_path: Path) -> None:
    """Neither the style sheet nor the script may run: text, signs and drawings stay."""
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'self'\">"
    page = report.read_text(encoding="utf-8").replace("<meta charset", f"{policy}<meta charset", 1)
    (tmp_path / "strict.html").write_text(page, encoding="utf-8")
    browser.open(tmp_path / "strict.html", 1280)
    assert browser.js("getComputedStyle(document.querySelector('table')).borderCollapse") == "separate"
    assert not browser.js("document.getElementById('panel').open")
    assert "✗ not exact" in browser.js("document.querySelector('main').textContent")
    fills = browser.js(
        "[...new Set([...document.querySelectorAll('svg .line, svg .grid')].map((e) => getComputedStyle(e).fill))]"
    )
    assert fills == ["none"]
    assert browser.js(f"document.querySelector('{NUMBER.replace(chr(34), chr(92) + chr(34))}') !== null")
    assert browser.js("document.getElementById('find').hidden")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    packed = npm and subprocess.run(
        [npm, "pack", f"axe-core@{AXE}", "--silent", f"--pack-destination={folder}"], capture_output=True, timeout=300
    )
    if not packed or packed.returncode:
        if os.environ.get("CI"):
            pytest.fail("axe-core could not be had from npm")
        pytest.skip("axe-core could not be had from npm; install npm, or go where a registry can be reached")
    with tarfile.open(folder / f"axe-core-{AXE}.tgz") as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_axe_finds_nothing_serious(browser: Browser, report: Path, axe: str, width: int, dark: bool) -> None:
    browser.open(report, width, dark=dark)
    browser.js(f"{axe};0")
    for state in ("", NUMBER):
        if state:
            browser.js(f"document.querySelector({json.dumps(state)}).click()")
        browser.js(
            "window.found = null; axe.run(document, {resultTypes: ['violations']}).then((result) => { window.found ="
            " result.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => v.id + ' '"
            " + v.nodes[0].html.slice(0, 200)); }); 0"
        )
        wait_for(browser, "window.found !== null")
        assert browser.js("window.found") == []


def test_the_tables_of_accuracies_fit_a_page_of_1200_pixels(browser: Browser, report: Path) -> None:
    browser.open(report, 1200)
    wider = browser.js(
        "[...document.querySelectorAll('.tablebox')].filter(e => e.querySelector('table.accuracy') "
        "&& e.scrollWidth > e.clientWidth).map(e => e.getAttribute('aria-label'))"
    )
    assert wider == []
