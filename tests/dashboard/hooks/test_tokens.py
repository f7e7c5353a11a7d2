"""Each fault of a token is refused with 401, over HTTP, and named in the log; each row is a mutant's death."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from dashboard.hooks.tokens import LONGEST_S, SKEW_S, Seen, TokenRefused, caller
from policies.errors import StorageError
from policies.policy import HookClient, Hooks
from tests.dashboard.hooks.ehr import ISSUER, PATH, Ehr, call, jwks, p384

Logged = Callable[[], list[tuple[str, dict[str, Any]]]]
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "of nobody we know": ({"iss": "https://evil.example"}, "iss"),
    "of nobody": ({"iss": None}, "iss"),
    "for another service": ({"aud": "https://other.example/cds-services/x"}, "aud"),
    "for the service's other endpoint": ({"aud": "/cds-services"}, "aud"),
    "for nobody": ({"aud": None}, "aud"),
    "expired": ({"exp": lambda now: now - SKEW_S - 5, "iat": lambda now: now - 300}, "exp"),
    "without an end": ({"exp": None}, "exp"),
    "that holds too long": ({"exp": lambda now: now + LONGEST_S + 1}, "exp"),
    "with an end that is no number": ({"exp": lambda now: str(now + 60)}, "exp"),
    "without a beginning": ({"iat": None}, "iat"),
    "of the future": ({"iat": lambda now: now + SKEW_S + 60, "exp": lambda now: now + 300}, "iat"),
    "without a number of its own": ({"jti": None}, "jti"),
    "with an empty number": ({"jti": ""}, "jti"),
    "of an unknown key": ({"header": {"kid": "k2"}}, "kid"),
    "of no key": ({"header": {"kid": ""}}, "kid"),
    "of another type": ({"header": {"typ": "at+jwt"}}, "typ"),
    "that names a set of keys elsewhere": ({"header": {"jku": "https://evil.example/jwks"}}, "jku"),
    "that is critical of what we don't know": ({"header": {"crit": ["x"], "x": 1}}, "no JWT"),
}


def forged(ehr: Ehr, algorithm: str) -> str:
    """A token of the same claims, unsigned, or signed with the public key as if it were a shared secret."""
    header, claims, _ = ehr.token(PATH).split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=="))
    head = base64.urlsafe_b64encode(json.dumps({**fields, "alg": algorithm}).encode()).rstrip(b"=")
    signed = head + b"." + claims.encode()
    mark = hmac.new(jwks(k1=ehr.key).encode(), signed, hashlib.sha256).digest() if algorithm == "HS256" else b""
    return (signed + b"." + base64.urlsafe_b64encode(mark).rstrip(b"=")).decode()


@pytest.mark.parametrize(("changes", "part"), FAULTS.values(), ids=FAULTS)
def test_a_token_with_one_fault_is_refused(ehr: Ehr, changes: dict[str, Any], part: str) -> None:
    answer = ehr.post(PATH, call(), ehr.token(PATH, **changes))
    assert (answer.status_code, answer.json()) == (401, {"error": f"the token was refused: {part}"})
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "ES256"])
def test_only_the_keys_own_algorithm_counts(ehr: Ehr, algorithm: str) -> None:
    assert ehr.post(PATH, call(), forged(ehr, algorithm)).json() == {"error": "the token was refused: alg"}


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "a" * 10_000, "\u00e9".encode().decode("latin-1")])
def test_what_is_no_token_is_refused(ehr: Ehr, token: str) -> None:
    assert ehr.post(PATH, call(), token).status_code == 401


def test_no_token_at_all_and_another_scheme(ehr: Ehr) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        assert ehr.client.post(ehr.base + PATH, json=call(), headers=headers).status_code == 401


def test_a_changed_claim_and_another_key(ehr: Ehr) -> None:
    header, _, mark = ehr.token(PATH).split(".")
    _, other, _ = ehr.token(PATH).split(".")
    assert ehr.post(PATH, call(), f"{header}.{other}.{mark}").json()["error"].endswith("signature")
    assert Ehr(ehr.base, p384()).view().json()["error"].endswith("signature")


def test_a_token_counts_once_and_for_its_endpoint_alone(ehr: Ehr) -> None:
    token = ehr.token(PATH)
    assert ehr.post(PATH, call(), token).status_code == 200
    assert ehr.post(PATH, call(), token).json() == {"error": "the token was refused: jti"}
    assert ehr.post(f"{PATH}/feedback", {}, ehr.token(PATH)).json() == {"error": "the token was refused: aud"}
    for wide in ([ehr.base + PATH], ["https://other.example", ehr.base + PATH]):
        assert ehr.post(PATH, call(), ehr.token(PATH, aud=wide)).status_code == 200


def test_a_listed_jku_and_a_small_skew_are_taken(ehr: Ehr) -> None:
    listed = ehr.token(PATH, header={"jku": "https://ehr.example.org/jwks"})
    assert ehr.post(PATH, call(), listed).status_code == 200
    late = ehr.token(PATH, exp=lambda now: now - SKEW_S + 15, iat=lambda now: now - 60)
    assert ehr.post(PATH, call(), late).status_code == 200
    assert ehr.post(PATH, call(), ehr.token(PATH, iat=lambda now: now + SKEW_S - 15)).status_code == 200


def test_the_log_tells_of_refusals_and_cannot_be_filled_with_them(ehr: Ehr, logged: Logged) -> None:
    """Of many alike in a minute there is one entry; those of other tests may have been it."""
    for _ in range(5):
        ehr.post(PATH, call(), "x.y.z")
    refused = [details for event, details in logged() if event == "signin.failed"]
    assert len(refused) <= 1
    assert all(details["part"] == "no JWT" for details in refused)


# Without HTTP: keys of another kind, a restart, a full disk.


def hooks(keys: str) -> Hooks:
    return Hooks(clients={"ehr": HookClient(issuer=ISSUER, jwks=keys)})


def test_an_rsa_key_signs_with_rs384(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    ehr = Ehr("https://cds.example", key, algorithm="RS384")
    known = hooks(jwks(k1=key, k2=p384()))
    assert caller(ehr.token(PATH), "https://cds.example" + PATH, known, Seen(tmp_path / "t")) == "ehr"
    ehr.algorithm = "RS256"
    with pytest.raises(TokenRefused, match="alg"):
        caller(ehr.token(PATH), "https://cds.example" + PATH, known, Seen(tmp_path / "t"))


def test_used_tokens_are_remembered_over_a_restart_and_forgotten_once_they_expired(tmp_path: Path) -> None:
    path = tmp_path / "tokens.sqlite"
    assert Seen(path).first("a", "1", time.time() + 60) and not Seen(path).first("a", "1", time.time() + 60)
    assert Seen(path).first("b", "1", time.time() + 60)  # another issuer's number
    assert Seen(path).first("a", "2", time.time() - 1) and Seen(path).first("a", "2", time.time() + 60)
    assert path.stat().st_mode & 0o077 == 0


def test_what_cannot_be_remembered_is_not_taken(tmp_path: Path) -> None:
    key = p384()
    ehr = Ehr("https://cds.example", key)
    with pytest.raises(StorageError):
        caller(ehr.token(PATH), "https://cds.example" + PATH, hooks(jwks(k1=key)), Seen(tmp_path / "no" / "t"))


def test_without_clients_nobody_is_let_in(tmp_path: Path) -> None:
    ehr = Ehr("https://cds.example", p384())
    with pytest.raises(TokenRefused, match="iss"):
        caller(ehr.token(PATH), "https://cds.example" + PATH, Hooks(), Seen(tmp_path / "t"))


def test_a_key_of_another_curve_verifies_nothing(tmp_path: Path) -> None:
    small = ec.generate_private_key(ec.SECP256R1())
    token = jwt.encode({"iss": ISSUER}, small, "ES256", headers={"kid": "k2"})
    with pytest.raises(TokenRefused, match="kid"):
        caller(token, "https://cds.example", hooks(jwks(k1=p384(), k2=small)), Seen(tmp_path / "t"))
