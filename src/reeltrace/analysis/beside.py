"""Measurements that are shown whole below a table: every view that was counted, every time, what a search found.

A block is a heading, sentences of numbers (`facts`) and rows of labels and numbers, each number with its trace, so that
one template shows all of them. Each kind of measurement names the function that makes its blocks.
"""

from typing import Any

from reeltrace.analysis.sources import Source, get
from reeltrace.errors import CheckFailed
from reeltrace.kinds.measurement import MEASUREMENTS
from reeltrace.kinds.points import load


def block(name: str, source: Source) -> dict[str, Any]:
    """One measurement as a block. `name` is its key in params.yaml.

    Raises `CheckFailed` for one that cannot be shown so, or whose metrics lack a value.
    """
    assert source.spec is not None
    kind = MEASUREMENTS.get(get(source.spec, "measurement", "kind"))
    if kind.beside is None:
        raise CheckFailed(f"{source.artifact}: {kind.name} is not shown below a table; run measure {name} again")
    try:
        found = load(kind.beside)(source)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        raise CheckFailed(f"{source.artifact}: cannot be shown ({error!r}); run measure {name} again") from None
    return {"measurement": name, "trace": source.trace(""), **found}
