"""Whether torch may find a GPU, without importing torch, which takes seconds."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

_BUILT_FOR = re.compile(r"^(cuda|hip|rocm|xpu)\b[^=\n]*=\s*(.+?)\s*$", re.MULTILINE)


def may_have_gpu() -> bool:
    """Whether `device=auto` could be a GPU: False is certain.

    A build of torch for CPUs says so in its version file; another build is asked.
    """
    if sys.platform == "darwin":
        return True
    spec = find_spec("torch") if sys.modules.get("torch", ...) is not None else None
    if spec is None or spec.origin is None:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""
    built_for = dict(_BUILT_FOR.findall(text))
    if "cuda" in built_for and set(built_for.values()) == {"None"}:
        return False
    import torch

    return torch.cuda.is_available()
