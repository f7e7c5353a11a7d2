"""Who calls: the signed token of a record system (CDS Hooks 2.0, Trusting CDS Clients; RFC 7519).

Keys come from the policy file alone: nothing is fetched, whatever address (`jku`) a token names.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import jwt

from policies.clients import public_keys
from policies.errors import AccessDenied, StorageError
from policies.files import OWNER_ONLY, sha256_hex
from policies.policy import HookClient, Hooks

SKEW_S = 30  # by which clocks may differ
LONGEST_S = 3600  # that a token may hold, since it is remembered for so long
_CLAIMS = ("iss", "aud", "exp", "iat", "jti")
_FAULTS: tuple[tuple[type[jwt.InvalidTokenError], str], ...] = (
    (jwt.ExpiredSignatureError, "exp"),
    (jwt.InvalidAudienceError, "aud"),
    (jwt.ImmatureSignatureError, "iat"),
    (jwt.InvalidIssuedAtError, "iat"),
    (jwt.InvalidSignatureError, "signature"),
)


class TokenRefused(AccessDenied):
    """A token that says nothing for sure of who calls; `part` is what is wrong with it."""

    def __init__(self, part: str) -> None:
        super().__init__(f"the token was refused: {part}", "Sign each call as CDS Hooks 2.0 says, with a key we know.")
        self.part = part


class Seen:
    """Tokens that were used, by the hash of issuer and `jti`, until they expire; it outlasts a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def first(self, issuer: str, token_id: str, until: float) -> bool:
        """Whether this token was never used before; from now on it was."""
        key = sha256_hex(f"{issuer}\0{token_id}".encode())
        try:
            self._path.touch(OWNER_ONLY)
            with closing(sqlite3.connect(self._path, timeout=10)) as rows, rows:
                rows.execute("CREATE TABLE IF NOT EXISTS seen (token TEXT PRIMARY KEY, until REAL) WITHOUT ROWID")
                rows.execute("DELETE FROM seen WHERE until < ?", (time.time(),))
                return rows.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, until)).rowcount == 1
        except (OSError, sqlite3.Error):
            raise StorageError(f"{self._path}: used tokens cannot be remembered, so none is taken") from None


def caller(token: str, endpoint: str, hooks: Hooks, seen: Seen) -> str:
    """The account that a token speaks for, under [hooks.clients] of the policy.

    Args:
        endpoint: the URL that is called; the token's audience.

    Raises:
        TokenRefused: by anything that CDS Hooks or the policy asks of a token, or it was used before.
        StorageError: whether it was used before cannot be remembered.
    """
    try:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.InvalidTokenError:
        raise TokenRefused("no JWT") from None
    account, client = next(((a, c) for a, c in hooks.clients.items() if c.issuer == issuer), ("", None))
    if client is None:
        raise TokenRefused("iss")
    claims = _verified(token, header, endpoint, client)
    if not all(isinstance(claims[name], int) for name in ("exp", "iat")) or claims["exp"] - claims["iat"] > LONGEST_S:
        raise TokenRefused("exp")
    if not claims["jti"] or not seen.first(client.issuer, claims["jti"], claims["exp"] + SKEW_S):
        raise TokenRefused("jti")
    return account


def _verified(token: str, header: Mapping[str, Any], endpoint: str, client: HookClient) -> Mapping[str, Any]:
    """The claims, under the key that the header names and the one algorithm which that key is for."""
    key = public_keys(client.jwks).get(str(header.get("kid")))
    wrong = {
        "typ": header.get("typ") != "JWT",
        "kid": key is None,
        "alg": key is not None and header.get("alg") != key.algorithm_name,
        "jku": "jku" in header and header["jku"] not in client.jku,
    }
    if found := next((part for part, is_wrong in wrong.items() if is_wrong), ""):
        raise TokenRefused(found)
    assert key is not None
    try:
        return jwt.decode(
            token, key, algorithms=[key.algorithm_name], audience=endpoint, issuer=client.issuer,
            leeway=SKEW_S, options={"require": list(_CLAIMS)},
        )  # fmt: skip
    except jwt.MissingRequiredClaimError as error:
        raise TokenRefused(error.claim) from None
    except jwt.PyJWTError as error:
        raise TokenRefused(next((part for kind, part in _FAULTS if isinstance(error, kind)), "no JWT")) from None
