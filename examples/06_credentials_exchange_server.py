"""The server: its worker `echo` talks only to those of whom the issuer says `cluster=production`.

Start ..._issuer.py first, then this, then ..._client.py.

$ python examples/06_credentials_exchange_server.py --listen 127.0.0.1:4000 --issuer 127.0.0.1:5000
Listening on 127.0.0.1:4000
"""

import argparse
import asyncio
import contextlib
from collections.abc import Mapping

from credentials_exchange import ISSUER, SERVER_HISTORY, SERVER_SECRET, become

from ockam import Echoer, Node, Route, SecureChannelListenerOptions, route
from ockam.policy import (
    Abac,
    ExpressionAccessControl,
    IncomingPolicyAccessControl,
    OutgoingPolicyAccessControl,
    attribute_is,
)


async def main(listen: str, issuer: str) -> None:
    """Serve until stopped."""
    async with Node() as node:
        server = await become(node, SERVER_HISTORY, SERVER_SECRET)
        tcp = await node.create_tcp_transport()
        # Asks the issuer for our credential, and again before it ends.
        retriever = await node.create_credential_retriever(server, ISSUER, route(f"1#{issuer}", "api"))
        await retriever.initialize()

        listener = await tcp.listen(listen)
        options = SecureChannelListenerOptions(
            consumer_of=[listener.flow_control_id], authority=ISSUER, credential_retriever=retriever
        )
        channels = await node.create_secure_channel_listener(server, "api", options)

        def channel_on(hops: Route) -> Mapping[str, str] | None:
            found = node.context.find_terminal_address(hops)
            return None if found is None else found[1].attributes

        production = ExpressionAccessControl(attribute_is("cluster", "production"), Abac(node.identities, ISSUER))
        await node.start_worker(
            "echo",
            Echoer(),
            incoming=IncomingPolicyAccessControl(production),
            outgoing=OutgoingPolicyAccessControl(production, channel_on),
        )
        node.flow_controls.add_consumer("echo", channels.flow_control_id)
        print(f"Listening on {listener.socket_address}", flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:4000", metavar="ADDRESS", help="default: %(default)s")
    parser.add_argument("--issuer", default="127.0.0.1:5000", metavar="ADDRESS", help="default: %(default)s")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.listen, arguments.issuer))
