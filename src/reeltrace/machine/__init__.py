"""What the machine is, and what it allows: its processor, its memory, its limits, the variables that it is told."""
