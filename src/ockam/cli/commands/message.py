"""`ockam message`: ask a worker something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ockam.cli.command import Group, run
from ockam.cli.durations import duration, duration_text
from ockam.cli.failures import NoAnswer, UnusableText
from ockam.cli.output import Output

if TYPE_CHECKING:
    from ockam import Identifier, Node, Route
    from ockam.cli.settings import Settings
    from ockam.multiaddr import MultiAddr

group = Group(name="message", help="Send a message to a worker.")


@group.command("send")
@click.argument("message")
@click.option("-t", "--to", required=True, metavar="ROUTE", help="Where to, such as /ip4/HOST/tcp/PORT/service/echo.")
@click.option("--timeout", type=duration, default="10s", show_default=True, help="How long to wait for the reply.")
@click.option("--hex", "as_hex", is_flag=True, help="MESSAGE and the reply are the bytes of the body, in hex.")
@click.pass_obj
def send(settings: Settings, message: str, to: str, timeout: float, as_hex: bool) -> None:
    """Send a message to the worker at the end of a route, and print its reply."""
    body: str | bytes = message
    if as_hex:
        try:
            body = bytes.fromhex(message)
        except ValueError:
            raise UnusableText(f"`{message}` is not hex.") from None
    run(_send(settings, body, to, timeout))


async def _send(settings: Settings, body: str | bytes, to: str, timeout: float) -> None:
    from ockam import Node, TimedOut
    from ockam.multiaddr import MultiAddr

    destination = MultiAddr.parse(to)
    async with Node() as node:
        try:
            identifier = await node.create_identity()
            route = await open_route(node, identifier, destination, timeout)
            if isinstance(body, str):
                text = await node.send_and_receive(route, body, reply=str, timeout=timeout)
            else:
                text = (await node.send_and_receive(route, body, timeout=timeout)).hex()
        except TimedOut as error:
            raise NoAnswer(
                f"No reply from {to} within {duration_text(timeout)}.",
                "Check the route, and that the worker is open to this way of reaching it.",
            ) from error
    Output(settings).result({"reply": text}, plain=text, machine=text)


async def open_route(node: Node, identifier: Identifier, destination: MultiAddr, timeout: float) -> Route:
    """Return the route to a MultiAddr; a channel is opened at each `/secure/NAME` on the way.

    Raises:
        TimedOut: a channel did not open within `timeout` seconds.
    """
    from ockam import SecureChannelOptions, route
    from ockam.multiaddr import MultiAddr, Protocol, resolve

    so_far, parts = route(), []
    for part in destination:
        parts.append(part)
        if part.protocol is Protocol.SECURE:
            resolved = resolve(MultiAddr(tuple(parts)))
            hops = (
                [so_far, resolved.route] if resolved.transport is None else [so_far, resolved.transport, resolved.route]
            )
            channel = await node.create_secure_channel(identifier, route(*hops), SecureChannelOptions(timeout=timeout))
            so_far, parts = route(channel), []
    resolved = resolve(MultiAddr(tuple(parts)))
    if resolved.transport is None:
        return route(so_far, resolved.route)
    tcp = await node.create_tcp_transport()
    return route(so_far, await tcp.resolve(route(resolved.transport, resolved.route)))
