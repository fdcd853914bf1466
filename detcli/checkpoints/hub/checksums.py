"""Checksums and commit ids: validation, and checksums of files."""

import hashlib
import re
from pathlib import Path

from detcli.checkpoints.json_files import require_regular_file
from detcli.errors import DamagedModelError

_HEX40 = re.compile(r"[0-9a-f]{40}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


def is_commit(text: str) -> bool:
    """True for a full commit id: 40 digits of lower-case hex."""
    return _HEX40.fullmatch(text) is not None


def is_sha256(text: object) -> bool:
    """True for a sha256: 64 digits of lower-case hex."""
    return isinstance(text, str) and _HEX64.fullmatch(text) is not None


def is_checksum(text: str) -> bool:
    """True for an ETag of the Hub: a sha256, or the sha1 that git uses for small files."""
    return is_commit(text) or is_sha256(text)


def matches(path: Path, checksum: str, sha256: str) -> bool:
    """Whether a file with this sha256 has the checksum of the Hub."""
    if len(checksum) == 64:
        return checksum == sha256
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)  # as git counts small files
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
    return checksum == digest.hexdigest()


def combined_sha256(sha256_by_name: dict[str, str]) -> str:
    """Return one sha256 for several files: that of the sorted lines that `sha256sum` prints for them."""
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sha256_by_name.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the sha256 of a file in hex. Raises DamagedModelError if it cannot be read."""
    require_regular_file(path)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamagedModelError(f"cannot read '{path}': {error.strerror}") from error
