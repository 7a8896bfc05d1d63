"""The picture of the readme, which shows a table of this document."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from analysis.fabricated import REPOSITORY, Project
from conftest import only
from report.test_browser import TIMEOUT_S, chromium

pytestmark = pytest.mark.slow


def test_the_picture_of_the_readme_is_taken_from_a_report(tmp_path: Path) -> None:
    chromium()
    made = Project(tmp_path / "project", files=only("basu2021-table5"), documents=REPOSITORY / "documents").all()
    report = made.folder("report/all") / "report.html"
    command = [sys.executable, str(REPOSITORY / "tools/picture.py"), str(report), str(tmp_path / "report.png")]
    subprocess.run(command, check=True, timeout=2 * TIMEOUT_S)
    with Image.open(tmp_path / "report.png") as picture, Image.open(REPOSITORY / "docs/report.png") as now:
        assert picture.format == "PNG" and picture.width == pytest.approx(now.width, abs=100)
        assert len(picture.getcolors(maxcolors=256) or ()) > 2
