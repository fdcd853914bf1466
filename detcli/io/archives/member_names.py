"""Names of members: safe paths below the archive, hidden ones, and suffixes."""

import re
from typing import Final

MARK: Final = "!"  # between the path of an archive and the name of a member
_DRIVE = re.compile(r"[A-Za-z]:(?=[\\/]|$)")
_LEADS_OUTSIDE = re.compile(r"^[\\/]|^[A-Za-z]:(?:[\\/]|$)|(?:^|[\\/])\.\.(?:[\\/]|$)")


def clean_name(name: str) -> str:
    """The path of a member below its archive, "/" between parts: without roots, drives, "." and "..".

    A backslash is a separator, and NUL becomes "_". Empty if nothing is left.
    """
    if _DRIVE.match(name) is not None:
        name = f"{name[0]}/{name[2:]}"
    parts = name.replace("\\", "/").replace("\0", "_").split("/")
    return "/".join(part for part in parts if part not in ("", ".", ".."))


def leads_outside(name: str) -> bool:
    """Whether a member would be unpacked outside the folder if its name were taken as it is."""
    return _LEADS_OUTSIDE.search(name) is not None


def is_hidden(path: str) -> bool:
    """Whether a clean name, or a folder in it, begins with a dot."""
    return path.startswith(".") or "/." in path


def last_suffix(path: str) -> str:
    """The suffix from the last dot of a clean name, lower case; empty if there is none."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".", 1)
    return "" if dot < 0 else name[dot:].lower()


def sample_suffix(path: str) -> str:
    """The suffix from the first dot of the last part, as in WebDataset: ".seg.png" of "a/0001.seg.png"."""
    name = path.rpartition("/")[2]
    dot = name.find(".", 1)
    return "" if dot < 0 else name[dot:].lower()


def name_in_archive(path: str, below: str) -> str:
    """How results name a member: as the user can type it."""
    return f"{path}{MARK}/{below}"
