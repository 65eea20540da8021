"""Changes to byte strings that formats of heads, lengths and nested items stumble over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["MAX_INPUT", "mutate"]

MAX_INPUT: Final = 8192

# Heads and numbers at the edges: CBOR lengths of all widths, indefinite items, breaks, tags, floats, long varints, bad
# UTF-8.
EDGES: Final = """
    00 01 17 18 1817 18ff 19ffff 1affffffff 1bffffffffffffffff 20 3bffffffffffffffff 40 5f 5800 59ffff 5affffffff
    5bffffffffffffffff 60 61ff 7f 7bffffffffffffffff 80 81 82 83 8182 9f 9fff 9bffffffffffffffff a0 a100 bf bfff
    bbffffffffffffffff c0 c11a00000000 d8ff dbffffffffffffffff e0 f4 f5 f6 f7 f8ff f97e00 fb7ff8000000000000 fc
    ff 7fff 8000 80808080808080808001 ffffffffffffffffff01 ffffffffffffffffff7f ffffffff00000000 eda080 f4908080
"""
INTERESTING: Final = tuple(bytes.fromhex(edge) for edge in EDGES.split())


def mutate(data: bytes, pool: list[bytes], random: Random) -> bytes:
    """Return `data` after one to four random changes, at most MAX_INPUT bytes long."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
        random.choice(_MUTATIONS)(changed, pool, random)
    return bytes(changed[:MAX_INPUT])


def _position(data: bytearray, random: Random) -> int:
    # Heads are in front: half of all changes go to the first 16 bytes.
    limit = len(data) if random.random() < 0.5 else min(len(data), 16)
    return random.randrange(limit + 1)


def _range(data: bytearray, random: Random) -> slice:
    start = _position(data, random)
    return slice(start, start + random.choice((1, 1, 2, 4, 8, 32, 33, 64, random.randrange(1, 300))))


def _flip_bit(data: bytearray, _pool: list[bytes], random: Random) -> None:
    position = _position(data, random)
    if position < len(data):
        data[position] ^= 1 << random.randrange(8)


def _set_byte(data: bytearray, _pool: list[bytes], random: Random) -> None:
    position = _position(data, random)
    if position < len(data):
        data[position] = random.randrange(256)


def _step_byte(data: bytearray, _pool: list[bytes], random: Random) -> None:
    position = _position(data, random)
    if position < len(data):
        data[position] = (data[position] + random.choice((-1, 1))) % 256


def _insert_interesting(data: bytearray, _pool: list[bytes], random: Random) -> None:
    position = _position(data, random)
    data[position:position] = random.choice(INTERESTING)


def _overwrite_interesting(data: bytearray, _pool: list[bytes], random: Random) -> None:
    position = _position(data, random)
    value = random.choice(INTERESTING)
    data[position : position + len(value)] = value


def _delete(data: bytearray, _pool: list[bytes], random: Random) -> None:
    del data[_range(data, random)]


def _duplicate(data: bytearray, _pool: list[bytes], random: Random) -> None:
    piece = data[_range(data, random)]
    position = _position(data, random)
    data[position:position] = piece


def _cut(data: bytearray, _pool: list[bytes], random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _append(data: bytearray, _pool: list[bytes], random: Random) -> None:
    data += random.randbytes(random.choice((1, 2, 16, 100)))


def _splice(data: bytearray, pool: list[bytes], random: Random) -> None:
    other = bytearray(random.choice(pool))
    position = _position(data, random)
    data[position:position] = other[_range(other, random)]


def _nest(data: bytearray, _pool: list[bytes], random: Random) -> None:
    # Deeply nested items: what a recursive decoder dies of.
    data[0:0] = random.choice((b"\x81", b"\x9f", b"\xa1\x00", b"\xc1", b"\x5f")) * random.choice((1, 10, 200, 3000))


_MUTATIONS: Final[tuple[Callable[[bytearray, list[bytes], Random], None], ...]] = (
    _flip_bit,
    _flip_bit,
    _set_byte,
    _step_byte,
    _step_byte,
    _insert_interesting,
    _overwrite_interesting,
    _delete,
    _duplicate,
    _cut,
    _append,
    _splice,
    _nest,
)
