"""Damage on purpose: finished results, spoilt one place at a time, and whether `verify` names each place.

`python -m reeltrace.corruption` counts by kind what was named. It works on a copy of results and never on the results
themselves.
"""
