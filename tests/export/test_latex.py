r"""Macros: one per cell, and nothing in them that TeX would act on."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reeltrace.export.latex import identity, macros, shown

CELL = re.compile(r"^\\rt@cell\{([^{}]*)\}\{(.*)\}\{(.*)\}\{([^{}]*)\}$", re.MULTILINE)


def test_every_cell_has_a_macro_with_its_three_values(report: dict[str, Any]) -> None:
    text = macros(report, "{}")
    found = CELL.findall(text)
    assert [part[0] for part in found] == [
        "smith2020/1/net (hash)1 (50(percent))/top_1 (and) more",
        'smith2020/1/net, "two"/original',
        "jones2021/7.9/VGG E/size",
    ]
    assert found[0][1:] == ("70.00", r"78.2 $\pm$ 0.4", "not comparable")
    assert found[1][1:] == (r"\textemdash{}", "100", "not run")
    assert "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" in text  # sha256 of {}


def test_identities_stay_apart_and_plain() -> None:
    assert identity("a#%\\{}~^&é") == "a(hash)(percent)(backslash)(open)(close)(tilde)(caret)(and)(U+00E9)"
    assert identity("a_b $c") == "a_b $c"


def test_what_tex_acts_on_is_escaped() -> None:
    assert shown(r"5_%&#$\{") == r"5\_\%\&\#\$\textbackslash{}\{"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex here")
def test_latex_sets_every_number_and_stops_at_an_unknown_one(report: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "numbers.tex").write_text(macros(report, "{}"))
    names = [identity(cell["id"]) for cell in report["cells"]]
    body = "\n".join(rf"\reeltrace{{{n}}} \reeltracepublished{{{n}}} \reeltraceverdict{{{n}}}" for n in names)

    def run(body: str) -> subprocess.CompletedProcess[str]:
        text = rf"\documentclass{{article}}\begin{{document}}\input{{numbers}}{body}\end{{document}}"
        (tmp_path / "paper.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run(body).returncode == 0
    stopped = run(r"\reeltrace{nothing}")
    assert stopped.returncode != 0
    assert "No number `nothing' (here) in the report" in stopped.stdout
