"""Plain trees of YAML laid over each other, and where two differ."""

from collections.abc import Iterator
from typing import Any


def merged(below: Any, over: Any) -> Any:
    """`over` upon `below`: mappings key by key, anything else replaced."""
    if isinstance(below, dict) and isinstance(over, dict):
        return {**below, **{key: merged(below.get(key), value) for key, value in over.items()}}
    return over


def differences(document: Any, here: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Where two trees differ: (path, value of the first, value of the second), at the lowest mapping that both have."""
    if isinstance(document, dict) and isinstance(here, dict):
        for key in dict.fromkeys((*document, *here)):
            yield from differences(document.get(key), here.get(key), (*path, str(key)))
    elif document != here or isinstance(document, bool) != isinstance(here, bool):
        yield ".".join(path), document, here
