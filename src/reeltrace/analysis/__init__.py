"""Aggregation, statistics, verdicts and claims. This room reads JSON and YAML, and never imports torch."""
