"""Fixtures of these tests."""

from tests.helpers.sink_fixtures import info, make_frame, many, results, segments, settings

__all__ = ["info", "make_frame", "many", "results", "segments", "settings"]
