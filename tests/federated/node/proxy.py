"""An HTTPS proxy as a hospital has one on the way out (CONNECT, RFC 9110 section 9.3.6), which a test may cut off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

_OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n"
_BYTES = 65536


class Proxy(ThreadingTCPServer):
    """Tunnels to wherever it is asked to; while it is cut off nothing goes through, and afterwards old tunnels end.

    Attributes:
        asked: what tunnels were asked for, by host and port.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.asked: list[str] = []
        self.cuts = 0
        self.through = threading.Event()
        self.through.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def cut(self) -> Iterator[None]:
        """As a cable that is pulled: no byte, and no word of it to either end."""
        self.through.clear()
        try:
            yield
        finally:
            self.cuts += 1
            self.through.set()


class _Tunnel(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        method, target, *_ = self.rfile.readline().decode("ascii").split()
        while self.rfile.readline().strip():
            pass
        if method != "CONNECT":
            self.wfile.write(_REFUSED)
            return
        self.server.through.wait()
        self.server.asked.append(target)
        host, _, port = target.rpartition(":")
        with suppress(OSError), socket.create_connection((host, int(port))) as there:
            self.wfile.write(_OPENED)
            threading.Thread(target=self._pump, args=(there, self.connection), daemon=True).start()
            self._pump(self.connection, there)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        cuts = self.server.cuts
        with suppress(OSError):
            while data := source.recv(_BYTES):
                self.server.through.wait()
                if self.server.cuts != cuts:
                    break
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
