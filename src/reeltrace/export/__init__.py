"""What is written for the tools of others: tables as CSV, numbers as LaTeX macros, findings as SARIF, a codecheck.yml,
and the whole run as a Workflow Run RO-Crate.

Each format is a function of report.json, or of finished artifacts, and of nothing else. No torch, and nothing is
computed here that the report does not say.
"""
