"""Fixtures of these tests."""

from dataclasses import replace

import pytest

from detcli.io.remote import stores
from tests.helpers.cli_fixtures import _no_user_settings, _one_thread, command, detcli, detect, model
from tests.helpers.object_store import s3, store_server
from tests.helpers.source_fixtures import codes, image, opened, relatives

__all__ = [
    "_no_user_settings",
    "_one_thread",
    "codes",
    "command",
    "detcli",
    "detect",
    "image",
    "model",
    "opened",
    "relatives",
    "s3",
    "store_server",
]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries as ever, with pauses of milliseconds."""
    monkeypatch.setattr(stores, "LIMITS", replace(stores.LIMITS, first_s=0.002, longest_s=0.01))
