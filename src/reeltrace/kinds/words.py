"""How kinds word values for a reader."""

from typing import Any


def listed(values: Any) -> str:
    """Values after each other, "none" where there is none."""
    return ", ".join(str(value) for value in values) or "none"


def plain(value: Any) -> str:
    """A value of YAML as a reader writes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(plain, value)) + "]"
    return "none" if value is None else str(value)


def span(low: object, high: object) -> str:
    """`6.15s to 6.20s`; one value where both ends are printed alike."""
    return str(low) if str(low) == str(high) else f"{low} to {high}"
