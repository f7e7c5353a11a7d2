"""Entries for the hospital's own log collector: syslog messages (RFC 5424) over TLS (RFC 5425)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from policies.errors import InputError, IntegrityError, StorageError
from policies.events import Entry
from policies.exports.query import Outcome, meaning_of, patients_of, purpose_of
from policies.files import canonical_json
from policies.wording import counted

PORT = 6514  # RFC 5425, section 4.1
_FACILITY = 13  # log audit (RFC 5424, section 6.2.1)
_NOTICE, _WARNING = 5, 4
_ENTERPRISE = "confide@32473"  # the enterprise number for examples and documentation (RFC 5612); ours has none
_SECONDS, _SECONDS_TO_CLOSE = 30, 3
_BOM = b"\xef\xbb\xbf"  # the message is UTF-8 (RFC 5424, section 6.4)


@dataclass(frozen=True)
class Collector:
    """Where messages go.

    Attributes:
        ca: certificates (PEM) of who may sign the collector's.
        certificate: our own with its key (PEM), where the collector asks for one.
    """

    host: str
    port: int
    ca: Path
    certificate: Path | None = None

    @classmethod
    def at(cls, address: str, ca: Path, certificate: Path | None = None) -> Collector:
        """Raises InputError where the address is no HOST, HOST:PORT or [IPv6]:PORT."""
        host, colon, port = address.rpartition(":") if not address.endswith("]") else (address, "", "")
        host, port = (host, port) if colon else (address, str(PORT))
        host = host.removeprefix("[").removesuffix("]")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise InputError(f"'{address}' is no address", f"Write HOST:PORT; without a port it is {PORT}.")
        return cls(host, int(port), ca, certificate)

    def send(self, entries: Iterable[tuple[str, Entry]]) -> int:
        """Send entries, each with the name of its log, and return how many; syslog has no receipts.

        Raises:
            InputError: a certificate cannot be read.
            IntegrityError: the collector's certificate is not one to believe; nothing was sent.
            StorageError: the collector cannot be reached, or closed the connection.
        """
        context, sent = self._context(), 0
        try:
            with (
                socket.create_connection((self.host, self.port), _SECONDS) as plain,
                context.wrap_socket(plain, server_hostname=self.host) as stream,
            ):
                for log, entry in entries:
                    stream.sendall(framed(message(log, entry)))
                    sent += 1
                _close(stream)
        except ssl.SSLCertVerificationError as error:
            why = f"the certificate does not verify ({error.verify_message})"
            raise IntegrityError(f"{self.host}: {why}", "Name its authority with --ca.") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise StorageError(
                f"{self.host}, port {self.port}: {why}, after {counted(sent, 'entry')}",
                "Check the collector and send again.",
            ) from None
        return sent

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate)
        except OSError:  # ssl.SSLError is one
            raise InputError(
                "a certificate cannot be read", "Name PEM files.", file=self.certificate or self.ca
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _close(stream: ssl.SSLSocket) -> None:
    """Say that this is the end (RFC 5425, section 4.4); some collectors do not answer."""
    stream.settimeout(_SECONDS_TO_CLOSE)
    with suppress(ssl.SSLError, TimeoutError):
        stream.unwrap()


def message(log: str, entry: Entry) -> bytes:
    """One syslog message; what is refused or failed is a warning, everything else a notice."""
    outcome = meaning_of(entry.event).outcome
    priority = _FACILITY * 8 + (_NOTICE if outcome is Outcome.SUCCESS else _WARNING)
    facts = {
        "log": log,
        "seq": str(entry.sequence),
        "actor": entry.actor,
        "session": entry.session,
        "n": str(entry.count),
        "outcome": outcome,
        "purpose": purpose_of(entry),
        "patient": " ".join(patients_of(entry)),
    }
    data = "".join(f' {name}="{_escaped(value)}"' for name, value in facts.items() if value)
    head = f"<{priority}>1 {entry.time} {log} confide - {entry.event} [{_ENTERPRISE}{data}] "
    return head.encode() + _BOM + canonical_json(entry.details)


def framed(data: bytes) -> bytes:
    """A message after its length (RFC 5425, section 4.3)."""
    return f"{len(data)} ".encode() + data


def _escaped(value: str) -> str:
    """As a PARAM-VALUE wants it (RFC 5424, section 6.3.3)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
