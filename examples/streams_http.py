"""HTTP through a secure channel, with the standard library's own server and client, and no port for HTTP anywhere.

    $ python examples/streams_http.py
    200 Hello, I... (the client's identifier)

Both nodes are in this program; all that passes between them is one TCP connection, and on it ciphertext.
"""

from __future__ import annotations

import argparse
import http.client
from http.server import BaseHTTPRequestHandler

from ockam import Route, SecureChannelListenerOptions, route
from ockam.sync import Node, Stream


class Greeter(BaseHTTPRequestHandler):
    """Greets whoever asks; the channel has proven who that is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        body = f"Hello, {self.client_address[0]}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on standard error."""


class ChannelConnection(http.client.HTTPConnection):
    """An HTTP connection over a stream."""

    def __init__(self, node: Node, to: Route) -> None:
        super().__init__("greeter")
        self.node = node
        self.to = to

    def connect(self) -> None:
        """Open the stream in place of a socket."""
        self.sock = self.node.open_stream(self.to)


def serve(stream: Stream) -> None:
    """Handle the requests of one stream, in a thread."""
    Greeter(stream, (str(stream.peer_identifier), 0), None)


def main() -> None:
    """Run a server and ask it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:0", help="where the two nodes meet (%(default)s)")
    arguments = parser.parse_args()
    with Node() as server, Node() as client:
        listener = server.create_tcp_transport().listen(arguments.listen)
        options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
        channels = server.create_secure_channel_listener(server.create_identity(), "api", options)
        server.start_stream_server("http", serve, consumer_of=[channels.flow_control_id])

        connection = client.create_tcp_transport().connect(listener.socket_address)
        channel = client.create_secure_channel(client.create_identity(), route(connection, "api"))
        requests = ChannelConnection(client, route(channel, "http"))
        requests.request("GET", "/")
        answer = requests.getresponse()
        print(answer.status, answer.read().decode())
        requests.close()


if __name__ == "__main__":
    main()
