"""What the files of every artifact are called."""

SPEC, MANIFEST, RECEIPT = "spec.json", "manifest.json", "receipt.json"
PROTOCOL_FILES = (SPEC, MANIFEST, RECEIPT)
SCRATCH = "scratch"
