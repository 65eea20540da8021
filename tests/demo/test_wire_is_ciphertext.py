"""What somebody on the wire sees, and what the relay sees: no reading, no name, no identity."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from examples.party import DEVICE, Party
from examples.wire_tap import LOOPBACK, WireTap
from ockam import Node, Relay, route
from ockam.enrollment.workers.service import EnrollmentServiceOptions
from tests.program import example

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ockam.core.message import LocalMessage
    from ockam.enrollment.messages import EnrolleeOffer
    from ockam.runtime.mailbox import Busy, Mailbox

NAMES = ("Robot Axiom", "Fähre Möwe")
ATTRIBUTES = {"site": "berlin", "role": "very-secret-role"}


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def test_a_tap_sees_what_is_in_clear() -> None:
    """Without a channel everything is found, so that finding nothing means something."""
    message = "a secret that is longer than one read " * 10_000

    async def main() -> list[str]:
        responder = example("04_routing_over_transport_responder", "--listen", f"{LOOPBACK}:0")
        async with responder as program, WireTap("echo") as tap, Node() as node:
            tap.target = address(await program.starts("Listening on "))
            tcp = await node.create_tcp_transport()
            connection = await tcp.connect(f"{LOOPBACK}:{tap.port}")
            assert await node.send_and_receive(route(connection, "echoer"), message, reply=str) == message
            sent, received = tap.conversations[0].sent, tap.conversations[0].received
            assert len(sent) > len(message)
            assert len(received) > len(message)
            assert tap.byte_count == len(sent) + len(received)
            return tap.search({"all": [message.encode()], "part": [b"longer than"], "other": [b"something else"]})

    assert asyncio.run(main()) == ["all", "part"]


def test_a_tap_passes_on_the_end_of_a_connection_and_that_nobody_is_there() -> None:
    async def main() -> None:
        async with WireTap("nobody", (LOOPBACK, 1)) as tap:
            reader, writer = await asyncio.open_connection(LOOPBACK, tap.port)
            assert await reader.read() == b""
            writer.close()
        assert tap.conversations == []

    asyncio.run(main())


def test_nothing_of_an_enrollment_and_of_what_follows_is_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relayed: list[bytes] = []
    receive = Relay.receive

    def record(self: Relay, message: LocalMessage, source: Mailbox) -> Busy | None:
        relayed.append(bytes(message.payload))
        return receive(self, message, source)

    monkeypatch.setattr(Relay, "receive", record)

    async def confirm(_code: str, _offer: EnrolleeOffer) -> bool:
        return True

    async def main() -> None:
        async with AsyncExitStack() as stack:
            at_service = await stack.enter_async_context(WireTap("service"))
            at_station = await stack.enter_async_context(WireTap("station"))
            service_node = await stack.enter_async_context(Node())
            enroller_node = await stack.enter_async_context(Node())
            owner = await service_node.create_identity()
            enroller_identifier = await enroller_node.create_identity()

            listener = await (await service_node.create_tcp_transport()).listen(f"{LOOPBACK}:0")
            at_service.target = address(listener.socket_address)
            way = f"/ip4/{LOOPBACK}/tcp/{at_service.port}"
            options = EnrollmentServiceOptions(enrollers=[enroller_identifier], routes=[f"{way}/service/enrollment"])
            await service_node.create_enrollment_service(owner, listener, options)

            enroller = await enroller_node.create_enroller(enroller_identifier, way, owner)
            stations = await (await enroller_node.create_tcp_transport()).listen(f"{LOOPBACK}:0")
            at_station.target = address(stations.socket_address)
            station = await enroller.start_station(stations, confirm=confirm, attributes=ATTRIBUTES)

            first, second = [
                await stack.enter_async_context(
                    Party.start(
                        name,
                        *DEVICE,
                        *("--home", str(tmp_path / name), "--name", name, "--service", str(owner)),
                        home=tmp_path / name,
                    )
                )
                for name in NAMES
            ]
            enrolled = [
                await party.do(f"enroll {LOOPBACK}:{at_station.port} 20", "enrolled") for party in (first, second)
            ]
            before = len(relayed)
            answer = await first.do(f"ask {enrolled[1]['relay_name']} 20", "answer")
            heard = await second.wait_for("asked")
            assert (heard["received"], heard["sent"]) == (answer["sent"], answer["received"])
            assert len(relayed) > before

            identifiers = [str(owner), str(enroller_identifier), str(station.identifier), answer["peer"]]
            identifiers += [event["identifier"] for event in enrolled]
            secrets = {
                "readings": [answer["sent"].encode(), answer["received"].encode()],
                "parts of readings": [b"load ", b" kB free"],
                "names": [name.encode() for name in NAMES],
                "attributes": [value.encode() for value in ATTRIBUTES.values()],
                "identifiers": [bytes.fromhex(text[1:]) for text in identifiers]
                + [text[1:].encode() for text in identifiers],
            }
            for tap in (at_service, at_station):
                assert tap.byte_count > 1000
                assert tap.search(secrets) == []
            # The relay is inside the service, behind the channels of both devices: it sees one layer more, and no more.
            for forms in secrets.values():
                assert not any(form in payload for form in forms for payload in relayed)
            await station.close()
            await enroller.close()

    asyncio.run(main())
