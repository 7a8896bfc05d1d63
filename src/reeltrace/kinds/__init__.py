"""The plug-in points: what an architecture, measurement, table, unit or dataset says of itself, once, for every room.

A kind is one file below the folder of its point, or one that the `kinds` of a `document.yaml` name. It declares `KIND`
(or `KINDS`): the entry that an experiment writes, as a pydantic model; the module that does the work, as a string, so
that nothing heavy is imported to know about it; and what plan, chains, `verify` and page need to know.
"""
