"""A Hub on this machine, and tiny models to put on it."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import safetensors.torch
import torch


def _hub_server() -> ModuleType:
    name = "hub_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent.parent / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


_hub_server()  # so that tests can import from it

CONFIG = b'{"model_type": "d_fine"}'
PREPROCESSOR = b'{"size": {"height": 640, "width": 640}}'


@pytest.fixture
def weights() -> bytes:
    """A safetensors file of about a megabyte."""
    torch.manual_seed(0)
    return safetensors.torch.save({"a": torch.randn(512, 512), "b.weight": torch.arange(3)}, metadata={"format": "pt"})


@pytest.fixture
def model_files(weights: bytes) -> dict[str, bytes]:
    return {"config.json": CONFIG, "preprocessor_config.json": PREPROCESSOR, "model.safetensors": weights}


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
def hub(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator["HubServer"]:  # noqa: F821
    """A Hub that HF_ENDPOINT leads to."""
    with _hub_server().HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        environment["HF_ENDPOINT"] = server.url
        yield server


@pytest.fixture
def cache(environment: dict[str, str]) -> Path:
    """Where the models go by default."""
    return Path(environment["HF_HOME"]) / "hub"


@pytest.fixture
def write_model(tmp_path: Path, model_files: dict[str, bytes]) -> Callable[..., Path]:
    """Write a model's folder; keyword arguments by file name replace its files, None leaves one out."""

    def write(**changes: bytes | None) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        names = {"config": "config.json", "preprocessor": "preprocessor_config.json", "weights": "model.safetensors"}
        for name, data in {**model_files, **{names.get(key, key): data for key, data in changes.items()}}.items():
            if data is not None:
                (folder / name).write_bytes(data)
        return folder

    return write
