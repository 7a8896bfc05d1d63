"""Kinds of network that are measured, a file each."""
