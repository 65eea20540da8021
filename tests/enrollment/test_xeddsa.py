import pytest
import xeddsa as wheel
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ockam.enrollment import xeddsa
from ockam.enrollment.errors import LowOrderKey
from ockam.enrollment.prekey_bundle import SecretKey
from ockam.testing import FixedRandom

P = 2**255 - 19


class TestAgainstTheWheel:
    @pytest.mark.parametrize("number", range(24))
    def test_both_ways(self, number: int) -> None:
        random = FixedRandom(f"xeddsa {number}")
        secret, nonce, message = random(32), random(64), random(number * 5)
        public = SecretKey(secret).public
        assert wheel.priv_to_curve25519_pub(secret) == public
        ours = xeddsa.sign(secret, message, nonce)
        assert wheel.ed25519_verify(ours, wheel.curve25519_pub_to_ed25519_pub(public, False), message)
        theirs = wheel.ed25519_priv_sign(wheel.priv_force_sign(secret, False), message, nonce)
        assert xeddsa.verify(public, message, theirs)
        assert not xeddsa.verify(public, message + b"!", ours)
        assert not xeddsa.verify(SecretKey(random(32)).public, message, ours)

    def test_same_bytes_with_the_same_nonce(self) -> None:
        # With Signal's padding both derive the same r from the same nonce.
        same = 0
        for number in range(16):
            random = FixedRandom(f"same {number}")
            secret, nonce = random(32), random(64)
            theirs = wheel.ed25519_priv_sign(wheel.priv_force_sign(secret, False), b"m", nonce)
            same += theirs == xeddsa.sign(secret, b"m", nonce)
        assert same == 16


class TestVerify:
    @pytest.mark.parametrize("u", [*sorted(xeddsa.LOW_ORDER_U), P, P + 9, 2**255 - 1, 2**255 + 9])
    def test_unusable_keys(self, u: int) -> None:
        public = u.to_bytes(32, "little")
        assert not xeddsa.verify(public, b"m", bytes(64))
        assert not xeddsa.is_usable_public_key(public)

    def test_low_order_points_are_complete(self) -> None:
        # A point is of small order when any clamped secret gives zero: checked with the curve itself.
        for u in sorted(xeddsa.LOW_ORDER_U):
            with pytest.raises(LowOrderKey):
                SecretKey(b"\x01" * 32).exchange(u.to_bytes(32, "little"))

    def test_lengths_and_top_bits(self) -> None:
        secret = bytes(range(32))
        public, signature = SecretKey(secret).public, xeddsa.sign(secret, b"m", bytes(64))
        assert xeddsa.verify(public, b"m", signature)
        assert not xeddsa.verify(public[:-1], b"m", signature)
        assert not xeddsa.verify(public, b"m", signature[:-1])
        assert not xeddsa.is_usable_public_key(public + b"\0")
        assert xeddsa.is_usable_public_key(public)
        for bit in (0x20, 0x40, 0x80):
            assert not xeddsa.verify(public, b"m", signature[:63] + bytes([signature[63] | bit]))

    def test_point_on_the_twist(self) -> None:
        for u in range(2, 40):
            assert not xeddsa.verify(u.to_bytes(32, "little"), b"m", bytes(63) + b"\x01")


class TestSign:
    def test_arguments(self) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            xeddsa.sign(bytes(31), b"", bytes(64))
        with pytest.raises(ValueError, match="64"):
            xeddsa.sign(bytes(32), b"", bytes(63))
        with pytest.raises(ValueError, match="32 bytes"):
            SecretKey(bytes(33))

    def test_multiplication_against_ed25519(self) -> None:
        # RFC 8032 with the same scalar: the public key of an Ed25519 seed is its clamped hash times B.
        from hashlib import sha512

        for number in range(20):
            seed = FixedRandom(f"seed {number}")(32)
            expected = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
            scalar = xeddsa.clamp(sha512(seed).digest()[:32])
            for blinding in (bytes(8), b"\xff" * 8, seed[:8]):
                assert xeddsa._multiply_base(scalar % xeddsa._Q, blinding) == expected

    @pytest.mark.parametrize("scalar", [0, 1, 2, xeddsa._Q - 1])
    def test_edges(self, scalar: int) -> None:
        assert xeddsa._multiply_base(scalar, bytes(8)) == xeddsa._multiply_base(scalar, b"\xff" * 8)

    def test_neutral_point(self) -> None:
        assert xeddsa._multiply_base(0, b"\x05" * 8) == b"\x01" + bytes(31)
