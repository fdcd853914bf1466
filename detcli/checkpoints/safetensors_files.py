"""Tensors from one or several safetensors files; other kinds of files under that name are recognized."""

import json
import struct
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from detcli.checkpoints.json_files import parse_document, read_document, read_part, require_regular_file
from detcli.checkpoints.model_files import INDEX_SUFFIX, MAX_INDEX_BYTES, weight_files, weight_map
from detcli.errors import DamagedModelError, UnsupportedModelError

# A header of 63 MB costs 15 s and 1.3 GB; those of the models here are below 300 kB.
MAX_HEADER_BYTES = 4 * 1024 * 1024
_DTYPES = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}


def read_tensors(weights: Path) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file, or of all shards an index lists; on the CPU, as stored.

    Raises DamagedModelError with the file or tensor that is truncated, missing, duplicate or not finite, and
    UnsupportedModelError for files of another kind and for unsupported element types.
    """
    if not weights.name.endswith(INDEX_SUFFIX):
        return _read_file(weights)
    listed = weight_map(read_document(weights, max_bytes=MAX_INDEX_BYTES), weights)
    tensors: dict[str, Tensor] = {}
    for shard in weight_files(weights):
        content = _read_file(shard)
        expected = {name for name, file in listed.items() if file == shard.name}
        if content.keys() != expected:
            odd = min(content.keys() ^ expected)
            relation = "does not have the tensor" if odd in expected else "has the unlisted tensor"
            raise DamagedModelError(f"'{shard.name}' {relation} '{odd}': it does not match '{weights.name}'")
        tensors |= content
    return tensors


def _read_file(path: Path) -> dict[str, Tensor]:
    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
    except (SafetensorError, OSError) as error:
        raise DamagedModelError(f"'{path.name}' is damaged: {error}") from error
    for name, tensor in tensors.items():
        if not _is_finite(tensor):
            count = int((~torch.isfinite(tensor)).sum())
            raise DamagedModelError(f"tensor '{name}' in '{path.name}' has {count:,} values that are NaN or infinity")
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    """Whether no element is NaN or infinity; minimum and maximum are five times faster than a mask of all elements."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    minimum, maximum = torch.aminmax(tensor)
    return bool(torch.isfinite(minimum) and torch.isfinite(maximum))


def _check_header(path: Path) -> None:
    """Check the length and the header before the library reads them: both are untrusted."""
    size = require_regular_file(path)
    start = read_part(path, 512)
    if size == 0:
        raise DamagedModelError(f"'{path}' is empty")
    (length,) = struct.unpack("<Q", start[:8].ljust(8, b"\0"))
    if length > MAX_HEADER_BYTES or start[8:9] != b"{":
        refuse_other_kinds(path, start)
        if start[8:9] == b"{" and length <= size:
            raise DamagedModelError(f"'{path}' has a header of {length:,} bytes; {MAX_HEADER_BYTES:,} are allowed")
        raise DamagedModelError(f"'{path}' is not a safetensors file")
    if 8 + length > size:
        raise DamagedModelError(f"'{path}' is truncated: {size:,} bytes are less than its header")
    header = parse_document(read_part(path, 8 + length)[8 : 8 + length], path.name, max_bytes=MAX_HEADER_BYTES)
    end = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype, stop = entry["dtype"], int(entry["data_offsets"][1])
        except (KeyError, TypeError, IndexError, ValueError) as error:
            raise DamagedModelError(f"'{path}' has a damaged header: tensor '{name}'") from error
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise UnsupportedModelError(
                f"tensor '{name}' in '{path.name}' is stored as {json.dumps(dtype)[:40]}, which is not supported"
            )
        end = max(end, stop)
    if size < 8 + length + end:
        raise DamagedModelError(f"'{path}' is truncated: {size:,} of {8 + length + end:,} bytes")


def refuse_other_kinds(path: Path, start: bytes) -> None:
    """Raise for kinds of files that are often mistaken for weights, recognized by their first bytes."""
    text = start.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        raise DamagedModelError(
            f"'{path}' is a git-lfs pointer, not the weights themselves: run `git lfs pull` in its repository"
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise DamagedModelError(
            f"'{path}' is a web page, not weights: the download returned a page instead of the file"
        )
    if start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        raise UnsupportedModelError(
            f"'{path}' is a PyTorch pickle, not safetensors: files of the original repositories of its networks are read "
            "under a name that ends in .pth"
        )
    if text.startswith((b"{", b"[")):
        raise DamagedModelError(f"'{path}' is a JSON file, not weights")
