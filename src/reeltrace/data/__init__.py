"""The data room: sources and downloads, digit pools, moving digits, the clip store and the transforms of
clips.

Nothing here imports models, training, measure, analysis or report. Importing the package itself loads neither
torch nor scikit-learn: only `store` and `transforms` need torch, and only `digits` needs scikit-learn.
"""
