"""Fixtures of these tests."""

from tests.helpers.cli_fixtures import _no_user_settings, _one_thread, command, detcli, detect, images, model

__all__ = ["_no_user_settings", "_one_thread", "command", "detcli", "detect", "images", "model"]
