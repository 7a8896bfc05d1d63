"""What the files of every artifact are called."""

from pathlib import Path

SPEC, MANIFEST, RECEIPT = "spec.json", "manifest.json", "receipt.json"
PROTOCOL_FILES = (SPEC, MANIFEST, RECEIPT)
SCRATCH = "scratch"
DOCUMENTS = Path("documents")  # a folder for each, below the project's root
