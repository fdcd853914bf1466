"""Fixtures of these tests."""

from tests.helpers.cli_fixtures import _nobodys_settings, _one_thread, command, detcli, images, model

__all__ = ["_nobodys_settings", "_one_thread", "command", "detcli", "images", "model"]
