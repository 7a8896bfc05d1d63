"""What a table is called: its key in the registry, and whether the document knows it by a number.

What a stage calls here is a part of its code.
"""

import re

from reeltrace.kinds.table import TableEntry


def is_numbered(table: str) -> bool:
    """Whether a table is known by a number, such as 7.2, or by a name."""
    return re.fullmatch(r"\d+(\.\d+)*", table) is not None


def table_key(table: TableEntry) -> str:
    """The key that a table has in params.yaml: `basu2021-table1`, `mahler2020-table7-2`, `gavves-lecture5-resnext`."""
    slug = re.sub(r"[^a-z0-9]+", "-", table.table.lower()).strip("-")
    return f"{table.document}-table{slug}" if is_numbered(table.table) else f"{table.document}-{slug}"
