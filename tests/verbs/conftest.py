"""Shares the artefact of the report's tests."""

from tests.report.conftest import folder

__all__ = ["folder"]
