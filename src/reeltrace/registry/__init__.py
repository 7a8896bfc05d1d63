"""`params.yaml` -> validated, typed experiments. The only reader of `params.yaml`.

A value may be a map over scales, `{paper: 50, quick: 8}`: `paper` is the document's, the others override it.
`reading.load` resolves one scale, checks the whole file at every scale, and turns each run, measurement, table and
dataset into the spec of a stage. Nothing here trains, reads results, or imports torch.

Each module is imported by its own name, and nothing here imports them all: the hash of a stage's code covers what the
stage loads. What a stage is given are data, fields and how they are checked; what it calls lies in `cells`, and in
`reeltrace.kinds`.
"""
