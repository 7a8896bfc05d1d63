"""Write workflow/schemas/report.schema.json from the models in reeltrace.report.content.

Usage: python tools/schema.py
"""

from pathlib import Path

from reeltrace.artifacts.json_values import write_json
from reeltrace.report.content import schema

FILE = Path("workflow/schemas/report.schema.json")


def main() -> None:
    """Write the file below the current folder."""
    write_json(FILE, schema())


if __name__ == "__main__":
    main()
