from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2
from hypothesis import example, given
from hypothesis import strategies as st

from ockam.core.address import Address
from ockam.core.errors import InvalidAddress
from ockam.core.flow_control import FlowControlId, FlowControlOutgoing, FlowControls
from ockam.core.message import LocalMessage, RelayMessage, decode_body, encode_body
from ockam.core.request import ErrorBody, Method, Request, Response, Status
from ockam.core.route import Route, route
from ockam.encoding.bare import Reader
from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError
from ockam.transport.framing import decode_frame, encode_frame
from tests.stream_driver import decode_stream
from tests.transport.frame_stream import HOP, FrameStream

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
U32 = st.integers(0, (1 << 32) - 1)
ADDRESSES = st.builds(Address, st.integers(0, 5) | st.integers(0, 255), st.binary(max_size=40))
ROUTES = st.builds(Route, st.lists(ADDRESSES, max_size=6))

REQUESTS = st.builds(Request, TEXT, st.none() | st.sampled_from(Method), st.none() | st.binary(), U32)
RESPONSES = st.builds(Response, U32, st.just(Status.OK), st.none() | st.binary(), U32)
ERRORS = st.recursive(
    st.builds(ErrorBody, st.none() | TEXT, st.none() | TEXT, st.none() | st.sampled_from(Method)),
    lambda cause: st.builds(ErrorBody, st.none() | TEXT, st.none() | TEXT, st.none() | st.sampled_from(Method), cause),
    max_leaves=5,
)

# Plausible CBOR of the wrong shape finds more than noise does.
SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.binary(max_size=5) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 5), inner, max_size=5),
    max_leaves=12,
).map(cbor2.dumps)
BYTES = st.binary(max_size=64) | SHAPES

DECODERS: list[Callable[[bytes], object]] = [
    lambda data: Address.read(Decoder(data)),
    lambda data: Address.read_bare(Reader(data)),
    lambda data: Route.read(Decoder(data)),
    lambda data: Route.read_bare(Reader(data)),
    lambda data: FlowControlId.read(Decoder(data)),
    Request.decode,
    Response.decode,
    lambda data: ErrorBody.read(Decoder(data)),
    lambda data: decode_body(data, str),
    lambda data: decode_frame(data, 0, len(data)),
]


@given(ADDRESSES)
def test_address_round_trips(address: Address) -> None:
    assert Address.read(Decoder(address.encode())) == address
    assert Address.read_bare(Reader(address.encode_bare())) == address
    assert cbor2.dumps([address.transport_type, address.value]) == address.encode()


@given(st.integers(0, 255), TEXT.filter(lambda text: "#" not in text))
def test_address_text_round_trip(transport_type: int, text: str) -> None:
    address = Address(transport_type, text.encode())
    assert Address.parse(str(address)) == address


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("#0123456789+")))
def test_parsing_raises_nothing_but_invalid_address(text: str) -> None:
    for parse in (Address.parse, Route.parse):
        try:
            parse(text)
        except InvalidAddress:
            continue


@given(ADDRESSES, ADDRESSES)
def test_equal_addresses_have_equal_encodings_and_hashes(one: Address, other: Address) -> None:
    assert (one == other) == (one.encode() == other.encode())
    assert one != other or hash(one) == hash(other)
    assert (one < other) + (other < one) + (one == other) == 1


@given(ROUTES)
def test_route_round_trips(value: Route) -> None:
    decoder = Decoder(value.encode())
    assert Route.read(decoder) == value
    decoder.finish()
    assert Route.read_bare(Reader(value.encode_bare())) == value
    assert cbor2.loads(value.encode()) == [[hop.transport_type, hop.value] for hop in value]


@given(ROUTES, ROUTES)
def test_route_arithmetic(one: Route, other: Route) -> None:
    both = one + other
    assert both == other.prepend(one) == one.append(other) == route(one, other)
    assert len(both) == len(one) + len(other)
    if one.addresses:
        assert both.contains(one)
        assert both.tail() == one.tail() + other
        assert both.next + both.tail() == both
        assert both.without_recipient() + both.recipient == both


@given(BYTES)
@example(b"")
@example(b"\x81" * 100_000)
@example(b"\x9f" * 100_000)
@example(b"\xa1\x04" * 100_000)
@example(b"\x84" + b"\x9b\x80" + bytes(7))
@example(b"\xff" * 9 + b"\x01")
def test_decoders_raise_nothing_but_decode_error(data: bytes) -> None:
    for decode in DECODERS:
        for spelling in (data, bytes((len(data) & 0x7F,)) + data):
            try:
                decode(spelling)
            except DecodeError:
                continue


@given(BYTES)
@example(b"\xa1\x04" * 100_000 + b"\xa0")
def test_an_error_body_never_fails(data: bytes) -> None:
    assert isinstance(ErrorBody.decode(data), ErrorBody)


@given(BYTES)
def test_what_is_accepted_encodes_stably(data: bytes) -> None:
    for read in (Address.read, Route.read, FlowControlId.read, ErrorBody.read):
        try:
            value: Any = read(Decoder(data))
        except DecodeError:
            continue
        again = read(Decoder(value.encode()))
        assert again == value
        assert again.encode() == value.encode()


@given(REQUESTS, st.binary())
def test_request_round_trip(request: Request, after: bytes) -> None:
    assert Request.decode(request.encode() + after) == request


@given(RESPONSES, st.binary())
def test_response_round_trip(response: Response, after: bytes) -> None:
    assert Response.decode(response.encode() + after) == response


@given(ERRORS, st.sampled_from([status for status in Status if status is not Status.OK]))
def test_error_round_trip(error: ErrorBody, status: Status) -> None:
    assert ErrorBody.decode(error.encode()) == error
    assert Response.decode(Response(5, status, error.encode()).encode()).error == error


@given(TEXT | st.binary() | st.none())
def test_body_round_trip(body: str | bytes | None) -> None:
    assert decode_body(encode_body(body), type(body)) == body


@given(ROUTES, ROUTES, st.binary(max_size=300))
def test_frame_round_trip(onward_route: Route, return_route: Route, payload: bytes) -> None:
    frame = encode_frame(onward_route, return_route, payload)
    routes = [[[hop.transport_type, hop.value] for hop in value] for value in (onward_route, return_route)]
    assert frame == (len(frame) - 4).to_bytes(4, "big") + cbor2.dumps([*routes, payload, "{}"])
    onward, back, start, stop = decode_frame(frame, 4, len(frame))
    assert (onward, back, frame[start:stop]) == (onward_route, return_route, payload)


@given(st.lists(st.tuples(ROUTES, ROUTES, st.binary(max_size=30)), min_size=1, max_size=4), st.data())
def test_frames_are_read_alike_however_they_are_cut_and_remembered(
    frames: list[tuple[Route, Route, bytes]], data: st.DataObject
) -> None:
    # The same routes again and again, in any order: remembered spellings must not change what is read.
    order = data.draw(st.lists(st.sampled_from(frames), min_size=1, max_size=6))
    expected = [(str(onward), str(back.prepend(HOP)), payload) for onward, back, payload in order if onward.addresses]
    decode_stream(FrameStream, [encode_frame(*frame) for frame in order], expected)


@given(BYTES | st.builds(encode_frame, ROUTES, ROUTES, st.binary()).map(lambda frame: frame[4:]), st.data())
def test_the_fast_reader_accepts_what_the_plain_one_accepts(body: bytes, data: st.DataObject) -> None:
    if body and data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(body) - 1))
        body = body[:at] + data.draw(st.binary(min_size=1, max_size=1)) + body[at + 1 :]
    stream = FrameStream()
    expected: list[object] | None
    try:
        onward_route, return_route, start, stop = decode_frame(body, 0, len(body))
        hops = str(onward_route), str(return_route.prepend(HOP)), body[start:stop]
        expected = [hops] if onward_route.addresses else []
    except DecodeError:
        expected = None
    for _ in range(2):
        found: list[Any] | None
        try:
            found = list(stream(len(body).to_bytes(4, "big") + body))
        except DecodeError:
            found = None
            stream = FrameStream()
        assert found == expected


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.integers(0, 9))
def test_reachable_is_what_was_opened_under_either_id(own: set[int], spawned: set[int], first: int) -> None:
    workers = [Address.local(str(number)) for number in range(10)]
    ids = FlowControlId("own"), FlowControlId("spawned")
    controls = FlowControls()
    for flow_control_id, numbers in zip(ids, (own, spawned), strict=True):
        for number in numbers:
            controls.add_consumer(workers[number], flow_control_id)
    message = RelayMessage(HOP, workers[first], LocalMessage(route(workers[first]), route(), b""))
    assert FlowControlOutgoing(controls, *ids).is_authorized(message) is (first in own | spawned)
