"""The issuer: gives the client and the server of this example a credential that says `cluster=production`.

Start this first, then ..._server.py, then ..._client.py.

$ python examples/06_credentials_exchange_issuer.py --listen 127.0.0.1:5000
Listening on 127.0.0.1:5000
"""

import argparse
import asyncio
import contextlib

from credentials_exchange import ATTRIBUTES, CLIENT, ISSUER_HISTORY, ISSUER_SECRET, SERVER, become

from ockam import IdentityIdAccessControl, Node, SecureChannelListenerOptions


async def main(listen: str) -> None:
    """Issue until stopped."""
    async with Node() as node:
        issuer = await become(node, ISSUER_HISTORY, ISSUER_SECRET)
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(listen)
        # Anybody may open a channel; only the two members are answered, and only through a channel.
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        channels = await node.create_secure_channel_listener(issuer, "api", options)
        await node.create_credential_issuer(
            issuer,
            {CLIENT: ATTRIBUTES, SERVER: ATTRIBUTES},
            consumer_of=[channels.flow_control_id],
            incoming=IdentityIdAccessControl(CLIENT, SERVER),
        )
        print(f"Listening on {listener.socket_address}", flush=True)
        await node.wait_stopped()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:5000", metavar="ADDRESS", help="default: %(default)s")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(parser.parse_args().listen))
