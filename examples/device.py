"""A device of the demo: enrolls, then exchanges readings with other devices through the service's relay.

It is told what to do on stdin, one command a line, and tells what happens on stdout, one JSON object a line.

    enroll HOST:PORT SECONDS    get a bundle from the enroller's station there, and enroll
    ask RELAY_NAME SECONDS      send a reading to another device, and get one of its own back

$ python examples/device.py --home axiom --name "Robot Axiom" --service I5e0c...
{"event": "offer", "offer": "ockam-offer:1:..."}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ockam import Context, CredentialAccessControl, Identifier, Node, OckamError, Routed, TimedOut, Worker, route

if TYPE_CHECKING:
    from ockam.enrollment.workers.enrollee import Enrollee

WHO_MAY_ASK = {"site": "berlin"}


def say(event: str, **fields: object) -> None:
    """Tell the demo something."""
    print(json.dumps({"event": event, **fields}), flush=True)


def reading() -> str:
    """Measure this machine: load, free memory, time since it was started, and which process says so."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    memory = Path("/proc/meminfo").read_text().splitlines()[2].split()[1] if Path("/proc/meminfo").exists() else "?"
    uptime = Path("/proc/uptime").read_text().split()[0] if Path("/proc/uptime").exists() else "?"
    return f"load {load}, {memory} kB free, up {uptime} s, process {os.getpid()}"


class Readings(Worker[str]):
    """Answers a reading with a reading."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        """Answer."""
        own = reading()
        say("asked", received=message.body, sent=own)
        await ctx.send(message.return_route, own)


async def enroll(node: Node, enrollee: Enrollee, station: str, seconds: float) -> None:
    """Enroll, then be reachable for other members: at `forward_to_<relay name>` of the service."""

    async def confirm(code: str) -> bool:
        say("code", code=code)
        return True

    try:
        enrollment = await enrollee.enroll_through(station, confirm=confirm, wait=seconds)
    except OckamError as error:
        say("not enrolled", reason=type(error).__name__, text=error.message)
        return
    # The channel that the enrollment began: nothing else was opened to the service.
    channel = await enrollment.open_channel()
    # For members only (the service is their authority), and readings only for those of the right site.
    options = enrollment.listener_options([channel.flow_control_id])
    members = await node.create_secure_channel_listener(enrollment.identifier, "api", options)
    allowed = CredentialAccessControl(WHO_MAY_ASK, enrollment.service, node.identities)
    await node.start_worker("readings", Readings(), incoming=allowed)
    node.flow_controls.add_consumer("readings", members.flow_control_id)
    await enrollment.create_relay()
    say("enrolled", identifier=str(enrollment.identifier), relay_name=enrollment.relay_name)


async def ask(node: Node, enrollee: Enrollee, relay_name: str, seconds: float) -> None:
    """Open a channel to another device, end to end, and exchange readings over it."""
    enrollment = enrollee.enrollment
    assert enrollment is not None  # the demo asks nobody who is not enrolled
    service = await enrollment.open_channel()
    path = route(service, f"forward_to_{relay_name}", "api")
    channel = await node.create_secure_channel(enrollment.identifier, path, enrollment.channel_options())
    own = reading()
    try:
        answer = await node.send_and_receive(route(channel, "readings"), own, reply=str, timeout=seconds)
    except TimedOut:
        say("refused", sent=own, peer=str(channel.their_identifier))
    else:
        say("answer", sent=own, received=answer, peer=str(channel.their_identifier))


async def main(home: str, name: str, service: str) -> None:
    """Do what stdin says until it ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Node(home=home) as node:
        enrollee = await node.create_enrollee(name, Identifier.parse(service))
        say("offer", offer=enrollee.offer.text)
        commands = {"enroll": enroll, "ask": ask}
        while line := (await lines.readline()).decode().split():
            command, whom, seconds = line
            await commands[command](node, enrollee, whom, float(seconds))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--home", "--name", "--service"):
        parser.add_argument(option, required=True)
    try:
        asyncio.run(main(**vars(parser.parse_args())))
    except OckamError as error:
        sys.exit(f"device: {error.message}")
