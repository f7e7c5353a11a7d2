"""The federation's own certificate authority: it signs one thing, the certificate that the server shows to the sites.

Sites believe this authority alone and no other of the world's, so its key, which lies at the server, is what matters;
the fingerprint that people compare covers it (RFC 5280, P-256 keys, SHA-256).
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from policies.errors import InputError, IntegrityError
from policies.files import OWNER_ONLY, storage_errors, write_whole
from policies.workspace import FederationFolder

AUTHORITY_DAYS, CERTIFICATE_DAYS, RENEW_DAYS = 3650, 397, 30
_CLOCKS_DIFFER = timedelta(hours=1)
_HERE = ("localhost", "127.0.0.1")
_PEM = serialization.Encoding.PEM


def make_authority(folder: FederationFolder, federation: str) -> None:
    """Make the authority of a new federation; its key is its owner's alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Confide federation {federation}")
    builder = _builder(name, name, key.public_key(), AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    write_whole(folder.authority_key, _private(key), OWNER_ONLY)
    write_whole(folder.authority, builder.sign(key, SHA256()).public_bytes(_PEM))


def issue_certificate(folder: FederationFolder, host: str, days: int = CERTIFICATE_DAYS) -> None:
    """Sign a new certificate and key for the server under the name by which sites reach it, and for this machine."""
    authority, signer = _certificate(folder.authority), _key(folder.authority_key)
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([_alternative(name) for name in dict.fromkeys((host, *_HERE))])
    builder = _builder(_name(host), authority.subject, key.public_key(), days)
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    write_whole(folder.certificate_key, _private(key), OWNER_ONLY)
    write_whole(folder.certificate, builder.sign(signer, SHA256()).public_bytes(_PEM))


def renew_if_due(folder: FederationFolder, host: str) -> datetime:
    """A new certificate where the old one ends within a month; returns the day until which the one in force holds."""
    if valid_until(folder) - datetime.now(UTC) < timedelta(days=RENEW_DAYS):
        issue_certificate(folder, host)
    return valid_until(folder)


def valid_until(folder: FederationFolder) -> datetime:
    """When the server's certificate ends."""
    return _certificate(folder.certificate).not_valid_after_utc


def checked_host(host: str) -> str:
    """A name or an IP address that a certificate can carry; raises InputError for anything else."""
    try:
        _alternative(host)
    except ValueError:
        raise InputError(
            f"'{host}' is no host", "Use the name or the IP address by which sites reach the server."
        ) from None
    return host


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if not host.isascii() or not host.replace("-", "").replace(".", "").isalnum() or ".." in host:
            raise
        return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _certificate(path: Path) -> x509.Certificate:
    with storage_errors(path):
        pem = path.read_bytes()
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise IntegrityError(f"{path}: no certificate", "Restore it from its backup.") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    with storage_errors(path):
        pem = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(pem, None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IntegrityError(f"{path}: no key of the authority", "Restore it from its backup.")
    return key
