"""Properties of the enrollment messages and of XEdDSA."""

import contextlib

import xeddsa as wheel
from hypothesis import given
from hypothesis import strategies as st

from ockam.enrollment import xeddsa
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    EnrolleeRecord,
    ListQuery,
    PatchRequest,
    decode_bundles,
    decode_records,
)
from ockam.enrollment.enrollee import Offered, Waiting, decode_state, retry_delay
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle, verify_bundle
from ockam.enrollment.errors import BundleRefused, InvalidField
from ockam.enrollment.link import EnrolleeLink, EnrollerLink, LinkParties
from ockam.enrollment.messages import EnrolleeOffer, EnrollmentMessage, SealedAnswer, decode_answer
from ockam.enrollment.pending import State
from ockam.enrollment.prekey_bundle import PrekeyBundle, SecretKey
from ockam.enrollment.x3dh import agree, enrollee_agreement, open_enrollment, seal_enrollment, service_agreement
from ockam.errors import DecodeError
from ockam.identity.identifier import Identifier
from tests.enrollment.model import MESSAGE, NOW, SIGNED_BUNDLE, VERIFIER

keys = st.binary(min_size=32, max_size=32)
nonces = st.binary(min_size=64, max_size=64)
names = st.text(max_size=40)
pet_names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64)
attributes = st.dictionaries(names, names, max_size=5)
seconds = st.none() | st.integers(0, 2**40)
entries = st.builds(ApprovalEntry, keys, st.none() | names, attributes, seconds)
identifiers = st.builds(Identifier, keys)


@given(keys, nonces, st.binary(max_size=300))
def test_signatures_verify_here_and_in_the_wheel(secret: bytes, nonce: bytes, message: bytes) -> None:
    public = SecretKey(secret).public
    signature = xeddsa.sign(secret, message, nonce)
    assert xeddsa.verify(public, message, signature)
    assert wheel.ed25519_verify(signature, wheel.curve25519_pub_to_ed25519_pub(public, False), message)


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=70))
def test_verify_never_raises(public: bytes, message: bytes, signature: bytes) -> None:
    assert not xeddsa.verify(public, message, signature)


@given(keys, nonces, st.integers(0, 511))
def test_every_flipped_bit_of_a_signature_is_refused(secret: bytes, nonce: bytes, bit: int) -> None:
    signature = bytearray(xeddsa.sign(secret, b"m", nonce))
    signature[bit // 8] ^= 1 << bit % 8
    assert not xeddsa.verify(SecretKey(secret).public, b"m", bytes(signature))


@given(keys, keys, keys, keys, keys, keys, nonces)
def test_both_sides_agree(
    ik_s: bytes, spk: bytes, opk: bytes, eik: bytes, ek: bytes, ik_e: bytes, nonce: bytes
) -> None:
    service, signed, once = SecretKey(ik_s), SecretKey(spk), SecretKey(opk)
    device, ephemeral = SecretKey(eik), SecretKey(ek)
    bundle = PrekeyBundle.create(service, signed.public, once.public, nonce)
    assert bundle.is_signed()
    agreement = enrollee_agreement(device, ephemeral, bundle)
    assert agreement == service_agreement(service, signed, once, device.public, ephemeral.public)
    message = seal_enrollment(agreement, device, ephemeral.public, SecretKey(ik_e).public, nonce)
    opened = open_enrollment(agreement, message)
    assert opened.enrollee_identity == SecretKey(ik_e).public
    assert opened.is_signed_by(device.public)


@given(keys, keys, keys, keys)
def test_keys_depend_on_every_result(dh1: bytes, dh2: bytes, dh3: bytes, dh4: bytes) -> None:
    whole = agree(dh1, dh2, dh3, dh4)
    flipped = bytes([dh4[0] ^ 1]) + dh4[1:]
    other = agree(dh1, dh2, dh3, flipped)
    assert len({whole.k0, whole.k1, whole.h, other.k0, other.k1, other.h}) == 6


@given(entries)
def test_entries(entry: ApprovalEntry) -> None:
    assert ApprovalRequest.decode(ApprovalRequest((entry,)).encode()).entries == (entry,)


@given(
    st.builds(
        EnrolleeRecord,
        keys,
        st.none() | names,
        st.sampled_from(State),
        identifiers,
        st.integers(0, 2**40),
        seconds,
        seconds,
        st.none() | identifiers,
        attributes,
    )
)
def test_records(record: EnrolleeRecord) -> None:
    assert EnrolleeRecord.decode(record.encode()) == record


@given(st.builds(PatchRequest, seconds, st.none() | attributes))
def test_patches(change: PatchRequest) -> None:
    assert PatchRequest.decode(change.encode()) == change


@given(st.builds(BundlesRequest, st.integers(1, 1000), seconds, st.none() | st.binary(min_size=16, max_size=16)))
def test_bundle_requests(request: BundlesRequest) -> None:
    assert BundlesRequest.decode(request.encode()) == request


@given(st.builds(ListQuery, st.none() | st.sampled_from(State), st.none() | names, st.integers(0, 1_000_000)))
def test_queries(query: ListQuery) -> None:
    assert ListQuery.parse(query.path.partition("?")[2]) == query


@given(st.builds(EnrolleeOffer, keys, st.none() | pet_names))
def test_offers(offer: EnrolleeOffer) -> None:
    assert EnrolleeOffer.decode(offer.encode()) == offer
    assert EnrolleeOffer.parse(offer.text) == offer


@given(st.builds(Offered, keys, st.none() | names, st.integers(0, 2**40)), st.binary(), st.binary(), keys)
def test_stored_states(offered: Offered, bundle: bytes, message: bytes, key: bytes) -> None:
    waiting = Waiting(offered, bundle, message, key)
    assert decode_state(offered.encode()) == offered
    assert decode_state(waiting.encode()) == waiting


@given(st.binary(max_size=200))
def test_decoders_raise_nothing_else(data: bytes) -> None:
    for decode in (
        EnrolleeOffer.decode,
        EnrollmentMessage.decode,
        SealedAnswer.decode,
        decode_answer,
        decode_state,
        decode_records,
        decode_bundles,
        EnrolleeRecord.decode,
        ApprovalRequest.decode,
        BundlesRequest.decode,
        PatchRequest.decode,
        SignedEnrollmentBundle.decode,
        SignedEnrollmentBundle.load,
    ):
        with contextlib.suppress(DecodeError, InvalidField, BundleRefused):
            decode(data)


@given(st.integers(0, len(SIGNED_BUNDLE.encode()) - 1), st.integers(1, 255))
def test_altered_bundles_are_refused(position: int, change: int) -> None:
    altered = bytearray(SIGNED_BUNDLE.encode())
    altered[position] ^= change
    with contextlib.suppress(BundleRefused):
        verify_bundle(SignedEnrollmentBundle.decode(bytes(altered)), NOW, VERIFIER)
        raise AssertionError("accepted")


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_altered_messages_are_other_messages(position: int, change: int) -> None:
    altered = bytearray(MESSAGE)
    altered[position] ^= change
    with contextlib.suppress(DecodeError):
        message = EnrollmentMessage.decode(bytes(altered))
        assert message.encode() == bytes(altered)


@given(keys, keys, keys, st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_codes_are_equal_on_both_sides(one: bytes, two: bytes, eik: bytes, nonce_e: bytes, nonce_r: bytes) -> None:
    parties = LinkParties(one, two, eik)
    device, enroller = EnrolleeLink(parties, nonce_e), EnrollerLink(nonce_r)
    reveal, code = device.on_nonce(enroller.on_commit(device.commit()))
    assert enroller.on_reveal(parties, reveal) == code
    assert code.isdigit()


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_delays(attempt: int, random: float) -> None:
    assert 0.75 <= retry_delay(attempt, random) <= 30
