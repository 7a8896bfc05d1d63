"""Replay: the numbers of finished artifacts made again from what they kept, in a process of its own that loads torch.

Hashes say that nothing changed since it was recorded, and not that the record was honest. Here kept checkpoints are
evaluated on the test clips and nets are counted again, by the very stages that did so first. `verify` starts this as
`python -m reeltrace.replay` and never imports it.
"""
