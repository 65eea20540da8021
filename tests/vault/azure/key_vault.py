"""A stand-in for Azure Key Vault and Managed HSM: strict about what it is asked, and with errors to order.

It speaks HTTPS with a certificate of its own, knows P-256 keys, and answers as the documentation of the REST API
(version 2025-07-01) says. A request that the documentation does not allow is a mistake of the vault under test, and is
kept in `mistakes`.
"""

from __future__ import annotations

import base64
import datetime
import json
import re
import secrets
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TOKEN", "KeyVault"]

TOKEN: Final = "token of the test"
API_VERSION: Final = "2025-07-01"
PAGE: Final = 2
"""Keys of one answer; the documented limit is 25."""

_KEY: Final = re.compile(r"/keys/([0-9A-Za-z-]{1,127})(?:/([0-9a-f]{32}))?")


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code


class Key:
    """One version of a key."""

    def __init__(self, name: str, kind: str, curve: str, operations: list[str]) -> None:
        self.name = name
        self.version = secrets.token_hex(16)
        self.kind = kind
        self.curve = curve
        self.operations = operations
        self.enabled = True
        self.private: Any = (
            rsa.generate_private_key(65537, 2048)
            if kind.startswith("RSA")
            else ec.generate_private_key({"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[curve]())
        )

    def bundle(self, url: str) -> dict[str, Any]:
        """Return what the API calls a KeyBundle."""
        numbers = self.private.public_key().public_numbers()
        key: dict[str, Any] = {
            "kid": f"{url}/keys/{self.name}/{self.version}",
            "kty": self.kind,
            "key_ops": self.operations,
        }
        if self.kind.startswith("RSA"):
            key |= {"n": text(numbers.n.to_bytes(256, "big")), "e": text(numbers.e.to_bytes(3, "big"))}
        else:
            size = (self.private.curve.key_size + 7) // 8
            key |= {
                "crv": self.curve,
                "x": text(numbers.x.to_bytes(size, "big")),
                "y": text(numbers.y.to_bytes(size, "big")),
            }
        return {"key": key, "attributes": self.attributes()}

    def attributes(self) -> dict[str, Any]:
        """Return its attributes."""
        return {"enabled": self.enabled, "created": 1_700_000_000, "recoveryLevel": "Recoverable+Purgeable"}


class KeyVault:
    """Runs until `stop`.

    Args:
        directory: for the certificate.
        managed_hsm: make keys in an HSM only, and ask for tokens of Managed HSM.
    """

    def __init__(self, directory: Path, *, managed_hsm: bool = False) -> None:
        self.managed_hsm = managed_hsm
        self.keys: dict[str, Key] = {}
        self.deleted: dict[str, Key] = {}
        self.mistakes: list[str] = []
        self.requests: list[str] = []
        self.failing: Refused | None = None
        self.signature: bytes | None = None
        self.certificate = directory / "certificate.pem"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: Any) -> None:
                pass

            def answer(self) -> None:
                outer.answer(self)

            do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer  # noqa: N815

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, make_certificate(directory, self.certificate))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # The handshake in the thread of its connection: a client that never begins one stops nobody else.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, name: str, kind: str = "EC", curve: str = "P-256", operations: tuple[str, ...] = ("sign",)) -> Key:
        """Put a key in, as another program would."""
        self.keys[name] = Key(name, kind, curve, list(operations))
        return self.keys[name]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        parts = urlsplit(handler.path)
        self.requests.append(f"{handler.command} {parts.path}")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            if handler.headers.get("Authorization") is None:
                # A client asks without a token and without a body first, to learn whom to get one from.
                resource = "https://managedhsm.azure.net" if self.managed_hsm else "https://vault.azure.net"
                headers["WWW-Authenticate"] = (
                    f'Bearer authorization="https://login.microsoftonline.com/tenant", resource="{resource}"'
                )
                self.expect(not body, "a body was sent without a token")
                raise Refused(401, "Unauthorized")
            if handler.headers["Authorization"] != f"Bearer {TOKEN}":
                raise Refused(401, "Unauthorized")
            if self.failing is not None:
                raise self.failing
            query = parse_qs(parts.query)
            self.expect(query.pop("api-version", None) == [API_VERSION], f"query {parts.query}")
            status, answer = 200, self.route(handler.command, parts.path, query, json.loads(body) if body else None)
        except Refused as refused:
            status, answer = refused.status, {"error": {"code": refused.code, "message": f"{refused.code} of the test"}}
        except Exception as error:
            self.mistakes.append(f"{handler.command} {handler.path}: {error!r}")
            status, answer = 400, {"error": {"code": "BadParameter", "message": repr(error)}}
        encoded = json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(encoded)))
        handler.end_headers()
        handler.wfile.write(encoded)

    def expect(self, condition: bool, what: str) -> None:
        """A request that breaks the documentation is refused, and remembered."""
        if not condition:
            self.mistakes.append(what)
            raise Refused(400, "BadParameter")

    def route(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> dict[str, Any]:
        """Do one operation."""
        if (method, path) == ("GET", "/keys"):
            return self.list_page(query)
        self.expect(not query, f"query {query}")
        create = re.fullmatch(_KEY.pattern.replace(r"(?:/([0-9a-f]{32}))?", "/create"), path)
        if method == "POST" and create:
            return self.create(create[1], body)
        sign = re.fullmatch(_KEY.pattern.rstrip("?") + "/sign", path)
        if method == "POST" and sign:
            return self.sign(sign[1], sign[2], body)
        key = re.fullmatch(_KEY.pattern, path.rstrip("/"))
        self.expect(key is not None and body is None, f"{method} {path}")
        assert key is not None
        if method == "GET":
            return self.found(key[1], key[2]).bundle(self.url)
        self.expect(method == "DELETE" and key[2] is None, f"{method} {path}")
        removed = self.found(key[1], None)
        self.deleted[removed.name] = self.keys.pop(removed.name)
        dates = {"deletedDate": 1_700_000_000, "scheduledPurgeDate": 1_707_776_000}
        return removed.bundle(self.url) | {"recoveryId": f"{self.url}/deletedkeys/{removed.name}"} | dates

    def found(self, name: str, version: str | None) -> Key:
        """Return a key."""
        key = self.keys.get(name)
        if key is None or version not in (None, key.version):
            raise Refused(404, "KeyNotFound")
        return key

    def list_page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return some keys, and where the next ones are."""
        start = int(query.get("$skiptoken", ["0"])[0])
        names = sorted(self.keys)
        value = [
            {"kid": f"{self.url}/keys/{name}", "attributes": self.keys[name].attributes()}
            for name in names[start : start + PAGE]
        ]
        following = f"{self.url}/keys?api-version={API_VERSION}&$skiptoken={start + PAGE}"
        return {"value": value, "nextLink": following if start + PAGE < len(names) else None}

    def create(self, name: str, body: Any) -> dict[str, Any]:
        """Make a key."""
        self.expect(set(body) <= {"kty", "crv", "key_ops", "attributes", "tags"}, f"create {body}")
        self.expect(body["kty"] == ("EC-HSM" if self.managed_hsm else body["kty"]), f"a software key: {body}")
        self.expect(body["kty"] in ("EC", "EC-HSM") and body["crv"] == "P-256", f"create {body}")
        if name in self.keys or name in self.deleted:
            raise Refused(409, "Conflict")
        return self.add(name, body["kty"], body["crv"], tuple(body["key_ops"])).bundle(self.url)

    def sign(self, name: str, version: str, body: Any) -> dict[str, Any]:
        """Sign a digest."""
        self.expect(set(body) == {"alg", "value"} and body["alg"] == "ES256", f"sign {body}")
        digest = base64.urlsafe_b64decode(body["value"] + "=" * (-len(body["value"]) % 4))
        self.expect(len(digest) == 32 and "=" not in body["value"], f"sign {body}")
        key = self.found(name, version)
        if not key.enabled or "sign" not in key.operations:
            raise Refused(403, "Forbidden")
        r, s = utils.decode_dss_signature(key.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
        signature = self.signature if self.signature is not None else r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return {"kid": f"{self.url}/keys/{name}/{version}", "value": text(signature)}


def text(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_certificate(directory: Path, certificate: Path) -> Path:
    """Write a certificate for localhost, and its key; return the path of the key."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key = directory / "key.pem"
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return key
