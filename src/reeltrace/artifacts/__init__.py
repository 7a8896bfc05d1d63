"""The artifact protocol: files that arrive whole, their hashes, and the three small files of every artifact.

An artifact is one folder, `results/<scale>/<stage>/<key>/`. It is complete when, and only when, it holds a
`manifest.json`; the folder arrives by one rename, so a killed stage leaves nothing that looks finished. What stages
compute does not live here. Each module is imported by its own name, and nothing here imports them all: the hash of a
stage's code covers what the stage loads.
"""
