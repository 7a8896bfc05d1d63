"""What a document's claims come to on the numbers that it prints itself."""

from typing import Any

from conftest import PROJECT
from reeltrace.analysis import claims, prose
from reeltrace.analysis.published import load as load_published


def judged_on_print(document: str) -> dict[str, dict[str, Any]]:
    """Each claim by its id, with no number of ours."""
    (of,) = claims.load([document], PROJECT)
    found = claims.judge_all(of, load_published(document, PROJECT), prose.load(document, PROJECT), {})
    return {claim["id"]: claim for claim in found}


def verdicts_on_print(document: str) -> dict[str, str]:
    """By claim what the document's own numbers say."""
    return {name: claim["published_verdict"] for name, claim in judged_on_print(document).items()}


def with_verdict(document: str, verdict: str) -> set[str]:
    """The claims that came out so."""
    return {name for name, found in verdicts_on_print(document).items() if found == verdict}
