"""Transcribed values against what was found in their documents' texts, and against the texts themselves."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from reeltrace.analysis import prose, published, spans
from reeltrace.artifacts.files import reason_of, sha256_file
from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import Problem, UserError

NOT_PRINTED = "not as printed"
TEXTS = "REELTRACE_TEXTS"  # names the folder of the documents' texts


def as_printed(root: Path, texts: str | None = None) -> list[Problem]:
    """Where a transcription below `root` is not what was found in its document's text.

    A document has a say where it has a spans.json. Its text is looked for in the folder `texts`, or in the one that the
    environment variable `REELTRACE_TEXTS` names; without it only what was found there before can be compared.

    Raises `UserError` where that folder cannot be listed.
    """
    there = texts_there(texts)
    found = []
    for path in sorted((root / DOCUMENTS).glob(f"*/{spans.FILE}")):
        document = path.parent.name
        try:
            said = _of(document, root, there)
        except UserError as error:
            said = [str(error)]
        found += [Problem(NOT_PRINTED, str(path.parent / published.FILE), each) for each in said]
    return found


def texts_there(texts: str | None = None) -> dict[str, Path]:
    """The files of the folder of texts by their sha256, none without a folder; see `as_printed`."""
    folder = texts or os.environ.get(TEXTS)
    if not folder:
        return {}
    try:
        paths = sorted(path for path in Path(folder).iterdir() if path.is_file())
    except OSError as error:
        raise UserError(f"{TEXTS}: {folder}: {reason_of(error)}; expected the folder of the documents' texts") from None
    there = {}
    for path in paths:
        with contextlib.suppress(OSError):  # the document whose text it is will be named
            there[sha256_file(path)] = path
    return there


def not_held(root: Path, texts: str | None = None) -> list[str]:
    """The documents with transcribed values that `as_printed` held to no text of their own, each with the reason."""
    there, found = texts_there(texts), []
    for path in sorted((root / DOCUMENTS).glob(f"*/{published.FILE}")):
        document = path.parent.name
        with contextlib.suppress(UserError):  # one that cannot be read is a problem, and was named as such
            bound = spans.load(document, root)
            if bound is not None:
                if _text(bound, there) is None:
                    found.append(f"{document} (no text there has its sha256 {bound.text.sha256[:12]})")
            elif _prints(document, root):
                found.append(f"{document} (it has no {spans.FILE})")
    return found


def _prints(document: str, root: Path) -> bool:
    """Whether any value of a document is transcribed."""
    tables = published.load(document, root).tables.values()
    return any(cell.printed is not None for table in tables for cell in table.cells) or bool(prose.load(document, root))


def _text(bound: spans.Spans, there: Mapping[str, Path]) -> Path | None:
    """The text that spans are of, whatever it is called; else another one under its name, which is then said."""
    named = {path.name: path for path in there.values()}
    return there.get(bound.text.sha256, named.get(bound.text.name))


def _of(document: str, root: Path, there: Mapping[str, Path]) -> list[str]:
    """What is said of one document; nothing where it has no spans."""
    bound = spans.load(document, root)
    if bound is None:
        return []
    printed, values = published.load(document, root), prose.load(document, root)
    said = spans.unbound(printed, values, bound)
    text = _text(bound, there)
    if text is not None:
        said += spans.misplaced(printed, values, bound, text.read_bytes())
    return said
