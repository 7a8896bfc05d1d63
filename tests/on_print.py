"""What a document's claims come to on the numbers that it prints itself."""

from typing import Any

from conftest import PROJECT
from reeltrace.analysis import claims
from reeltrace.analysis.published import load as load_published


def published_only(document: str) -> dict[str, Any]:
    """Tables with the document's own numbers and none of ours."""
    tables = load_published(document, PROJECT).tables
    return {
        number: {
            "kind": "accuracy",
            "circumstances": "paper scale",
            "cells": [
                {
                    "row": c.row,
                    "column": c.column,
                    "unit": c.unit,
                    "reproduced": None,
                    "published": {"value": c.value},
                }
                for c in table.cells
            ],
        }
        for number, table in tables.items()
        if table.unit in ("percent", "error rate")
    }


def verdicts_on_print(document: str) -> dict[str, str]:
    (of,) = claims.load([document], PROJECT)
    return {c["id"]: c["published_verdict"] for c in claims.judge_all(of, published_only(document))}
