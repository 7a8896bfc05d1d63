"""What others check the results with: `check.py`, one file of plain Python, and the zip that carries it."""
