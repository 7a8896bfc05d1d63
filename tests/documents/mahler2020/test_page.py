"""What the page shows of mahler2020."""

import pytest

from analysis.fabricated import Project
from conftest import PROJECT, only


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("page") / "project"
    made = Project(root, files=only("mahler2020"), documents=PROJECT / "documents").all()
    return (made.folder("report/all") / "report.html").read_text(encoding="utf-8")


def test_figures_are_drawn_again_and_the_others_are_said_to_be_missing(html: str) -> None:
    for number in ("7.1", "7.2", "7.3"):
        figure = html[html.index(f'data-figure="figure/mahler2020/{number}"') :]
        figure = figure[: figure.index("</svg>")]
        given = 2 if number == "7.3" else 6  # the document prints two accuracies per parameter
        assert figure.count('class="theirs"') >= given and figure.count('class="ours"') >= 6
        assert "nan" not in figure and "inf" not in figure.replace("inference", "")
    assert "Figures 7.4 to 7.10" in html and 'data-figure="figure/mahler2020/7.4"' not in html
