from __future__ import annotations

import pytest

from ockam.core.address import Address
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing, FlowControls, Producer
from ockam.core.message import LocalMessage, RelayMessage
from ockam.core.route import route
from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError

RECEIVER, SENDER, LISTENER, ECHOER, OTHER = (
    Address.local(name) for name in ("receiver", "sender", "listener", "echoer", "other")
)
OWN, SPAWNED, THIRD = (FlowControlId.random(bytes([n]) * 16) for n in (1, 2, 3))


def to(first: Address, *more: Address) -> RelayMessage:
    return RelayMessage(RECEIVER, first, LocalMessage(route(first, *more), route(SENDER), b""))


def test_an_id_is_16_bytes_as_text() -> None:
    assert OWN.value == str(OWN) == "01" * 16
    assert OWN.encode() == bytes.fromhex("a1 01 7820") + b"01" * 16
    assert FlowControlId.read(Decoder(OWN.encode())) == OWN


@pytest.mark.parametrize(
    "spelling", ["bf 01 6161 ff", "a2 01 6161 02 820102", "a2 01 6162 01 6161", "a2 1863 f6 01 6161"]
)
def test_wider_forms_of_an_id_are_read(spelling: str) -> None:
    assert FlowControlId.read(Decoder(bytes.fromhex(spelling))) == FlowControlId("a")


@pytest.mark.parametrize("spelling", ["", "a0", "a1 02 6161", "a1 01 4161", "81 6161", "a1 01 f6", "a1 01"])
def test_what_is_no_id_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        FlowControlId.read(Decoder(bytes.fromhex(spelling)))


def test_by_default_nothing_is_reachable() -> None:
    assert not FlowControlOutgoing(FlowControls(), OWN).is_authorized(to(ECHOER))
    assert not FlowControlOutgoing(FlowControls(), OWN, SPAWNED).is_authorized(to(ECHOER))


def test_a_consumer_of_the_own_or_of_the_spawners_id_is_reachable() -> None:
    controls = FlowControls()
    control = FlowControlOutgoing(controls, OWN, SPAWNED)
    controls.add_consumer(ECHOER, OWN)
    controls.add_consumer("other", SPAWNED)
    assert control.is_authorized(to(ECHOER))
    assert control.is_authorized(to(OTHER))
    assert not FlowControlOutgoing(controls, THIRD).is_authorized(to(ECHOER))
    assert not FlowControlOutgoing(controls, OWN).is_authorized(to(OTHER))


def test_a_consumer_may_precede_the_producer() -> None:
    controls = FlowControls()
    controls.add_consumer("echoer", OWN)
    controls.add_consumer("echoer", OWN)
    assert FlowControlOutgoing(controls, OWN).is_authorized(to(ECHOER))


def test_only_the_first_hop_is_looked_at() -> None:
    controls = FlowControls()
    controls.add_consumer(ECHOER, OWN)
    control = FlowControlOutgoing(controls, OWN)
    assert control.is_authorized(to(ECHOER, OTHER))
    assert not control.is_authorized(to(OTHER, ECHOER))


def test_a_consumer_can_be_taken_back() -> None:
    controls = FlowControls()
    control = FlowControlOutgoing(controls, OWN)
    controls.add_consumer(ECHOER, OWN)
    controls.remove_consumer(ECHOER, OWN)
    controls.remove_consumer("echoer", OWN)
    controls.remove_consumer("echoer", THIRD)
    assert not control.is_authorized(to(ECHOER))


def test_lookups() -> None:
    controls = FlowControls()
    controls.add_spawner(LISTENER, SPAWNED)
    controls.add_producer(RECEIVER, OWN, SPAWNED, (SENDER,))
    controls.add_consumer(ECHOER, OWN)
    controls.add_consumer(ECHOER, SPAWNED)
    controls.add_consumer(OTHER, THIRD)
    known = Producer(OWN, SPAWNED, (SENDER,))
    assert controls.producer(RECEIVER) == controls.producer(SENDER) == known
    assert controls.producer(ECHOER) is None
    assert controls.spawner_id(LISTENER) == SPAWNED
    assert controls.spawner_id(RECEIVER) is None
    assert set(controls.ids_of_consumer(ECHOER)) == {OWN, SPAWNED}
    assert controls.consumers(OWN) == {ECHOER}


def test_a_stopped_consumer_is_forgotten() -> None:
    controls = FlowControls()
    controls.add_producer(RECEIVER, OWN)
    controls.add_consumer(ECHOER, OWN)
    control = FlowControlOutgoing(controls, OWN)
    controls.cleanup(ECHOER)
    assert not control.is_authorized(to(ECHOER))
    controls.cleanup(OTHER)


def test_a_stopped_producer_takes_its_consumers_along() -> None:
    controls = FlowControls()
    controls.add_producer(RECEIVER, OWN, additional=(SENDER,))
    controls.add_consumer(ECHOER, OWN)
    controls.cleanup(RECEIVER)
    assert controls.producer(RECEIVER) is None
    assert controls.producer(SENDER) is None
    assert controls.ids_of_consumer(ECHOER) == []


def test_consumers_of_a_listener_outlive_its_connections() -> None:
    controls = FlowControls()
    controls.add_spawner(LISTENER, SPAWNED)
    controls.add_consumer(ECHOER, SPAWNED)
    controls.add_producer(RECEIVER, OWN, SPAWNED, (SENDER,))
    controls.cleanup(RECEIVER)
    assert controls.ids_of_consumer(ECHOER) == [SPAWNED]
    controls.cleanup(LISTENER)
    assert controls.ids_of_consumer(ECHOER) == []


def test_consumers_of_a_listener_live_as_long_as_its_last_connection() -> None:
    controls = FlowControls()
    controls.add_spawner(LISTENER, SPAWNED)
    controls.add_producer(RECEIVER, OWN, SPAWNED)
    controls.add_consumer(ECHOER, SPAWNED)
    control = FlowControlOutgoing(controls, OWN, SPAWNED)
    controls.cleanup(LISTENER)
    assert control.is_authorized(to(ECHOER))
    controls.cleanup(RECEIVER)
    assert controls.ids_of_consumer(ECHOER) == []


def test_a_consumer_of_two_ids_keeps_the_one_that_is_left() -> None:
    controls = FlowControls()
    controls.add_producer(RECEIVER, OWN)
    controls.add_consumer(ECHOER, OWN)
    controls.add_consumer(ECHOER, SPAWNED)
    controls.cleanup(RECEIVER)
    assert controls.ids_of_consumer(ECHOER) == [SPAWNED]
    controls.remove_consumer(ECHOER, SPAWNED)
    assert controls.ids_of_consumer(ECHOER) == []


def test_noting_a_worker_twice_counts_once() -> None:
    controls = FlowControls()
    for _ in range(2):
        controls.add_spawner(LISTENER, SPAWNED)
        controls.add_producer(RECEIVER, OWN, SPAWNED, (SENDER,))
    controls.add_consumer(ECHOER, OWN)
    controls.add_consumer(ECHOER, SPAWNED)
    controls.cleanup(RECEIVER)
    assert controls.ids_of_consumer(ECHOER) == [SPAWNED]
    controls.cleanup(LISTENER)
    assert controls.ids_of_consumer(ECHOER) == []


def test_a_sender_that_belongs_to_a_newer_producer_stays_with_it() -> None:
    controls = FlowControls()
    controls.add_producer(RECEIVER, OWN, additional=(SENDER,))
    controls.add_producer(OTHER, THIRD, additional=(SENDER,))
    controls.cleanup(RECEIVER)
    assert controls.producer(SENDER) == Producer(THIRD, None, (SENDER,))
