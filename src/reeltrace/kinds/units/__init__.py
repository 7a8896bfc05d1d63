"""The units of printed cells: one file each, or several that belong together, which declares `KIND` or `KINDS`."""
