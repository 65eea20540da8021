"""Flow controls: messages from outside reach only the workers that were opened to their source.

A *producer* emits messages from outside (a TCP receiver, a decryptor) under its own id; a *spawner* (a listener) makes
producers under its id; a *consumer* of an id may be the first hop of what those producers emit. By default nothing is
reachable, and only the first hop is checked.

Source: reference ockam_core/src/flow_control/.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ockam.core.address import Address
from ockam.encoding.cbor import Decoder, encode_map_head, encode_text, encode_uint
from ockam.errors import DecodeError

if TYPE_CHECKING:
    from ockam.core.message import RelayMessage

__all__ = ["FlowControlId", "FlowControlOutgoing", "FlowControls", "Producer"]


@dataclass(frozen=True, slots=True)
class FlowControlId:
    """Names a source of messages: 16 random bytes as 32 hexadecimal digits. CBOR `{1: text}`."""

    value: str

    @classmethod
    def random(cls, random_bytes: bytes) -> FlowControlId:
        """Return the id named by 16 random bytes."""
        return cls(random_bytes.hex())

    def encode(self) -> bytes:
        """Return the CBOR form."""
        return encode_map_head(1) + encode_uint(1) + encode_text(self.value)

    @classmethod
    def read(cls, decoder: Decoder) -> FlowControlId:
        """Return the id that comes next in unauthenticated CBOR."""
        entries = decoder.map()
        value = None
        while entries.next():
            if decoder.uint(32) == 1:
                value = decoder.text(1024)
            else:
                decoder.skip()
        if value is None:
            raise DecodeError("a flow control id has no text")
        return cls(value)

    def __hash__(self) -> int:
        return hash(self.value)  # a str knows its hash; a tuple of fields is made anew each time

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Producer:
    """What is known of a producer.

    Attributes:
        flow_control_id: its own id.
        spawner_flow_control_id: the id of the listener that made it, if one did.
        additional: the sender or encryptor that belongs to it.
    """

    flow_control_id: FlowControlId
    spawner_flow_control_id: FlowControlId | None = None
    additional: tuple[Address, ...] = ()


class FlowControls:
    """Who may be reached by what, for one node. A plain synchronous value; lookups are set and dict accesses."""

    def __init__(self) -> None:
        self._producers: dict[Address, Producer] = {}
        self._producer_of: dict[Address, Address] = {}
        self._spawners: dict[Address, FlowControlId] = {}
        # By the names of local workers, as only these are ever looked for: bytes compare without a call into Python.
        self._consumers: dict[FlowControlId, set[bytes]] = {}
        # What would otherwise be a search through every channel of the node, per handshake and per close.
        self._ids_of_consumer: dict[Address, dict[FlowControlId, None]] = {}
        self._uses: Counter[FlowControlId] = Counter()

    def add_consumer(self, address: Address | str, flow_control_id: FlowControlId) -> None:
        """Let messages under `flow_control_id` reach `address`; neither has to exist yet."""
        address = Address.parse(address) if isinstance(address, str) else address
        if address.is_local:
            self.consumer_names(flow_control_id).add(address.value)
        self._ids_of_consumer.setdefault(address, {})[flow_control_id] = None

    def remove_consumer(self, address: Address | str, flow_control_id: FlowControlId) -> None:
        """Take back what `add_consumer` allowed."""
        address = Address.parse(address) if isinstance(address, str) else address
        if address.is_local:
            self.consumer_names(flow_control_id).discard(address.value)
        self._forget_id(address, flow_control_id)

    def add_producer(
        self,
        address: Address,
        flow_control_id: FlowControlId,
        spawner_flow_control_id: FlowControlId | None = None,
        additional: tuple[Address, ...] = (),
    ) -> None:
        """Note that `address` emits messages from outside under `flow_control_id`."""
        producer = Producer(flow_control_id, spawner_flow_control_id, additional)
        self._uses.update(_ids(producer))
        if (former := self._producers.get(address)) is not None:
            self._uses.subtract(_ids(former))
        self._producers[address] = producer
        for other in (address, *additional):
            self._producer_of[other] = address

    def add_spawner(self, address: Address, flow_control_id: FlowControlId) -> None:
        """Note that `address` is a listener whose producers are spawned under `flow_control_id`."""
        self._uses[flow_control_id] += 1
        if (former := self._spawners.get(address)) is not None:
            self._uses[former] -= 1
        self._spawners[address] = flow_control_id

    def consumers(self, flow_control_id: FlowControlId) -> set[Address]:
        """Return the local addresses that messages under `flow_control_id` may reach."""
        return {Address.local(name) for name in self._consumers.get(flow_control_id, ())}

    def consumer_names(self, flow_control_id: FlowControlId) -> set[bytes]:
        """Return the live set of names of the local workers that messages under `flow_control_id` may reach."""
        found = self._consumers.get(flow_control_id)
        if found is None:
            found = self._consumers[flow_control_id] = set()
        return found

    def producer(self, address: Address) -> Producer | None:
        """Return what is known of the producer that `address` is, or belongs to."""
        owner = self._producer_of.get(address)
        return self._producers.get(owner) if owner is not None else None

    def spawner_id(self, address: Address) -> FlowControlId | None:
        """Return the id of the listener at `address`."""
        return self._spawners.get(address)

    def ids_of_consumer(self, address: Address) -> list[FlowControlId]:
        """Return every id whose messages may reach `address`."""
        return list(self._ids_of_consumer.get(address, ()))

    def cleanup(self, address: Address) -> None:
        """Forget a worker that has stopped, and the consumers of ids that nobody uses any more."""
        for flow_control_id in self._ids_of_consumer.pop(address, ()):
            found = self._consumers.get(flow_control_id)
            if found is not None:
                found.discard(address.value)
        released: list[FlowControlId] = []
        spawned = self._spawners.pop(address, None)
        if spawned is not None:
            released.append(spawned)
        producer = self._producers.pop(address, None)
        if producer is not None:
            released += _ids(producer)
            for other in (address, *producer.additional):
                if self._producer_of.get(other) == address:
                    del self._producer_of[other]
        for flow_control_id in released:
            self._uses[flow_control_id] -= 1
            if self._uses[flow_control_id] <= 0:
                del self._uses[flow_control_id]
                for consumer in self._consumers.pop(flow_control_id, ()):
                    self._forget_id(Address.local(consumer), flow_control_id)

    def _forget_id(self, consumer: Address, flow_control_id: FlowControlId) -> None:
        ids = self._ids_of_consumer.get(consumer)
        if ids is not None:
            ids.pop(flow_control_id, None)
            if not ids:
                del self._ids_of_consumer[consumer]


def _ids(producer: Producer) -> list[FlowControlId]:
    spawner = producer.spawner_flow_control_id
    return [producer.flow_control_id] if spawner is None else [producer.flow_control_id, spawner]


class FlowControlOutgoing:
    """Access control of a producer: the first hop must be a consumer of its id or of its spawner's id."""

    __slots__ = ("own", "spawned")

    def __init__(
        self, controls: FlowControls, flow_control_id: FlowControlId, spawner: FlowControlId | None = None
    ) -> None:
        # The sets themselves: they live as long as the producer does.
        self.own = controls.consumer_names(flow_control_id)
        self.spawned = controls.consumer_names(spawner) if spawner is not None else frozenset[bytes]()

    def is_authorized(self, message: RelayMessage) -> bool:
        """Return whether the first hop was opened to this source."""
        destination = message.destination
        return destination.is_local and (destination.value in self.own or destination.value in self.spawned)
