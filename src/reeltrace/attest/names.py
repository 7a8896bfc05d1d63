"""What the files of an attestation are called; they lie beside the folders of the stages."""

ATTESTED = "attested"
STATEMENT, ENVELOPE, PUBLIC, LOG = "statement.json", "envelope.json", "key.pub", "log.jsonl"
FILES = (STATEMENT, ENVELOPE, PUBLIC, LOG)
BUNDLE = "statement.sigstore.json"  # of `--sigstore`
