"""codecheck.yml of one document: what a CODECHECK (https://codecheck.org.uk) of it would look at.

The facts of the document and the files are filled in. Who checked, when, and what came of it is the checker's to say:
those fields stand there as the specification names them, and empty.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from reeltrace.export.reading import of_document, table_file
from reeltrace.registry.header import Header

SPECIFICATION = "https://codecheck.org.uk/spec/config/1.0/"


def codecheck(report: Mapping[str, Any], document: str, header: Header) -> str:
    """The YAML. Raises `UserError` where the report has no such document."""
    tables = of_document(report, document)
    verdicts: dict[str, int] = {}
    for cells in tables.values():
        for cell in cells:
            verdicts[cell["verdict"]] = verdicts.get(cell["verdict"], 0) + 1
    files = [
        {"file": table_file(*key, ".csv"), "comment": f"Table {key[1]}: {len(cells)} cells, printed and found here"}
        for key, cells in tables.items()
    ]
    counted = "; ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    made = sorted({cell["circumstances"] for cells in tables.values() for cell in cells})
    content = {
        "version": SPECIFICATION,
        "paper": {
            "title": header.title,
            "authors": [{"name": name} for name in re.split(r", | and ", header.author)],
            "reference": f"{header.venue}, {header.year}",
        },
        "manifest": [*files, {"file": "report.html", "comment": "every number with its chain"}],
        "codechecker": [],
        "summary": f"How the cells were made: {'; '.join(made)}. Cells by verdict: {counted}.",
        "repository": "",
        "check_time": "",
        "certificate": "",
        "report": "",
    }
    head = "# Written by `reeltrace export codecheck`. The empty fields are the checker's.\n---\n"
    return head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
