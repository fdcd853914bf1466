"""Fixtures of these tests."""

import pytest

from detcli.inference import read_model
from tests.helpers.pth_in_process import reader_in


@pytest.fixture(autouse=True)
def _read_here(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Read .pth files in this process, but in the tests that the module names in IN_A_PROCESS_OF_ITS_OWN."""
    if request.node.originalname not in getattr(request.module, "IN_A_PROCESS_OF_ITS_OWN", ()):
        monkeypatch.setattr(read_model, "read_original_file", reader_in(tmp_path_factory.mktemp("read")))
