"""Messages that a TLS server receives and reads as RFC 5425 and 5424 want, and collectors that are not believed."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from policies.errors import InputError, IntegrityError, StorageError
from policies.events import Entry, Event
from policies.exports.syslog import Collector, framed, message
from tests.policies.exports.conftest import PATIENT, entry

# RFC 5424, section 6: <PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID [SD] MSG
MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) "
    rb'(?P<id>[!-~]{1,32}) \[(?P<sd>[^ =\]"]{1,32}(?: [!-~]{1,32}?="(?:[^"\\\]]|\\["\\\]])*")*)\] '
    rb"\xef\xbb\xbf(?P<msg>.*)",
    re.DOTALL,
)


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signed itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "logs")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "collector.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


class Server(Thread):
    """Takes one connection over TLS and keeps what it says."""

    def __init__(self, pem: Path, asks: Path | None = None, answers_close: bool = True) -> None:
        super().__init__(daemon=True)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(pem)
        if asks:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(asks)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.received, self.client, self._answers = self._socket.getsockname()[1], b"", None, answers_close

    def run(self) -> None:
        try:
            plain, _ = self._socket.accept()
            with self._context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as stream:
                self.client = stream.getpeercert()
                while data := stream.recv(4096):
                    self.received += data
                if self._answers:
                    stream.unwrap()
        except OSError:
            pass
        finally:
            self._socket.close()


@pytest.fixture
def server(pem: Path) -> Iterator[Server]:
    made = Server(pem)
    made.start()
    yield made
    made.join(10)


def messages(data: bytes) -> list[bytes]:
    """As a collector reads them: each after its length in bytes."""
    found = []
    while data:
        length, _, data = data.partition(b" ")
        found.append(data[: int(length)])
        data = data[int(length) :]
    return found


def test_a_collector_over_tls_receives_every_entry(server: Server, pem: Path, every: list[tuple[str, Entry]]) -> None:
    assert Collector.at(f"127.0.0.1:{server.port}", pem).send(every) == len(every)
    server.join(10)
    received = messages(server.received)
    assert received == [message(*pair) for pair in every]
    assert all(MESSAGE.fullmatch(one) for one in received)


def test_a_collector_that_asks_who_we_are_is_told(pem: Path) -> None:
    server = Server(pem, asks=pem)
    server.start()
    Collector.at(f"127.0.0.1:{server.port}", pem, certificate=pem).send([("north", entry(0, Event.SIGNIN))])
    server.join(10)
    assert server.client and len(messages(server.received)) == 1


def test_a_collector_that_does_not_answer_the_close_is_no_failure(pem: Path) -> None:
    server = Server(pem, answers_close=False)
    server.start()
    assert Collector.at(f"127.0.0.1:{server.port}", pem).send([("north", entry(0, Event.SIGNIN))]) == 1


def test_a_collector_of_another_authority_or_name_gets_nothing(server: Server, pem: Path, tmp_path: Path) -> None:
    import certifi

    with pytest.raises(IntegrityError, match="the certificate does not verify"):
        Collector.at(f"127.0.0.1:{server.port}", Path(certifi.where())).send([("north", entry(0, Event.SIGNIN))])
    server.join(10)
    assert server.received == b""
    other = Server(pem)
    other.start()
    with pytest.raises(IntegrityError, match="the certificate does not verify"):
        Collector.at(f"localhost:{other.port}", pem).send([("north", entry(0, Event.SIGNIN))])
    other.join(10)
    assert other.received == b""


def test_a_collector_that_is_not_there_is_named(pem: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(StorageError, match=f"127.0.0.1, port {port}: .*after 0 entries"):
        Collector.at(f"127.0.0.1:{port}", pem).send([("north", entry(0, Event.SIGNIN))])


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.pem", tmp_path):
        with pytest.raises(InputError, match="a certificate cannot be read"):
            Collector.at("127.0.0.1", path).send([])


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("logs", "logs", 6514), ("logs:601", "logs", 601), ("[::1]:601", "::1", 601), ("[::1]", "::1", 6514)],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    found = Collector.at(address, Path("ca"))
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("address", ["", ":601", "logs:", "logs:x", "logs:0", "logs:65536"])
def test_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(InputError, match="is no address"):
        Collector.at(address, Path("ca"))


def test_a_message_has_the_facts_where_collectors_look_for_them() -> None:
    found = MESSAGE.fullmatch(message("north", entry(7, Event.ACCESS_DENIED, patient=PATIENT, purpose="TREAT")))
    assert found
    assert found["pri"] == b"108"  # 13 * 8 + 4: log audit, warning
    assert (found["host"], found["app"], found["id"]) == (b"north", b"confide", b"access.denied")
    assert f'seq="7" actor="alice" session="{"ab" * 8}" n="7" outcome="refused" purpose="TREAT"'.encode() in found["sd"]
    assert json.loads(found["msg"]) == {"patient": PATIENT, "purpose": "TREAT"}
    ordinary = MESSAGE.fullmatch(message("north", entry(7, Event.SIGNIN)))
    assert ordinary and ordinary["pri"] == b"109"


def test_an_account_cannot_forge_a_field_or_a_message() -> None:
    hostile = 'x" outcome="success"] \\ Zoë\n13 <13>1'
    data = message("north", entry(7, Event.SIGNIN_FAILED, actor=hostile))
    found = MESSAGE.fullmatch(data)
    assert found and found["sd"].count(b'outcome="') == 1
    assert b'actor="x\\" outcome=\\"success\\"\\] ' in found["sd"]
    assert messages(framed(data) + framed(data)) == [data, data]
