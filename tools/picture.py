"""Take docs/report.png, the picture in the readme: a table of the report as Debian's Chromium shows it.

Usage, from the folder of the project, after `make report`:
python tools/picture.py results/quick/report/all/report.html docs/report.png
"""

import base64
import contextlib
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path += [str(Path(__file__).resolve().parents[1] / "tests" / part) for part in ("", "report")]
from test_browser import Browser  # the tests open the page in the same way

TABLE = "#basu2021-table5 table"
WIDTH, MARGIN = 1120, 16  # pixels


def take(report: Path, picture: Path) -> None:
    """Write the table, without its caption, as a PNG file of at most 256 colours."""
    with tempfile.TemporaryDirectory() as profile, contextlib.closing(Browser(Path(profile))) as browser:
        browser.open(report.resolve(), WIDTH)
        place = (
            f"(() => {{ const table = document.querySelector('{TABLE}'), caption = table.caption.offsetHeight; "
            "const r = table.getBoundingClientRect(); "
            "return [r.x + scrollX, r.y + scrollY + caption, r.width, r.height - caption]; })()"
        )
        x, y, width, height = browser.js(place)
        box = {"x": x - MARGIN, "y": y, "width": width + 2 * MARGIN, "height": height, "scale": 1}
        taken = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=box)
    image = Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")
    image.quantize(256).save(picture, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    take(Path(sys.argv[1]), Path(sys.argv[2]))
