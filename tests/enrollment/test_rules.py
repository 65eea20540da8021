"""Attributes, names, states, prefixes, clocks, buckets, link codes."""

import pytest

from ockam.enrollment.attributes import check_attributes, check_pet_name, member_attributes, sorted_attributes
from ockam.enrollment.bucket import Buckets, Rate
from ockam.enrollment.clock import DeviceClock
from ockam.enrollment.errors import InvalidField, RecordConflict
from ockam.enrollment.link import (
    Commit,
    CommitmentBroken,
    EnrolleeLink,
    EnrollerLink,
    LinkOutOfOrder,
    LinkParties,
    Nonce,
    Reveal,
)
from ockam.enrollment.pending import (
    MAX_REJECTS,
    TRANSITIONS,
    IdentifierPrefix,
    State,
    bundle_expiry,
    pending_expiry,
    reported_state,
    short_form,
    state_after_delete,
    state_after_reject,
)
from ockam.errors import DecodeError


class TestPetName:
    @pytest.mark.parametrize("name", [None, "a", "Robot Axiom", "Рóбот 机器人", "x" * 64, "😀" * 64])
    def test_allowed(self, name: str | None) -> None:
        check_pet_name(name)

    @pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\0b", "\x7f", "a\u2028b", "\x9b31m"])
    def test_refused(self, name: str) -> None:
        with pytest.raises(InvalidField, match=r"^pet_name: "):
            check_pet_name(name)


class TestAttributes:
    def test_allowed(self) -> None:
        check_attributes({})
        check_attributes({"site": "berlin", "line": "", "ockam": "x", "names": "y", "Project": "z"})
        check_attributes({"ockam-role": "enroller"}, administrator=True)
        check_attributes({"a": "x" * 1018})

    @pytest.mark.parametrize(
        "attributes",
        [
            {"ockam-role": "enroller"},
            {"ockam-relay": "*"},
            {"enrolled": "true"},
            {"name": "x"},
            {"identifier": "x"},
            {"has_credential": "true"},
            {"project": "x"},
            {"project_id": "x"},
            {"trust_context_id": "x"},
            {"": "x"},
            {"a b": "x"},
            {"a\n": "x"},
            {"a": "x\0"},
            {"a": "x" * 1019},
        ],
    )
    def test_refused(self, attributes: dict[str, str]) -> None:
        with pytest.raises(InvalidField, match=r"^attributes: "):
            check_attributes(attributes)

    def test_administrators_may_not_take_the_service_names(self) -> None:
        for name in ("ockam-relay", "enrolled", "identifier"):
            with pytest.raises(InvalidField):
                check_attributes({name: "x"}, administrator=True)

    def test_of_a_member(self) -> None:
        assert member_attributes({"site": "berlin"}, "abc") == {
            "site": "berlin",
            "enrolled": "true",
            "ockam-relay": "abc",
        }
        assert member_attributes({}, None) == {"enrolled": "true"}
        assert list(sorted_attributes({"b": "", "aa": "", "a": ""})) == ["a", "aa", "b"]


class TestStates:
    def test_expiry_is_exclusive(self) -> None:
        assert reported_state(State.PENDING, 10, 9) is State.PENDING
        assert reported_state(State.PENDING, 10, 10) is State.EXPIRED
        assert reported_state(State.PENDING, None, 10**12) is State.PENDING
        assert reported_state(State.ENROLLED, 10, 11) is State.ENROLLED

    def test_delete(self) -> None:
        for state in (State.PENDING, State.CANCELLED):
            assert state_after_delete(state) is State.CANCELLED
        for state in (State.ENROLLED, State.REVOKED):
            assert state_after_delete(state) is State.REVOKED
        for state in (State.EXPIRED, State.REJECTED):
            with pytest.raises(RecordConflict, match=state.name.lower()):
                state_after_delete(state)

    def test_transitions(self) -> None:
        assert State.CANCELLED in TRANSITIONS[State.PENDING]
        assert TRANSITIONS[State.ENROLLED] == {State.REVOKED}
        assert all(not TRANSITIONS[state] for state in (State.EXPIRED, State.CANCELLED, State.REJECTED, State.REVOKED))

    def test_rejects(self) -> None:
        assert [state_after_reject(count) for count in (1, MAX_REJECTS - 1)] == [State.PENDING] * 2
        assert state_after_reject(MAX_REJECTS) is State.REJECTED

    def test_expiries(self) -> None:
        assert pending_expiry(100, None) == 100 + 86400
        assert pending_expiry(100, None, 0) is None
        assert pending_expiry(100, 0) is None
        assert pending_expiry(100, 5) == 105
        assert pending_expiry(0, 10 * 365 * 86400) == 10 * 365 * 86400
        assert bundle_expiry(100, None) == 100 + 7 * 86400
        assert bundle_expiry(100, 365 * 86400) == 100 + 365 * 86400
        for seconds in (10 * 365 * 86400 + 1, -1):
            with pytest.raises(InvalidField, match=r"^expires_in_seconds: "):
                pending_expiry(0, seconds)
        for seconds in (0, 365 * 86400 + 1):
            with pytest.raises(InvalidField, match=r"^expires_in_seconds: "):
                bundle_expiry(0, seconds)


class TestPrefix:
    def test_range(self) -> None:
        prefix = IdentifierPrefix.parse("A0b1c2d3e4f5a6b7c8d9a")
        assert prefix.digits == "a0b1c2d3e4f5a6b7c8d9a"
        assert prefix.low.hex() == prefix.digits + "0" * 43
        assert prefix.high.hex() == prefix.digits + "f" * 43
        whole = IdentifierPrefix.parse("ab" * 32)
        assert whole.low == whole.high == bytes.fromhex("ab" * 32)
        assert short_form(whole.low) == "ab" * 10

    @pytest.mark.parametrize("text", ["", "a" * 19, "a" * 65, "g" * 20, "a" * 20 + "\n", "é" * 20])
    def test_refused(self, text: str) -> None:
        with pytest.raises(InvalidField, match=r"^id: "):
            IdentifierPrefix.parse(text)


class TestClock:
    def test_floor_and_clock(self) -> None:
        clock = DeviceClock()
        assert clock.now(None, 5) == 0
        assert not clock.knows_time(None)
        assert clock.knows_time(7)
        assert clock.now(1000, 5) == 1000
        clock = clock.learn(2000, 10)
        assert clock.now(None, 15) == 2005
        assert clock.now(1000, 15) == 2005
        assert clock.now(3000, 15) == 3000
        assert clock.now(None, 0) == 2000  # a monotonic clock that started again
        assert clock.knows_time(None)

    def test_floor_only_rises(self) -> None:
        clock = DeviceClock().learn(2000, 10)
        assert clock.learn(2004, 15) is clock
        assert clock.learn(2006, 15).now(None, 15) == 2006

    def test_set_aside(self) -> None:
        clock = DeviceClock(floor=9000).after_wrong_times(2000, 10)
        assert clock.set_aside
        assert clock.now(9999, 12) == 2002
        assert clock.learn(3000, 12).now(9999, 12) == 3000
        assert not DeviceClock(set_aside=True).knows_time(5)


class TestBuckets:
    def test_rate(self) -> None:
        buckets = Buckets(Rate(per_second=1.0, burst=2.0))
        assert [buckets.take(b"a", 0.0) for _ in range(3)] == [True, True, False]
        assert buckets.take(b"b", 0.0)
        assert buckets.take(b"a", 1.0)
        assert not buckets.take(b"a", 1.5)
        assert not buckets.take(b"a", 0.0)  # a clock that went back gives nothing
        assert [buckets.take(b"a", 100.0) for _ in range(3)] == [True, True, False]

    def test_memory_is_bounded(self) -> None:
        buckets = Buckets(Rate(1.0, 1.0), limit=10)
        for number in range(1000):
            assert buckets.take(number.to_bytes(4, "big"), 0.0)
        assert len(buckets) == 10


class TestLink:
    parties = LinkParties(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)

    def test_order(self) -> None:
        device, enroller = EnrolleeLink(self.parties, b"e" * 16), EnrollerLink(b"r" * 16)
        with pytest.raises(LinkOutOfOrder):
            enroller.on_reveal(self.parties, Reveal(b"e" * 16))
        commit = device.commit()
        nonce = enroller.on_commit(commit)
        with pytest.raises(LinkOutOfOrder):
            enroller.on_commit(commit)
        reveal, code = device.on_nonce(nonce)
        with pytest.raises(LinkOutOfOrder):
            device.on_nonce(nonce)
        assert enroller.on_reveal(self.parties, reveal) == code
        assert len(code) == 6

    def test_broken_commitment(self) -> None:
        device, enroller = EnrolleeLink(self.parties, b"e" * 16), EnrollerLink(b"r" * 16)
        enroller.on_commit(device.commit())
        with pytest.raises(CommitmentBroken):
            enroller.on_reveal(self.parties, Reveal(b"f" * 16))
        with pytest.raises(CommitmentBroken):
            enroller.on_reveal(LinkParties(b"\x09" * 32, b"\x02" * 32, b"\x03" * 32), Reveal(b"e" * 16))

    def test_decode(self) -> None:
        with pytest.raises(DecodeError, match="another link message"):
            Commit.decode(Nonce(bytes(16)).encode())
        with pytest.raises(DecodeError):
            Nonce.decode(Nonce(bytes(15)).encode())
