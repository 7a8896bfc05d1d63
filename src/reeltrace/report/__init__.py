"""The report: binding numbers to artifacts, rendering, figures, verification, explanation. Never imports torch."""
