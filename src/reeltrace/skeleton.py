"""The folder of a new document: every file that it may have, valid as it stands, to be filled in."""

import shutil
from pathlib import Path

from reeltrace.artifacts.names import DOCUMENTS
from reeltrace.errors import UserError
from reeltrace.kinds.table import TABLES
from reeltrace.registry.documents import COMMON, EXPERIMENTS, KEY, OVERLAYS
from reeltrace.registry.header import HEADER

FILES = {
    HEADER: """\
title: {title}
author: Who wrote it
year: "{year}"
venue: Where it appeared
# position: 1 # in the report; without one a document comes after those that have one
""",
    EXPERIMENTS: """\
# What {key} did, in its own values. What several documents share is in documents/common; any dataset, backbone, model,
# protocol or run that stands there, or in another document, may be named here. Names are unique over all documents.
# A reduced scale overrides values in quick.yaml and smoke.yaml.

# datasets:
# models:
# protocols:
# runs:
#   {key}-net: {{dataset: ..., model: ..., protocol: ..., evaluation: [original]}}

tables:
  {key}-table1: # a table's key: the document's, and its number or its name
    table: "1"
    kind: measured # of: {kinds}
    published_only: nothing is run for this table yet
""",
    "published.yaml": """\
# {key}, transcribed cell by cell. `printed` is the string as printed; a value that the text does not give is null, with
# a `reason`. Row and column keys are those of experiments.yaml. `tests` are the test sets that accuracies and error
# rates are shares of; without one no interval stands around a print, and a claim about it cannot be judged.

# tests:
#   the test set: {{size: 3000, of: videos, place: section 4.2}} # or ledger: an assumption, where no text prints it

tables:

  "1":
    title: What the table shows
    caption: >-
      What its rows and columns are.
    place: Table 1
    unit: percent
    # test: the test set # of a table, a row, a column or a cell; the nearest counts
    columns:
      - {{key: accuracy, label: Accuracy}}
    rows:
      - {{key: a net, label: A net}}
    cells:
      - {{row: a net, column: accuracy, printed: null, reason: not transcribed yet}}
""",
    "claims.yaml": """\
# What {key} claims about its tables, as rules. A side is a cell, [table, row, column], a value of prose.yaml,
# {{prose: id}}, or an expression, "{{1/a net/accuracy}} - 1"; `op` is a word of the yardstick, which the page of the
# report prints: above, significantly above, similar, times, is ...
#   - id: {key}-first
#     title: "A net beats another"
#     says: "the claim in our words"
#     place: "section 1"
#     rule:
#       - {{left: ["1", "a net", "accuracy"], op: above, right: ["1", "another net", "accuracy"]}}

claims: []
""",
    "assumptions.yaml": """\
# What {key} leaves open, what was chosen here, why, and what it touches. `registry` lists paths of experiments.yaml.
#   - id: {key}-batch-size
#     open: "the batch size"
#     choice: "64"
#     why: "the reason"
#     tables: ["1"]
#     registry: [protocols.{key}.batch_size]

assumptions: []
""",
    "not_reproduced.yaml": """\
# What {key} describes that stands nowhere here, and why: every table and figure of it is transcribed, shown, or here.
#   - id: {key}-survey
#     what: "the nets of other authors"
#     place: "section 2"
#     because: "the document cites them and runs none"
#     figures: ["1"]

not_reproduced: []
""",
    "README.md": """\
# {key}: {title}

What the document is, what of it stands here, and what does not.

`snakemake --cores all {key}` makes all of it. To have a report of this document alone, write `documents: [{key}]` into
`params.yaml`.
""",
}
OVERLAY = {
    "quick": "# At the quick scale: what differs from experiments.yaml, for minutes on a laptop without a network.\n",
    "smoke": "# At the smoke scale: what differs from experiments.yaml, for the tests.\n",
}


def new_document(key: str, title: str, year: str, root: Path = Path()) -> list[Path]:
    """Write the folder of a new document below `root`; its files, relative to `root`, in the order to fill them in.

    Raises `UserError` where the key cannot be one or the folder is there already; then nothing is written.
    """
    folder = DOCUMENTS / key
    if not KEY.fullmatch(key) or key == COMMON:
        raise UserError(f"{key!r}: expected lower-case letters, digits and dashes, as in smith2020; choose another key")
    if not (root / DOCUMENTS).is_dir():
        raise UserError(f"{DOCUMENTS}: no such folder; run the command in the folder that holds params.yaml")
    if (root / folder).exists():
        raise UserError(f"{folder}: there already; choose another key, or remove it")
    quoted = title.replace("\\", "\\\\").replace('"', '\\"')
    kinds = ", ".join(TABLES.all())
    texts = {
        name: text.format(key=key, title=title if name == "README.md" else f'"{quoted}"', year=year, kinds=kinds)
        for name, text in FILES.items()
    }
    texts |= {file: OVERLAY[scale] for scale, file in OVERLAYS.items()}
    work = root / DOCUMENTS / f".{key}.new"
    shutil.rmtree(work, ignore_errors=True)  # of a call that was ended
    work.mkdir()
    for name, text in texts.items():
        (work / name).write_text(text, encoding="utf-8")
    work.rename(root / folder)
    return [folder / name for name in texts]
