"""The serving side of our benchmark: what the reference peer's mode `responder` runs, and the worker `usage`.

$ python bench/responder.py --listen 127.0.0.1:4000 --spin 75
{"ready": "127.0.0.1:4000"}
"""

from __future__ import annotations

import argparse
import json
import resource

from ockam import (
    Context,
    CredentialAccessControl,
    Echoer,
    Identifier,
    Node,
    Routed,
    SecureChannelListenerOptions,
    Worker,
    run,
)

CREDENTIAL_SECONDS = 3600


class Sink(Worker[str]):
    """Counts bytes; replies with the total when it gets the word `total`."""

    def __init__(self) -> None:
        self.total = 0

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        body = message.body
        if body == "total":
            total, self.total = self.total, 0
            await ctx.send(message.return_route, str(total))
            return
        # Bodies are ASCII here; in general the number of bytes is that of the encoded text.
        self.total += len(body) if body.isascii() else len(body.encode())


class Usage(Worker[str]):
    """Replies with the processor time that this process has used, in microseconds."""

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        await ctx.send(message.return_route, str(cpu_microseconds()))


class Issuer(Worker[bytes]):
    """Replies to an exported identity with the authority's history and a credential about it, as JSON."""

    def __init__(self, node: Node, authority: Identifier) -> None:
        self.node = node
        self.authority = authority

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        identities = self.node.identities
        subject = await identities.import_identity(message.body)
        credential = await identities.issue_credential(self.authority, subject, {"role": "member"}, CREDENTIAL_SECONDS)
        history = await identities.export_identity(self.authority)
        answer = {"authority": history.hex(), "credential": credential.encode().hex()}
        await ctx.send(message.return_route, json.dumps(answer))


def cpu_microseconds() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round((usage.ru_utime + usage.ru_stime) * 1e6)


async def main(listen: str) -> None:
    async with Node() as node:
        bob = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
        authority = await node.create_identity()
        of_members = SecureChannelListenerOptions(authority=authority, consumer_of=[listener.flow_control_id])
        members = await node.create_secure_channel_listener(bob, "bob_members", of_members)
        # Who gets an answer here has a credential that was verified and stored.
        control = CredentialAccessControl({"role": "member"}, authority, node.identities)
        await node.start_worker("members", Echoer(), incoming=control)
        node.flow_controls.add_consumer("members", members.flow_control_id)
        for name, worker in (("echoer", Echoer()), ("sink", Sink())):
            await node.start_worker(name, worker)
            node.flow_controls.add_consumer(name, channels.flow_control_id)
        for name, plain in (("usage", Usage()), ("issuer", Issuer(node, authority))):
            await node.start_worker(name, plain)
            node.flow_controls.add_consumer(name, listener.flow_control_id)
        print(json.dumps({"ready": str(listener.socket_address)}), flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--spin", type=int, default=0, help="microseconds to poll before sleeping")
    arguments = parser.parse_args()
    run(main(arguments.listen), spin_microseconds=arguments.spin)
