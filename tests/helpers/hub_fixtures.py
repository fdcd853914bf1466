"""Fixtures of those who fetch: an empty Hugging Face home, a Hub on this machine, a tiny repository for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.hub_server import HubServer

CONFIG = b'{"model_type": "d_fine"}'
PREPROCESSOR = b'{"size": {"height": 640, "width": 640}}'


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose Hugging Face home is empty; returns what differs from ours."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    settings = {"HF_HOME": str(tmp_path / "home"), "HF_TOKEN_PATH": str(tmp_path / "home" / "token")}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings


@pytest.fixture
def hub(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator["HubServer"]:
    """A Hub that HF_ENDPOINT leads to."""
    from tests.helpers.hub_server import HubServer

    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def cache(environment: dict[str, str]) -> Path:
    """Where the models go by default."""
    return Path(environment["HF_HOME"]) / "hub"


@pytest.fixture
def weights() -> bytes:
    """A safetensors file of about a megabyte; no network has such tensors."""
    import safetensors.torch
    import torch

    torch.manual_seed(0)
    return safetensors.torch.save({"a": torch.randn(512, 512), "b.weight": torch.arange(3)}, metadata={"format": "pt"})


@pytest.fixture
def model_files(weights: bytes) -> dict[str, bytes]:
    """A repository's files by name."""
    return {"config.json": CONFIG, "preprocessor_config.json": PREPROCESSOR, "model.safetensors": weights}
