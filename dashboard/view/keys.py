"""Keys and certificates of a hospital, and of the server in its workspace: how each is kept, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from dashboard.view.logged import logged
from federated.provision.authority import RENEW_DAYS
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import storage_errors
from policies.guard import Site
from policies.keyfile import kept_as
from policies.keys import open_public
from policies.notes import Verifier
from policies.rotation import Rotation
from policies.wording import to_the_minute
from policies.workspace import Home, Workspace

WARN_DAYS = 60  # before an end, so that people can meet and compare before it


@dataclass(frozen=True)
class Certificate:
    """One certificate.

    Attributes:
        days: until its end; negative after it.
        todo: what makes a new one.
    """

    what: str
    subject: str
    ends: datetime
    days: int
    sha256: str
    todo: str

    @property
    def warning(self) -> str:
        """What to say of it, or nothing."""
        if self.days < 0:
            return f"{self.what} ended on {self.ends:%Y-%m-%d}. {self.todo}"
        return f"{self.what} ends in {self.days} days. {self.todo}" if self.days < WARN_DAYS else ""

    def row(self) -> dict[str, str]:
        """The certificate as a table shows it."""
        return {
            "Certificate": self.what,
            "Of": self.subject,
            "Ends (UTC)": f"{self.ends:%Y-%m-%d}",
            "Days left": str(self.days),
            "SHA-256": f"{self.sha256[:16]}…",
        }


def told(home: Home) -> dict[str, str]:
    """Whose keys, how they are kept, and what is to be done; needs no passphrase and shows no secret."""
    key = open_public(home.keys, home.name)
    unfinished = Rotation(home, "", {}).unfinished()
    return {
        "holder": home.name,
        "kept": kept_as(home.ring).value,
        "public key": Verifier(key).id.hex(),
        "former keys": str(len(key.former)),
        "to do": "finish 'confide keys rotate'" if unfinished else "",
    }


def key_rows(workspace: Workspace, site: Site) -> list[dict[str, str]]:
    """The keys of this hospital, and of the server where it is in this workspace."""
    holders = [home for home in (site.home, workspace.server) if home.keys.is_dir()]
    return [{name.capitalize(): value for name, value in told(home).items()} for home in holders]


def changes(site: Site) -> list[dict[str, str]]:
    """When keys of this hospital were changed, and by whom, the newest first."""
    return [
        {"When (UTC)": to_the_minute(entry.time), "Who": entry.actor, "Key": str(entry.details["kind"])}
        for entry in reversed(logged(site, Event.KEY_ROTATED))
    ]


def certificates(workspace: Workspace, site: Site) -> list[Certificate]:
    """Every certificate that this hospital, or the server in its workspace, shows or believes.

    Raises:
        IntegrityError: a file holds none.
    """
    own, server = site.home.federation, workspace.server.federation
    compare = "The server founds the federation anew: 'confide server init', and every hospital joins again."
    renew = f"'confide server start' makes a new one in its last {RENEW_DAYS} days."
    places = (
        ("The federation's authority", own.authority, compare),
        ("The authority of the server here", server.authority, compare),
        ("The certificate of the server here", server.certificate, renew),
    )
    return [_certificate(what, path, todo) for what, path, todo in places if path.exists()]


def _certificate(what: str, path: Path, todo: str) -> Certificate:
    with storage_errors(path):
        pem = path.read_bytes()
    try:
        read = x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise IntegrityError(f"{path}: no certificate", "Restore it from its backup.") from None
    ends = read.not_valid_after_utc
    names = ", ".join(str(part.value) for part in read.subject)
    return Certificate(what, names, ends, (ends - datetime.now(UTC)).days, read.fingerprint(SHA256()).hex(), todo)
