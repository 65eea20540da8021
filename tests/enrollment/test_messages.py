import pytest

from ockam.encoding.cbor import NULL, encode_array, encode_bytes, encode_text, encode_uint
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    EnrolleeRecord,
    ListQuery,
    PatchRequest,
    decode_bundles,
    decode_records,
    encode_list,
)
from ockam.enrollment.errors import InvalidField
from ockam.enrollment.messages import (
    Accepted,
    EnrolleeOffer,
    EnrollmentMessage,
    Rejected,
    SealedAnswer,
    decode_answer,
    encode_answer,
    encode_texts,
)
from ockam.enrollment.pending import State
from ockam.enrollment.text_form import decode_text_form
from ockam.errors import DecodeError
from ockam.identity.identifier import Identifier
from tests.enrollment.model import MODEL, NOW, SERVICE, SIGNED_BUNDLE, model_bytes

EIK = bytes(range(32))
RECORD = EnrolleeRecord(
    EIK, None, State.PENDING, SERVICE.identifier, NOW, None, None, None, {"site": "berlin", "line": "4"}
)
FULL_RECORD = EnrolleeRecord(
    EIK, "Robot Axiom", State.ENROLLED, SERVICE.identifier, NOW, NOW + 1, NOW, Identifier(bytes(32)), {}
)


class TestOffer:
    def test_name_is_optional_and_may_be_null(self) -> None:
        offer = EnrolleeOffer(EIK)
        assert EnrolleeOffer.decode(offer.encode()) == offer
        assert EnrolleeOffer.decode(encode_array(encode_uint(1), encode_bytes(EIK), NULL)) == offer
        assert EnrolleeOffer.parse(f"\n {offer.text}\n") == offer

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            encode_array(encode_uint(2), encode_bytes(EIK)),
            encode_array(encode_uint(1)),
            encode_array(encode_uint(1), encode_bytes(EIK[:31])),
            encode_array(encode_uint(1), encode_bytes(EIK), encode_text("a"), NULL),
            encode_array(encode_uint(1), encode_bytes(EIK), encode_text("a" * 257)),
            EnrolleeOffer(EIK).encode() + b"\0",
            EnrolleeOffer(EIK, "\x1b[31m").encode(),
            EnrolleeOffer(EIK, "").encode(),
            b"\x9f" + EnrolleeOffer(EIK).encode()[1:] + b"\xff",
        ],
    )
    def test_refused(self, data: bytes) -> None:
        with pytest.raises(DecodeError):
            EnrolleeOffer.decode(data)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "ockam-bundle:1:gg",
            "ockam-offer:1:g",
            "ockam-offer:1:g g",
            "ockam-offer:1:gé",
            "ockam-offer:1:gh",  # bits after the last byte
            "ockam-offer:1:gg==",
        ],
    )
    def test_text_refused(self, text: str) -> None:
        with pytest.raises(DecodeError):
            decode_text_form("ockam-offer:1:", text)


class TestEnrollmentMessage:
    def test_too_large(self) -> None:
        message = EnrollmentMessage(bytes(16), bytes(176), bytes(16 * 1024))
        with pytest.raises(DecodeError, match="16 KiB"):
            EnrollmentMessage.decode(message.encode())

    def test_every_prefix_is_refused(self) -> None:
        message = model_bytes("message", "enrollment_message")
        for size in range(len(message)):
            with pytest.raises(DecodeError):
                EnrollmentMessage.decode(message[:size])
        with pytest.raises(DecodeError):
            EnrollmentMessage.decode(message + b"\0")


class TestAnswer:
    def test_accepted_with_everything(self) -> None:
        accepted = decode_answer(model_bytes("answer_accepted", "plaintext"))
        assert isinstance(accepted, Accepted)
        longer = Accepted(accepted.credential, SERVICE.change_history, (), None, 0, 0)
        assert decode_answer(encode_answer(longer)) == longer

    def test_unknown_reason(self) -> None:
        rejected = Rejected(99, "new", 5)
        assert decode_answer(encode_answer(rejected)) == rejected

    def test_neither(self) -> None:
        with pytest.raises(DecodeError, match="neither"):
            decode_answer(encode_array(encode_uint(2), encode_array()))

    def test_too_many_routes(self) -> None:
        accepted = decode_answer(model_bytes("answer_accepted", "plaintext"))
        assert isinstance(accepted, Accepted)
        many = Accepted(accepted.credential, None, ("/service/api",) * 65, None, 0, 0)
        with pytest.raises(DecodeError, match="more than 64"):
            decode_answer(encode_answer(many))

    def test_sealed(self) -> None:
        sealed = SealedAnswer(bytes(12), b"ciphertext")
        assert SealedAnswer.decode(sealed.encode()) == sealed
        with pytest.raises(DecodeError):
            SealedAnswer.decode(encode_array(encode_uint(2), encode_bytes(bytes(12)), encode_bytes(b"")))


class TestRequests:
    def test_bundles(self) -> None:
        for request in (BundlesRequest(1), BundlesRequest(1000, 60), BundlesRequest(5, None, bytes(16))):
            assert BundlesRequest.decode(request.encode()) == request
        assert BundlesRequest.decode(encode_array(encode_uint(5), NULL, NULL)) == BundlesRequest(5)
        assert BundlesRequest.decode(encode_array(encode_uint(5), NULL)) == BundlesRequest(5)

    @pytest.mark.parametrize(
        ("data", "name"),
        [
            (encode_array(), "count"),
            (encode_array(encode_uint(0)), "count"),
            (encode_array(encode_uint(1001)), "count"),
            (encode_array(b"\x20"), "count"),
            (encode_array(encode_uint(1), b"\x20"), "expires_in_seconds"),
            (encode_array(encode_uint(1), NULL, encode_bytes(bytes(15))), "request_id"),
        ],
    )
    def test_bundles_refused_by_name(self, data: bytes, name: str) -> None:
        with pytest.raises(InvalidField) as refused:
            BundlesRequest.decode(data)
        assert refused.value.field == name
        assert refused.value.message.startswith(f"{name}: ")

    @pytest.mark.parametrize(
        "data", [b"", b"\x80\x80", encode_array(encode_uint(1), NULL, NULL, NULL), b"\x81\x18\x01", b"\x9f\x01\xff"]
    )
    def test_bundles_not_canonical(self, data: bytes) -> None:
        with pytest.raises(DecodeError) if data[:1] != b"\x80" and data else pytest.raises((DecodeError, InvalidField)):
            BundlesRequest.decode(data)

    def test_approvals(self) -> None:
        entries = (
            ApprovalEntry(EIK),
            ApprovalEntry(EIK[::-1], "Robot Axiom", {"site": "berlin", "a": ""}, 0),
        )
        request = ApprovalRequest(entries)
        assert ApprovalRequest.decode(request.encode()) == request
        nulls = encode_list([encode_array(encode_bytes(EIK), NULL, b"\xa0", NULL)])
        assert ApprovalRequest.decode(nulls).entries == entries[:1]
        other_order = ApprovalEntry(EIK[::-1], "Robot Axiom", {"a": "", "site": "berlin"}, 0)
        assert other_order.digest == entries[1].digest
        assert other_order.encode() != entries[1].encode()
        assert entries[0].digest != entries[1].digest
        assert ApprovalEntry.of_offer(EnrolleeOffer(EIK, "n"), {"k": "v"}, 5) == ApprovalEntry(EIK, "n", {"k": "v"}, 5)

    @pytest.mark.parametrize(
        ("entry", "name"),
        [
            (encode_array(), "eik"),
            (encode_array(encode_bytes(EIK[1:]), NULL, b"\xa0"), "eik"),
            (encode_array(encode_bytes(EIK), encode_uint(5), b"\xa0"), "pet_name"),
            (encode_array(encode_bytes(EIK), NULL), "attributes"),
            (encode_array(encode_bytes(EIK), NULL, b"\xa2\x61a\x61b\x61a\x61c"), "attributes"),
            (encode_array(encode_bytes(EIK), NULL, b"\xa0", b"\x20"), "expires_in_seconds"),
        ],
    )
    def test_approvals_refused_by_name(self, entry: bytes, name: str) -> None:
        with pytest.raises(InvalidField) as refused:
            ApprovalRequest.decode(encode_list([entry]))
        assert refused.value.field == name

    def test_approvals_count(self) -> None:
        for count in (0, 1001):
            with pytest.raises(InvalidField, match="enrollees: 1 to 1000"):
                ApprovalRequest.decode(encode_list([ApprovalEntry(EIK).encode()] * count))

    def test_approvals_not_canonical(self) -> None:
        good = ApprovalRequest((ApprovalEntry(EIK),)).encode()
        entry = ApprovalEntry(EIK).encode()
        for data in (good + b"\0", b"\x9f" + good[1:] + b"\xff", b"\x81\x98\x01" + entry, b"\x82" + good[1:] + b"\0"):
            with pytest.raises(DecodeError):
                ApprovalRequest.decode(data)
        with pytest.raises(DecodeError):
            ApprovalRequest.decode(encode_list([b"\x9f" + entry[1:] + b"\xff"]))

    def test_patch(self) -> None:
        for change in (PatchRequest(), PatchRequest(5), PatchRequest(None, {"a": "b"}), PatchRequest(0, {})):
            assert PatchRequest.decode(change.encode()) == change
        assert PatchRequest.decode(encode_array(NULL, NULL)) == PatchRequest()
        with pytest.raises(InvalidField, match="attributes"):
            PatchRequest.decode(encode_array(NULL, encode_uint(1)))

    def test_list_query(self) -> None:
        for query in (ListQuery(), ListQuery(State.REVOKED, "Röbot & Axiom?", 3), ListQuery(page=7)):
            path, _, text = query.path.partition("?")
            assert path == "/enrollees"
            assert ListQuery.parse(text) == query

    @pytest.mark.parametrize("query", ["state=6", "state=-1", "state=x", "page=", "page=9999999999", "order=name"])
    def test_list_query_refused(self, query: str) -> None:
        with pytest.raises(InvalidField):
            ListQuery.parse(query)


class TestRecords:
    def test_round_trip(self) -> None:
        for record in (RECORD, FULL_RECORD):
            assert EnrolleeRecord.decode(record.encode()) == record
        assert decode_records(encode_list([RECORD.encode(), FULL_RECORD.encode()])) == (RECORD, FULL_RECORD)
        assert FULL_RECORD.short == EIK.hex()[:20]
        assert RECORD.as_of(NOW) is RECORD

    def test_unknown_state(self) -> None:
        data = bytearray(RECORD.encode())
        data[data.index(b"\xf6\x00") + 1] = 6
        with pytest.raises(DecodeError, match="unknown state"):
            EnrolleeRecord.decode(bytes(data))

    def test_bundles(self) -> None:
        assert decode_bundles(encode_list([SIGNED_BUNDLE.encode()] * 2)) == (SIGNED_BUNDLE, SIGNED_BUNDLE)


def test_texts() -> None:
    assert encode_texts(("a",)) == b"\x81\x61a"
    assert MODEL["label"]
