"""Fixtures of these tests."""

from tests.helpers.checkpoint_fixtures import cache, environment, hub, model_files, weights, write_model

__all__ = ["cache", "environment", "hub", "model_files", "weights", "write_model"]
