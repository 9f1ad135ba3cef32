"""Drawing images by their keys, each independently of the others."""

import hashlib

import numpy as np

# Fractions of the square roots of 5, 2, 3, 7, 11 and 13, times 2^64: no draw follows another.
_STEPS = {
    "test": 0x3C6EF372FE94F82B,
    "validation": 0x6A09E667F3BCC909,
    "split": 0xBB67AE8584CAA73B,
    "per_class": 0xA54FF53A5F1D36F1,
    "limit": 0x510E527FADE682D1,
    "folds": 0x9B05688C2B3E6C1F,
}


def fractions(keys: np.ndarray, purpose: str, seed: int) -> np.ndarray:
    """A number from 0 to 1 for each key (N, 2), another for every purpose and seed.

    Those of one name begin anywhere, by the mixing of splitmix64, and go on by an irrational step, so that of numbered
    pictures nearly the same share lies below any bound.
    """
    salt = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).digest()
    begin = keys[:, 0] + np.frombuffer(salt, "<u8")
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        begin = (begin ^ (begin >> np.uint64(shift))) * np.uint64(factor)
    begin ^= begin >> np.uint64(31)
    return (begin + keys[:, 1] * np.uint64(_STEPS[purpose])) / 2.0**64
