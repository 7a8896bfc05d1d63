r"""LaTeX macros, one per cell: `\reeltrace{basu2021/3/Z3CNN/original}` is the number found here, as printed.

A paper that takes its numbers so cannot quote one that the report does not have: LaTeX stops at an unknown identity.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

# Characters that mean something to TeX where an argument is read, even between \csname and \endcsname.
NAMED = {
    "#": "hash",
    "%": "percent",
    "\\": "backslash",
    "{": "open",
    "}": "close",
    "~": "tilde",
    "^": "caret",
    "&": "and",
}
TEXT = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "%": r"\%",
    "&": r"\&",
    "$": r"\$",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "−": "$-$",
    "°": r"$^\circ$",
}
HEAD = r"""% Written by `reeltrace export latex` from report.json (sha256 %SHA%), %SCALE% scale. Do not edit.
%STAND_IN%\makeatletter
\newcommand{\reeltrace}[1]{\rt@get{here}{#1}}% found here
\newcommand{\reeltracepublished}[1]{\rt@get{published}{#1}}% printed in the document
\newcommand{\reeltraceverdict}[1]{\rt@get{verdict}{#1}}
\newcommand{\reeltracescale}{%SCALE%}
\newcommand{\rt@get}[2]{\ifcsname rt@#1@#2\endcsname\csname rt@#1@#2\endcsname\else
  \PackageError{reeltrace}{No number `#2' (#1) in the report}{See: reeltrace cells}\fi}
\newcommand{\rt@cell}[4]{\expandafter\def\csname rt@here@#1\endcsname{#2}%
  \expandafter\def\csname rt@published@#1\endcsname{#3}\expandafter\def\csname rt@verdict@#1\endcsname{#4}}
"""
NONE = r"\textemdash{}"


def macros(report: Mapping[str, Any], text: str) -> str:
    """The file of macros. `text` is that of report.json, whose hash is written into the first line."""
    stand_in = f"% Stand-in data: {report['stand_in']}.\n" if report.get("stand_in") else ""
    head = (
        HEAD.replace("%SHA%", hashlib.sha256(text.encode()).hexdigest())
        .replace("%SCALE%", str(report["scale"]))
        .replace("%STAND_IN%", stand_in)
    )
    return head + "".join(f"{_cell(cell)}\n" for cell in report["cells"]) + "\\makeatother\n"


def identity(text: str) -> str:
    """An identity as a macro takes it: characters that TeX would act on are words, others that are not ASCII too."""
    return "".join(f"({NAMED[c]})" if c in NAMED else c if c.isascii() else f"(U+{ord(c):04X})" for c in text)


def shown(text: str | None) -> str:
    """A printed value as TeX sets it."""
    return NONE if text is None else "".join(TEXT.get(c, c) for c in text)


def _cell(cell: Mapping[str, Any]) -> str:
    here = (cell.get("reproduced") or {}).get("printed")
    values = (shown(here), shown(cell["published"]["printed"]), shown(cell["verdict"]))
    return rf"\rt@cell{{{identity(cell['id'])}}}" + "".join(f"{{{value}}}" for value in values)
