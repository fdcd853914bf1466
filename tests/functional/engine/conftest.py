"""Fixtures of these tests."""

from tests.helpers.cli_fixtures import _no_user_settings, _one_thread, command, detcli, images, model
from tests.helpers.hub_fixtures import environment, hub

__all__ = ["_no_user_settings", "_one_thread", "command", "detcli", "environment", "hub", "images", "model"]
