"""Fixtures of these tests."""

from tests.helpers.source_fixtures import codes, files, image, opened, relatives, tree

__all__ = ["codes", "files", "image", "opened", "relatives", "tree"]
