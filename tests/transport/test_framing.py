from __future__ import annotations

import pytest

from ockam.core.address import Address
from ockam.core.message import encode_body
from ockam.core.route import EMPTY_ROUTE, Route, route
from ockam.encoding.cbor import encode_array, encode_bytes, encode_text
from ockam.errors import DecodeError, Kind, Misuse, Origin
from ockam.transport import framing
from ockam.transport.framing import (
    MAX_FRAME_BYTES,
    FrameReader,
    FrameTooLong,
    MessageTooLong,
    decode_frame,
    encode_frame,
)
from tests.stream_driver import decode_stream, refuse_stream
from tests.transport.frame_stream import HOP, Frame, FrameStream

HELLO = bytes(encode_body("Hello Ockam!"))
TEMPORARY = "0123456789abcdef0123456789abcdef"
D_I, M_IN, M_OUT = ("d1" * 16, "5a" * 16, "5b" * 16)

EXAMPLES = [
    pytest.param(
        route("echoer"),
        route(TEMPORARY),
        HELLO,
        "00000041 84 81 82 00 46 6563686f6572 81 82 00 58 20"
        "3031323334353637383961626364656630313233343536373839616263646566 4d 0c48656c6c6f204f636b616d21 62 7b7d",
        id="first transmission",
    ),
    pytest.param(
        route("echoer"),
        route("app"),
        HELLO,
        "00000023 84 81 8200466563686f6572 81 820043617070 4d 0c48656c6c6f204f636b616d21 627b7d",
        id="short form",
    ),
    pytest.param(
        route("app"),
        route("echoer"),
        HELLO,
        "00000023 84 81 820043617070 81 8200466563686f6572 4d 0c48656c6c6f204f636b616d21 627b7d",
        id="reply",
    ),
    pytest.param(EMPTY_ROUTE, EMPTY_ROUTE, b"", "00000007 84808040627b7d", id="heartbeat"),
    pytest.param(
        route("forward_to_bob", "bob_listener"),
        route(D_I),
        bytes(32),
        "0000006c 84 82 82004e666f72776172645f746f5f626f62 82004c626f625f6c697374656e6572 81 82005820"
        + "6431" * 16
        + "5820"
        + "00" * 32
        + "627b7d",
        id="secure-channel message 1",
    ),
    pytest.param(
        route("forward_to_responder", "echoer"),
        route(D_I),
        HELLO,
        "00000058 84 82 820054666f72776172645f746f5f726573706f6e646572 8200466563686f6572 81 82005820"
        + "6431" * 16
        + "4d0c48656c6c6f204f636b616d21 627b7d",
        id="T1",
    ),
    pytest.param(
        route("echoer"),
        route(M_IN, D_I),
        HELLO,
        "00000065 84 81 8200466563686f6572 82 82005820"
        + "3561" * 16
        + "82005820"
        + "6431" * 16
        + "4d0c48656c6c6f204f636b616d21 627b7d",
        id="T2",
    ),
    pytest.param(
        route(M_IN, D_I),
        route("echoer"),
        HELLO,
        "00000065 84 82 82005820"
        + "3561" * 16
        + "82005820"
        + "6431" * 16
        + "81 8200466563686f6572 4d0c48656c6c6f204f636b616d21 627b7d",
        id="T3",
    ),
    pytest.param(
        route(D_I),
        route(M_OUT, "echoer"),
        HELLO,
        "00000065 84 81 82005820"
        + "6431" * 16
        + "82 82005820"
        + "3562" * 16
        + "8200466563686f6572 4d0c48656c6c6f204f636b616d21 627b7d",
        id="T4",
    ),
]

ROUTES = "81 8200466563686f6572 81 820043617070"
HELLO_FRAME: Frame = ("0#echoer", "0#hop => 0#app", b"hi")


def framed(body: bytes | str) -> bytes:
    data = bytes.fromhex(body) if isinstance(body, str) else body
    return len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(("onward_route", "return_route", "payload", "spelling"), EXAMPLES)
def test_worked_examples(onward_route: Route, return_route: Route, payload: bytes, spelling: str) -> None:
    data = bytes.fromhex(spelling)
    assert encode_frame(onward_route, return_route, payload) == data
    onward, back, start, stop = decode_frame(data, 4, len(data))
    assert (onward, back, data[start:stop]) == (onward_route, return_route, payload)


@pytest.mark.parametrize(
    "body",
    [
        f"84 {ROUTES} 426869 627b7d",
        f"84 {ROUTES} 426869 f6",  # no tracing
        f"83 {ROUTES} 426869",  # a peer without an operating system
        f"84 {ROUTES} 426869 60",
        f"84 {ROUTES} 426869 78 03 616263",
        f"84 {ROUTES} 426869 627b7d 0102",  # bytes after the array
        f"84 {ROUTES} 426869 f6 ff",
        f"85 {ROUTES} 426869 627b7d 820102",  # an element of a newer peer
        f"9f {ROUTES} 426869 627b7d ff",
        f"9f {ROUTES} 426869 ff",
        f"9804 {ROUTES} 426869 627b7d",
        f"84 {ROUTES} 58026869 627b7d",  # heads wider than needed
        f"84 {ROUTES} 5900026869 627b7d",
        f"84 {ROUTES} 5a000000026869 627b7d",
        f"84 {ROUTES} 5b00000000000000026869 627b7d",
        "84 9f 8200466563686f6572 ff 9801 83 1800 43617070 f6 426869 627b7d",
    ],
)
def test_every_form_that_the_reference_takes_is_read(body: str) -> None:
    decode_stream(FrameStream, [framed(body)] * 2, [HELLO_FRAME] * 2)


@pytest.mark.parametrize("body", ["83808040", "84808040f6", "84808040627b7d", "84 80 81820043617070 40 f6"])
def test_heartbeats_are_dropped(body: str) -> None:
    frame = framed(f"84 {ROUTES} 426869 627b7d")
    decode_stream(FrameStream, [framed(body), frame, framed(body)], [HELLO_FRAME])


@pytest.mark.parametrize(
    "body",
    [
        "",
        "00",
        "f6",
        "80",
        f"82 {ROUTES}",
        f"84 {ROUTES}",
        f"84 {ROUTES} 426869",  # four announced, three there
        f"84 {ROUTES} 426869 05",
        f"84 {ROUTES} 426869 f7",
        f"84 {ROUTES} 426869 427b7d",
        f"84 {ROUTES} 426869 62c328",
        f"84 {ROUTES} 426869 7f627b7dff",
        f"84 {ROUTES} 5f426869ff 627b7d",
        f"84 {ROUTES} 626869 627b7d",
        f"84 {ROUTES} 456869 627b7d",
        f"84 {ROUTES} 58",
        f"84 {ROUTES} 58ff",
        f"84 {ROUTES} 5900",
        f"84 {ROUTES} 59ffff00",
        f"84 {ROUTES} 5a",
        f"83 {ROUTES} 42",
        "84",
        "84 81",
        "84 ff ff 40 f6",  # nothing that is compared before the first frame may be sent by a peer
        "84 80 ff 40 f6",
        "84 81 8200466563686f6572 ff 40 f6",
        "84 81 f6 80 40 f6",
        "84 81 82190100 4161 80 40 f6",
    ],
)
def test_a_bad_frame_is_refused(body: str) -> None:
    refuse_stream(FrameStream, framed(body))
    good = framed(f"84 {ROUTES} 426869 627b7d")
    stream = FrameStream()
    assert stream(good) == [HELLO_FRAME]
    with pytest.raises(DecodeError):
        stream(framed(body) + good)  # what follows completes nothing


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 4095, 4096, 65535, 65536, 100_000])
def test_every_size_of_payload(size: int) -> None:
    payload = bytes(index & 0xFF for index in range(size))
    frame = encode_frame(route("echoer"), route("app"), payload)
    tail = bytes.fromhex("627b7d")
    assert frame[4:] == b"\x84" + bytes.fromhex(ROUTES) + encode_bytes(payload) + tail
    stream = FrameStream()
    assert stream(frame[:50]) + stream(frame[50:]) == [("0#echoer", "0#hop => 0#app", payload)]


def test_small_payloads_are_copied_and_large_ones_are_views() -> None:
    kinds: list[type] = []
    reader = FrameReader(HOP, lambda _onward, _return, payload: kinds.append(type(payload)))
    for size in (framing.VIEW_FROM_BYTES - 1, framing.VIEW_FROM_BYTES):
        buffer = bytearray(encode_frame(route("a"), route("b"), bytes(size)))
        with memoryview(buffer) as view:
            assert reader.split(buffer, view, 0, len(buffer)) == len(buffer)
    assert kinds == [bytes, memoryview]


def test_the_largest_frame_and_one_byte_more() -> None:
    overhead = len(encode_frame(route("a"), route("b"), bytes(65536))) - 4 - 65536
    largest = encode_frame(route("a"), route("b"), bytes(MAX_FRAME_BYTES - overhead))
    assert largest[:4] == bytes.fromhex("01000000")
    assert len(largest) == 4 + MAX_FRAME_BYTES
    assert len(FrameStream()(largest)) == 1
    for size in (MAX_FRAME_BYTES - overhead + 1, MAX_FRAME_BYTES + 1, 1 << 40):
        with pytest.raises(MessageTooLong, match="message length exceeded") as caught:
            framing.frame_head(framing.frame_routes(route("a"), route("b")), size)
        assert (caught.value.origin, caught.value.kind) == (Origin.TRANSPORT, Kind.UNSUPPORTED)
        assert isinstance(caught.value, Misuse)


@pytest.mark.parametrize("length", ["01000001", "ffffffff"])
def test_a_frame_that_announces_more_is_refused_before_it_is_there(length: str) -> None:
    refuse_stream(FrameStream, bytes.fromhex(length))
    with pytest.raises(FrameTooLong):
        FrameStream()(bytes.fromhex(length))


def test_how_much_is_needed() -> None:
    reader = FrameReader(HOP, lambda *_: None)
    buffer = bytearray(bytes.fromhex("00 00000023 84"))
    assert reader.needed(buffer, 1, 6) == 4 + 0x23
    assert reader.needed(buffer, 1, 4) == 4
    assert reader.needed(bytearray(bytes.fromhex("01000000")), 0, 4) == 4 + MAX_FRAME_BYTES
    with pytest.raises(FrameTooLong):
        reader.needed(bytearray(bytes.fromhex("01000001")), 0, 4)


@pytest.mark.parametrize("pattern", ["{number:04}{filler}", "{filler}{number:04}"])
def test_many_routes_are_remembered_and_none_is_confused(pattern: str) -> None:
    # Common beginnings, one hop more or less, more routes than are remembered, and each of them twice.
    names = [pattern.format(number=number, filler="x" * 60) for number in range(framing.MAX_REMEMBERED_ROUTES + 10)]
    hops = [Address.local(name) for name in names]
    frames, expected = [], []
    for _ in range(2):
        for number, hop in enumerate(hops):
            onward, back = route(hop, *hops[: number % 3]), route(*hops[: number % 2], hop)
            frames.append(encode_frame(onward, back, b"%d" % number))
            expected.append((str(onward), str(back.prepend(HOP)), b"%d" % number))
    assert FrameStream()(b"".join(frames)) == expected
    assert [frame for data in frames[:40] for frame in FrameStream()(data)] == expected[:40]


def test_a_route_that_begins_like_the_one_before() -> None:
    frames = [
        encode_frame(route("a"), route("b"), b"1"),
        encode_frame(route("a"), route("b", "c"), b"2"),
        encode_frame(route("a", "b"), EMPTY_ROUTE, b"3"),
        encode_frame(route("a"), EMPTY_ROUTE, b"4"),
        encode_frame(route("a"), route("b"), b"5"),
    ]
    expected = [
        ("0#a", "0#hop => 0#b", b"1"),
        ("0#a", "0#hop => 0#b => 0#c", b"2"),
        ("0#a => 0#b", "0#hop", b"3"),
        ("0#a", "0#hop", b"4"),
        ("0#a", "0#hop => 0#b", b"5"),
    ]
    decode_stream(FrameStream, frames, expected)


def test_long_spellings_are_not_kept() -> None:
    reader = FrameReader(HOP, lambda *_: None)
    for number in range(8):
        # An address of 100 kB, another one each time.
        spelling = encode_array(encode_array(b"\x00", encode_bytes(bytes((number,)) * 100_000)))
        body = encode_array(spelling, spelling, b"\x40", encode_text("{}"))
        buffer = bytearray(framed(body))
        reader.split(buffer, memoryview(buffer), 0, len(buffer))
    kept = [*reader._onward.entries, *reader._return.entries]
    assert kept == []
