"""Fixtures of these tests."""

from tests.helpers.evaluation_fixtures import dataset, detector

__all__ = ["dataset", "detector"]
