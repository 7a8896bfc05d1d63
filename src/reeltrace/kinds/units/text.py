"""Words of the print, which are shown and never compared."""

from reeltrace.kinds.unit import Unit


def words(text: str) -> str:
    """Words are their own value."""
    return text


KIND = Unit(
    name="text",
    read=words,
    number=None,
    whole=False,
    write=words,
    compare=None,
    share=None,
    layers=None,
    behind="",
)
