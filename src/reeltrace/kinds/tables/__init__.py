"""The kinds of tables: one file each, which declares `KIND`."""
