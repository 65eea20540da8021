from __future__ import annotations

import pytest

from ockam.core.request import MAX_CAUSES, ErrorBody, Method, Request, Response, Status
from ockam.encoding.bare import encode_data, encode_string
from ockam.errors import DecodeError

NODE = Request("/node", Method.GET, id=42)
EXAMPLES = [
    (NODE, "0f a4 01 182a 02 65 2f6e6f6465 03 00 04 f4"),
    (
        Request("/echo", Method.POST, encode_string("Hello Ockam!"), id=0x01020304),
        "1f a4 01 1a01020304 02 65 2f6563686f 03 01 04 f5 0c48656c6c6f204f636b616d21",
    ),
    (Response(42, Status.OK, id=0x11223344), "0f a4 01 1a11223344 02 182a 03 18c8 04 f4"),
    (
        Response(42, Status.BAD_REQUEST, ErrorBody("unknown path", "/node", Method.GET).encode(), id=0x11223344),
        "28 a4 01 1a11223344 02 182a 03 190190 04 f5 a3 01 65 2f6e6f6465 02 00 03 6c 756e6b6e6f776e2070617468",
    ),
    (Response(42, Status.OK, encode_string("hi"), id=7), "0e a4 01 07 02 182a 03 18c8 04 f5 02 6869"),
]


def envelope(spaced_hex: str) -> bytes:
    return encode_data(bytes.fromhex(spaced_hex))


@pytest.mark.parametrize(("value", "spelling"), EXAMPLES)
def test_worked_examples(value: Request | Response, spelling: str) -> None:
    data = bytes.fromhex(spelling)
    assert value.encode() == data
    assert type(value).decode(data) == value
    assert type(value).decode(data + b"trailing") == value


def test_numbers_of_the_reference() -> None:
    assert [method.name for method in sorted(Method)] == ["GET", "POST", "PUT", "DELETE", "PATCH"]
    assert sorted(Method) == list(range(5))
    assert sorted(Status) == [200, 400, 401, 403, 404, 405, 408, 409, 500, 501]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a3 01 182a 02 652f6e6f6465 04 f4", Request("/node", None, id=42)),
        ("a4 01 182a 02 652f6e6f6465 03 05 04 f4", Request("/node", None, id=42)),  # an unknown method
        ("a4 01 182a 02 652f6e6f6465 03 190400 04 f4", Request("/node", None, id=42)),
        ("a4 01 182a 02 652f6e6f6465 03 f6 04 f4", Request("/node", None, id=42)),
        ("a5 00 1a0073c0d6 01 182a 02 652f6e6f6465 03 00 04 f4", NODE),  # the type tag of old peers
        ("a5 01 182a 02 652f6e6f6465 03 00 04 f4 09 820102", NODE),
        ("bf 04 f4 03 00 02 652f6e6f6465 01 182a ff", NODE),
        ("a5 01 05 01 182a 02 652f6e6f6465 03 00 04 f4", NODE),
        ("a4 01 182a 02 652f6e6f6465 03 00 04 f4 ffff", NODE),  # a body that the header denies
        ("a4 01 182a 02 652f6e6f6465 03 00 04 f5", Request("/node", Method.GET, b"", id=42)),
    ],
)
def test_request_headers_are_read_by_the_rules_of_maps(header: str, expected: Request) -> None:
    assert Request.decode(envelope(header)) == expected


def test_absent_numbers_are_left_out() -> None:
    assert Request("/node", None, id=42).encode() == envelope("a3 01 182a 02 652f6e6f6465 04 f4")
    assert Response(42, None, id=7).encode() == envelope("a3 01 07 02 182a 04 f4")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "a0",
        "a2 02 652f6e6f6465 04 f4",
        "a2 01 182a 04 f4",
        "a2 01 182a 02 652f6e6f6465",
        "a3 01 1b0000000100000000 02 652f6e6f6465 04 f4",
        "a3 01 182a 02 452f6e6f6465 04 f4",
        "a3 01 182a 02 652f6e6f6465 04 00",
        "a4 01 182a 02 652f6e6f6465 03 6161 04 f4",
        "84 182a 652f6e6f6465 00 f4",
        "a4 01 182a",
    ],
)
def test_what_is_no_request_is_refused(header: str) -> None:
    with pytest.raises(DecodeError):
        Request.decode(envelope(header))


def test_the_length_in_front_is_mandatory() -> None:
    with pytest.raises(DecodeError):
        Request.decode(NODE.encode()[1:])
    with pytest.raises(DecodeError):
        Request.decode(NODE.encode()[:-1])
    with pytest.raises(DecodeError):
        Response.decode(b"")


def test_a_path_is_bounded() -> None:
    with pytest.raises(DecodeError, match="more than 4096 bytes"):
        Request.decode(Request("/" * 4097, Method.GET).encode())


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/node", ("node",)),
        ("node/services", ("node", "services")),
        ("//a/b", ("a", "b")),
        ("/a//b/", ("a", "", "b", "")),
        ("/1/2/3/4/5/6", ("1", "2", "3", "4", "5/6")),
        ("/", ("",)),
    ],
)
def test_path_segments(path: str, segments: tuple[str, ...]) -> None:
    assert Request(path, Method.GET).segments == segments


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a3 01 07 02 182a 04 f4", Response(42, None, id=7)),
        ("a4 01 07 02 182a 03 190258 04 f4", Response(42, None, id=7)),  # an unknown status
        ("a4 01 07 02 182a 03 1a00010000 04 f4", Response(42, None, id=7)),
        ("a4 01 07 02 182a 03 f6 04 f4", Response(42, None, id=7)),
        ("a5 00 1a0094c7ce 01 07 02 182a 03 18c8 04 f4", Response(42, Status.OK, id=7)),
        ("a4 01 07 02 182a 03 18c8 04 f4 0161", Response(42, Status.OK, id=7)),
        ("a4 01 07 02 182a 03 18c8 04 f5", Response(42, Status.OK, b"", id=7)),
        # Not 200: whatever follows is an error, whatever the flag says.
        ("a4 01 07 02 182a 03 190194 04 f4 6161", Response(42, Status.NOT_FOUND, b"\x61a", id=7)),
        ("a4 01 07 02 182a 03 190194 04 f4", Response(42, Status.NOT_FOUND, id=7)),
    ],
)
def test_response_headers_are_read_by_the_rules_of_maps(header: str, expected: Response) -> None:
    assert Response.decode(envelope(header)) == expected


@pytest.mark.parametrize(
    "header", ["", "a0", "a2 02 182a 04 f4", "a2 01 07 04 f4", "a2 01 07 02 182a", "a3 01 07 02 6161 04 f4"]
)
def test_what_is_no_response_is_refused(header: str) -> None:
    with pytest.raises(DecodeError):
        Response.decode(envelope(header))


def test_answers() -> None:
    ok = Response.ok(NODE, b"x")
    assert (ok.re, ok.status, ok.body, ok.is_ok) == (42, Status.OK, b"x", True)
    failure = Response.failure(NODE, Status.NOT_FOUND, "no such node")
    assert (failure.re, failure.status, failure.is_ok) == (42, Status.NOT_FOUND, False)
    assert failure.error == ErrorBody("no such node", "/node", Method.GET)
    assert Response.failure(NODE, Status.METHOD_NOT_ALLOWED).error == ErrorBody(None, "/node", Method.GET)
    assert Response(1, Status.CONFLICT).error == ErrorBody()


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("", ErrorBody()),
        ("a0", ErrorBody()),
        ("62 6869", ErrorBody("hi")),
        ("42 6869", ErrorBody("hi")),
        ("42 c328", ErrorBody()),  # bytes that are no UTF-8
        ("62 c328", ErrorBody()),
        ("65 6869", ErrorBody()),
        ("ff", ErrorBody()),
        ("81 626869", ErrorBody()),
        ("a1 03 626869", ErrorBody("hi")),
        ("bf 03 626869 09 820102 ff", ErrorBody("hi")),
        ("a4 01 f6 02 f6 03 f6 04 f6", ErrorBody()),
        ("a2 02 18ff 03 626869", ErrorBody("hi")),
        ("a2 04 a1 03 6161 04 f6", ErrorBody()),
        ("a1 04 a2 01 612f 02 01", ErrorBody(cause=ErrorBody(path="/", method=Method.POST))),
    ],
)
def test_an_error_has_many_forms(spelling: str, expected: ErrorBody) -> None:
    assert ErrorBody.decode(bytes.fromhex(spelling)) == expected


def test_an_error_body_leaves_out_what_is_absent() -> None:
    assert ErrorBody().encode() == b"\xa0"
    whole = ErrorBody("m", "/p", Method.PATCH, ErrorBody("c"))
    assert whole.encode() == bytes.fromhex("a4 01 622f70 02 04 03 616d 04 a1 03 6163")
    assert ErrorBody.decode(whole.encode()) == whole


def test_causes_are_read_to_a_depth() -> None:
    error = ErrorBody("0")
    for n in range(1, 30):
        error = ErrorBody(str(n), cause=error)
    found: ErrorBody | None = ErrorBody.decode(error.encode())
    seen = []
    while found is not None:
        seen.append(found.message)
        found = found.cause
    assert seen == [str(n) for n in range(29, 28 - MAX_CAUSES, -1)][: MAX_CAUSES + 1]


def test_causes_beyond_measure_are_no_error_of_ours() -> None:
    assert ErrorBody.decode(b"\xa1\x04" * 100_000 + b"\xa0") == ErrorBody()
