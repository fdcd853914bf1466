"""The packages of each extra, for messages.

They are named one by one: `pip install 'detcli[train]'` would search an index for detcli, which may have been installed
from a folder, a file or a repository.
"""

from collections.abc import Mapping
from types import MappingProxyType

# Extra of pyproject.toml -> its packages. tests/unit/test_extras.py compares both.
EXTRAS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "heif": ("pillow-heif",),
        "train": ("matplotlib", "scipy"),
        "timm": ("timm",),
        "openvino": ("onnx", "openvino"),
        "onnx": ("onnx", "onnxruntime"),
        "int8": ("nncf", "onnx", "openvino"),
        "parquet": ("pyarrow",),
        "ray": ("ray",),
        "watch": ("watchfiles",),
        "s3": ("s3fs",),
        "gcs": ("gcsfs",),
        "azure": ("adlfs",),
    }
)


def install_command(extra: str) -> str:
    """The command that installs the packages of an extra, wherever detcli was installed from."""
    return f"pip install {' '.join(EXTRAS[extra])}"
