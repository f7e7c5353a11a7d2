"""The server's certificate: the right names, the right signer, no key that others may read."""

from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from federated.provision.authority import checked_host, issue_certificate, make_authority, renew_if_due
from policies.errors import InputError, IntegrityError
from policies.workspace import FederationFolder


@pytest.fixture
def folder(tmp_path: Path) -> FederationFolder:
    made = FederationFolder(tmp_path / "federation")
    make_authority(made, "cardio")
    issue_certificate(made, "cardio.example.org")
    return made


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_certificate_names_the_host_and_this_machine(folder: FederationFolder) -> None:
    names = certificate(folder.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cardio.example.org", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]


def test_the_authority_signed_it_and_may_sign_and_it_may_not(folder: FederationFolder) -> None:
    authority, issued = certificate(folder.authority), certificate(folder.certificate)
    issued.verify_directly_issued_by(authority)
    signs = [one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for one in (authority, issued)]
    assert signs == [True, False]


def test_keys_are_their_owners_alone(folder: FederationFolder) -> None:
    for key in (folder.authority_key, folder.certificate_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_certificate_is_renewed_in_its_last_month_and_not_before(folder: FederationFolder) -> None:
    before = folder.certificate.read_bytes()
    until = renew_if_due(folder, "cardio.example.org")
    assert folder.certificate.read_bytes() == before
    assert until - datetime.now(UTC) > timedelta(days=365)
    issue_certificate(folder, "cardio.example.org", days=29)
    assert renew_if_due(folder, "cardio.example.org") - datetime.now(UTC) > timedelta(days=365)


@pytest.mark.parametrize("host", ["cardio.example.org", "10.0.0.7", "::1", "localhost"])
def test_a_host_that_a_certificate_can_carry(host: str) -> None:
    assert checked_host(host) == host


@pytest.mark.parametrize("host", ["", "https://cardio", "a b", "klinik-ä.de", "a..b", "10.0.0.7:80"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(InputError):
        checked_host(host)


def test_a_broken_key_gives_a_sentence(folder: FederationFolder) -> None:
    folder.authority_key.write_bytes(b"nothing")
    with pytest.raises(IntegrityError, match="no key of the authority"):
        issue_certificate(folder, "localhost")
