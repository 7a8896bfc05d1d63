"""The finished invented project of the report's tests."""

from report.conftest import copied, finished  # noqa: F401
