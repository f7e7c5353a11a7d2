"""A record system for tests: it signs tokens with a key of its own, and calls over real HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from dashboard.hooks.service import SERVICE

ISSUER = "https://ehr.example.org"
PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Quist", "given": ["Zebulon"]}]}
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def p384() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def jwks(**keys: Key) -> str:
    """The public halves of some keys, by `kid`, as a vendor hands them over."""
    rows = []
    for kid, key in keys.items():
        algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
        rows.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return json.dumps({"keys": rows})


def policy_section(keys: str, account: str = "ehr", **more: str) -> str:
    """[hooks] and the client's account for a policy file."""
    lines = "".join(f"{name} = {value}\n" for name, value in more.items())
    return f"[hooks.clients.{account}]\nissuer = {json.dumps(ISSUER)}\njwks = '''{keys}'''\n{lines}"


@dataclass
class Ehr:
    """Signs with `key`, whose public half the service knows under `kid`."""

    base: str
    key: Any
    kid: str = "k1"
    algorithm: str = "ES384"
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    def token(self, path: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for one call; a claim that is None is left out, and one that is a function is told the time."""
        now = int(time.time())
        own = {"iss": ISSUER, "aud": self.base + path, "exp": now + 120, "iat": now, "jti": str(uuid4()), **claims}
        own = {name: value(now) if callable(value) else value for name, value in own.items()}
        known = {name: value for name, value in own.items() if value is not None}
        return jwt.encode(known, self.key, self.algorithm, headers={"kid": self.kid, "typ": "JWT", **(header or {})})

    def post(self, path: str, body: Any, token: str | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token(path) if token is None else token}".strip().encode()}
        return self.client.post(self.base + path, content=content, headers=headers)

    def view(self, **changes: Any) -> httpx.Response:
        return self.post(PATH, call(**changes))


PATH = f"/cds-services/{SERVICE}"


def call(**changes: Any) -> dict[str, Any]:
    """A call of patient-view with the patient prefetched."""
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid4()),
        "context": {"userId": "Practitioner/dr-1", "patientId": "p1"},
        "prefetch": {"patient": PATIENT},
        **changes,
    }
