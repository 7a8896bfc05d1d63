"""The kinds of measurement, one file each."""
