"""Random seeds that depend only on their purpose.

The seed of an image's augmentation or noise is made of the run's seed, the epoch and the image's index. So it is the same
in a resumed run, in another thread or process, and independent of other random numbers.
"""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed from 0 to 2**63 - 1 from the parts and their order; other parts give another seed, except for a hash collision."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
