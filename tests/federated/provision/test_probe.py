"""Every way in which a server's certificate can be wrong gives its own sentence."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import federated.provision.authority
from federated.provision.authority import issue_certificate, make_authority
from federated.provision.probe import answers, why_unreachable
from policies.workspace import FederationFolder


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: FederationFolder) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), _Well)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder.certificate, folder.certificate_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> FederationFolder:
    made = FederationFolder(tmp_path / "federation")
    make_authority(made, "cardio")
    return made


def test_the_right_server_is_reached_by_every_name_of_its_certificate(folder: FederationFolder) -> None:
    issue_certificate(folder, "cardio.example.org")
    with serving(folder) as port:
        assert why_unreachable(f"localhost:{port}", folder.authority) is None
        assert why_unreachable(f"127.0.0.1:{port}", folder.authority) is None


def test_an_expired_certificate(folder: FederationFolder) -> None:
    issue_certificate(folder, "localhost", days=-1)
    with serving(folder) as port:
        assert "has expired" in str(why_unreachable(f"localhost:{port}", folder.authority))


def test_a_certificate_for_another_name(folder: FederationFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(federated.provision.authority, "_HERE", ())
    issue_certificate(folder, "cardio.example.org")
    with serving(folder) as port:
        for here in ("localhost", "127.0.0.1"):
            assert "for another name" in str(why_unreachable(f"{here}:{port}", folder.authority))


def test_another_authority_is_another_server(folder: FederationFolder, tmp_path: Path) -> None:
    other = FederationFolder(tmp_path / "other")
    make_authority(other, "cardio")
    issue_certificate(other, "localhost")
    with serving(other) as port:
        assert "another server answers" in str(why_unreachable(f"localhost:{port}", folder.authority))
        assert not answers(f"https://localhost:{port}/health", folder.authority)
        assert answers(f"https://localhost:{port}/health", other.authority)


def test_nobody_there_and_somebody_else_there(folder: FederationFolder) -> None:
    issue_certificate(folder, "localhost")
    with serving(folder) as port:
        pass
    assert "nobody answers" in str(why_unreachable(f"localhost:{port}", folder.authority))
    assert "cannot be read" in str(why_unreachable(f"localhost:{port}", folder.root / "missing.pem"))
