"""The sizes of the parts that a dataset is divided into, from fractions or numbers of images."""

import math
import re
from collections.abc import Mapping
from typing import Any

from detcli.errors import UsageError

TRAIN = "train"
_BESIDES_TRAIN = {"val", "test"}
_SAME = {"valid": "val", "validation": "val"}
_YEAR = re.compile(r"(train|val|test)\d+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
_TOLERANCE = 1e-6  # of the sum of fractions

Shares = Mapping[str, int | float]


def check_shares(shares: Mapping[Any, Any]) -> dict[str, int | float]:
    """Check the shares of parts by name: numbers of images (integers), or fractions of them. Raises UsageError."""
    if not shares:
        raise UsageError("`parts` names no part; give a fraction or a number of images for each, such as val=0.2")
    shares = _renamed(shares)
    seen: dict[str, str] = {}
    for name, share in shares.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"`parts` has a part named '{name!s:.60}'; a name has letters, digits, '-' and '_', at most 64 of them"
            )
        if _YEAR.fullmatch(name.casefold()):
            raise UsageError(f"`parts` has a part named '{name}', which would be read as '{name.rstrip('0123456789')}'")
        if seen.setdefault(name.casefold(), name) != name:
            raise UsageError(f"`parts` has '{seen[name.casefold()]}' and '{name}', which would share a file")
        is_count = type(share) is int and share >= 1
        is_fraction = isinstance(share, float) and 0 < share < 1
        if not is_count and not is_fraction:
            raise UsageError(
                f"`parts`: '{name}' is {share!s:.40}; it must be a fraction between 0 and 1, or a number of images from 1"
            )
    if len(shares) == 1 and TRAIN in shares:
        raise UsageError("`parts` has only 'train': name another part, such as val")
    return dict(shares)


def _renamed(shares: Mapping[Any, Any]) -> dict[Any, Any]:
    """With "val" for its other names, which `open_dataset` reads as it. Raises UsageError if a part is named twice."""
    renamed: dict[Any, Any] = {}
    for name, share in shares.items():
        usual = _SAME.get(name.casefold(), name) if isinstance(name, str) else name
        if usual in renamed:
            raise UsageError(f"`parts` has 'val' twice, as '{name}' too")
        renamed[usual] = share
    return renamed


def part_sizes(shares: Shares, images: int) -> dict[str, int]:
    """The number of images of each part; they add up to `images`. 'train' gets the rest where it has no share.

    Fractions are rounded so that the sizes add up: those with the largest remainders get one image more.

    Raises UsageError if a part would have no image, or if the shares do not add up.
    """
    has_rest = TRAIN not in shares and (shares.keys() <= _BESIDES_TRAIN or not _is_whole(shares, images))
    sizes = _rounded(shares, images) if has_rest else _exact(shares, images)
    if has_rest:
        sizes = {TRAIN: images - sum(sizes.values()), **sizes}
    for name, size in sizes.items():
        if size < 1:
            raise UsageError(f"the part '{name}' would have no image: {_asked(name, shares)} of {_counted(images)}")
    return sizes


def _is_whole(shares: Shares, images: int) -> bool:
    """Whether the shares leave nothing for another part."""
    total = sum(share if isinstance(share, float) else share / max(images, 1) for share in shares.values())
    return abs(total - 1) < _TOLERANCE


def _rounded(shares: Shares, images: int) -> dict[str, int]:
    """Each share for itself; the rest belongs to another part."""
    if sum(share for share in shares.values() if isinstance(share, float)) > 1 + _TOLERANCE:
        raise UsageError(f"`parts`: the fractions {_listed(shares)} are more than 1 together")
    return {
        name: math.floor(share * images + 0.5) if isinstance(share, float) else share for name, share in shares.items()
    }


def _exact(shares: Shares, images: int) -> dict[str, int]:
    """Sizes of shares that must add up to all images."""
    if not _is_whole(shares, images):
        raise UsageError(
            f"`parts`: {_listed(shares)} do not add up to 1 or to the {_counted(images)}; leave 'train' out to give it the rest"
        )
    exact = {name: share * images if isinstance(share, float) else float(share) for name, share in shares.items()}
    sizes = {name: math.floor(value + _TOLERANCE) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: sizes[name] - exact[name])  # stable: earlier parts first
    for name in by_remainder[: images - sum(sizes.values())]:
        sizes[name] += 1
    return sizes


def _asked(name: str, shares: Shares) -> str:
    return f"{shares[name]:g}" if name in shares else f"the rest after {_listed(shares)}"


def _listed(shares: Shares) -> str:
    return ", ".join(f"{name}={share:g}" for name, share in shares.items())


def _counted(images: int) -> str:
    return f"{images:,} image{'' if images == 1 else 's'}"
