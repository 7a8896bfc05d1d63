"""Reeltrace: a reproducibility pipeline for video action recognition in which every number has a trace."""

__version__ = "0.1.0"
