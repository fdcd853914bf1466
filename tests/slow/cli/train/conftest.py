"""Fixtures of these tests."""

from tests.helpers.train_command_fixtures import data, train

__all__ = ["data", "train"]
