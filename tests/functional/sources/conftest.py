"""Fixtures of these tests."""

from tests.helpers.odd_entries import failing_entry
from tests.helpers.source_fixtures import codes, files, image, opened, relatives, tree

__all__ = ["codes", "failing_entry", "files", "image", "opened", "relatives", "tree"]
