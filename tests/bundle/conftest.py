"""A finished invented project, as the tests of the report have it."""

from report.conftest import copied, finished

__all__ = ["copied", "finished"]
