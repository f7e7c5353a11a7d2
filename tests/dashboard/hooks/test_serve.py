"""confide serve as hospital IT starts it: refused without TLS, keys or clients; else it answers until it is stopped."""

from __future__ import annotations

import signal
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from federated.node.service import free_port
from policies.audit import read_entries
from policies.errors import InputError, PolicyError, StorageError
from policies.guard import account_name, open_site
from policies.policy import default_policy_text
from policies.workspace import Workspace
from tests.dashboard.hooks.ehr import Ehr, jwks, p384, policy_section
from tests.teams import everybody_treats

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine that signs itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    own = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, now, now + timedelta(days=1))
    folder.joinpath("a.pem").write_bytes(
        builder.add_extension(own, False).sign(key, SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    folder.joinpath("a.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, none))
    return folder / "a.pem", folder / "a.key"


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A workspace without records, whose one client signs with the key of `key`."""
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    text = default_policy_text(account_name()).replace("tagger = true", "tagger = false")
    text = text.replace("[people]", '[people]\nehr = ["clinician"]')
    workspace.policy.write_text(text)
    everybody_treats(open_site(workspace, "north"))
    return workspace


def refused(place: Workspace, *words: str) -> str:
    from typer.testing import CliRunner

    from dashboard.cli import app

    done = CliRunner().invoke(app, ["serve", *words, "--workspace", str(place.root)])
    assert isinstance(done.exception, InputError | PolicyError | StorageError), done.output
    return done.exception.message


def test_nobody_trusted_no_tls_and_a_certificate_without_its_key(place: Workspace, tmp_path: Path) -> None:
    assert "no record system is trusted" in refused(place)
    section = policy_section(jwks(k1=p384()))
    place.policy.write_text(place.policy.read_text().replace("[audit]", f"{section}\n[audit]"))
    for host in ("0.0.0.0", "192.0.2.1", "cds.example.org"):
        assert "in the clear" in refused(place, "--host", host)
    certificate, key = certified(tmp_path)
    assert "needs its key" in refused(place, "--cert", str(certificate))
    assert "cannot be used" in refused(place, "--cert", str(key), "--key", str(certificate), "--port", str(free_port()))
    assert "cannot listen" in refused(place, "--host", "192.0.2.1", "--cert", str(certificate), "--key", str(key))


def test_over_tls_it_answers_until_it_is_told_to_stop(place: Workspace, tmp_path: Path) -> None:
    signer, port = p384(), free_port()
    section = policy_section(jwks(k1=signer))
    place.policy.write_text(place.policy.read_text().replace("[audit]", f"{section}\n[audit]"))
    certificate, key = certified(tmp_path)
    words = ["serve", "-w", str(place.root), "--port", str(port), "--cert", str(certificate), "--key", str(key)]
    command = [sys.executable, "-m", "dashboard", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert f"https://127.0.0.1:{port}/cds-services" in said
        ehr = Ehr(f"https://127.0.0.1:{port}", signer)
        ehr.client = type(ehr.client)(
            verify=ssl.create_default_context(cafile=certificate), timeout=60, trust_env=False
        )
        answer = ehr.view()
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=60)[0]
    assert (answer.status_code, answer.json()) == (200, {"cards": []})
    assert (process.returncode, rest) == (0, "stopped\n") and "server" not in answer.headers
    site = open_site(place, "north")
    events = [str(entry.event) for entry in read_entries(site.home.audit, site.keys.public)]
    assert events[-1] == "process.stopped" and "process.started" in events and "access.decided" in events
