"""Transcribed values against what was found in their documents' texts, and against the texts themselves."""

import os
from pathlib import Path

from reeltrace.analysis import prose, published, spans
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import Problem, UserError

NOT_PRINTED = "not as printed"
TEXTS = "REELTRACE_TEXTS"  # names the folder of the documents' texts


def as_printed(root: Path, texts: str | None = None) -> list[Problem]:
    """Where a transcription below `root` is not what was found in its document's text.

    A document has a say where it has a spans.json. Its text is looked for in the folder `texts`, or in the one that the
    environment variable `REELTRACE_TEXTS` names; without it only what was found there before can be compared.
    """
    folder = texts or os.environ.get(TEXTS)
    found = []
    for path in sorted((root / DOCUMENTS).glob(f"*/{spans.FILE}")):
        document = path.parent.name
        try:
            said = _of(document, root, Path(folder) if folder else None)
        except UserError as error:
            said = [str(error)]
        found += [Problem(NOT_PRINTED, str(path.parent / published.FILE), each) for each in said]
    return found


def _of(document: str, root: Path, folder: Path | None) -> list[str]:
    """What is said of one document; nothing where it has no spans."""
    bound = spans.load(document, root)
    if bound is None:
        return []
    printed, values = published.load(document, root), prose.load(document, root)
    said = spans.unbound(printed, values, bound)
    text = folder / bound.text.name if folder else None
    if text is not None and text.is_file():
        said += spans.misplaced(printed, values, bound, text.read_bytes())
    return said
