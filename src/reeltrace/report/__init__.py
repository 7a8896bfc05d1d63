"""The report: binding numbers to artifacts, rendering, figures, explanation. Never imports torch."""
