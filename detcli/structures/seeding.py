"""Random numbers that follow from what they are for, and from nothing else.

An image's augmentation or noise is drawn from a seed made of the run's seed, the epoch and the image's place; so it
is the same in a resumed run, in another thread or process, and whatever else is drawn around it.
"""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed from 0 to 2**63 - 1 that follows from the parts, in their order; no two lists of parts share one by design."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
