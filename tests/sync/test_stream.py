from __future__ import annotations

import contextlib
import http.client
import threading
from typing import TYPE_CHECKING

import pytest

from ockam import StreamRefused, TimedOut, route
from tests.sync.talking import connected

if TYPE_CHECKING:
    from ockam.sync import Stream
    from tests.sync.talking import Pair


def echo(stream: Stream) -> None:
    while data := stream.recv(1 << 20):
        stream.sendall(data)


def serve_http(stream: Stream) -> None:
    """Answer one request after the other with its own body, or its path."""
    with contextlib.closing(stream.makefile("rb")) as lines:
        while request := lines.readline():
            size = 0
            while (line := lines.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
            body = lines.read(size) or request.split()[1]
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def serve(pair: Pair, handler: object) -> Stream:
    server = pair.server.start_stream_server(
        "streams",
        handler,  # type: ignore[arg-type]  # any callable
        consumer_of=[pair.channels.flow_control_id],
    )
    assert str(server.address) == "0#streams"
    return pair.client.open_stream(route(pair.channel, "streams"))


def test_a_channel_opens_streams_itself() -> None:
    with connected() as pair, serve(pair, echo), pair.channel.open_stream("streams", timeout=5) as stream:
        stream.sendall(b"hello")
        assert stream.recv(5) == b"hello"


def test_bytes_come_back() -> None:
    with connected() as pair, serve(pair, echo) as stream:
        assert stream.peer_identifier == pair.bob
        data = bytes(range(256)) * 8192
        sending = threading.Thread(target=stream.sendall, args=(memoryview(data),))
        sending.start()
        received = b""
        while len(received) < len(data):
            received += stream.recv(1 << 20)
        assert received == data
        sending.join()
        buffer = bytearray(4)
        stream.sendall(b"abcdef")
        assert stream.recv_into(buffer, 2) == 2
        assert buffer == b"ab\0\0"
        stream.close()


def test_http_over_a_channel() -> None:
    with connected() as pair:
        stream = serve(pair, serve_http)
        client = http.client.HTTPConnection("through-the-channel")
        client.sock = stream
        for path in ("/first", "/second"):
            client.request("GET", path)
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (200, path.encode())
        body = bytes(1_000_000)
        client.request("POST", "/", body)
        assert client.getresponse().read() == body
        client.close()


def test_files() -> None:
    with connected() as pair:
        stream = serve(pair, echo)
        with contextlib.closing(stream.makefile("rw", encoding="utf-8", newline="\n")) as file:
            stream.close()
            # The stream stays open for its file.
            file.write("zürich\n")
            file.flush()
            assert file.readline() == "zürich\n"
        stream.close()
        with pytest.raises(ValueError, match="invalid mode"):
            stream.makefile("x")  # type: ignore[call-overload]  # what a program may do by mistake
        with pair.client.open_stream(route(pair.channel, "streams")) as second, second.makefile("wb") as binary:
            binary.write(b"by a file")
            binary.flush()
            assert second.recv(100) == b"by a file"


def test_timeouts_and_resets() -> None:
    with connected() as pair, serve(pair, echo) as stream:
        assert stream.gettimeout() is None
        stream.settimeout(0.02)
        assert stream.gettimeout() == 0.02
        with pytest.raises(TimeoutError):
            stream.recv(1)
        stream.settimeout(10)
        stream.sendall(b"on time")
        assert stream.recv(100) == b"on time"
        pair.connection.close()
        with pytest.raises(ConnectionResetError):
            stream.recv(1)
        with pytest.raises(ConnectionResetError):
            stream.sendall(b"x")


def test_a_server() -> None:
    def fail(stream: Stream) -> None:
        stream.sendall(stream.recv(1))
        raise ValueError("a mistake")

    with connected() as pair:
        with pair.server.start_stream_server(
            "streams", fail, consumer_of=[pair.channels.flow_control_id], max_streams=1
        ) as server:
            stream = pair.client.open_stream(route(pair.channel, "streams"))
            assert server.statistics() == {"streams": 1}
            with pytest.raises(StreamRefused):
                pair.client.open_stream(route(pair.channel, "streams"))
            stream.sendall(b"x")
            assert stream.recv(10) == b"x"
            assert stream.recv(10) == b""
            stream.close()
        server.wait_closed()
        assert server.is_closed
        with pytest.raises(TimedOut):
            pair.client.open_stream(route(pair.channel, "streams"), timeout=0.02)


def test_streams_end_with_their_nodes() -> None:
    with connected() as pair:
        stream = serve(pair, echo)
        pair.server.close()
        assert stream.recv(1) == b""
    stream.close()
