"""Who takes part in a federation: its authority, its server and every site, each with its public keys.

Server and sites hold the same roster. It travels by mail or stick, so nobody believes it before two people have
compared its fingerprint over the telephone.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from policies.errors import TrainingError
from policies.files import canonical_json, sha256_hex
from policies.keys import PublicKey
from policies.workspace import SERVER, checked_name

_KEY = r"^[0-9a-f]{64}$"
_GROUPS, _DIGITS = 12, 5


class Member(BaseModel):
    """One hospital.

    Attributes:
        signing: its Ed25519 public key, in hexadecimal.
        node: the public key (PEM, a NIST curve) by which Flower's server knows its node.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    signing: str = Field(pattern=_KEY)
    node: str

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        return _checked(name)

    @field_validator("node")
    @classmethod
    def _is_a_key(cls, pem: str) -> str:
        key = serialization.load_pem_public_key(pem.encode())
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("no key of a NIST curve")
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return key.public_bytes(serialization.Encoding.PEM, form).decode()  # one way to write it, so one fingerprint


class Roster(BaseModel):
    """A federation as the server tells it and everybody compares it.

    Attributes:
        host, port: where sites reach the server.
        authority: the certificate (PEM) that the server's own is signed by.
        server: the server's Ed25519 public key, in hexadecimal.
        invited: every site that shall take part, whether its keys are known or not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    federation: str
    host: str
    port: int = Field(ge=1, le=65535)
    authority: str
    server: str = Field(pattern=_KEY)
    invited: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()

    @model_validator(mode="after")
    def _members_are_invited(self) -> Roster:
        names = [member.name for member in self.members]
        if len(set(names)) < len(names) or not set(names) <= set(self.invited):
            raise ValueError("a site stands there twice, or without having been invited")
        x509.load_pem_x509_certificate(self.authority.encode())
        return self

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def missing(self) -> tuple[str, ...]:
        """Invited sites whose keys are not known yet."""
        return tuple(sorted(set(self.invited) - {member.name for member in self.members}))

    @property
    def fingerprint(self) -> str:
        """Sixty decimal digits in groups of five (199 bits of SHA-256), for two people to compare.

        They cover the federation's name, the authority's certificate, the server's key and both keys of every site.
        """
        return fingerprint_of(
            {
                "federation": self.federation,
                "authority": x509.load_pem_x509_certificate(self.authority.encode()).fingerprint(SHA256()).hex(),
                "server": self.server,
                "sites": [member.model_dump() for member in sorted(self.members, key=lambda member: member.name)],
            }
        )

    @property
    def server_key(self) -> PublicKey:
        return PublicKey(SERVER, bytes.fromhex(self.server))

    def member(self, site: str) -> Member | None:
        return next((member for member in self.members if member.name == site), None)

    def key_of(self, site: str) -> PublicKey:
        """A site's public key, by which its signatures are verified; raises TrainingError where it takes no part."""
        member = self.member(site)
        if member is None:
            raise TrainingError(f"no site '{site}' takes part in the federation '{self.federation}'")
        return PublicKey(site, bytes.fromhex(member.signing))


def fingerprint_of(what: object) -> str:
    number = int(sha256_hex(canonical_json(what)), 16) % 10 ** (_GROUPS * _DIGITS)
    digits = f"{number:0{_GROUPS * _DIGITS}d}"
    return " ".join(digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS))


def same_fingerprint(one: str, other: str) -> bool:
    """Whether two people mean the same, however they set the spaces."""
    digits = ["".join(filter(str.isdigit, text)) for text in (one, other)]
    return digits[0] == digits[1] and len(digits[0]) == _GROUPS * _DIGITS


def _checked(name: str) -> str:
    try:
        return checked_name(name, "site")
    except Exception as error:
        raise ValueError("no name of a site") from error
