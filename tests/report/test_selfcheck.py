"""The page checks itself, in a real browser: what it carries, what it recomputes, and what it names when altered."""

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from analysis.fabricated import Project
from reeltrace.artifacts.json_values import read_json
from reeltrace.bundle.check import agrees, unpacked
from reeltrace.kinds.unit import UNITS
from reeltrace.report.embedded import PLACE, embed, packed
from report.test_browser import Browser

pytestmark = pytest.mark.slow
LINE = "document.getElementById('selfcheck-line')"
NAMED = "[...document.querySelectorAll('#selfcheck-found li')].map((e) => e.firstChild.data.trim())"
VALUES = (0, 7, 687, 1692, 59_342_488, 0.5, 98.333333, 12.125, 0.01137, 1.344e-6, 235.8, 2.888)
LISTS = ([], [3, 64], [3, 3, 3], [8, 56, 56], [2, 16, 16, 16])


def cases() -> list[tuple[str, Any]]:
    """Printed texts with the values that they print, by every unit, and the other forms that the report has."""
    found: list[tuple[str, Any]] = [
        ("[1.59, 5.60]", [1.5923, 5.5981]),
        ("± 0.35", 0.3541),
        ("6.15s to 6.20s", [6.151, 6.199]),
        ("6.15s", [6.151, 6.148]),
        ("0 to 63", list(range(64))),
        ("2 x 3", [2, 3]),
        ("2.14e-7", 2.1399e-7),
        ("+1,692", 1692),
        ("-12", -12),
        ("2.888 GB", 2_888_123_456),
        ("none", None),
        ("98.33", 98.33333333),
        ("a video.avi", "a video.avi"),
    ]
    for name, unit in UNITS.all().items():
        if unit.compare is None or unit.number is None:
            continue
        for value in VALUES:
            if name != "gigabytes" or value < 10**6:  # from there on a record is in bytes
                found.append((unit.write(Fraction(value)), value))
    for name in ("shape", "channels", "filter", "size"):
        for parts in LISTS:
            if parts or name in ("shape", "channels"):
                found.append((UNITS.get(name).write(parts), parts))
    return found


def altered(text: str) -> list[str]:
    """The text with each of its digits altered, one at a time."""
    return [f"{text[:i]}{(int(c) + 5) % 10}{text[i + 1 :]}" for i, c in enumerate(text) if c.isdigit()]


def test_every_form_of_print_agrees_with_its_value_and_no_altered_digit_does() -> None:
    for text, value in cases():
        assert agrees(text, value), (text, value)
        for wrong in altered(text):
            if value != 0 or "e" not in text:  # nought times any power of ten is nought
                assert not agrees(wrong, value), (text, wrong, value)


def test_a_print_is_at_most_half_a_unit_of_its_last_place_away() -> None:
    assert agrees("98.33", 98.334999) and not agrees("98.33", 98.3351)
    assert agrees("1,692", 1692) and agrees("1692", 1692) and not agrees("1,692", 1693)
    assert not agrees("16,92", 1692) and not agrees("", 3) and not agrees("3 4", 3)


def test_what_is_packed_comes_out_again(finished: Project) -> None:
    texts = {
        "report.json": "{}\n",
        "b.json": '{\n "a": 1\n}\n',
        "c.json": "[\n]}\n{\n",
        "a/manifest.json": f'"{"ab" * 32}" "{"cd" * 32}" "{"ab" * 32}" ä\n',
    }
    page = f'<p><script type="text/plain" id="embedded">{packed(texts)}</script>'
    assert unpacked(page) == texts
    assert len(packed(texts)) < len(json.dumps(texts))
    with pytest.raises(RuntimeError, match="there must be one"):
        embed("<p>", "{}", {}, {})
    page = (finished.folder("report/all") / "report.html").read_text()
    assert PLACE not in page
    carried = unpacked(page)
    assert carried["report.json"] == (finished.folder("report/all") / "report.json").read_text()
    for name, artifact in json.loads(carried["report.json"])["artifacts"].items():
        assert carried[f"{artifact['path']}/manifest.json"] == (finished.folder(name) / "manifest.json").read_text()


# --- in the browser ---


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with contextlib.closing(Browser(tmp_path_factory.mktemp("profile"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def report(finished: Project) -> Path:
    return finished.folder("report/all") / "report.html"


def settled(browser: Browser, selector: str = "#selfcheck-line.agree, #selfcheck-line.disagree") -> str:
    """What the line says once the page has checked itself."""
    end = time.monotonic() + 60
    while not browser.js(f"document.querySelector({json.dumps(selector)}) !== null"):
        assert time.monotonic() < end, browser.js(f"{LINE}.textContent")
        time.sleep(0.05)
    return str(browser.js(f"{LINE}.textContent"))


def press(browser: Browser, identity: str) -> str:
    """Press a button and wait until the buttons can be pressed again."""
    browser.js(f"document.getElementById('{identity}').click()")
    end = time.monotonic() + 60
    while not browser.js("document.querySelector('#selfcheck-tools button:not([disabled])') !== null"):
        assert time.monotonic() < end
        time.sleep(0.05)
    return settled(browser)


def opened(browser: Browser, page: Path) -> str:
    browser.open(page, 1280)
    return settled(browser)


def test_the_browser_and_python_judge_every_form_of_print_alike(browser: Browser, report: Path) -> None:
    opened(browser, report)
    asked = [(wrong, value) for text, value in cases() for wrong in (text, *altered(text), f"{text} 1", text[:-1])]
    said = browser.js(f"{json.dumps(asked)}.map(([text, value]) => selfcheck.agrees(text, value))")
    assert said == [agrees(text, value) for text, value in asked]
    assert True in said and False in said


def test_its_own_sha256_is_that_of_the_browser(browser: Browser, report: Path) -> None:
    opened(browser, report)
    browser.js(
        "window.pairs = null; (async () => { const found = []; for (let n = 0; n < 260; n += 1) {"
        " const bytes = new Uint8Array(n).map((_, i) => (i * 7 + n) & 255);"
        " const own = new selfcheck.Sha256().update(bytes.subarray(0, n >> 1)).update(bytes.subarray(n >> 1)).hex();"
        " found.push(own === await selfcheck.sha256(bytes)); } window.pairs = found; })()"
    )
    end = time.monotonic() + 30
    while browser.js("window.pairs") is None and time.monotonic() < end:
        time.sleep(0.05)
    assert browser.js("globalThis.crypto.subtle !== undefined")
    assert browser.js("window.pairs") == [True] * 260


def test_every_number_and_hash_agrees(browser: Browser, report: Path) -> None:
    said = opened(browser, report)
    assert "all agree" in said, browser.js(NAMED)
    numbers, hashes = (
        int(part.split()[0].replace(",", "")) for part in said.split(": ")[0].split(", all")[0].split(", ")
    )
    content = read_json(report.parent / "report.json")
    assert numbers > 0.95 * len(content["numbers"])
    assert hashes > 2 * len(content["artifacts"])


def test_an_altered_digit_is_named_and_put_back(browser: Browser, report: Path) -> None:
    opened(browser, report)
    for button, words in (("selfcheck-digit", "the page shows"), ("selfcheck-record", "its sha256 is not")):
        said = press(browser, button)
        assert "not agree" in said
        named = browser.js(NAMED)
        assert any(words in line for line in named), named
        if button == "selfcheck-digit":
            assert len(named) == 1
            assert browser.js("document.querySelector('.selfcheck-altered').dataset.trace") in named[0]
        assert "all agree" in press(browser, "selfcheck-back")
        assert browser.js(NAMED) == [] and browser.js("document.querySelector('.selfcheck-altered')") is None


def forged(report: Path, folder: Path, change: Any) -> Path:
    """A page whose own texts were changed."""
    page = report.read_text()
    carried = unpacked(page)
    old = packed(carried)
    assert old in page
    change(carried)
    path = folder / "forged.html"
    path.write_text(page.replace(old, packed(carried)))
    return path


def test_a_forged_page_is_named(browser: Browser, report: Path, tmp_path: Path) -> None:
    content = read_json(report.parent / "report.json")
    cell = next(c for c in content["cells"] if c["unit"] == "percent" and c["reproduced"])
    printed, wrong = cell["reproduced"]["printed"], altered(cell["reproduced"]["printed"])[0]

    def printed_alike(carried: dict[str, str]) -> None:
        text = json.loads(carried["report.json"])
        for number in text["numbers"]:
            if number["id"] == cell["id"]:
                number["printed"] = wrong
        carried["report.json"] = json.dumps(text)

    path = forged(report, tmp_path, printed_alike)
    mark = f'data-trace="{cell["id"]}">{printed}<'
    assert mark in path.read_text()
    path.write_text(path.read_text().replace(mark, mark.replace(f">{printed}<", f">{wrong}<")))
    assert "not agree" in opened(browser, path)
    assert browser.js(NAMED) == [f"{cell['id']}: is printed {wrong}, which is not what was recorded"]

    def manifest(carried: dict[str, str]) -> None:
        name = next(n for n in carried if n.endswith("/manifest.json") and "/train/" in n)
        carried[name] = carried[name].replace('"schema": 1', '"schema": 1 ')

    opened(browser, forged(report, tmp_path, manifest))
    assert ["its sha256 is not the one in report.json" in line for line in browser.js(NAMED)] == [True]

    def verdict(carried: dict[str, str]) -> None:
        text = json.loads(carried["report.json"])
        for one in text["cells"]:
            if one["id"] == cell["id"]:
                one["verdict"] = "matches"
        carried["report.json"] = json.dumps(text)

    opened(browser, forged(report, tmp_path, verdict))
    assert any(line.startswith(f"{cell['id']}: its verdict") for line in browser.js(NAMED))

    def unprinted(carried: dict[str, str]) -> None:
        text = json.loads(carried["report.json"])
        claim, finding = text["claims"][0], text["audit"][0]
        claim["verdict"] = "fails" if claim["verdict"] != "fails" else "holds"
        finding["severity"] = "note" if finding["severity"] != "note" else "rounding"
        text["scale"], text["stand_in"] = "paper", None
        number = next(n for n in text["numbers"] if n["id"] == cell["id"])
        number["trace"] = next(c["trace"] for c in text["cells"] if c["trace"] and c["trace"] != cell["trace"])
        carried["report.json"] = json.dumps(text)

    opened(browser, forged(report, tmp_path, unprinted))
    named = "\n".join(browser.js(NAMED))
    for words in (
        "count/claims/fails: does not count the claims",
        "does not count the findings",
        "is not at the scale that report.json says: paper",
    ):
        assert words in named, named

    def of_words(carried: dict[str, str]) -> None:
        text = json.loads(carried["report.json"])
        text["stand_in"] = None
        number = next(n for n in text["numbers"] if n["id"] == cell["id"])
        number["trace"] = next(c["trace"] for c in text["cells"] if c["trace"] and c["trace"] != cell["trace"])
        carried["report.json"] = json.dumps(text)

    opened(browser, forged(report, tmp_path, of_words))
    named = "\n".join(browser.js(NAMED))
    for words in ("its stand_in is not that of", f"{cell['id']}: is traced to another record than its cell"):
        assert words in named, named

    page = report.read_text()
    path = tmp_path / "chips.html"
    page = re.sub(r'(<span class="chip s-\w+">)\w+<', r"\1trifle<", page)
    start = page.index('<div class="banner')
    end = page.index("</div>", start)
    path.write_text(page[:start] + page[start:end].replace("Quick", "Paper") + page[end:])
    assert "not agree" in opened(browser, path)
    named = "\n".join(browser.js(NAMED))
    for words in ("the page shows trifle, report.json says", "the banner: does not say"):
        assert words in named, named

    path = tmp_path / "damaged.html"
    page = report.read_text()
    path.write_text(page.replace(packed(unpacked(page)), "AAAA"))
    assert "damaged" in opened(browser, path)


def given(browser: Browser, folder: Path) -> tuple[str, list[str]]:
    """Choose a folder in the page's field; what it says then, and the files it names."""
    browser.js("document.getElementById('selfcheck-dropped').removeAttribute('data-problems')")
    field = browser.call("Runtime.evaluate", expression="document.getElementById('selfcheck-folder')")["result"]
    files = [str(path) for path in sorted(folder.rglob("*")) if path.is_file()]
    assert files
    browser.call("DOM.setFileInputFiles", files=[str(folder)], objectId=field["objectId"])
    end = time.monotonic() + 60
    while not browser.js("document.getElementById('selfcheck-dropped').hasAttribute('data-problems')"):
        assert time.monotonic() < end, browser.js("document.getElementById('selfcheck-dropped').textContent")
        time.sleep(0.05)
    return (
        str(browser.js("document.getElementById('selfcheck-dropped').textContent")),
        list(browser.js("[...document.querySelectorAll('#selfcheck-files li')].map((e) => e.textContent)")),
    )


def test_a_folder_is_held_against_the_page(browser: Browser, copied: Project) -> None:
    report = copied.folder("report/all") / "report.html"
    opened(browser, report)
    said, named = given(browser, copied.root / "results")
    assert "all agree" in said and named == []
    run = next(path for path in sorted((copied.results / "train").iterdir()) if path.is_dir())
    with (run / "predictions.npz").open("r+b") as file:
        file.seek(40)
        file.write(b"x")
    (run / "stranger.txt").write_text("a")
    metrics = next((copied.results / "measure").iterdir()) / "metrics.json"
    metrics.unlink()
    excused = [f"results/quick/measure/{metrics.parent.name}/metrics.json"]  # which is too small for that
    (copied.root / "results" / "bundle.json").write_text(json.dumps({"left_out": excused}))
    shutil.rmtree(copied.results / "timing")
    said, named = given(browser, copied.root / "results")
    train = f"train/{run.name}"
    assert f"{train}/predictions.npz: its sha256 is not the one behind this page" in named
    assert f"{train}/stranger.txt: is in no manifest" in named
    assert f"measure/{metrics.parent.name}/metrics.json: is missing" in named
    assert any(line.startswith("timing/") and line.endswith("is not in the folder") for line in named)
    assert len(named) == 3 + sum(line.startswith("timing/") for line in named)


def test_a_folder_dropped_by_the_mouse_is_held_against_the_page(browser: Browser, copied: Project) -> None:
    opened(browser, copied.folder("report/all") / "report.html")
    run = next(path for path in sorted((copied.results / "train").iterdir()) if path.is_dir())
    (run / "stranger.txt").write_text("a")
    x, y = browser.js(
        "(() => { const e = document.getElementById('selfcheck-drop');"
        " e.scrollIntoView({block: 'center', behavior: 'instant'});"
        " const r = e.getBoundingClientRect(); return [r.x + r.width - 9, r.y + 9]; })()"
    )
    carried = {"items": [], "files": [str(copied.root / "results")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=carried)
    end = time.monotonic() + 60
    while not browser.js("document.getElementById('selfcheck-dropped').hasAttribute('data-problems')"):
        assert time.monotonic() < end, browser.js("document.getElementById('selfcheck-dropped').textContent")
        time.sleep(0.05)
    named = browser.js("[...document.querySelectorAll('#selfcheck-files li')].map((e) => e.textContent)")
    assert named == [f"train/{run.name}/stranger.txt: is in no manifest"]
