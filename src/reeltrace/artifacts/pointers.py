"""JSON pointers (RFC 6901), as traces have them and columns of params.yaml ask with them."""

from typing import Any


def pointer(value: Any, path: str) -> Any:
    """The value that a JSON pointer (RFC 6901) names inside `value`. Raises `KeyError` when there is none."""
    for raw in path.split("/")[1:]:
        token = raw.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(token)] if isinstance(value, list) else value[token]
        except (KeyError, IndexError, TypeError, ValueError):
            raise KeyError(path) from None
    return value


def escape_pointer(token: str) -> str:
    """One token of a JSON pointer, escaped (RFC 6901)."""
    return token.replace("~", "~0").replace("/", "~1")


def pointer_to(*path: str) -> str:
    """The JSON pointer to the value at a path of keys."""
    return "".join(f"/{escape_pointer(token)}" for token in path)
