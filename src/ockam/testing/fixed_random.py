"""A random source that gives the same bytes every time."""

from __future__ import annotations

from hashlib import sha256

__all__ = ["FixedRandom"]


class FixedRandom:
    """Fits wherever a `random: Callable[[int], bytes]` is asked for. Whoever knows the seed knows all keys.

    The stream is SHA-256(seed || counter) for the 64-bit big-endian counters 0, 1, 2, ...; it depends on how many bytes
    were taken before, not on how they were divided among the calls.

    Args:
        seed: text or bytes; different seeds give unrelated streams.
    """

    def __init__(self, seed: str | bytes = b"") -> None:
        self._seed = seed.encode() if isinstance(seed, str) else bytes(seed)
        self._counter = 0
        self._left = b""

    def __call__(self, size: int) -> bytes:
        """Return the next `size` bytes of the stream."""
        pieces = [self._left]
        missing = size - len(self._left)
        while missing > 0:
            block = sha256(self._seed + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
            pieces.append(block)
            missing -= len(block)
        stream = b"".join(pieces)
        self._left = stream[size:]
        return stream[:size]
