"""The training room: one loop, its evaluation under transforms, and the stage that joins them.

It imports the rooms `data` and `models`. What a run is comes in as a `TrainSpec`; nothing here reads `params.yaml`.
"""
