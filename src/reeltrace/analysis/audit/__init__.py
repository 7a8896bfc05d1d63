"""The audit of printed tables: what one printed value implies about another, with no training and no measurement.

`values` are printed numbers with what their rounding leaves open, `findings` what an audit says. One module per
detector; `run` calls them all. Nothing here knows a document: what documents say of their numbers stands in their
`relations.yaml`.
"""
